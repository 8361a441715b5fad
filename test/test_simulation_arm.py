"""The simulated arm: where it reaches, what it takes and puts down, and how it stops."""

from __future__ import annotations

import itertools
import math
import sys
import types
from dataclasses import replace
from typing import Any

import mujoco
import numpy as np
import pytest

from vlm_bt.errors import ConfigError
from vlm_bt.ports import Ticket
from vlm_bt.scene.handling import nearest_half_turn
from vlm_bt.simulation.kinematics import Kinematics, Unreachable
from vlm_bt.simulation.motion import PHYSICS_STEP_S, joint_move
from vlm_bt.simulation.robot import LIMITS_RAD, MAX_SPEED_RAD_S, NAMED_POSES_RAD, arm_spec
from vlm_bt.simulation.scenario import Scenario
from vlm_bt.simulation.tools import make_tool
from vlm_bt.simulation.truth import Truth
from vlm_bt.simulation.world import World
from vlm_bt.types import Box, Footprint, Grasp, HeldObject, LocatedObject, PlaceSpot, VerifiedObject

TICK_S = 0.05
SPOT = PlaceSpot((0.22, 0.46), 0.4, "left")


class Bench:
    """One thing on a bench, and what a perfect look would say of it."""

    def __init__(self, kind: str, x: float = 0.50, y: float = 0.12, yaw_rad: float = 0.6, seed: int = 5) -> None:
        scenario = Scenario.from_seed(seed, kinds=[kind])
        self.item = scenario.items[0]
        self.world = World(scenario.with_item_at(self.item.name, x, y, yaw_rad))
        self.arm = self.world.arm
        self.body = self.world.data.body(self.item.name)
        tool = make_tool(kind, self.item.tool_seed, self.item.size)
        footprint = Footprint((x, y), tool.length_m, tool.width_m, yaw_rad, 2 * tool.half_height_m, 0.001)
        located = LocatedObject("thing-1", "overhead-1", 0, Box(0, 0, 1, 1), footprint, 0.0)
        self.tool = VerifiedObject(located, kind, "verdict-1")
        self.grasp = Grasp((x, y, 0.010), yaw_rad, 0.05, 1.0)

    def run(self, ticket: Ticket[Any], limit_s: float = 15.0) -> float:
        """Advance until the ticket ends; how long that took in simulated seconds."""
        began = self.world.now_s
        while ticket.outcome is None and self.world.now_s < began + limit_s:
            self.world.advance(TICK_S)
        return self.world.now_s - began

    def advance_to(self, phase: str) -> None:
        for _ in range(300):
            if self.arm.phase == phase:
                return
            self.world.advance(TICK_S)
        raise AssertionError(f"the arm never came to {phase!r}")

    def pick(self) -> HeldObject:
        ticket = self.arm.pick(self.tool, [self.grasp])
        self.run(ticket)
        assert ticket.outcome is not None and ticket.outcome.ok, ticket.outcome
        return ticket.value


@pytest.fixture(scope="module")
def kinematics() -> Kinematics:
    return Kinematics()


def test_the_arm_stands_on_the_published_kinematics() -> None:
    model = arm_spec().compile()
    data = mujoco.MjData(model)
    # Straight up: d1 + d3 + d5 up to the wrist, a7 forward, then flange and hand hang down.
    data.qpos[:7] = 0.0
    mujoco.mj_kinematics(model, data)
    assert data.site("tcp").xpos == pytest.approx([0.088, 0.0, 0.333 + 0.316 + 0.384 - 0.107 - 0.1034], abs=1e-6)
    assert model.jnt_range[:7] == pytest.approx(np.array(LIMITS_RAD))


