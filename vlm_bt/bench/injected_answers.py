"""Model answers spoilt on their way back, after calibration: over-confident in what is not so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from vlm_bt.bench.fault_table import Faults
from vlm_bt.questions import Choose, Counted, Found, Ground, Grounded, HowMany, IsTrue, Look, Question, Result
from vlm_bt.types import Answer, Box

SURE = 0.98
T = TypeVar("T")
SIDES = {"left": "right", "right": "left"}


@dataclass(frozen=True)
class Shown:
    """What is really there where a question looks: the item's own name, what it is, and where (x, y) in metres."""

    name: str
    kind: str
    centre: tuple[float, float]


Whose = Callable[[Look], Shown | None]
"""Which one thing a look shows; None where it shows more than one, or none."""


class Spoilt:
    """Spoils the answers that the faults of a mission hit.

    Args:
        whose: Sees the truth; only so can an error stick to a thing.
        width_px: Of the picture of a frame, by its id.
    """

    def __init__(self, faults: Faults, whose: Whose, width_px: Callable[[str], int]) -> None:
        self._faults = faults
        self._whose = whose
        self._width_px = width_px

    def alone(self, question: Question, result: Result) -> Result:
        """The answer to one question as it comes back."""
        if isinstance(question, (Choose, IsTrue)) and isinstance(result, Answer):
            return self._answer(question, result)
        if isinstance(question, Ground) and isinstance(result, Grounded):
            return self._grounded(question, result)
        if isinstance(question, HowMany) and isinstance(result, Counted) and self._faults.strikes("wrong_label"):
            number = max(0, result.number + (1 if self._faults.draw() < 0.5 else -1))
            return replace(result, number=number, plausible=(number,) if result.calibrated else ())
        return result

    def together(self, questions: Sequence[Question], results: Sequence[Any]) -> tuple[Any, ...]:
        """The answers to questions that were asked together; a model may mix up what they are about."""
        found = [self.alone(question, result) for question, result in zip(questions, results, strict=True)]
        if all(isinstance(question, Choose) for question in questions) and len(found) > 1:
            places = [self._whose(question.looks[-1]) for question in questions]
            self._mix_up(found, places)
        return tuple(found)

    def _mix_up(self, found: list[Any], places: Sequence[Shown | None]) -> None:
        """Exchange the answers for things that lie side by side, or on the left and on the right."""
        known = [(n, place) for n, place in enumerate(places) if place is not None]
        for n, place in known:
            for name, apart in (("wrong_box", _apart), ("left_right", _mirrored)):
                others = [(apart(place, other), m) for m, other in known if m != n]
                if others and self._faults.active(name) and self._faults.strikes(name):
                    m = min(others)[1]
                    found[n], found[m] = found[m], found[n]

    def _answer(self, question: Choose | IsTrue, answer: Answer) -> Answer:
        faults, shown = self._faults, self._whose(question.looks[-1])
        if shown is not None and faults.active("sticking_label") and faults.sticks("sticking_label", shown.name):
            return self._stuck(question, answer, shown)
        if faults.strikes("wrong_label"):
            return sure_of(answer, self._other(answer.options, answer.best))
        if not answer.plausible and isinstance(question, Choose) and faults.strikes("hallucination"):
            return sure_of(answer, self._other(answer.options, ""))
        if len(answer.plausible) != 1 and faults.strikes("over_confident"):
            return sure_of(answer, answer.best)
        turned = _turned(question, answer)
        return sure_of(answer, turned) if turned and faults.strikes("left_right") else answer

    def _stuck(self, question: Choose | IsTrue, answer: Answer, shown: Shown) -> Answer:
        """The same wrong name for the thing in every crop, wording and model, and to a claim about it."""
        if isinstance(question, Choose):
            return sure_of(answer, self._wrong_name(shown, question.options))
        wrong = self._wrong_name(shown, (shown.kind,))
        if shown.kind in question.claim:
            return sure_of(answer, "no")
        return sure_of(answer, "yes") if wrong and wrong in question.claim else answer

    def _wrong_name(self, shown: Shown, options: Sequence[str]) -> str:
        others = [option for option in options if option != shown.kind] or list(options)
        return others[int(self._faults.of("wrong name", shown.name).integers(len(others)))]

    def _other(self, options: Sequence[str], than: str) -> str:
        others = [option for option in options if option != than]
        return others[int(self._faults.draw() * len(others))]

    def _grounded(self, question: Ground, result: Grounded) -> Grounded:
        width = self._width_px(question.looks[-1].frame_id)
        found = list(result.found)
        if found and self._faults.strikes("wrong_box"):
            found = [replace(one, box=_moved(one.box, one.box.x1 - one.box.x0), mask=None, part=None) for one in found]
        if found and self._faults.strikes("left_right"):
            found = [replace(one, box=_across(one.box, width), mask=None, part=None) for one in found]
        if self._faults.strikes("hallucination"):
            x, y = int(self._faults.draw() * (width - 60)), int(self._faults.draw() * 200)
            found = [Found(Box(x, y, x + 50, y + 40), SURE), *found]
        return replace(result, found=tuple(found))


def sure_of(answer: Answer, option: str) -> Answer:
    """The same answer, sure of `option`; as calibrated as it was."""
    rest = (1.0 - SURE) / max(1, len(answer.options) - 1)
    shares = tuple(SURE if one == option else rest for one in answer.options)
    return replace(answer, probabilities=shares, plausible=(option,), outside=0.0)


def _turned(question: Choose | IsTrue, answer: Answer) -> str:
    """What an answer becomes where left is taken for right; "" where it speaks of no side."""
    if isinstance(question, IsTrue):
        says_side = any(side in question.claim.split() for side in SIDES)
        return ("no" if answer.best == "yes" else "yes") if says_side else ""
    for side, other in SIDES.items():
        turned = answer.best.replace(side, other)
        if turned != answer.best and turned in answer.options:
            return turned
    return ""


def _apart(one: Shown, other: Shown) -> float:
    return abs(one.centre[0] - other.centre[0]) + abs(one.centre[1] - other.centre[1])


def _mirrored(one: Shown, other: Shown) -> float:
    """How far the other lies from the place across the middle of the bench; y points to the left."""
    return abs(one.centre[0] - other.centre[0]) + abs(one.centre[1] + other.centre[1])


def _moved(box: Box, by: int) -> Box:
    return Box(box.x0 + by, box.y0, box.x1 + by, box.y1)


def _across(box: Box, width: int) -> Box:
    return Box(width - box.x1, box.y0, width - box.x0, box.y1)
