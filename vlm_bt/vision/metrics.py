"""What looking costs: per skill and model, how many questions, how long they waited and ran, which hit the cache."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vlm_bt.vision.messages import Cost

KEPT = 4096
"""Latest times kept for percentiles."""


@dataclass
class Row:
    """One skill's questions of one type to one model."""

    asked: int = 0
    answered: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    exact: int = 0
    similar: int = 0
    batches: float = 0.0
    total_ms: list[float] = field(default_factory=list)
    wait_ms: list[float] = field(default_factory=list)
    run_ms: list[float] = field(default_factory=list)

    def add(self, total_ms: float, cost: Cost) -> None:
        """An answer, `total_ms` after it was asked for."""
        self.answered += 1
        self.exact += cost.reused == "exact"
        self.similar += cost.reused == "similar"
        for kept, value in ((self.total_ms, total_ms), (self.wait_ms, cost.wait_ms), (self.run_ms, cost.run_ms)):
            kept.append(value)
            del kept[:-KEPT]
        self.batches += cost.batch

    def plain(self) -> dict[str, Any]:
        """JSON: milliseconds as mean and 95th percentile, mean batch size, hits."""
        return {
            "asked": self.asked,
            "answered": self.answered,
            "failed": dict(sorted(self.failed.items())),
            "total_ms": _spread(self.total_ms),
            "wait_ms": _spread(self.wait_ms),
            "run_ms": _spread(self.run_ms),
            "batch": round(self.batches / self.answered, 2) if self.answered else 0.0,
            "cache_exact": self.exact,
            "cache_similar": self.similar,
        }


class Metrics:
    """Rows by (skill, model, question)."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, str], Row] = {}

    def row(self, skill: str, model: str, question: str) -> Row:
        return self._rows.setdefault((skill, model, question), Row())

    def plain(self) -> list[dict[str, Any]]:
        """JSON, in the order of first use."""
        return [
            {"skill": skill, "model": model, "question": question, **row.plain()}
            for (skill, model, question), row in self._rows.items()
        ]


def _spread(values: list[float]) -> dict[str, float]:
    if not values:
        return {"mean": 0.0, "p95": 0.0}
    return {"mean": round(float(np.mean(values)), 2), "p95": round(float(np.percentile(values, 95)), 2)}
