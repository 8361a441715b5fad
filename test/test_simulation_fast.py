"""The fast fidelity: what the fingers close on, what the eyes say, and whole missions in one process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import mujoco
import numpy as np
import pytest

from vlm_bt import settings
from vlm_bt.app.fast import FastCell
from vlm_bt.errors import VlmBtError
from vlm_bt.frames import FrameStore
from vlm_bt.places import share_dir
from vlm_bt.questions import Question, Result
from vlm_bt.simulation.fast_hand import Hand
from vlm_bt.simulation.fast_world import FastWorld
from vlm_bt.simulation.measured import MeasuredAnswers
from vlm_bt.simulation.scenario import Scenario
from vlm_bt.vision.geometry import Segment
from vlm_bt.vision.inline import InlineLane
from vlm_bt.vision.messages import Failed, Job, Ready
from vlm_bt.vision.model import Asked, VisionModel

TREE = share_dir("trees") / "organise_workbench.yaml"


@pytest.fixture(scope="module")
def pliers() -> FastWorld:
    """Pliers across the closing direction, right under the hand."""
    world = FastWorld(Scenario.from_seed(5, kinds=("pliers",)))
    name = world.scenario.items[0].name
    joints = world.arm.kinematics.solve((0.5, 0.0, 0.012), 0.0)
    assert isinstance(joints, np.ndarray)
    world.arm.drive.command = joints
    world._put(world.scenario.item(name), 0.5, 0.0)
    world._drive.show()
    return world


def hand_of(world: FastWorld) -> Hand:
    return Hand(world.model, world.data, world.scenario)


def moved(world: FastWorld, position: tuple[float, float, float]) -> None:
    joints = world.arm.kinematics.solve(position, 0.0)
    assert isinstance(joints, np.ndarray)
    world.arm.drive.command = joints
    world._drive.show()


def test_what_is_between_the_fingers_follows_the_hand_and_falls_flat_when_let_go(pliers: FastWorld) -> None:
    moved(pliers, (0.5, 0.0, 0.012))
    hand, name = hand_of(pliers), pliers.scenario.items[0].name
    body = pliers.model.body(name).id
    found = hand.between(0.08)
    assert found.name == name
    assert 0.005 < found.width_m < 0.08
    resting = float(pliers.data.xpos[body][2])
    hand.grip(found)
    moved(pliers, (0.45, 0.2, 0.15))
    assert hand.carry()
    mujoco.mj_kinematics(pliers.model, pliers.data)
    assert np.hypot(*(pliers.data.xpos[body][:2] - (0.45, 0.2))) < 0.1
    assert pliers.data.xpos[body][2] > 0.1
    hand.let_go()
    mujoco.mj_kinematics(pliers.model, pliers.data)
    assert pliers.data.xpos[body][2] == pytest.approx(resting, abs=0.003)
    assert hand.held == ""


def test_fingers_that_close_beside_or_above_a_thing_close_on_nothing(pliers: FastWorld) -> None:
    name = pliers.scenario.items[0].name
    pliers._put(pliers.scenario.item(name), 0.5, 0.0)
    moved(pliers, (0.5, 0.25, 0.012))
    assert hand_of(pliers).between(0.08).name == ""
    moved(pliers, (0.5, 0.0, 0.10))
    assert hand_of(pliers).between(0.08).name == ""


def test_a_thing_under_a_finger_holds_the_hand_up(pliers: FastWorld) -> None:
    name = pliers.scenario.items[0].name
    pliers._put(pliers.scenario.item(name), 0.5, 0.0)
    moved(pliers, (0.5, 0.0, 0.13))
    hand = hand_of(pliers)
    assert hand.lowest_m(0.004) > 0.012, "both fingers stand on it when they are nearly closed"
    moved(pliers, (0.5, 0.3, 0.13))
    assert hand.lowest_m(0.004) < 0.0


def test_the_monitor_sees_who_stands_at_the_bench_and_nobody_else() -> None:
    frames = FrameStore()
    world = FastWorld(Scenario.from_seed(6, kinds=("screw",)), frames)
    try:
        world.advance(0.1)
        assert world.monitor.read().ok
        world.person_comes()
        for _ in range(30):
            world.advance(0.1)
        assert not world.monitor.read().ok
        world.person_goes()
        for _ in range(60):
            world.advance(0.1)
        assert world.monitor.read().ok
    finally:
        world.close()
        frames.close()


class Breaks:
    batch_at_most = 4
    ready = Ready("breaks")

    def prepare(self, job: Job) -> None:
        return None

    def at_once(self, job: Job, prepared: None) -> None:
        return None

    def run(self, batch: Sequence[tuple[Job, None]], began: object) -> list[Failed]:
        raise RuntimeError("a bug")


def test_a_worker_that_raises_in_a_lane_without_a_process_loses_its_batch_alone() -> None:
    lane = InlineLane("breaks", Breaks)  # type: ignore[arg-type]
    lane.post([Job(1, Segment("a"), ()), Job(2, Segment("b"), ())])
    told = lane.take()
    assert [(one.number, one.reason) for one in told if isinstance(one, Failed)] == [
        (1, "model_lost"),
        (2, "model_lost"),
    ]
    assert not lane.gone


def test_the_measured_answers_say_where_they_come_from_and_have_shares_that_add_up() -> None:
    measured = MeasuredAnswers.read()
    assert measured.source.command.startswith("vlm-bt bench answers --seeds")
    for kind in measured.kinds:
        assert any(one.kind == kind for one in measured.seen), kind
    for one in measured.seen:
        assert len(one.looks) == len(measured.looks)
        assert all(sum(row) == pytest.approx(1.0, abs=1e-3) for row in one.looks)


class Dead:
    """Dies at every question about the bench."""

    def __init__(self, eyes: VisionModel) -> None:
        self._eyes = eyes

    @property
    def revision(self) -> str:
        return self._eyes.revision

    @property
    def answers(self) -> frozenset[type[Question]]:
        return self._eyes.answers

    def answer(self, batch: Sequence[Asked]) -> list[Result | VlmBtError]:
        if batch[0].picture.frame.camera == "overhead":
            raise RuntimeError("dead")
        return list(self._eyes.answer(batch))


def test_missions_in_one_cell_sort_the_bench_the_same_way_for_the_same_seed(tmp_path: Path) -> None:
    scores, traces = [], []
    with FastCell(settings.load()) as cell:
        few = cell.settings.simulation.model_copy(update={"items": 3})
        cell.settings = cell.settings.model_copy(update={"simulation": few})
        for name in ("first", "again"):
            site = cell.site(7)
            with cell.mission(TREE, site, seed=7, out=tmp_path / name) as mission:
                result = mission.run()
            scores.append(result.score["sorted"])
            traces.append(result.trace_sha256)
            assert result.false_motions == result.unverified_motions == 0
    assert scores == [3, 3]
    assert traces[0] == traces[1]


def test_a_model_that_dies_at_every_question_moves_nothing(tmp_path: Path) -> None:
    with FastCell(settings.load(), eyes=Dead) as cell:
        few = cell.settings.simulation.model_copy(update={"items": 2})
        cell.settings = cell.settings.model_copy(update={"simulation": few})
        site = cell.site(7)
        with cell.mission(TREE, site, seed=7, out=tmp_path) as mission:
            result = mission.run()
    assert result.outcome != "done"
    assert site.arm.picks == []
