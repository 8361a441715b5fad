"""A scripted model behind the real service, for tests."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from seeing import Eyes, eyes

from vlm_bt.ports import ASKER, Asker, Ticket
from vlm_bt.questions import IsTrue, Look


def written(path: Path, rules: Sequence[dict[str, Any]], **script: Any) -> Path:
    """Write a script; returns its path."""
    path.write_text(yaml.safe_dump({"rules": list(rules), **script}), encoding="utf-8")
    return path


def scripted(path: Path, rules: Sequence[dict[str, Any]], *, model: dict[str, Any] | None = None, **script: Any) -> Any:
    """Settings of a scripted model with these rules."""
    return {"backend": "scripted", "script": str(written(path, rules, **script)), **(model or {})}


@contextlib.contextmanager
def stand_in(
    folder: Path,
    rules: Sequence[dict[str, Any]],
    *,
    model: dict[str, Any] | None = None,
    lockstep: bool = False,
    vision: dict[str, Any] | None = None,
    **script: Any,
) -> Iterator[Eyes]:
    """A service with one scripted model. `model`, `vision`: more settings."""
    settings = scripted(folder / "script.yaml", rules, model=model, **script)
    with eyes(settings, lockstep=lockstep, **(vision or {})) as opened:
        yield opened


def ask(opened: Eyes, *claims: str, frame: str = "", **asker: Any) -> list[Ticket[Any]]:
    """Ask whether claims are true, each on its own, all in this tick; on a fresh picture if none is named."""
    shown = frame or opened.show(PICTURE)
    token = ASKER.set(Asker(**asker))
    try:
        return [opened.service.submit(IsTrue((Look(shown),), claim)) for claim in claims]
    finally:
        ASKER.reset(token)


def reasons(opened: Eyes, tickets: Sequence[Ticket[Any]]) -> list[str]:
    """How each ended, in order; waits for all of them."""
    return [str(opened.ended(ticket).outcome.reason) for ticket in tickets]


def _picture() -> Any:
    import numpy as np

    return np.random.default_rng(1).integers(0, 256, (48, 64, 3), np.uint8)


PICTURE = _picture()
