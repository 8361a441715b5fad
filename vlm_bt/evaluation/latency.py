"""How long an answer takes: from question to answer through the service, and of that in the model.

Nothing is remembered from one question to the next but the frame.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vlm_bt.bench.form import Figure
from vlm_bt.evaluation.answered import Answered, Item, Place, tagged
from vlm_bt.evaluation.classification import what_is_it
from vlm_bt.evaluation.scene import Scene, place_of
from vlm_bt.evaluation.suite import Stage, Suite
from vlm_bt.questions import Ground, HowMany, IsTrue, Look
from vlm_bt.training.staged import Order

CROPS = 16
_BATCH, _CROP, _CLAIM, _GROUND, _COUNT = "16 crops", "one crop", "one claim", "where", "how many"


def _ask(scene: Scene, rng: np.random.Generator) -> list[Item]:
    some = scene.alone()
    if len(some) < CROPS:
        return []
    items = [_in(what_is_it(scene, truth, region, "usual", rng), _BATCH) for truth, region in some[:CROPS]]
    truth, region = some[0]
    items.append(_in(what_is_it(scene, truth, region, "usual", rng), _CROP))
    claim = IsTrue((Look(scene.frame_id, region.index),), f"it is {truth.colour}")
    items.append(Item(claim, "yes", {**scene.tags, "batch": _CLAIM}, truth.box))
    places: tuple[Place, ...] = tuple(place_of(truth) for truth in scene.seen())
    whole = (Look(scene.frame_id),)
    items.append(Item(Ground(whole, "thing"), places, {**scene.tags, "batch": _GROUND}))
    items.append(Item(HowMany(whole, "things"), len(scene.truths), {**scene.tags, "batch": _COUNT}))
    return items


def _in(item: Item, batch: str) -> Item:
    return Item(item.question, item.truth, {**item.tags, "batch": batch}, item.box)


def _figures(answers: Sequence[Answered]) -> list[Figure]:
    targets = {_BATCH: 10.0, _CROP: None, _CLAIM: 5.0, _GROUND: None, _COUNT: None}
    found: list[Figure] = []
    for batch, target in targets.items():
        some = [one for one in tagged(answers, batch=batch) if not one.failed]
        if some:
            whole = {one.scene: max(other.ms for other in some if other.scene == one.scene) for one in some}
            run = float(np.median([one.run_ms for one in some]))
            found.append(Figure(f"latency: {batch}, in the model", round(run, 2), "ms", target))
            found.append(Figure(f"latency: {batch}, median", round(float(np.median(list(whole.values()))), 2), "ms"))
            slow = float(np.percentile(list(whole.values()), 95))
            found.append(Figure(f"latency: {batch}, 95th percentile", round(slow, 2), "ms"))
    return found


def _stages(quick: bool) -> list[Stage]:
    return [Stage(0, Order(things=22), 4 if quick else 30, {})]


LATENCY = Suite("latency", 10, "milliseconds of an answer", _stages, _ask, _figures, reuse="never")
