"""Models with real weights, as a configuration names them, on a drawn bench: do they see what is there?

    VLM_BT_MODELS=my_models.yaml scripts/test -m weights

Each model is asked through its own process whatever it answers. Random weights do not pass.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from seeing import Eyes

from vlm_bt import settings
from vlm_bt.frames import FrameStore
from vlm_bt.questions import YES_NO, Choose, Describe, Ground, HowMany, IsTrue, Look
from vlm_bt.simulation.scenario import ZONES, Scenario
from vlm_bt.simulation.world import World
from vlm_bt.types import Answer, Box, Frame
from vlm_bt.vision_settings import VisionSettings

pytestmark = [pytest.mark.weights, pytest.mark.timeout(1200)]
PATH = os.environ.get("VLM_BT_MODELS", "")
NAMES = list(settings.load(Path(PATH)).vision.models) if PATH else ["none"]
TOOLS = ("hammer", "pliers", "tape measure")


@pytest.fixture(scope="module")
def bench() -> Iterator[tuple[Frame, dict[str, Box]]]:
    """A look at three tools, and the box around each as depth finds it."""
    from vlm_bt.scene.tabletop import segment
    from vlm_bt.simulation.truth import Truth

    frames = FrameStore()
    world = World(Scenario.from_seed(5, kinds=list(TOOLS)), frames)
    shot = world.cameras.request("overhead")
    world.advance(0.05)
    held = frames.get(shot.value)
    frame = replace(held, rgb=held.rgb.copy(), depth_m=held.depth_m.copy())
    del held
    truth = Truth(world)
    found = segment(frame, [zone for zone in ZONES if zone.container]).regions
    yield frame, {truth.kind_at(*region.footprint.centre): region.box for region in found}
    world.close()
    frames.close()


@pytest.fixture(scope="module", params=NAMES)
def asked(request: pytest.FixtureRequest, bench: tuple[Frame, dict[str, Box]]) -> Iterator[tuple[Eyes, str]]:
    """One model of the configuration alone, with the bench to look at."""
    vision = settings.load(Path(PATH)).vision
    alone = VisionSettings(models={request.param: vision.models[request.param]}, offline=vision.offline)
    eyes = Eyes(alone, zones=ZONES)
    eyes.service.wait_ready()
    yield eyes, eyes.show(bench[0].rgb, bench[0].depth_m)
    eyes.close()


def answered(asked: tuple[Eyes, str], kind: type) -> None:
    if not asked[0].service.answers(kind):
        pytest.skip(f"it does not answer {kind.__name__}")


def test_what_is_there_is_more_likely_than_what_is_not(asked: tuple[Eyes, str]) -> None:
    answered(asked, IsTrue)
    eyes, frame = asked
    there, absent = eyes.ask_all(
        [IsTrue((Look(frame),), claim) for claim in ("there is a hammer", "there is a banana")]
    )
    assert isinstance(there, Answer) and there.options == YES_NO
    assert there.probabilities[0] > absent.probabilities[0]


def test_a_tool_shown_alone_is_chosen_by_its_name(asked: tuple[Eyes, str], bench: tuple[Frame, dict[str, Box]]) -> None:
    answered(asked, Choose)
    eyes, frame = asked
    questions = [Choose((Look(frame, box),), "which tool is it?", TOOLS) for box in bench[1].values()]
    right = [said.best == kind for said, kind in zip(eyes.ask_all(questions), bench[1], strict=True)]
    assert sum(right) >= 2


def test_the_best_place_for_a_tool_is_where_it_lies(
    asked: tuple[Eyes, str], bench: tuple[Frame, dict[str, Box]]
) -> None:
    answered(asked, Ground)
    eyes, frame = asked
    best = eyes.ask(Ground((Look(frame),), "hammer", least_score=0.05)).found[0].box
    box = bench[1]["hammer"]
    assert box.x0 < (best.x0 + best.x1) / 2 < box.x1 and box.y0 < (best.y0 + best.y1) / 2 < box.y1


def test_one_hammer_is_counted_and_the_bench_is_described(asked: tuple[Eyes, str]) -> None:
    answered(asked, HowMany)
    eyes, frame = asked
    assert 0 <= eyes.ask(HowMany((Look(frame),), "hammer")).number <= 2
    if eyes.service.answers(Describe):
        assert eyes.ask(Describe((Look(frame),))).text.strip()
