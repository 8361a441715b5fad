"""The service with its real worker process, on a picture of the simulated bench."""

import os
import signal

import pytest
from fakes import CrankClock, ListRecorder

from vlm_bt.errors import ModelError
from vlm_bt.frames import FrameStore
from vlm_bt.questions import WHAT_IS_IT, Choose, Describe, IsTrue, Look
from vlm_bt.simulation.scenario import ZONES, Scenario
from vlm_bt.vision.geometry import PlanGrasps, Segment
from vlm_bt.vision.service import VisionService
from vlm_bt.vision.vocabulary import KINDS
from vlm_bt.vision_settings import VisionSettings

CONTAINERS = tuple(zone for zone in ZONES if zone.container)


@pytest.fixture(scope="module")
def bench():
    """A frame of one tape measure and a screw."""
    from vlm_bt.simulation.world import World

    frames = FrameStore()
    world = World(Scenario.from_seed(5, kinds=["tape measure", "screw"]), frames)
    shot = world.cameras.request("overhead")
    world.advance(0.05)
    yield frames, shot.value
    world.close()
    frames.close()


def service_on(frames, clock, **changes):
    settings = VisionSettings.model_validate({"models": {"shipped": {"backend": "embedded", **changes}}})
    return VisionService(settings, CONTAINERS, frames, clock, ListRecorder())


def what(frame, index):
    return Choose((Look(frame, index),), WHAT_IS_IT, KINDS)


@pytest.fixture(scope="module")
def running(bench):
    clock = CrankClock()
    service = service_on(bench[0], clock)
    assert service.wait_ready()["shipped"].calibrated
    yield service, clock, bench[1]
    service.close()


def answer(running, request):
    service, clock, _ = running
    ticket = service.submit(request)
    for _ in range(100):
        if ticket.outcome:
            return ticket
        clock.advance()
        service.settle(clock.tick)
    raise AssertionError("no answer in 5 simulated seconds")


def test_depth_finds_what_lies_there(running):
    found = answer(running, Segment(running[2])).value
    assert len(found.regions) == 2 and abs(found.bench_offset_m) < 0.01


def test_the_model_is_sure_of_a_tape_measure_and_says_with_which_model(running):
    found = answer(running, Segment(running[2])).value
    tape = max(found.regions, key=lambda region: region.footprint.height_m)
    said = answer(running, what(running[2], tape.index)).value
    assert said.plausible == ("tape measure",) and said.calibrated and said.model


def test_a_claim_gets_a_probability_and_a_region_a_description(running):
    found = answer(running, Segment(running[2])).value
    tape = max(found.regions, key=lambda region: region.footprint.height_m)
    looks = (Look(running[2], tape.index),)
    true = answer(running, IsTrue(looks, "tape measure")).value.probabilities[0]
    false = answer(running, IsTrue(looks, "combination wrench")).value.probabilities[0]
    assert 0.0 <= false < true <= 1.0
    assert answer(running, Describe(looks)).value.text.startswith(("a ", "an "))


def test_grasps_come_ranked(running):
    grasps = answer(running, PlanGrasps(running[2], 0)).value
    assert grasps and list(grasps) == sorted(grasps, key=lambda grasp: -grasp.score)


def test_an_answer_comes_at_its_tick_and_never_earlier(running):
    service, clock, frame = running
    ticket = service.submit(Segment(frame))
    clock.advance()
    service.settle(clock.tick)
    assert ticket.outcome is None
    clock.advance()
    service.settle(clock.tick)
    assert ticket.outcome is not None and ticket.outcome.ok


def test_an_answer_after_cancel_is_dropped(running):
    service, clock, frame = running
    ticket = service.submit(Segment(frame))
    ticket.cancel()
    for _ in range(3):
        clock.advance()
        service.settle(clock.tick)
    assert ticket.outcome.reason == "cancelled"


def test_a_frame_that_is_gone_is_stale(running):
    assert running[0].submit(Segment("overhead-99")).outcome.reason == "stale"


@pytest.mark.timeout(120)
def test_a_worker_that_dies_loses_its_answers_is_replaced_and_works_again(bench):
    frames, frame = bench
    clock = CrankClock()
    service = service_on(frames, clock)
    try:
        service.wait_ready()
        assert answer((service, clock, frame), Segment(frame)).outcome.ok
        ticket = service.submit(what(frame, 0))
        os.kill(service.lanes["shipped"].pid, signal.SIGKILL)
        while ticket.outcome is None:
            clock.advance()
            service.settle(clock.tick)
        assert ticket.outcome.reason == "model_lost" and service.restarts == 1
        assert answer((service, clock, frame), what(frame, 0)).outcome.ok
    finally:
        service.close()


@pytest.mark.timeout(120)
def test_without_a_calibration_nothing_is_surer_than_unsure(bench, tmp_path):
    frames, frame = bench
    clock = CrankClock()
    service = service_on(frames, clock, calibration=tmp_path / "none.json")
    try:
        ready = service.wait_ready()["shipped"]
        assert not ready.calibrated and "no calibration" in ready.note
        assert answer((service, clock, frame), Segment(frame)).outcome.ok
        said = answer((service, clock, frame), what(frame, 0)).value
        assert not said.calibrated and len(said.plausible) > 1
    finally:
        service.close()


def test_missing_weights_are_a_clear_error(bench, tmp_path):
    service = service_on(bench[0], CrankClock(), weights=tmp_path)
    try:
        with pytest.raises(ModelError, match=r"no model in .*manifest\.json is missing"):
            service.wait_ready()
    finally:
        service.close()
