"""The arm port against real action servers: what is sent, and what comes of servers that fail in every way."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="no rclpy: scripts/ros_interfaces")
pytest.importorskip("vlm_bt_interfaces", reason="vlm_bt_interfaces is not built: see interfaces/")

from ros_puppets import PuppetArm

from vlm_bt.clocks import WallClock
from vlm_bt.ros import goal as goals
from vlm_bt.ros.arm import RosArm
from vlm_bt.ros.motions import attached
from vlm_bt.ros.runtime import Inbox, Runtime
from vlm_bt.ros.stamps import Stamps
from vlm_bt.ros_settings import RosArmSettings
from vlm_bt.scene.handling import held_object
from vlm_bt.types import Box, Footprint, Grasp, LocatedObject, PlaceSpot, VerifiedObject

pytestmark = pytest.mark.ros

SHAPE = Footprint((0.45, 0.1), 0.16, 0.03, 0.4, 0.02, 0.004)
TOOL = VerifiedObject(LocatedObject("object-7", "overhead-1", 0, Box(0, 0, 9, 9), SHAPE, 1.0), "pliers", "verdict-1")
GRASP = Grasp((0.45, 0.1, 0.015), 0.4 + math.pi / 2, 0.05, 1.0)
SPOT = PlaceSpot((0.2, 0.4), 0.0, "left")
FAST = RosArmSettings(accept_limit_s=0.4, motion_limit_s=1.0, lost_s=1.0)


class Bench:
    """An arm port and its clock, ticked at 50 Hz in the test's thread as the executive would."""

    def __init__(self, runtime: Runtime, settings: RosArmSettings = FAST) -> None:
        self.clock, self.inbox = WallClock(0.02), Inbox()
        node = runtime.node("executive")
        self.arm = RosArm(node, settings, Stamps(node, self.clock), self.inbox, "base")
        self.clock.connect((lambda tick: self.inbox.empty(), lambda tick: self.arm.step()), lambda: False)

    def until(self, true, limit_s: float = 5.0) -> float:
        """Tick until it is true; how long that took."""
        began = time.monotonic()
        while not true():
            assert time.monotonic() - began < limit_s, "it never happened"
            self.clock.advance()
        return time.monotonic() - began

    def ends(self, ticket, limit_s: float = 5.0):
        self.until(lambda: ticket.outcome is not None, limit_s)
        return ticket.outcome

    def ready(self) -> Bench:
        self.until(lambda: self.arm.heard and self.arm.served, 20.0)
        return self


@pytest.fixture
def puppet():
    with Runtime(threads=8) as runtime:
        made = PuppetArm(runtime)
        yield made
        made.close()


@pytest.fixture
def bench(puppet):
    with Runtime() as runtime:
        yield Bench(runtime).ready()


def test_a_pick_opens_goes_over_goes_down_closes_and_rises(bench, puppet):
    ticket = bench.arm.pick(TOOL, [GRASP])
    assert bench.ends(ticket).ok
    over, down, up = puppet.moves
    assert [round(goal.pose.pose.position.z, 4) for goal in (over, down, up)] == [0.12, 0.015, 0.12]
    assert (over.path.straight, down.path.straight, up.path.straight) == (False, True, True)
    assert list(down.may_touch) == ["object-7"] and not over.attached
    assert up.attached[0].id == "object-7" and up.speed_scale == FAST.careful
    assert ticket.value.width_m == pytest.approx(0.02) and ticket.value.height_m == pytest.approx(0.015)
    assert over.pose.header.frame_id == "base" and puppet.overlaps == 0


def test_a_place_carries_lowers_opens_and_rises_with_the_thing_attached_until_it_is_let_go(bench, puppet):
    picked = bench.arm.pick(TOOL, [GRASP])
    assert bench.ends(picked).ok
    assert bench.ends(bench.arm.place(picked.value, SPOT)).ok
    carried, lowered, risen = puppet.moves[-3:]
    assert [len(goal.attached) for goal in (carried, lowered, risen)] == [1, 1, 0]
    assert lowered.pose.pose.position.z == pytest.approx(0.018)
    at = lowered.pose.pose.position
    assert (at.x, at.y) == pytest.approx((0.2, 0.4), abs=0.001)
    assert puppet.width_m == pytest.approx(0.036)


def test_the_second_half_turn_and_the_next_grasp_are_tried_where_the_first_is_out_of_reach(bench, puppet):
    puppet.reply = {1: "unreachable", 2: "unreachable"}
    ticket = bench.arm.pick(TOOL, [GRASP, replace(GRASP, position=(0.46, 0.1, 0.015))])
    assert bench.ends(ticket).ok
    first, second, third = puppet.moves[:3]
    turn = 2 * math.acos(abs(_dot(first.pose.pose.orientation, second.pose.pose.orientation)))
    assert turn == pytest.approx(math.pi) and third.pose.pose.position.x == pytest.approx(0.46)


