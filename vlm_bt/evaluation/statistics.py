"""Numbers of many answers: shares with their intervals, calibration error, coverage, questions that are saved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlm_bt.evaluation.answered import Answered

BINS = 15
Z95 = 1.959964


@dataclass(frozen=True)
class Share:
    """A share of `count`, with the bounds of its 95% interval; all NaN for none."""

    value: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return f"{self.value:.1%} ({self.low:.1%} to {self.high:.1%} of {self.count})" if self.count else "none asked"


def wilson(hits: int, count: int) -> Share:
    """Wilson's score interval (1927): holds its level for few answers and for shares near 0 and 1."""
    if count == 0:
        return Share(math.nan, math.nan, math.nan, 0)
    share, squared = hits / count, Z95**2
    middle = (share + squared / (2 * count)) / (1 + squared / count)
    half = Z95 / (1 + squared / count) * math.sqrt(share * (1 - share) / count + squared / (4 * count**2))
    return Share(share, max(0.0, middle - half), min(1.0, middle + half), count)


def clustered(hits: Sequence[bool], clusters: Sequence[str], rounds: int = 1000) -> Share:
    """A share whose interval comes from drawing whole scenes anew (cluster bootstrap, percentiles): answers about one
    picture are right or wrong together, and Wilson's interval takes each for itself. Where every answer is the same
    a bootstrap knows no doubt, and Wilson's interval of the scenes is given."""
    if not hits:
        return wilson(0, 0)
    names, at = np.unique(np.array(clusters), return_inverse=True)
    right = np.bincount(at, np.array(hits, float), len(names))
    count = np.bincount(at, minlength=len(names)).astype(float)
    share = float(right.sum() / count.sum())
    if share in (0.0, 1.0) or len(names) < 2:
        scenes = wilson(round(share * len(names)), len(names))
        return Share(share, scenes.low, scenes.high, len(hits))
    drawn = np.random.default_rng(0).integers(0, len(names), (rounds, len(names)))
    shares = right[drawn].sum(1) / count[drawn].sum(1)
    low, high = (float(bound) for bound in np.percentile(shares, [2.5, 97.5]))
    return Share(share, low, high, len(hits))


def accuracy(answers: Sequence[Answered]) -> Share:
    """Share of right answers; what is not answered is not right."""
    return clustered([one.right for one in answers], [one.scene for one in answers])


def coverage(answers: Sequence[Answered]) -> Share:
    """Share of answers whose members have the truth among them."""
    return clustered([one.covered for one in answers], [one.scene for one in answers])


def wrong_and_sure(answers: Sequence[Answered]) -> Share:
    """Share of all that is asked where the model rules out everything but something wrong."""
    return clustered([one.wrong_and_sure for one in answers], [one.scene for one in answers])


def mean_size(answers: Sequence[Answered]) -> float:
    """Mean number of answers that are not ruled out."""
    return float(np.mean([one.size for one in answers])) if answers else math.nan


def balanced(answers: Sequence[Answered]) -> float:
    """Balanced accuracy: mean over the right answers of the share of each that is found."""
    truths = sorted({one.truth for one in answers})
    found = [np.mean([one.right for one in answers if one.truth == truth]) for truth in truths]
    return float(np.mean(found)) if found else math.nan


@dataclass(frozen=True, eq=False)
class Reliability:
    """Answers in bins of equal width of their confidence: (B,) mean confidence, share that is right, how many.

    `error`: expected calibration error (Naeini et al. 2015), the mean distance of the two, weighted by how many.
    """

    confidence: NDArray[np.float64]
    right: NDArray[np.float64]
    count: NDArray[np.int64]

    @property
    def error(self) -> float:
        if not self.count.sum():
            return math.nan
        return float((np.abs(self.confidence - self.right) * self.count).sum() / self.count.sum())


def reliability(answers: Sequence[Answered], bins: int = BINS) -> Reliability:
    """Of those answers that come with a probability."""
    rows = [(one.confidence, one.right) for one in answers if one.confidence is not None and not one.failed]
    if not rows:
        return Reliability(np.zeros(0), np.zeros(0), np.zeros(0, np.int64))
    said, right = np.array([row[0] for row in rows], float), np.array([row[1] for row in rows], float)
    at = np.minimum((said * bins).astype(int), bins - 1)
    count = np.bincount(at, minlength=bins)
    filled = count > 0
    mean, share = (np.bincount(at, values, bins)[filled] / count[filled] for values in (said, right))
    return Reliability(mean, share, count[filled])


def best_threshold(confidence: NDArray[np.float64], right: NDArray[np.bool_], errors: int) -> tuple[float, int]:
    """The fixed threshold that asks least while at most `errors` answers at or above it are wrong.

    It is chosen with hindsight, on the very answers that it is judged by: no threshold that was fixed beforehand can
    do better.

    Returns:
        The threshold (infinite where everything has to be asked), and how many answers lie below it.
    """
    order = np.argsort(-confidence, kind="stable")
    ranked, wrong = confidence[order], np.cumsum(~right[order])
    # Answers of equal confidence stand or fall together.
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)) if len(ranked) else np.zeros(0, int)
    allowed = ends[wrong[ends] <= errors]
    if not len(allowed):
        return math.inf, len(confidence)
    return float(ranked[allowed[-1]]), len(confidence) - int(allowed[-1]) - 1