def test_inverse_kinematics_hits_poses_all_over_the_bench(kinematics: Kinematics) -> None:
    rng = np.random.default_rng(4)
    for _ in range(60):
        radius, bearing, yaw = rng.uniform(0.33, 0.73), rng.uniform(-1.4, 1.4), rng.uniform(-3.1, 3.1)
        place = (radius * math.cos(bearing), radius * math.sin(bearing), 0.13)
        wanted = kinematics.choose_yaw(place, yaw)[0]
        joints = kinematics.solve(place, wanted)
        assert not isinstance(joints, Unreachable)
        assert np.linalg.norm(np.subtract(kinematics.tcp(joints), place)) < 0.0005
        assert abs(math.remainder(kinematics.yaw(joints) - wanted, 2 * math.pi)) < math.radians(0.4)
        low = kinematics.line(joints, (place[0], place[1], 0.0095), wanted)
        assert not isinstance(low, Unreachable)
        assert all((kinematics.lower <= step).all() and (step <= kinematics.upper).all() for step in low)


def test_the_same_question_has_the_same_answer_whatever_was_asked_before(kinematics: Kinematics) -> None:
    first = kinematics.solve((0.5, -0.2, 0.05), 0.3)
    kinematics.solve((0.2, 0.4, 0.10), 2.0)
    assert np.array_equal(np.asarray(first), np.asarray(kinematics.solve((0.5, -0.2, 0.05), 0.3)))


def test_too_far_is_unreachable_and_no_exception(kinematics: Kinematics) -> None:
    missed = kinematics.solve((0.95, 0.0, 0.02), 0.0)
    assert isinstance(missed, Unreachable) and "out of reach" in str(missed)


def test_a_move_keeps_joint_speeds_within_the_published_limits(kinematics: Kinematics) -> None:
    over_left, over_right = (kinematics.solve((0.22, y, 0.17), 0.0) for y in (0.46, -0.46))
    assert not isinstance(over_left, Unreachable) and not isinstance(over_right, Unreachable)
    path = joint_move(kinematics, over_left, over_right, 0.15)
    measured = np.abs(np.diff(path.joints, axis=0)).max(axis=0) / PHYSICS_STEP_S
    assert (measured <= np.array(MAX_SPEED_RAD_S)).all()
    assert measured.max() > 0.5
    assert np.abs(path.speeds[[0, -1]]).max() < 1e-6
    assert min(kinematics.tcp(joints)[2] for joints in path.joints[::20]) > 0.14


def test_home_leaves_the_bench_free_for_the_overhead_camera() -> None:
    world = World(Scenario.from_seed(5, kinds=["screw"]))
    model, data, eye = world.model, world.data, np.array([0.33, 0.0, 1.15])
    for geom in range(model.ngeom):
        if model.geom_group[geom] != 2:
            continue
        size, rotation = model.geom_size[geom], data.geom_xmat[geom].reshape(3, 3)
        if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_CAPSULE:
            points = [rotation[:, 2] * size[1] * end + (size[0], 0, 0) for end in (-1, 1)]
        else:
            points = [rotation @ (size * corner) for corner in itertools.product((-1, 1), repeat=3)]
        for offset in points:
            point = data.geom_xpos[geom] + offset
            shadow_x = eye[0] + (point[0] - eye[0]) * eye[2] / (eye[2] - point[2])
            assert shadow_x < 0.05, (model.body(model.geom_bodyid[geom]).name, shadow_x)


@pytest.mark.parametrize(
    "kind", ["combination wrench", "Phillips screwdriver", "screw", "multi-tool", "adjustable wrench"]
)
def test_a_thing_is_picked_and_put_where_it_should_go(kind: str) -> None:
    bench = Bench(kind)
    ticket = bench.arm.pick(bench.tool, [bench.grasp])
    assert bench.run(ticket) < 5.0
    held = ticket.value
    assert bench.body.xpos[2] > 0.14
    assert held.verdict_id == "verdict-1" and held.height_m == pytest.approx(0.010, abs=0.002)
    assert held.width_m == pytest.approx(bench.arm.state.gripper_width_m, abs=0.001)
    assert bench.run(bench.arm.place(held, SPOT)) < 4.5
    middle = Truth(bench.world).positions()[0]
    began = Truth(Bench(kind).world).positions()[0]
    # The footprint given is centred on the item's origin, its outline's middle may lie a little off.
    reach = math.hypot(began.x - 0.50, began.y - 0.12) + 0.004
    assert math.hypot(middle.x - SPOT.centre[0], middle.y - SPOT.centre[1]) < reach
    turned = math.atan2(bench.body.xmat[3], bench.body.xmat[0])
    assert abs(nearest_half_turn(turned - SPOT.yaw_rad)) < math.radians(3)
    assert bench.arm.state.tcp[2] > 0.12


