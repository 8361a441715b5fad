"""The driver for ros2_control against controllers that follow, lag, refuse and die. Needs control_msgs."""

from __future__ import annotations

import math
import sys
import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no rclpy: pip install -e '.[ros]'")
pytest.importorskip("vlm_bt_interfaces", reason="vlm_bt_interfaces is not built: see interfaces/")

import ros_puppets  # noqa: F401  (sets what Fast DDS goes by)
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from sensor_msgs.msg import JointState
from vlm_bt_interfaces.action import Grip, MoveArm

from vlm_bt import settings
from vlm_bt.cli.run import changed
from vlm_bt.clocks import WallClock
from vlm_bt.errors import ConfigError
from vlm_bt.ros.arm import RosArm
from vlm_bt.ros.goal import ActionPort, Goal
from vlm_bt.ros.messages import pose_message, pose_of
from vlm_bt.ros.runtime import Inbox, Runtime
from vlm_bt.ros.stamps import Stamps
from vlm_bt.ros.trajectory_arm import TrajectoryArm
from vlm_bt.scene.handling import pointing_down

pytestmark = pytest.mark.ros


def test_without_control_msgs_the_driver_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "control_msgs", None)
    with Runtime() as runtime, pytest.raises(ConfigError, match="apt install ros-jazzy-control-msgs"):
        TrajectoryArm(runtime.node("driver"), settings.load())


class Controllers:
    """A joint trajectory controller and a gripper that do as they are told, in real time."""

    def __init__(self, runtime: Runtime, chosen) -> None:
        from control_msgs.action import FollowJointTrajectory, GripperCommand

        self.names = chosen.ros.trajectory.joints
        self.joints = np.array(chosen.ros.trajectory.named["home"])
        self.width_m, self.thing_m = 0.08, 0.0
        self.error, self.deaf, self.silent = 0, False, False
        self.points: list[int] = []
        self.node = runtime.node("controllers")
        group = ReentrantCallbackGroup()
        self.servers = [
            ActionServer(
                self.node,
                kind,
                name,
                execute,
                goal_callback=lambda goal: GoalResponse.ACCEPT,
                cancel_callback=lambda handle: CancelResponse.ACCEPT,
                callback_group=group,
            )
            for kind, name, execute in (
                (FollowJointTrajectory, chosen.ros.trajectory.controller, self._follow),
                (GripperCommand, chosen.ros.trajectory.gripper, self._grip),
            )
        ]
        self._kinds = (FollowJointTrajectory, GripperCommand)
        self._said = self.node.create_publisher(JointState, "joint_states", 10)
        self.node.create_timer(0.01, self._say, callback_group=group)

    def close(self) -> None:
        for server in self.servers:
            server.destroy()

    def _say(self) -> None:
        if self.silent:
            return
        half = self.width_m / 2
        names = ["finger_joint2", *self.names, "finger_joint1"]
        self._said.publish(JointState(name=names, position=[half, *self.joints.tolist(), half]))

    def _follow(self, handle):
        result = self._kinds[0].Result()
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

    def _grip(self, handle):
        result = self._kinds[1].Result()
        time.sleep(0.1)
        aim = handle.request.command.position
        self.width_m = max(aim, self.thing_m)
        result.position, result.reached_goal = self.width_m, self.width_m == aim
        result.stalled = not result.reached_goal
        handle.succeed()
        return result


class Driven:
    def __init__(self, driver: Runtime, controllers: Runtime, client: Runtime) -> None:
        chosen = changed(settings.load(), "ros.trajectory.lost_s", 2.0)
        self.controllers = Controllers(controllers, chosen)
        self.arm = TrajectoryArm(driver.node("driver"), chosen)
        node = client.node("client")
        self.inbox = Inbox()
        self.port = RosArm(node, chosen.ros.arm, Stamps(node, WallClock(0.02)), self.inbox, "base")
        self.actions = {MoveArm: ActionPort(node, MoveArm, "move_arm"), Grip: ActionPort(node, Grip, "grip")}
        self.until(lambda: self.port.heard and self.port.state.healthy and self.port.served, 30.0)

    def until(self, true, limit_s: float = 15.0) -> None:
        began = time.monotonic()
        while not true():
            assert time.monotonic() - began < limit_s, "it never happened"
            self.inbox.empty()
            self.port.step()
            time.sleep(0.005)

    def send(self, message) -> Goal:
        port = self.actions[MoveArm if isinstance(message, MoveArm.Goal) else Grip]
        return Goal(port, message, self.inbox, time.monotonic, accept_limit_s=5, limit_s=30, what="goal")

    def goes(self, message) -> Goal:
        goal = self.send(message)

        def ended() -> bool:
            goal.step()
            return goal.ended is not None

        self.until(ended, 40.0)
        return goal


def to(position, *, straight=False, **more) -> MoveArm.Goal:
    goal = MoveArm.Goal(**more)
    goal.pose.header.frame_id = "base"
    goal.pose.pose = pose_message(pointing_down(position, 0.0))
    goal.path.straight = straight
    return goal


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