def test_where_nothing_is_in_reach_the_pick_says_so(bench, puppet):
    puppet.reply = {None: "unreachable", 0: "done"}
    assert bench.ends(bench.arm.pick(TOOL, [GRASP])).reason == "unreachable"
    assert bench.ends(bench.arm.pick(TOOL, [])).detail == "there is no grasp to try"


def test_fingers_that_close_on_nothing_are_a_failed_grasp(bench, puppet):
    puppet.thing_m = 0.0
    assert bench.ends(bench.arm.pick(TOOL, [GRASP])).reason == "grasp_failed"
    assert puppet.moves[-1].pose.pose.position.z == pytest.approx(0.12)


def test_a_hand_that_is_in_the_way_of_something_rises_and_says_so(bench, puppet):
    puppet.reply = {2: "blocked"}
    assert bench.ends(bench.arm.pick(TOOL, [GRASP])).reason == "blocked"
    assert len(puppet.moves) == 3 and puppet.moves[-1].pose.pose.position.z == pytest.approx(0.12)


def test_what_is_lost_while_it_is_lifted_counts_as_dropped(bench, puppet):
    ticket = bench.arm.pick(TOOL, [GRASP])
    bench.until(lambda: len(puppet.goals) == 5)
    puppet.width_m = 0.0
    assert bench.ends(ticket).reason == "dropped"


def test_a_held_goal_is_cancelled_and_sent_again(bench, puppet):
    puppet.takes_s = 0.3
    ticket = bench.arm.move_to("home")
    bench.until(lambda: puppet.running == 1)
    bench.arm.hold()
    bench.until(lambda: puppet.running == 0)
    for _ in range(10):
        bench.clock.advance()
    assert ticket.outcome is None and len(puppet.goals) == 1
    bench.arm.resume()
    assert bench.ends(ticket).ok and len(puppet.goals) == 2


def test_a_goal_that_somebody_else_cancelled_ends_the_motion_and_is_never_sent_again(bench, puppet):
    puppet.takes_s = 0.6
    ticket = bench.arm.pick(TOOL, [GRASP])
    bench.until(lambda: puppet.running == 1)
    with Runtime() as other:
        everything = goals.CancelEverything(other.node("guardian"), "grip")
        bench.until(lambda: everything() is not None)
        assert bench.ends(ticket).reason == "cancelled"
    for _ in range(10):
        bench.clock.advance()
    assert len(puppet.goals) == 1 and not bench.arm.commanding


def test_stop_ends_the_motion_at_once_and_the_arm_within_a_moment(bench, puppet):
    puppet.takes_s = 2.0
    ticket = bench.arm.move_to("home")
    bench.until(lambda: puppet.running == 1)
    began = time.monotonic()
    bench.arm.stop()
    assert ticket.outcome.reason == "cancelled" and bench.arm.state.moving
    bench.until(lambda: not bench.arm.state.moving)
    assert puppet.cancels[0] - began < 0.1 and puppet.running == 0


def test_a_motion_that_is_begun_while_another_is_under_way_waits_until_that_one_stands(bench, puppet):
    puppet.takes_s = 0.5
    first = bench.arm.move_to("home")
    bench.until(lambda: puppet.running == 1)
    second = bench.arm.move_to("look")
    assert first.outcome.reason == "cancelled"
    assert bench.ends(second).ok
    assert [goal.named for goal in puppet.moves] == ["home", "look"] and puppet.overlaps == 0


def test_a_motion_right_after_a_stop_is_not_caught_by_it(bench, puppet):
    puppet.takes_s = 0.1
    for _ in range(10):
        ticket = bench.arm.move_to("home")
        bench.until(lambda: puppet.running == 1)
        bench.arm.stop()
        assert bench.ends(bench.arm.move_to("look")).ok
        assert ticket.outcome.reason == "cancelled"
    assert puppet.overlaps == 0


def test_a_goal_that_is_cancelled_before_it_is_accepted_is_cancelled_the_moment_it_is(bench, puppet):
    puppet.accepts_after_s, puppet.takes_s = 0.3, 3.0
    bench.arm.move_to("home")
    bench.clock.advance()
    bench.arm.stop()
    bench.until(lambda: len(puppet.goals) == 1)
    bench.until(lambda: puppet.running == 0, 0.3)
    bench.until(lambda: not bench.arm.commanding)


def test_a_server_that_never_accepts_is_a_named_failure(bench, puppet, monkeypatch):
    monkeypatch.setattr(goals, "STANDSTILL_S", 0.3)
    puppet.accepts_after_s = 2.0
    ticket = bench.arm.move_to("home")
    outcome = bench.ends(ticket, 1.2)
    assert outcome.reason == "arm_fault" and "not accepted in time" in outcome.detail


