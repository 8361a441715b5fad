"""Text that a model or a person wrote. It is data wherever it goes: never a node's name, markup or an instruction."""

from __future__ import annotations

from vlm_bt.vision.prompts import as_data

LONGEST = 120
"""Characters that are shown of it where nothing else is said."""


def plain(text: str, longest: int = LONGEST) -> str:
    """Text that somebody else wrote, in one line, without markup, and not too long to be shown."""
    said = as_data(text[: longest + 1])
    return said if len(said) <= longest else f"{said[: longest - 1]}…"