def test_an_offset_grasp_still_brings_the_footprint_to_the_spot() -> None:
    bench = Bench("combination wrench")
    along = 0.03
    x, y = 0.50 + along * math.cos(0.6), 0.12 + along * math.sin(0.6)
    bench.grasp = Grasp((x, y, 0.010), 0.6 + math.pi, 0.05, 1.0)
    held = bench.pick()
    assert abs(held.offset_m[0]) == pytest.approx(along, abs=1e-6) and abs(held.yaw_offset_rad) < 1e-6
    bench.run(bench.arm.place(held, SPOT))
    assert bench.body.xpos[:2] == pytest.approx(SPOT.centre, abs=0.004)


def test_the_first_grasp_in_reach_is_taken() -> None:
    bench = Bench("combination wrench")
    far = replace(bench.grasp, position=(0.95, 0.0, 0.01))
    ticket = bench.arm.pick(bench.tool, [far, bench.grasp])
    bench.run(ticket)
    assert ticket.outcome is not None and ticket.outcome.ok


def test_out_of_reach_ends_at_once_without_a_motion() -> None:
    bench = Bench("combination wrench")
    ticket = bench.arm.pick(bench.tool, [replace(bench.grasp, position=(0.95, 0.0, 0.01))])
    assert bench.run(ticket) <= 2 * TICK_S
    assert ticket.outcome is not None and ticket.outcome.reason == "unreachable"
    assert bench.arm.state.last_motion_s == 0.0


def test_closing_on_nothing_is_a_failed_grasp_and_the_hand_is_up_again() -> None:
    bench = Bench("combination wrench")
    ticket = bench.arm.pick(bench.tool, [replace(bench.grasp, position=(0.40, -0.20, 0.01))])
    bench.run(ticket)
    assert ticket.outcome is not None and ticket.outcome.reason == "grasp_failed"
    assert bench.arm.state.tcp[2] > 0.15


def test_fingers_that_land_on_something_report_blocked() -> None:
    bench = Bench("tape measure")
    ticket = bench.arm.pick(bench.tool, [replace(bench.grasp, opening_m=0.02)])
    bench.run(ticket)
    assert ticket.outcome is not None and ticket.outcome.reason == "blocked"
    assert bench.arm.state.tcp[2] > 0.15


def test_a_slip_is_noticed_and_happens_once() -> None:
    bench = Bench("combination wrench")
    bench.arm.slip_next()
    ticket = bench.arm.pick(bench.tool, [bench.grasp])
    bench.run(ticket)
    assert ticket.outcome is not None and ticket.outcome.reason == "dropped"
    assert bench.body.xpos[2] < 0.03
    x, y, _ = bench.body.xpos
    bench.grasp = replace(bench.grasp, position=(float(x), float(y), 0.01))
    bench.pick()


def test_placing_with_an_empty_hand_is_dropped() -> None:
    bench = Bench("combination wrench")
    held = bench.pick()
    bench.arm.stop()
    bench.run(bench.arm.place(held, SPOT))
    bench.run(bench.arm.pick(bench.tool, [replace(bench.grasp, position=(0.40, -0.20, 0.01))]))
    again = bench.arm.place(held, SPOT)
    bench.run(again)
    assert again.outcome is not None and again.outcome.reason == "dropped"


@pytest.mark.parametrize("phase", ["approach", "descend", "close", "lift"])
def test_hold_stands_still_and_resume_finishes_the_pick(phase: str) -> None:
    bench = Bench("combination wrench")
    ticket = bench.arm.pick(bench.tool, [bench.grasp])
    bench.advance_to(phase)
    bench.arm.hold()
    bench.world.advance(TICK_S)
    bench.world.advance(TICK_S)
    before = bench.arm.state.tcp
    for _ in range(20):
        bench.world.advance(TICK_S)
    assert np.linalg.norm(np.subtract(bench.arm.state.tcp, before)) < 0.001
    assert not bench.arm.state.moving and ticket.outcome is None
    bench.arm.resume()
    bench.run(ticket)
    assert ticket.outcome is not None and ticket.outcome.ok


