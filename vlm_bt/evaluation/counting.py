"""How many are there? Of everything, 0 to 20, and of one kind."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vlm_bt.bench.form import Figure
from vlm_bt.evaluation.answered import Answered, Item, tagged
from vlm_bt.evaluation.scene import Scene, is_seen
from vlm_bt.evaluation.statistics import accuracy
from vlm_bt.evaluation.suite import Stage, Suite, share, usual_figures
from vlm_bt.questions import MOST_COUNTED, HowMany, Look
from vlm_bt.sentences import plural
from vlm_bt.training.staged import Order
from vlm_bt.training.wanted import by_kind, kinds_there, pick, who_fits
from vlm_bt.vision.vocabulary import KINDS

_KINDS_EACH = 2
_QUICK = (0, 4, 11, 20)


def _ask(scene: Scene, rng: np.random.Generator) -> list[Item]:
    """Of a scene where everything is seen: what hides behind another thing nobody can count."""
    truths = scene.truths
    if not all(is_seen(truth) for truth in truths):
        return []
    tags = {**scene.tags, "there": str(len(truths))}
    items = [Item(HowMany((Look(scene.frame_id),), "things"), len(truths), {**tags, "of": "things"})]
    there = kinds_there(truths)
    for number in range(_KINDS_EACH):
        kind = pick(rng, there if there and number == 0 else KINDS)
        named = who_fits(by_kind(kind), truths)
        if named is not None:
            question = HowMany((Look(scene.frame_id),), plural(kind, 2))
            items.append(Item(question, len(named), {**tags, "of": "a kind", "kind": kind}))
    return items


def _figures(answers: Sequence[Answered]) -> list[Figure]:
    found = [
        *share("counting: things 0 to 20, exact", accuracy(tagged(answers, of="things")), 0.90),
        *share("counting: things of a kind, exact", accuracy(tagged(answers, of="a kind")), 0.90),
        *share("counting: exact where nothing touches", accuracy(tagged(answers, clutter="apart"))),
        *share("counting: exact where things touch", accuracy(tagged(answers, clutter="touching"))),
    ]
    return found + usual_figures("counting", answers, 0.01)[1:]


def _stages(quick: bool) -> list[Stage]:
    numbers = _QUICK if quick else range(MOST_COUNTED + 1)
    return [
        Stage(2 * number + (order.clutter == "touching"), order, 1 if quick else 6, {"clutter": order.clutter})
        for number in numbers
        for order in (Order(things=number), Order(things=number, clutter="touching"))
        if number > 1 or order.clutter == "apart"
    ]


COUNTING = Suite("counting", 2, "how many, 0 to 20", _stages, _ask, _figures)
