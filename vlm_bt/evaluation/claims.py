"""Is there an X? As many claims that hold as claims that do not, and what is absent drawn in three ways.

The balance and the three ways are those of POPE (Li et al. 2023, "Evaluating object hallucination in large
vision-language models"): `random` draws anything that is absent, `popular` what lies most often on benches, and
`adversarial` what goes with what is there: the colour of one thing with the kind of another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from vlm_bt.bench.form import Figure
from vlm_bt.evaluation.answered import Answered, Item, tagged
from vlm_bt.evaluation.scene import Scene, is_seen, place_of
from vlm_bt.evaluation.statistics import accuracy
from vlm_bt.evaluation.suite import Stage, Suite, share, usual_figures
from vlm_bt.questions import IsTrue, Look
from vlm_bt.sentences import plural
from vlm_bt.simulation.scenario import Scenario
from vlm_bt.simulation.tools import make_tool
from vlm_bt.training.staged import Order, Truth
from vlm_bt.training.wanted import Wanted, by_colour_and_kind, by_kind, by_nothing, kinds_there, pick, who_fits
from vlm_bt.vision.asking_words import indefinite
from vlm_bt.vision.vocabulary import KINDS
from vlm_bt.vision.words import ABSENT, COLOUR_WORDS

WAYS = ("random", "popular", "adversarial")
_FORMS = ("there is {} on the bench", "there is {}", "I see {}", "is there {} on the bench?")
_PLURAL_FORMS = ("there are {} on the bench", "there are {}", "I see {}", "are there {} on the bench?")
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six")
_EACH = 2
_TRIES = 60
_BENCHES = 40


def _ask(scene: Scene, rng: np.random.Generator) -> list[Item]:
    items: list[Item] = []
    for way in WAYS:
        for _ in range(_EACH):
            absent, present = _absent(scene.truths, way, rng), _present(scene.truths, rng)
            if absent is not None and present is not None:
                items += [_claim(scene, absent, way, "no", rng), _claim(scene, present, way, "yes", rng)]
    return items + _numbers(scene, rng)


def _claim(scene: Scene, wanted: Wanted, way: str, truth: str, rng: np.random.Generator) -> Item:
    named = who_fits(wanted, scene.truths) or []
    box = place_of(named[0]).box if named and named[0].box is not None else None
    noun = indefinite(wanted.text)
    text = pick(rng, _PLURAL_FORMS if noun == wanted.text else _FORMS).format(noun)
    tags = {**scene.tags, "absent": way, "asked": wanted.asked}
    return Item(IsTrue((Look(scene.frame_id),), text), truth, tags, box)


def _present(truths: Sequence[Truth], rng: np.random.Generator) -> Wanted | None:
    """Something of which at least one can be seen, named as the absent things are."""
    some = [truth for truth in truths if truth.kind in KINDS and truth.colour in COLOUR_WORDS and is_seen(truth)]
    for _ in range(_TRIES if some else 0):
        truth = pick(rng, some)
        coloured = rng.random() < 0.75
        wanted = by_colour_and_kind(truth.colour, truth.kind, rng) if coloured else by_kind(truth.kind)
        if who_fits(wanted, truths):
            return wanted
    return None


def _absent(truths: Sequence[Truth], way: str, rng: np.random.Generator) -> Wanted | None:
    there = kinds_there(truths)
    colours = sorted({truth.colour for truth in truths if truth.colour in COLOUR_WORDS})
    lacking = [kind for kind in KINDS if kind not in there]
    for _ in range(_TRIES):
        if way == "popular":
            colour, kind = pick(rng, popular_pairs())
            wanted = by_colour_and_kind(colour, kind, rng)
        elif way == "adversarial" and there and colours:
            wanted = by_colour_and_kind(pick(rng, colours), pick(rng, there), rng)
        elif rng.random() < 0.5:
            wanted = by_nothing(pick(rng, ABSENT))
        elif lacking and rng.random() < 0.5:
            wanted = by_kind(pick(rng, lacking))
        else:
            wanted = by_colour_and_kind(pick(rng, tuple(COLOUR_WORDS)), pick(rng, KINDS), rng)
        if who_fits(wanted, truths) == []:
            return wanted
    return None


@lru_cache(maxsize=1)
def popular_pairs(most: int = 24) -> tuple[tuple[str, str], ...]:
    """The pairs of colour and kind that lie most often on the benches of missions."""
    items = [item for seed in range(_BENCHES) for item in Scenario.from_seed(seed).items if item.kind in KINDS]
    pairs = Counter((make_tool(item.kind, item.tool_seed, item.size).colour, item.kind) for item in items)
    return tuple(pair for pair, _ in pairs.most_common() if pair[0] in COLOUR_WORDS)[:most]


def _numbers(scene: Scene, rng: np.random.Generator) -> list[Item]:
    """A claim that so many of a kind are there, true or one off."""
    if not all(is_seen(truth) for truth in scene.truths):
        return []
    kind = pick(rng, kinds_there(scene.truths) or KINDS)
    named = who_fits(by_kind(kind), scene.truths)
    if named is None or len(named) + 1 >= len(_NUMBERS):
        return []
    holds = bool(rng.random() < 0.5)
    number = len(named) + (0 if holds else 1 if not named or rng.random() < 0.5 else -1)
    text = f"there {'is' if number == 1 else 'are'} {_NUMBERS[number]} {plural(kind, number)} on the bench"
    if number == 1:
        text = f"there is exactly one {kind} on the bench"
    tags = {**scene.tags, "absent": "number", "asked": "number"}
    return [Item(IsTrue((Look(scene.frame_id),), text), "yes" if holds else "no", tags)]


def _figures(answers: Sequence[Answered]) -> list[Figure]:
    found = share("yes or no: right", accuracy(answers), 0.95)
    for way in (*WAYS, "number"):
        found += share(f"yes or no: right, {way}", accuracy(tagged(answers, absent=way)))
    there = [one for one in answers if one.truth == "no"]
    found += share("yes or no: absent things claimed", sum(one.said == "yes" for one in there) / max(1, len(there)))
    return found + usual_figures("yes or no", answers)[1:]


def _stages(quick: bool) -> list[Stage]:
    scenes = 4 if quick else 60
    return [
        Stage(0, Order(), scenes, {"clutter": "apart"}),
        Stage(1, Order(clutter="touching"), scenes, {"clutter": "touching"}),
    ]


CLAIMS = Suite("yes-no", 3, "claims that hold and claims that do not", _stages, _ask, _figures)
