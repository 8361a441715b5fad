"""A gripper of ros2_control: GripperCommand or ParallelGripperCommand of control_msgs, in metres of opening."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import JointState

from vlm_bt.errors import ConfigError
from vlm_bt.ros.arm_server import Task
from vlm_bt.ros.goal import ActionPort
from vlm_bt.ros.joints import JointWatch
from vlm_bt.ros.motions import EMPTY_WIDTH_M
from vlm_bt.ros.relay import Relay
from vlm_bt.ros_settings import JointArmSettings
from vlm_bt.types import Outcome

WIDEST_M = 1.0


class Gripper:
    """Opens and closes.

    Attributes:
        holds: Something was between the fingers when they closed last.

    Raises:
        ConfigError: control_msgs is not installed, or too old for the kind of gripper that the settings name.
    """

    def __init__(self, node: Node, settings: JointArmSettings, joints: JointWatch) -> None:
        self._settings = settings
        self._joints = joints
        self._kind = _kind(settings.gripper_kind)
        self._port = ActionPort(node, self._kind, settings.gripper)
        self._relay = Relay(joints)
        self.holds = False

    @property
    def fault(self) -> str:
        """Why it cannot be used; empty where all is well."""
        return "" if self._port.served else f"nobody serves {self._port.name}"

    def carry_out(self, task: Task, end_s: float) -> Outcome:
        """A goal of the action Grip. `end_s` is on the monotonic clock."""
        width_m = float(task.request.width_m)
        if not 0.0 <= width_m < WIDEST_M:
            return Outcome("unreachable", f"the fingers cannot be {width_m:g} m apart")
        goal = self._goal(width_m * self._settings.gripper_scale, float(task.request.force_n))
        ended, result = self._relay.send(self._port, goal, task, end_s)
        if ended is not None:
            return ended
        self._joints.hear_on()
        stopped_m = self._position(result) / self._settings.gripper_scale
        closes = width_m < EMPTY_WIDTH_M
        self.holds = closes and not result.reached_goal and stopped_m >= EMPTY_WIDTH_M
        if not (result.reached_goal or result.stalled):
            return Outcome("arm_fault", f"the gripper came to {stopped_m:.3f} m instead of {width_m:.3f} m")
        return Outcome()

    def _goal(self, position: float, force_n: float) -> Any:
        goal = self._kind.Goal()
        if self._settings.gripper_kind == "gripper_command":
            goal.command.position, goal.command.max_effort = position, force_n
            return goal
        # An effort of zero would be one: what is not said is left out.
        effort = [force_n] if force_n > 0 else []
        goal.command = JointState(name=[self._joint], position=[position], effort=effort)
        return goal

    def _position(self, result: Any) -> float:
        if self._settings.gripper_kind == "gripper_command":
            return float(result.position)
        at = dict(zip(result.state.name, result.state.position, strict=False))
        if self._joint in at:
            return float(at[self._joint])
        # Controllers may leave out the names where there is but one joint.
        known = result.state.position
        return float(known[0]) if len(known) else self._joints.width_m * self._settings.gripper_scale

    @property
    def _joint(self) -> str:
        return self._settings.gripper_joint or self._settings.finger_joints[0]


def _kind(name: str) -> Any:
    try:
        from control_msgs import action
    except ImportError as missing:
        raise ConfigError(
            f"the messages of ros2_control are not installed ({missing}): apt install ros-jazzy-control-msgs"
        ) from missing
    kind = getattr(action, "GripperCommand" if name == "gripper_command" else "ParallelGripperCommand", None)
    if kind is None:
        raise ConfigError(
            "gripper_kind is parallel_gripper_command, which this control_msgs does not know: it came with 5.1; "
            "use gripper_command, or a newer control_msgs"
        )
    return kind
