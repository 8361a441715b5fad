"""Where a mission stands, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Progress:
    """Where a running mission stands."""

    tick: int
    sim_s: float
    wall_s: float
    node: str
    sorted: int
    items_seen: int
    questions: int
    model_wait_s: float
    motions: int


@dataclass(frozen=True)
class Result:
    """How a mission ended. `score` and `false_motions` come from the scorer, which alone sees the truth."""

    outcome: str
    detail: str
    score: Mapping[str, int]
    questions: int
    motions: int
    unverified_motions: int
    false_motions: int
    ticks: int
    tick_ms: Mapping[str, float]
    sim_s: float
    wall_s: float
    model_queries: int
    model_wait_s: float
    trace_sha256: str
    safe: bool
    report: Path
    closing: str = ""
    handed_over: int = 0
    false: tuple[Mapping[str, str], ...] = field(default=())

    @property
    def exit_code(self) -> int:
        return {"done": 0, "interrupted": 130}.get(self.outcome, 1)

    def json(self) -> dict[str, Any]:
        row = asdict(self)
        row["report"] = str(self.report)
        row["score"] = dict(self.score)
        row["false"] = [dict(pick) for pick in self.false]
        return row
