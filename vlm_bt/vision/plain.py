"""Questions and answers as JSON for the record."""

from __future__ import annotations

from typing import Any

MOST_NUMBERS = 64


def plain(value: Any) -> Any:
    """JSON of frozen values. Pixels are left out: masks and long vectors are told by their size."""
    if hasattr(value, "__dataclass_fields__"):
        return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, (tuple, list)):
        if len(value) > MOST_NUMBERS and isinstance(value[0], float):
            return f"{len(value)} numbers"
        return [plain(item) for item in value]
    if isinstance(value, float):
        return round(value, 5)
    return value if isinstance(value, (str, int, bool)) or value is None else str(value)
