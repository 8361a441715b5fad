"""What is not there: is it refused, however it is asked for?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vlm_bt.bench.form import Figure
from vlm_bt.evaluation.answered import Answered, Item, tagged
from vlm_bt.evaluation.classification import about
from vlm_bt.evaluation.grounding import ground, phrases_not_there
from vlm_bt.evaluation.scene import Scene
from vlm_bt.evaluation.statistics import accuracy
from vlm_bt.evaluation.suite import Stage, Suite, share, usual_figures
from vlm_bt.questions import WHAT_IS_IT, Choose, HowMany, IsTrue, Look
from vlm_bt.training.staged import Order
from vlm_bt.training.wanted import pick
from vlm_bt.vision.asking_words import indefinite
from vlm_bt.vision.vocabulary import KINDS, OTHER

_PHRASES = 3
_CHOICES = 4
_MOST_OPTIONS = 4
_ALIKE = {"pliers", "needle-nose pliers"}
"""Each may be called by the other's name."""
ASKED = ("where", "how many", "is there", "which of these")


def _ask(scene: Scene, rng: np.random.Generator) -> list[Item]:
    looks = (Look(scene.frame_id),)
    items: list[Item] = []
    for wanted in phrases_not_there(scene.truths, rng, _PHRASES):
        tags = {**scene.tags, "asked": wanted.asked}
        noun = indefinite(wanted.text)
        claim = f"there {'are' if noun == wanted.text else 'is'} {noun} on the bench"
        items += [
            ground(scene, wanted, {"by": "where"}),
            Item(HowMany(looks, wanted.text), 0, {**tags, "by": "how many"}),
            Item(IsTrue(looks, claim), "no", {**tags, "by": "is there"}),
        ]
    some = scene.alone()
    for _ in range(_CHOICES if some else 0):
        truth, region = pick(rng, some)
        wrong = [kind for kind in KINDS if kind != truth.kind and {kind, truth.kind} != _ALIKE]
        count = int(rng.integers(2, _MOST_OPTIONS + 1))
        options = tuple(str(kind) for kind in rng.permutation(wrong)[:count])
        question = Choose((Look(scene.frame_id, region.index),), WHAT_IS_IT, options)
        items.append(Item(question, OTHER, {**scene.tags, "by": "which of these", **about(truth)}, truth.box))
    return items


def _figures(answers: Sequence[Answered]) -> list[Figure]:
    found: list[Figure] = []
    for by in ASKED:
        found += share(f"refusal: absent things refused, {by}", accuracy(tagged(answers, by=by)))
    return found + usual_figures("refusal", answers)


def _stages(quick: bool) -> list[Stage]:
    return [Stage(0, Order(), 4 if quick else 60, {})]


REFUSAL = Suite("refusal", 6, "what is not there, asked for in four ways", _stages, _ask, _figures)