def test_an_action_that_nobody_serves_is_a_named_failure():
    with Runtime() as one, Runtime() as other:
        PuppetArm(one, serves=False)
        bench = Bench(other)
        bench.until(lambda: bench.arm.heard)
        outcome = bench.ends(bench.arm.move_to("home"), 2.0)
    assert outcome.reason == "arm_fault" and "nobody serves move_arm" in outcome.detail


def test_a_server_that_refuses_is_a_named_failure(bench, puppet):
    puppet.refuses = True
    assert "refused" in bench.ends(bench.arm.move_to("home"), 0.5).detail


def test_a_motion_that_takes_too_long_is_cancelled_and_timed_out(bench, puppet):
    puppet.takes_s = 10.0
    outcome = bench.ends(bench.arm.move_to("home"), 6.0)
    assert outcome.reason == "timed_out", outcome.detail
    assert puppet.running == 0


def test_an_arm_that_does_not_stop_when_told_to_is_a_fault(bench, puppet, monkeypatch):
    monkeypatch.setattr(goals, "STANDSTILL_S", 0.3)
    puppet.takes_s, puppet.deaf = 4.0, True
    outcome = bench.ends(bench.arm.move_to("home"), 6.0)
    assert outcome.reason == "arm_fault" and "standstill was never confirmed" in outcome.detail


def test_an_arm_that_falls_silent_is_a_fault(bench, puppet):
    puppet.takes_s = 3.0
    ticket = bench.arm.move_to("home")
    bench.until(lambda: puppet.running == 1)
    puppet.silent = True
    outcome = bench.ends(ticket, 2.0)
    assert outcome.reason == "arm_fault" and not bench.arm.state.healthy
    bench.until(lambda: puppet.running == 0)
    assert bench.arm.move_to("home").outcome.reason == "arm_fault"


def test_an_arm_that_is_not_well_is_not_moved(bench, puppet):
    puppet.healthy, puppet.fault = False, "joint 3 is hot"
    bench.until(lambda: not bench.arm.state.healthy)
    assert bench.arm.move_to("home").outcome.detail == "joint 3 is hot"


def test_what_a_stopped_pick_left_in_the_hand_is_put_down_before_the_next(bench, puppet):
    puppet.takes_s = 0.15
    ticket = bench.arm.pick(TOOL, [GRASP])
    bench.until(lambda: len(puppet.goals) == 5)
    bench.arm.stop()
    assert ticket.outcome.reason == "cancelled"
    begun = len(puppet.goals)
    assert bench.ends(bench.arm.pick(TOOL, [GRASP])).ok
    lowered, opened = puppet.goals[begun : begun + 2]
    assert lowered.pose.pose.position.z == pytest.approx(0.015, abs=0.004) and opened.width_m > 0.03


def test_what_an_earlier_mission_left_in_the_hand_is_put_down_before_the_arm_is_folded(bench, puppet):
    puppet.takes_s = 0.15
    bench.arm.pick(TOOL, [GRASP])
    bench.until(lambda: len(puppet.goals) == 5)
    bench.arm.stop()
    bench.arm.begin_mission()
    begun = len(puppet.goals)
    assert bench.ends(bench.arm.move_to("home")).ok and bench.ends(bench.arm.move_to("home")).ok
    lowered, opened, folded, again = puppet.goals[begun:]
    assert lowered.pose.pose.position.z == pytest.approx(0.015, abs=0.004) and opened.width_m > 0.03
    assert folded.named == again.named == "home"


def test_a_server_that_is_killed_is_a_named_failure_in_limited_time():
    command = [sys.executable, str(Path(__file__).parent / "ros_puppets.py"), "30"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process, Runtime() as runtime:
        try:
            assert process.stdout.readline() == "ready\n"
            bench = Bench(runtime).ready()
            ticket = bench.arm.move_to("home")
            bench.until(lambda: bench.arm.state.moving)
            os.kill(process.pid, signal.SIGKILL)
            assert bench.ends(ticket, 2.0).reason == "arm_fault"
            bench.until(lambda: not bench.arm.commanding, 3.0)
        finally:
            process.kill()


def test_the_box_around_what_is_held_lies_where_the_hand_has_it():
    """Grasped off its middle and a little turned: the box is given in the frame of a hand that points down."""
    held = held_object(TOOL, replace(GRASP, position=(0.47, 0.1, 0.015)), 0.3, 0.02, 0.015)
    box = attached(held)
    c, s = math.cos(0.3), math.sin(0.3)
    along, across = box.pose.position.x, box.pose.position.y
    assert (0.47 + c * along + s * across, 0.1 + s * along - c * across) == pytest.approx(SHAPE.centre)
    assert box.pose.position.z == pytest.approx(0.005)
    # Seen from above the hand's frame is mirrored: its own turn about z counts the other way.
    assert 0.3 - 2 * math.atan2(box.pose.orientation.z, box.pose.orientation.w) == pytest.approx(SHAPE.yaw_rad)


def _dot(a, b) -> float:
    return a.w * b.w + a.x * b.x + a.y * b.y + a.z * b.z
