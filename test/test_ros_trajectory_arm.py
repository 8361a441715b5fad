"""The driver for ros2_control against controllers that follow, lag, refuse and die. Needs control_msgs."""

from __future__ import annotations

import math
import sys
import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no rclpy: scripts/ros_interfaces")
pytest.importorskip("vlm_bt_interfaces", reason="vlm_bt_interfaces is not built: see interfaces/")

from ros_driving import Client, PuppetJoints, to
from vlm_bt_interfaces.action import Grip, MoveArm

from vlm_bt import settings
from vlm_bt.cli.run import changed
from vlm_bt.errors import ConfigError
from vlm_bt.ros.messages import pose_of
from vlm_bt.ros.runtime import Runtime
from vlm_bt.ros.trajectory_arm import TrajectoryArm

pytestmark = pytest.mark.ros


def test_without_control_msgs_the_driver_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "control_msgs", None)
    with Runtime() as runtime, pytest.raises(ConfigError, match="apt install ros-jazzy-control-msgs"):
        TrajectoryArm(runtime.node("driver"), settings.load())


class Controllers(PuppetJoints):
    """A joint trajectory controller that does as it is told, in real time, and a gripper."""

    def __init__(self, runtime: Runtime, chosen) -> None:
        super().__init__(runtime, chosen)
        from control_msgs.action import FollowJointTrajectory

        self.error, self.deaf = 0, False
        self.points: list[int] = []
        self._kind = FollowJointTrajectory
        self.serve(FollowJointTrajectory, chosen.controller, self._follow)

    def _follow(self, handle):
        result = self._kind.Result()
        points = handle.request.trajectory.points
        self.points.append(len(points))
        times = [0.0, *(p.time_from_start.sec + p.time_from_start.nanosec * 1e-9 for p in points)]
        table = np.array([self.joints, *(p.positions for p in points)])
        began = time.monotonic()
        while (passed := time.monotonic() - began) < times[-1]:
            self.joints = np.array([np.interp(passed, times, column) for column in table.T])
            if handle.is_cancel_requested and not self.deaf:
                handle.canceled()
                return result
            if self.error and passed > times[-1] / 2:
                result.error_code, result.error_string = self.error, "joint4 is off by 0.2"
                handle.abort()
                return result
            time.sleep(0.004)
        self.joints = table[-1]
        handle.succeed()
        return result


class Driven(Client):
    def __init__(self, driver: Runtime, controllers: Runtime, client: Runtime) -> None:
        chosen = changed(settings.load(), "ros.trajectory.lost_s", 2.0)
        self.controllers = Controllers(controllers, chosen.ros.trajectory)
        self.arm = TrajectoryArm(driver.node("driver"), chosen)
        super().__init__(client, chosen.ros.arm)


@pytest.fixture
def driven():
    pytest.importorskip("control_msgs", reason="no control_msgs: apt install ros-jazzy-control-msgs")
    with Runtime() as one, Runtime(threads=8) as two, Runtime() as three:
        made = Driven(one, two, three)
        yield made
        made.arm.close()
        made.controllers.close()


def test_a_pose_a_straight_line_and_a_named_posture_are_followed(driven):
    over = driven.goes(to((0.5, 0.1, 0.13)))
    assert over.ended.ok and over.result.standstill, over.ended
    down = driven.goes(to((0.5, 0.1, 0.03), straight=True))
    assert down.ended.ok and pose_of(down.result.tcp.pose).position == pytest.approx((0.5, 0.1, 0.03), abs=0.003)
    home = driven.goes(MoveArm.Goal(named="home"))
    assert home.ended.ok and len(driven.controllers.points) == 4, "up first, then home"
    assert driven.controllers.joints[1] == pytest.approx(-1.40, abs=0.01)


def test_what_is_out_of_reach_moves_nothing(driven):
    assert driven.goes(to((1.5, 0.0, 0.2))).ended.reason == "unreachable"
    assert not driven.controllers.points


def test_a_cancelled_goal_stops_the_controller_and_ends_at_standstill(driven):
    goal = driven.send(to((0.3, 0.45, 0.3), speed_scale=0.2))
    driven.until(lambda: driven.port.state.moving)
    goal.cancel("the test says so")
    driven.until(lambda: goal.ended is not None)
    assert goal.ended.reason == "cancelled" and goal.result.standstill, goal.ended
    before = driven.controllers.joints.copy()
    time.sleep(0.1)
    assert np.array_equal(before, driven.controllers.joints)


def test_a_controller_that_does_not_stop_is_told_as_no_standstill(driven):
    driven.controllers.deaf = True
    goal = driven.send(to((0.3, 0.45, 0.3), speed_scale=0.1, time_limit_s=0.5))
    driven.until(lambda: goal.ended is not None)
    assert goal.ended.reason == "arm_fault" and not goal.result.standstill


def test_a_time_limit_is_kept(driven):
    assert driven.goes(to((0.3, 0.45, 0.3), speed_scale=0.1, time_limit_s=0.4)).ended.reason == "timed_out"


@pytest.mark.parametrize(("code", "reason"), [(-4, "blocked"), (-1, "arm_fault")])
def test_what_the_controller_complains_of_is_passed_on(driven, code, reason):
    driven.controllers.error = code
    ended = driven.goes(to((0.5, 0.1, 0.13))).ended
    assert ended.reason == reason and "joint4 is off" in ended.detail


def test_the_gripper_says_whether_it_holds(driven):
    driven.controllers.thing_m = 0.021
    closed = driven.goes(Grip.Goal(width_m=0.0, force_n=20.0))
    assert closed.ended.ok and closed.result.held and closed.result.width_m == pytest.approx(0.021, abs=0.001)
    opened = driven.goes(Grip.Goal(width_m=0.06))
    assert opened.ended.ok and not opened.result.held
    driven.controllers.thing_m = 0.0
    assert not driven.goes(Grip.Goal(width_m=0.0)).result.held
    assert driven.goes(Grip.Goal(width_m=math.nan)).ended.reason == "unreachable"


def test_joint_states_that_stop_are_a_fault(driven):
    goal = driven.send(to((0.3, 0.45, 0.3), speed_scale=0.2))
    driven.until(lambda: driven.port.state.moving)
    driven.controllers.silent = True
    driven.until(lambda: goal.ended is not None)
    assert goal.ended.reason == "arm_fault"
    driven.until(lambda: not driven.port.state.healthy)
