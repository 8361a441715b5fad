"""Goals that a driver passes on, and the joints it looks at meanwhile; our own action stands in for a controller's."""

from __future__ import annotations

import threading
import time

import pytest

pytest.importorskip("rclpy", reason="no rclpy: scripts/ros_interfaces")
pytest.importorskip("vlm_bt_interfaces", reason="vlm_bt_interfaces is not built: see interfaces/")

from ros_puppets import PuppetArm
from sensor_msgs.msg import JointState
from vlm_bt_interfaces.action import Grip

from vlm_bt.errors import ConfigError
from vlm_bt.ros.arm_server import Task
from vlm_bt.ros.goal import ActionPort
from vlm_bt.ros.joints import JointWatch
from vlm_bt.ros.relay import Relay
from vlm_bt.ros.runtime import Runtime
from vlm_bt.ros_settings import JointArmSettings

pytestmark = pytest.mark.ros

SETTINGS = JointArmSettings(joints=("a", "b"), finger_joints=("f", "g"), named={}, lost_s=0.6)


class Arm:
    """Joints that are where a test puts them, an action, and the relay between."""

    def __init__(self, driver: Runtime, puppet: Runtime) -> None:
        self.puppet = PuppetArm(puppet)
        self.at, self.speed, self.silent, self.stops = [0.0, 1.0], 0.0, False, 0
        self._said = self.puppet.node.create_publisher(JointState, "joint_states", 10)
        self.puppet.node.create_timer(0.01, self._say)
        node = driver.node("driver")
        self.joints = JointWatch(node, SETTINGS)
        self.relay = Relay(self.joints, self._stop)
        self.port = ActionPort(node, Grip, "grip")
        self.task = Task(None)
        self.until(lambda: not self.joints.silent and self.port.served)

    def _stop(self) -> None:
        self.stops += 1

    def _say(self) -> None:
        self.at[0] += self.speed * 0.01
        if not self.silent:
            self._said.publish(JointState(name=["g", "b", "a", "f"], position=[0.02, self.at[1], self.at[0], 0.01]))

    def until(self, true) -> None:
        began_s = time.monotonic()
        while not true():
            assert time.monotonic() - began_s < 10.0, "it never happened"
            time.sleep(0.005)

    def sends(self, limit_s: float = 5.0):
        return self.relay.send(self.port, Grip.Goal(width_m=0.05), self.task, time.monotonic() + limit_s)

    def cancels_after(self, seconds: float) -> None:
        threading.Timer(seconds, self.task.cancelled.set).start()


@pytest.fixture
def arm():
    with Runtime() as one, Runtime(threads=8) as two:
        made = Arm(one, two)
        yield made
        made.puppet.close()


def test_joints_come_in_the_order_of_the_settings_and_fingers_add_up(arm):
    arm.until(lambda: arm.joints.joints is not None)
    assert arm.joints.joints.tolist() == [0.0, 1.0] and arm.joints.width_m == pytest.approx(0.03)
    assert arm.joints.stand(strictly=True) and not arm.joints.moving


def test_an_arm_that_moves_does_not_stand_and_then_does(arm):
    arm.speed = 0.5
    arm.until(lambda: arm.joints.moving)
    assert not arm.joints.stand(strictly=False)
    arm.speed = 0.0
    assert arm.joints.stand(strictly=True)


def test_an_arm_that_says_nothing_is_lost_and_does_not_stand(arm):
    assert arm.joints.fault == ""
    arm.silent = True
    arm.until(lambda: arm.joints.silent)
    assert arm.joints.fault == "nothing has come on joint_states for 0.6 s"
    assert not arm.joints.stand(strictly=False)


def test_a_posture_that_does_not_fit_the_joints_is_refused():
    with Runtime() as runtime, pytest.raises(ConfigError, match=r"named\.home: 3 angles for 2 joints"):
        JointWatch(runtime.node("driver"), SETTINGS.model_copy(update={"named": {"home": (0.0, 1.0, 2.0)}}))


def test_a_goal_that_ends_by_itself_gives_its_result(arm):
    ended, result = arm.sends()
    assert ended is None and result.width_m == pytest.approx(0.05) and arm.task.standstill and not arm.stops


def test_a_cancelled_task_cancels_the_goal_and_waits_for_its_end(arm):
    arm.puppet.takes_s = 20.0
    arm.cancels_after(0.3)
    ended, _ = arm.sends()
    assert ended.reason == "cancelled" and arm.task.standstill and arm.stops >= 1
    assert arm.puppet.cancels and not arm.puppet.running


def test_a_goal_that_is_accepted_after_it_was_given_up_is_cancelled_all_the_same(arm):
    arm.puppet.takes_s, arm.puppet.accepts_after_s = 20.0, 0.6
    arm.cancels_after(0.1)
    ended, _ = arm.sends()
    assert ended.reason == "cancelled" and arm.task.standstill
    assert len(arm.puppet.goals) == 1 and not arm.puppet.running


def test_a_time_limit_ends_the_goal(arm):
    arm.puppet.takes_s = 20.0
    began_s = time.monotonic()
    ended, _ = arm.sends(limit_s=0.4)
    assert ended.reason == "timed_out" and 0.4 <= time.monotonic() - began_s < 2.0 and not arm.puppet.running


def test_whoever_goes_on_in_spite_of_a_cancel_makes_it_no_standstill(arm):
    arm.puppet.takes_s, arm.puppet.deaf = 20.0, True
    ended, _ = arm.sends(limit_s=0.2)
    assert ended.reason == "timed_out" and not arm.task.standstill


def test_joints_that_fall_silent_end_the_goal(arm):
    arm.puppet.takes_s, arm.silent = 20.0, True
    ended, _ = arm.sends()
    assert ended.reason == "arm_fault" and "joint_states" in ended.detail and not arm.puppet.running


def test_a_goal_that_is_refused_is_a_fault_of_the_arm(arm):
    arm.puppet.refuses = True
    ended, _ = arm.sends()
    assert (ended.reason, ended.detail) == ("arm_fault", "grip refused the goal")
