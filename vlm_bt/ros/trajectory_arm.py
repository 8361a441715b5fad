"""Serves MoveArm and Grip with an arm that follows joint trajectories: ros2_control, or what speaks its actions.

The ways are planned with our own kinematics, which knows the arms of `arm.robot` (the built-in one and the Panda) and
nothing of what lies around: for an arm of another kind, or one among obstacles, there is `moveit_arm`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from builtin_interfaces.msg import Duration
from rclpy.node import Node
from trajectory_msgs.msg import JointTrajectoryPoint

from vlm_bt.errors import ConfigError
from vlm_bt.ros.arm_driver import ArmDriver
from vlm_bt.ros.arm_server import Task
from vlm_bt.ros.goal import ActionPort
from vlm_bt.ros.gripper import Gripper
from vlm_bt.ros.joints import JointWatch
from vlm_bt.ros.relay import Relay
from vlm_bt.ros.ways import Ways
from vlm_bt.settings import Settings
from vlm_bt.simulation.kinematics import Kinematics
from vlm_bt.simulation.motion import Trajectory
from vlm_bt.types import Outcome, Pose

POINTS_EVERY_S = 0.02
NOT_WELL = {-4: "blocked", -5: "blocked"}
"""Errors of FollowJointTrajectory that say that something was in the way: tolerances that were not kept."""


class TrajectoryArm:
    """A driver between our two actions and the controllers'.

    Raises:
        ConfigError: control_msgs is not installed, or the joints do not fit the robot.
    """

    def __init__(self, node: Node, settings: Settings) -> None:
        self._settings = settings.ros.trajectory
        self._joints = JointWatch(node, self._settings)
        gripper = Gripper(node, self._settings, self._joints)
        from control_msgs.action import FollowJointTrajectory

        self._kind = FollowJointTrajectory
        kinematics = Kinematics(settings.arm.robot)
        if len(self._settings.joints) != len(kinematics.lower):
            raise ConfigError(
                f"ros.trajectory.joints: the robot has {len(kinematics.lower)} joints, {len(self._settings.joints)} "
                "are named"
            )
        # One for the thread that plans, one for the thread that tells where the hand is.
        self._telling = Kinematics(settings.arm.robot)
        self._ways = Ways(kinematics, self._settings.named, settings.ros.base_frame)
        self._controller = ActionPort(node, FollowJointTrajectory, self._settings.controller)
        self._relay = Relay(self._joints)
        self._driver = ArmDriver(node, settings.ros, self._joints, gripper, self)

    def close(self) -> None:
        self._driver.close()

    @property
    def fault(self) -> str:
        """Why nothing may be moved; empty where all is well."""
        return "" if self._controller.served else f"nobody serves {self._controller.name}"

    def pose(self) -> Pose | None:
        """Of the tool centre point now."""
        joints = self._joints.joints
        return None if joints is None else self._telling.pose(joints)

    def travel(self, task: Task, end_s: float) -> Outcome:
        """One trajectory after the other."""
        start = self._joints.joints
        assert start is not None
        planned = self._ways.plan(task.request, start)
        if isinstance(planned, Outcome):
            return planned
        for way in planned:
            ended, result = self._relay.send(self._controller, self._trajectory(way), task, end_s)
            if ended is not None:
                return ended
            if result.error_code != self._kind.Result.SUCCESSFUL:
                reason = NOT_WELL.get(result.error_code, "arm_fault")
                return Outcome(reason, f"the controller says {result.error_code}: {result.error_string}")
        return Outcome()

    def _trajectory(self, way: Trajectory) -> Any:
        goal = self._kind.Goal()
        goal.trajectory.joint_names = list(self._settings.joints)
        count = max(2, round(way.duration_s / POINTS_EVERY_S) + 1)
        for time_s in np.linspace(0.0, way.duration_s, count)[1:]:
            joints, speeds = way.at(float(time_s))
            goal.trajectory.points.append(
                JointTrajectoryPoint(
                    positions=joints.tolist(), velocities=speeds.tolist(), time_from_start=_duration(float(time_s))
                )
            )
        return goal


def _duration(seconds: float) -> Duration:
    whole = int(seconds)
    return Duration(sec=whole, nanosec=round((seconds - whole) * 1e9))