def test_stop_cancels_the_motion_within_two_ticks_and_keeps_the_grip() -> None:
    bench = Bench("combination wrench")
    held = bench.pick()
    ticket = bench.arm.place(held, SPOT)
    bench.advance_to("carry")
    bench.world.advance(TICK_S)
    bench.arm.stop()
    assert ticket.outcome is not None and ticket.outcome.reason == "cancelled"
    bench.world.advance(TICK_S)
    bench.world.advance(TICK_S)
    stood = bench.arm.state.tcp
    for _ in range(20):
        bench.world.advance(TICK_S)
    assert np.linalg.norm(np.subtract(bench.arm.state.tcp, stood)) < 0.003
    assert bench.body.xpos[2] > 0.12
    done = bench.arm.place(held, SPOT)
    bench.run(done)
    assert done.outcome is not None and done.outcome.ok


def test_cancelling_a_ticket_stops_the_arm() -> None:
    bench = Bench("screw")
    ticket = bench.arm.move_to("look")
    bench.advance_to("move")
    ticket.cancel()
    for _ in range(4):
        bench.world.advance(TICK_S)
    assert bench.arm.phase == "idle" and not bench.arm.state.moving


def test_what_a_cancelled_pick_left_in_the_hand_is_lowered_before_the_next_one() -> None:
    bench = Bench("combination wrench")
    ticket = bench.arm.pick(bench.tool, [bench.grasp])
    bench.advance_to("lift")
    for _ in range(6):
        bench.world.advance(TICK_S)
    ticket.cancel()
    bench.arm.pick(bench.tool, [replace(bench.grasp, position=(0.40, -0.20, 0.01))])
    bench.advance_to("lower")
    bench.advance_to("descend")
    assert bench.body.xpos[:2] == pytest.approx((0.50, 0.12), abs=0.01) and bench.body.xpos[2] < 0.02


def test_a_stalled_arm_faults_until_it_recovers() -> None:
    bench = Bench("screw")
    ticket = bench.arm.move_to("look")
    bench.advance_to("move")
    bench.arm.stall()
    assert ticket.outcome is not None and ticket.outcome.reason == "arm_fault"
    for _ in range(4):
        bench.world.advance(TICK_S)
    assert not bench.arm.state.healthy and not bench.arm.state.moving
    refused = bench.arm.move_to("home")
    assert refused.outcome is not None and refused.outcome.reason == "arm_fault"
    bench.arm.recover()
    again = bench.arm.move_to("home")
    assert bench.run(again) < 1.6
    assert again.outcome is not None and again.outcome.ok and bench.arm.state.healthy


def test_link_segments_follow_the_joints() -> None:
    bench = Bench("screw")
    bench.run(bench.arm.move_to("look"))
    tcp = np.array(bench.arm.state.tcp)
    assert min(np.linalg.norm(np.array(end) - tcp) for _, end, _ in bench.arm.link_segments()) < 0.02
    assert all(radius > 0.02 for _, _, radius in bench.arm.link_segments())


def test_an_unknown_robot_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"robot 'r2d2' is not known; known: built-in, franka_emika_panda"):
        arm_spec("r2d2")


def test_a_robot_that_cannot_be_downloaded_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(name: str) -> object:
        raise OSError("no route to host")

    monkeypatch.setitem(sys.modules, "mujoco_menagerie", types.SimpleNamespace(get=offline))
    with pytest.raises(ConfigError, match=r"no route to host.*'built-in' needs no download"):
        arm_spec("franka_emika_panda")
    monkeypatch.setitem(sys.modules, "mujoco_menagerie", None)
    with pytest.raises(ConfigError, match="pip install mujoco-menagerie"):
        arm_spec("franka_emika_panda")


def test_named_poses_lie_within_the_joint_limits() -> None:
    for joints in NAMED_POSES_RAD.values():
        assert all(low < joint < high for joint, (low, high) in zip(joints, LIMITS_RAD, strict=True))
