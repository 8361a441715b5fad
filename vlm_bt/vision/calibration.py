"""How sure is sure: split conformal prediction sets at a stated error rate.

Every option has its own threshold, taken from how wrong the model was about things that really were that option
(class-conditional, Vovk 2012), and "none of them" is an option like the others, calibrated on odd things. So, for
candidates like those of the calibration set, the true option is missing from a set at most `error_rate` of the time,
and a thing that is none of them is called one of them surely at most `error_rate` of the time.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vlm_bt.vision.vocabulary import OTHER

FORM = 1
KEPT_SHARE = 0.5
"""Error rates above this are not served: only that part of each tail is kept in the file."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tail:
    """The worst of a calibration class: `count` scores were seen, `worst` holds the largest, descending."""

    count: int
    worst: tuple[float, ...]

    @staticmethod
    def of(scores: Sequence[float] | NDArray[np.floating[Any]]) -> Tail:
        ordered = np.sort(np.asarray(scores, np.float64))[::-1]
        kept = ordered[: max(1, math.ceil(len(ordered) * KEPT_SHARE))]
        return Tail(len(ordered), tuple(round(float(score), 6) for score in kept))

    def threshold(self, error_rate: float) -> float:
        """The conformal quantile: at most `error_rate` of new scores lie above it; infinite where too few were seen."""
        rank = math.ceil((self.count + 1) * (1.0 - error_rate))
        if rank > self.count:
            return math.inf
        return self.worst[min(self.count - rank, len(self.worst) - 1)]


@dataclass(frozen=True)
class Calibration:
    """Thresholds for one model and its prompts.

    Attributes:
        revision: The model it was made for.
        valid: False where no file fits; then nothing is surer than unsure. `note` says why.
        true: Per option (and `OTHER`), scores 1 - p(option) of things that are that option.
        false: Per option, per true label, p(option) of things that are not that option.
    """

    revision: str
    valid: bool = True
    note: str = ""
    true: Mapping[str, Tail] = field(default_factory=dict)
    false: Mapping[str, Mapping[str, Tail]] = field(default_factory=dict)
    made: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def absent(revision: str, note: str) -> Calibration:
        return Calibration(revision, valid=False, note=note)

    @staticmethod
    def load(path: str | Path, revision: str) -> Calibration:
        """Read a calibration; one that is missing, unreadable or made for other weights or prompts counts as absent."""
        try:
            stored = json.loads(Path(path).read_text(encoding="utf-8"))
            if stored["form"] != FORM:
                raise ValueError(f"form {stored['form']}, this version reads {FORM}")
            made_for = str(stored["revision"])
            true = {option: _tail(entry) for option, entry in stored["true"].items()}
            false = {
                option: {label: _tail(entry) for label, entry in entries.items()}
                for option, entries in stored["false"].items()
            }
        except FileNotFoundError:
            return _loudly(revision, f"no calibration at {path}")
        except (OSError, ValueError, KeyError, TypeError) as error:
            return _loudly(revision, f"the calibration {path} cannot be read ({error})")
        if made_for != revision:
            return _loudly(revision, f"the calibration {path} was made for model {made_for}, this is {revision}")
        return Calibration(revision, True, "", true, false, stored.get("made", {}))

    def save(self, path: str | Path) -> None:
        stored = {
            "form": FORM,
            "revision": self.revision,
            "made": dict(self.made),
            "true": {option: {"count": tail.count, "worst": tail.worst} for option, tail in self.true.items()},
            "false": {
                option: {label: {"count": tail.count, "worst": tail.worst} for label, tail in tails.items()}
                for option, tails in self.false.items()
            },
        }
        Path(path).write_text(json.dumps(stored, separators=(",", ":")) + "\n", encoding="utf-8")

    @staticmethod
    def fit(
        revision: str,
        probabilities: NDArray[np.floating[Any]],
        truth: Sequence[str],
        options: Sequence[str],
        made: Mapping[str, Any] | None = None,
    ) -> Calibration:
        """Make a calibration from candidates as missions select them.

        Args:
            probabilities: (N, K + 1), the last column "something else".
            truth: N names: an option, or `OTHER`.
            options: The K names of the first columns.
        """
        names = np.array(truth, dtype=object)
        labels = (*options, OTHER)
        true = {
            label: Tail.of(1.0 - probabilities[names == label, column])
            for column, label in enumerate(labels)
            if (names == label).any()
        }
        false = {
            option: {
                label: Tail.of(probabilities[names == label, column])
                for label in labels
                if label != option and (names == label).any()
            }
            for column, option in enumerate(options)
        }
        return Calibration(revision, True, "", true, false, made or {})

    def plausible(
        self, probabilities: Sequence[float] | NDArray[np.floating[Any]], options: Sequence[str], error_rate: float
    ) -> tuple[str, ...]:
        """The options that cannot be ruled out, likeliest first.

        Args:
            probabilities: One per option and a last one for "something else".

        Returns:
            One member: sure. Several: unsure between them, `OTHER` among them where it may be none of the options.
            None: sure that no option fits. An option that was never calibrated is never ruled out.
        """
        row = np.asarray(probabilities, np.float64)
        labels = (*options, OTHER)
        if row.shape != (len(labels),):
            raise ValueError(
                f"{len(labels)} probabilities are needed (one per option, one for {OTHER!r}), got {row.shape}"
            )
        order = np.argsort(-row, kind="stable")
        if not self.valid:
            return tuple(labels[i] for i in order)
        kept = [labels[i] for i in order if 1.0 - row[i] <= self._limit(labels[i], error_rate)]
        if not kept:
            # Nothing looks like a usual example of anything: that is doubt, not knowledge.
            shares = np.cumsum(row[order])
            kept = [labels[i] for i in order[: max(2, int(np.searchsorted(shares, 1.0 - error_rate)) + 1)]]
        return () if kept == [OTHER] else tuple(kept)

    def decide(self, option: str, probability: float, error_rate: float) -> Literal["yes", "no", "unsure"]:
        """Is it this option? Sure only where the other answer is ruled out at the error rate, for every other label."""
        if not self.valid or option not in self.true:
            return "unsure"
        may_be = 1.0 - probability <= self._limit(option, error_rate)
        others = self.false.get(option, {})
        may_not_be = not others or any(probability <= tail.threshold(error_rate) for tail in others.values())
        if may_be == may_not_be:
            return "unsure"
        return "yes" if may_be else "no"

    def _limit(self, label: str, error_rate: float) -> float:
        tail = self.true.get(label)
        return math.inf if tail is None else tail.threshold(error_rate)


def _tail(entry: Mapping[str, Any]) -> Tail:
    count, worst = int(entry["count"]), tuple(float(score) for score in entry["worst"])
    if count < 1 or not 1 <= len(worst) <= count or not all(math.isfinite(score) for score in worst):
        raise ValueError("a class without scores")
    return Tail(count, worst)


def _loudly(revision: str, note: str) -> Calibration:
    text = f"{note}: nothing will be surer than unsure; make one with `vlm-bt train embedded`"
    log.warning(text)
    return Calibration.absent(revision, text)
