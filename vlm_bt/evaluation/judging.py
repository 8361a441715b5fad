"""What a model said, held against the truth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vlm_bt.evaluation.answered import NO_ANSWER, NOTHING, Answered, Item, Place
from vlm_bt.leaves.grounding import FITS_FROM, shared
from vlm_bt.questions import MOST_COUNTED, YES_NO, Choose, Counted, Found, Ground, Grounded, HowMany, IsTrue, name_of
from vlm_bt.types import Answer, Box
from vlm_bt.vision.geometry import SeenRegion
from vlm_bt.vision.vocabulary import OTHER

SAME_FROM = 0.5
"""Intersection over union from which a box is the right one."""
FOUND_FROM = 0.2
"""Score from which a mission believes that something is there (`least_score` of the skill)."""
ERROR_RATE = 0.01
"""For types of questions that name none."""


@dataclass(frozen=True)
class Said:
    """What came back for an item: a result, or `failed` with why there is none. `ms`, `run_ms`: see `Answered`."""

    result: Any
    ms: float
    run_ms: float = 0.0
    failed: str = ""


def judged(suite: str, scene: str, index: int, item: Item, said: Said, regions: Sequence[SeenRegion]) -> Answered:
    """Hold an answer against its truth. `regions`: what depth finds in the frame, to place a box on the bench."""
    question = item.question
    common: dict[str, Any] = {
        "suite": suite,
        "scene": scene,
        "index": index,
        "kind": name_of(question),
        "asked": asked_in_words(item),
        "truth": truth_in_words(item.truth),
        "tags": dict(item.tags),
        "ms": round(said.ms, 3),
        "run_ms": round(said.run_ms, 3),
        "box": _corners(item.box),
    }
    if said.failed:
        everything = _all_answers(item)
        return Answered(**common, said=NO_ANSWER, right=False, confidence=None, members=(), size=everything,
                        covered=True, failed=said.failed)  # fmt: skip
    if isinstance(said.result, Answer):
        return Answered(**common, **_of_options(item, said.result))
    if isinstance(said.result, Counted):
        return Answered(**common, **_of_count(item, said.result))
    if isinstance(said.result, Grounded):
        return Answered(**common, **_of_places(item, said.result, regions))
    raise TypeError(f"an evaluation asks nothing that is answered by {type(said.result).__name__}")


def asked_in_words(item: Item) -> str:
    question = item.question
    if isinstance(question, IsTrue):
        return question.claim
    if isinstance(question, Choose):
        return f"{question.question} ({', '.join(question.options)})"
    if isinstance(question, HowMany):
        return f"how many: {question.phrase}"
    if isinstance(question, Ground):
        return f"where: {question.phrase}"
    raise TypeError(f"an evaluation does not ask {name_of(question)}")


def truth_in_words(truth: str | int | tuple[Place, ...]) -> str:
    return (_box_words(truth[0].box) if truth else NOTHING) if isinstance(truth, tuple) else str(truth)


def likeliest(shares: Sequence[float], error_rate: float) -> list[int]:
    """Indices of the likeliest answers that together reach one minus the error rate, the likeliest first."""
    row = np.asarray(shares, float)
    order = np.argsort(-row, kind="stable")
    reached = np.cumsum(row[order]) >= (1.0 - error_rate) * row.sum() - 1e-12
    last = int(np.argmax(reached)) if reached.any() else len(row) - 1
    return [int(i) for i in order[: last + 1]]


def _of_options(item: Item, answer: Answer) -> dict[str, Any]:
    assert isinstance(item.question, (Choose, IsTrue)) and isinstance(item.truth, str)
    names = (*answer.options, OTHER)
    shares = (*answer.probabilities, answer.outside)
    # What is neither yes nor no is no answer to a claim: its share says how little the model has kept to the question.
    said = names[int(np.argmax(shares if isinstance(item.question, Choose) else shares[:-1]))]
    if answer.calibrated:
        members = answer.plausible or (OTHER,)
    else:
        members = tuple(names[i] for i in likeliest(shares, item.question.error_rate))
    return {
        "said": said,
        "right": said == item.truth,
        "confidence": _share(shares[names.index(said)]),
        "members": members,
        "size": len(members),
        "covered": item.truth in members,
        "calibrated": answer.calibrated,
    }


def _of_count(item: Item, counted: Counted) -> dict[str, Any]:
    assert isinstance(item.question, HowMany) and isinstance(item.truth, int)
    given = counted.probabilities
    if counted.calibrated:
        members = [str(n) for n in counted.plausible]
    else:
        members = [str(n) for n in likeliest(given, item.question.error_rate)] if given else []
    truth = str(min(item.truth, MOST_COUNTED))
    return {
        "said": str(counted.number),
        "right": counted.number == item.truth,
        "confidence": _share(given[counted.number]) if counted.number < len(given) else None,
        "members": tuple(members),
        "size": len(members) or MOST_COUNTED + 1,
        "covered": not members or truth in members,
        "calibrated": counted.calibrated,
    }


def _of_places(item: Item, grounded: Grounded, regions: Sequence[SeenRegion]) -> dict[str, Any]:
    """A place is one answer, "nothing is there" the other: both are possible where the score says so."""
    assert isinstance(item.truth, tuple)
    best = max(grounded.found, key=lambda found: found.score, default=None)
    score = min(1.0, max(0.0, best.score)) if best is not None else 0.0
    there = best is not None and score >= FOUND_FROM
    names = ("there", NOTHING)
    members = tuple(names[i] for i in likeliest((score, 1.0 - score), ERROR_RATE))
    if best is None or not there:
        said, right, off_mm = NOTHING, not item.truth, None
    else:
        said = _box_words(best.box)
        near = [place for place in item.truth if shared(place.box, best.box) >= SAME_FROM]
        right, off_mm = bool(near), _off_mm(best, item.truth, regions)
    true_place = right if there else bool(item.truth)
    covered = (NOTHING in members) if not item.truth else ("there" in members and (true_place or not there))
    return {
        "said": said,
        "right": right,
        "confidence": _share(score if there else 1.0 - score),
        "members": members,
        "size": len(members),
        "covered": covered,
        "off_mm": off_mm,
        "said_box": _corners(best.box) if there and best is not None else None,
    }


def _off_mm(found: Found, places: Sequence[Place], regions: Sequence[SeenRegion]) -> float | None:
    """From the middle of the thing that depth has where the model points to the middle of the nearest that is meant;
    None where depth has nothing there, or nobody measured where it is."""
    centres = [place.centre for place in places if place.centre is not None]
    region = region_at(found, regions)
    if not centres or region is None:
        return None
    x, y = region.footprint.centre
    return round(1e3 * min(math.hypot(x - cx, y - cy) for cx, cy in centres), 2)


def region_at(found: Found, regions: Sequence[SeenRegion]) -> SeenRegion | None:
    """The thing that a place stands for, as missions have it."""
    if found.part is not None:
        return next((region for region in regions if region.index == found.part), None)
    nearest = max(regions, key=lambda region: shared(found.box, region.box), default=None)
    return nearest if nearest is not None and shared(found.box, nearest.box) >= FITS_FROM else None


def _all_answers(item: Item) -> int:
    question = item.question
    if isinstance(question, Choose):
        return len(question.options) + 1
    return MOST_COUNTED + 1 if isinstance(question, HowMany) else len(YES_NO)


def _share(value: float) -> float:
    return round(float(value), 6)


def _corners(box: Box | None) -> tuple[int, int, int, int] | None:
    return (box.x0, box.y0, box.x1, box.y1) if box is not None else None


def _box_words(box: Box) -> str:
    return f"x {box.x0} to {box.x1}, y {box.y0} to {box.y1}"
