"""Where is "the X"? Of things that are there and of things that are not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vlm_bt.bench.form import Figure
from vlm_bt.evaluation.answered import Answered, Item, tagged
from vlm_bt.evaluation.judging import FOUND_FROM
from vlm_bt.evaluation.scene import Scene, is_seen, place_of
from vlm_bt.evaluation.statistics import accuracy, wilson
from vlm_bt.evaluation.suite import Stage, Suite, share, usual_figures
from vlm_bt.questions import Ground, Look
from vlm_bt.training.staged import Order, Truth
from vlm_bt.training.wanted import (
    Wanted,
    by_colour,
    by_colour_and_kind,
    by_kind,
    by_misspelling,
    by_nothing,
    by_part,
    by_synonym,
    kinds_there,
    pick,
    who_fits,
)
from vlm_bt.vision.asking_words import proper_parts
from vlm_bt.vision.vocabulary import KINDS
from vlm_bt.vision.words import ABSENT, COLOUR_WORDS, NO_COLOURS

EACH = 6
"""Phrases of a scene for what is there, and as many for what is not."""
NEAR_MM = 10.0
_ASKED_AT = 0.01
_TRIES = 60


def phrases_there(truths: Sequence[Truth], rng: np.random.Generator, count: int) -> list[Wanted]:
    """Phrases that name exactly one thing that can be seen, in turn by kind, other name, slip, colour and part."""
    found: list[Wanted] = []
    kinds = [truth for truth in truths if truth.kind in KINDS and is_seen(truth)]
    ways = ("kind", "synonym", "misspelt", "colour and kind", "colour", "part")
    for number in range(_TRIES):
        if len(found) == count or not kinds:
            break
        truth, way = pick(rng, kinds), ways[(len(found) + number // len(ways)) % len(ways)]
        wanted = _said_of(truth, way, rng)
        if wanted is None or any(other.text == wanted.text for other in found):
            continue
        if (named := who_fits(wanted, truths)) is not None and named == [truth]:
            found.append(wanted)
    return found


def phrases_not_there(truths: Sequence[Truth], rng: np.random.Generator, count: int) -> list[Wanted]:
    """Phrases that name nothing: what is on no bench, kinds that lack, colours that no such thing has here, parts."""
    found: list[Wanted] = []
    there = kinds_there(truths)
    ways = ("absent", "kind", "colour and kind", "colour and kind", "no colour", "misspelt")
    for number in range(_TRIES):
        if len(found) == count:
            break
        way = ways[(len(found) + number // len(ways)) % len(ways)]
        lacking = [kind for kind in KINDS if kind not in there]
        if way == "absent":
            wanted = by_nothing(pick(rng, ABSENT))
        elif way == "no colour":
            wanted = Wanted(f"{pick(rng, NO_COLOURS)} {pick(rng, KINDS)}", "absent")
        elif way == "colour and kind":
            wanted = by_colour_and_kind(pick(rng, tuple(COLOUR_WORDS)), pick(rng, there or KINDS), rng)
        elif lacking:
            wanted = by_kind(pick(rng, lacking)) if way == "kind" else by_misspelling(pick(rng, lacking), rng)
        else:
            continue
        if not any(other.text == wanted.text for other in found) and who_fits(wanted, truths) == []:
            found.append(wanted)
    return found


def _said_of(truth: Truth, way: str, rng: np.random.Generator) -> Wanted | None:
    if way == "kind":
        return by_kind(truth.kind)
    if way == "synonym":
        return by_synonym(truth.kind, rng)
    if way == "misspelt":
        return by_misspelling(truth.kind, rng)
    if way == "part":
        parts = proper_parts(truth.parts)
        return by_part(pick(rng, parts)) if parts else None
    if truth.colour not in COLOUR_WORDS:
        return None
    return by_colour(truth.colour, rng) if way == "colour" else by_colour_and_kind(truth.colour, truth.kind, rng)


def ground(scene: Scene, wanted: Wanted, tags: dict[str, str]) -> Item:
    """The question where it is, with the places of everything it names."""
    named = [truth for truth in who_fits(wanted, scene.truths) or [] if truth.box is not None]
    places = tuple(place_of(truth) for truth in named)
    question = Ground((Look(scene.frame_id),), f"the {wanted.text}", _ASKED_AT)
    return Item(question, places, {**scene.tags, "asked": wanted.asked, **tags}, named[0].box if named else None)


def _ask(scene: Scene, rng: np.random.Generator) -> list[Item]:
    there = phrases_there(scene.truths, rng, EACH)
    absent = phrases_not_there(scene.truths, rng, EACH)
    return [ground(scene, wanted, {"there": "yes"}) for wanted in there] + [
        ground(scene, wanted, {"there": "no"}) for wanted in absent
    ]


def _figures(answers: Sequence[Answered]) -> list[Figure]:
    there, absent = tagged(answers, there="yes"), tagged(answers, there="no")
    located = [one for one in there if one.right]
    near = sum(one.off_mm is not None and one.off_mm <= NEAR_MM for one in located)
    return [
        *share(f"grounding: right, at IoU 0.5 and score {FOUND_FROM:g}", accuracy(answers), 0.95),
        *share("grounding: things that are there found", accuracy(there)),
        *share("grounding: absent things found", 1.0 - accuracy(absent).value, 0.02, "at most"),
        *share("grounding: found within 10 mm", wilson(near, len(located)), 0.95),
        *usual_figures("grounding", answers)[1:],
    ]


def _stages(quick: bool) -> list[Stage]:
    scenes = 4 if quick else 60
    return [
        Stage(0, Order(), scenes, {"clutter": "apart"}),
        Stage(1, Order(clutter="touching"), scenes, {"clutter": "touching"}),
    ]


GROUNDING = Suite("grounding", 0, "where is the X, there or not", _stages, _ask, _figures)
