"""Things that touch and that depth takes for one: what the shipped model still says of the bench, and how surely."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from vlm_bt.questions import Counted, Ground, Grounded, HowMany, IsTrue, Look
from vlm_bt.sentences import plural
from vlm_bt.simulation.scenario import ZONES
from vlm_bt.training.staging import Order, Staged, Studio
from vlm_bt.types import Answer
from vlm_bt.vision.asking_words import indefinite
from vlm_bt.vision.backends import Surroundings
from vlm_bt.vision.backends.embedded import Embedded
from vlm_bt.vision.model import Asked
from vlm_bt.vision.pictures import Picture
from vlm_bt.vision.vocabulary import KINDS
from vlm_bt.vision_settings import EmbeddedModel

CONTAINERS = tuple(zone for zone in ZONES if zone.container)


@pytest.fixture(scope="module")
def model() -> Embedded:
    return Embedded(EmbeddedModel(), Surroundings(CONTAINERS, zones=tuple(ZONES)))  # type: ignore[call-arg]


def staged(seed: int, order: Order, count: int) -> list[Staged]:
    with Studio(seed, order) as studio:
        return [studio.stage(number) for number in range(count)]


@pytest.fixture(scope="module")
def heaps() -> list[Staged]:
    return staged(9000, Order(things=9, clutter="touching"), 5)


def chance(model: Embedded, scene: Staged, claim: str) -> float:
    frame = scene.frames[0]
    look = Look(frame.id)
    (said,) = model.answer([Asked(IsTrue((look,), claim), (Picture(frame, look),))])
    assert isinstance(said, Answer)
    return said.probabilities[0]


def counted(model: Embedded, scene: Staged, phrase: str) -> Sequence[float]:
    frame = scene.frames[0]
    look = Look(frame.id)
    (said,) = model.answer([Asked(HowMany((look,), phrase), (Picture(frame, look),))])
    assert isinstance(said, Counted)
    return said.probabilities


def test_what_lies_in_a_heap_is_never_surely_absent(model: Embedded, heaps: list[Staged]) -> None:
    for scene in heaps:
        for kind in {truth.kind for truth in scene.truths[0] if truth.touching and truth.kind in KINDS}:
            assert chance(model, scene, f"there is {indefinite(kind)} on the bench") > 0.01, (scene.seed, kind)


def test_a_count_of_heaps_allows_for_what_they_hide(model: Embedded, heaps: list[Staged]) -> None:
    for scene in heaps:
        shares = np.array(counted(model, scene, "things"))
        assert shares.max() < 0.99 or int(shares.argmax()) == len(scene.truths[0])
        assert shares[len(scene.truths[0]) :].sum() > 0.01


def test_things_that_lie_apart_are_counted_surely(model: Embedded) -> None:
    for scene in staged(9001, Order(things=6, held_out_kinds=False), 2):
        # "pliers" is also said of those with a needle nose.
        for kind in {truth.kind for truth in scene.truths[0]} - {"pliers", "odd"}:
            number = sum(truth.kind == kind for truth in scene.truths[0])
            assert counted(model, scene, plural(kind, 2))[number] > 0.9


def test_many_tools_that_touch_are_named_one_by_one(model: Embedded, heaps: list[Staged]) -> None:
    named = there = 0
    for scene in heaps:
        for kind in {truth.kind for truth in scene.truths[0] if truth.touching and truth.kind in KINDS}:
            there += 1
            named += chance(model, scene, f"there is {indefinite(kind)} on the bench") > 0.5
    assert there > 10
    assert named / there > 0.4


def test_a_piece_of_a_heap_is_no_thing_of_the_segmentation(model: Embedded, heaps: list[Staged]) -> None:
    frames = [scene.frames[0] for scene in heaps]
    frame = next(frame for frame in frames if model._bench(frame).pieces)
    look, bench = Look(frame.id), model._bench(frame)
    (said,) = model.answer([Asked(Ground((look,), "thing"), (Picture(frame, look),))])
    assert isinstance(said, Grounded)
    whole = {place.part for place in said.found} - {None}
    assert whole == {region.index for row, region in enumerate(bench.regions) if row not in bench.pieces}
