"""Split conformal thresholds, and the scalings that make scores worth comparing.

A threshold at error rate e is the ceil((n + 1)(1 - e))-th smallest of n scores of right answers: a new score from the
same source lies above it at most e of the time (Vovk, Gammerman and Shafer 2005; Angelopoulos and Bates 2021).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlm_bt.questions import MOST_COUNTED

Floats = NDArray[np.float64]

RATES = (0.001, 0.002, 0.003, 0.005, 0.007, 0.01, 0.015, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5)
"""Error rates that thresholds are kept for. One between two is served by the stricter."""
DIGITS = 6
_LEAST = 1e-12


@dataclass(frozen=True)
class Thresholds:
    """What `count` scores of right answers allow. `above[rate]`: at most `rate` of new scores lie above it; a rate for
    which there were too few scores is missing."""

    count: int
    above: Mapping[float, float] = field(default_factory=dict)

    @staticmethod
    def of(scores: Sequence[float] | NDArray[np.floating[Any]]) -> Thresholds:
        """Rounded up, so that rounding lets nothing through."""
        ordered = np.sort(np.asarray(scores, np.float64))
        ranks = {rate: math.ceil((len(ordered) + 1) * (1.0 - rate) - 1e-9) for rate in RATES}
        return Thresholds(
            len(ordered), {rate: _up(ordered[rank - 1]) for rate, rank in ranks.items() if rank <= len(ordered)}
        )

    def at(self, error_rate: float) -> float:
        """The threshold of the nearest kept rate that is not laxer; infinite where too few scores were seen."""
        served = [rate for rate in self.above if rate <= error_rate + 1e-12]
        return self.above[max(served)] if served else math.inf


def least_examples(error_rate: float) -> int:
    """Fewer right answers than these give no threshold at all: 1 / rate - 1."""
    return math.ceil(1.0 / error_rate - 1.0 - 1e-9)


def scaled(rows: NDArray[np.floating[Any]], temperature: float) -> Floats:
    """Probabilities (..., K) sharpened (below 1) or flattened (above 1); each row sums to 1 (Guo et al. 2017)."""
    given: Floats = np.asarray(rows, np.float64)
    if temperature == 1.0:
        return given
    logs = np.log(np.maximum(given, _LEAST)) / temperature
    shares = np.exp(logs - logs.max(-1, keepdims=True))
    return np.asarray(shares / shares.sum(-1, keepdims=True), np.float64)


def counted(
    numbers: NDArray[np.integer[Any]],
    probabilities: NDArray[np.floating[Any]],
    temperature: float,
    blur: float = 0.0,
    decay: float = 0.5,
) -> Floats:
    """(N, MOST_COUNTED + 1) probability of each number, from what a model said in N answers.

    Args:
        numbers: (N,) what it said. probabilities: (N, K) of 0, 1, ...; K is 0 where it only counts.
        blur: Share that is spread around the likeliest number, falling by `decay` a step: things that hide each other
            are miscounted although the model is certain of what it sees. What falls out of range is left out.
    """
    places = np.arange(MOST_COUNTED + 1)
    said = np.zeros((len(numbers), len(places)))
    if probabilities.shape[1]:
        given = np.asarray(probabilities[:, : len(places)], np.float64)
        said[:, : given.shape[1]] = scaled(given / np.maximum(given.sum(1, keepdims=True), _LEAST), temperature)
    else:
        said[np.arange(len(numbers)), np.clip(numbers, 0, MOST_COUNTED)] = 1.0
    around = decay ** np.abs(places[None] - said.argmax(1)[:, None])
    # As if numbers went on for ever on both sides: the same miscount then has the same score at 3 as at 12.
    return np.asarray((1.0 - blur) * said + blur * around * (1.0 - decay) / (1.0 + decay), np.float64)


def _up(score: float) -> float:
    return math.ceil(score * 10.0**DIGITS - 1e-6) / 10.0**DIGITS
