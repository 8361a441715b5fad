"""Serves MoveArm and Grip with an arm that MoveIt 2 plans for, and a gripper of ros2_control.

A pose or posture is planned and executed by move_group's MoveGroup action, which watches the scene meanwhile; a
straight line is planned by GetCartesianPath and executed by ExecuteTrajectory.
"""

from __future__ import annotations

import time
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from std_msgs.msg import String

from vlm_bt.errors import ConfigError
from vlm_bt.ros.arm_driver import ArmDriver
from vlm_bt.ros.arm_server import Task
from vlm_bt.ros.asked import no_posture, pose_asked, refused
from vlm_bt.ros.goal import ActionPort, CancelEverything
from vlm_bt.ros.gripper import Gripper
from vlm_bt.ros.joints import JointWatch
from vlm_bt.ros.postures import Postures
from vlm_bt.ros.relay import Relay
from vlm_bt.ros.transforms import Transforms
from vlm_bt.settings import Settings
from vlm_bt.types import Outcome, Pose

LINE_S = 1.2
"""A straight line is computed within this time, or it counts as none."""
SCENE_S = 2.0


class MoveItArm:
    """A driver between our two actions and MoveIt's.

    What is to stop is told to move_group in three ways: the goal is cancelled; `stop` is sent as an event, for some
    releases take the cancelling of ExecuteTrajectory without stopping the arm; and the goals of the controllers
    that the settings name are cancelled, for move_group may be gone. Only joints that stand count as a stop.

    Raises:
        ConfigError: Messages of MoveIt, ros2_control or tf2 are not installed, or the settings do not fit together.
    """

    def __init__(self, node: Node, settings: Settings) -> None:
        try:
            from moveit_msgs.action import ExecuteTrajectory, MoveGroup
            from moveit_msgs.srv import GetCartesianPath

            from vlm_bt.ros import moveit_goals
            from vlm_bt.ros.moveit_scene import Scene
        except ModuleNotFoundError as missing:
            raise ConfigError(
                f"the messages of MoveIt are not installed ({missing}): apt install ros-jazzy-moveit-msgs; for an arm "
                "without MoveIt there is: vlm-bt ros trajectory-arm"
            ) from missing
        chosen = settings.ros.moveit
        self._settings = chosen
        self._base_frame = settings.ros.base_frame
        self._goals = moveit_goals
        self._execution = ExecuteTrajectory
        self._asking = moveit_goals.Asking(chosen, self._base_frame)
        self._transforms = Transforms(node)
        self._joints = JointWatch(node, chosen)
        self._postures = Postures(node, chosen)
        self._event = node.create_publisher(String, "trajectory_execution_event", 10)
        self._controllers = [CancelEverything(node, name) for name in chosen.controllers]
        self._relay = Relay(self._joints, self._stop)
        self._scene = Scene(node, chosen, self._base_frame, self._relay)
        self._move = ActionPort(node, MoveGroup, "move_action")
        self._execute = ActionPort(node, ExecuteTrajectory, "execute_trajectory")
        self._line = node.create_client(
            GetCartesianPath, "compute_cartesian_path", callback_group=ReentrantCallbackGroup()
        )
        gripper = Gripper(node, chosen, self._joints)
        self._driver = ArmDriver(node, settings.ros, self._joints, gripper, self)

    def close(self) -> None:
        self._driver.close()

    @property
    def fault(self) -> str:
        """Why nothing may be moved; empty where all is well."""
        for port in (self._move, self._execute):
            if not port.served:
                return f"nobody serves {port.name}: does move_group run?"
        if not self._line.service_is_ready():
            return f"nobody serves {self._line.srv_name}: does move_group run?"
        known = self._where()
        return self._scene.fault or (known if isinstance(known, str) else "")

    def pose(self) -> Pose | None:
        """Of the tool centre point now."""
        known = self._where()
        return None if isinstance(known, str) else known

    def travel(self, task: Task, end_s: float) -> Outcome:
        """Fit the scene to the goal, plan, and move."""
        goal = task.request
        wrong = refused(goal)
        if wrong is not None:
            return wrong
        target = self._target(goal)
        if isinstance(target, Outcome):
            return target
        start = self.pose()
        if start is None:
            return Outcome("arm_fault", self.fault)
        failed = self._scene.fit(task, min(end_s, time.monotonic() + SCENE_S))
        if failed is not None:
            return failed
        way = self._asking.way(goal.path, start)
        scale = float(goal.speed_scale)
        if isinstance(target, Pose) and goal.path.straight:
            return self._straight(self._asking.straight(target, scale, way), task, end_s)
        if isinstance(target, Pose):
            return self._planned(self._asking.to_pose(target, scale, way), task, end_s)
        return self._planned(self._asking.to_posture(target, scale, way), task, end_s)

    def _target(self, goal: Any) -> Any:
        """A pose, a posture, or why there is neither."""
        if not goal.named:
            return pose_asked(goal, self._base_frame)
        postures = self._postures()
        return postures.get(goal.named) or no_posture(goal.named, postures)

    def _planned(self, asked: Any, task: Task, end_s: float) -> Outcome:
        over, result = self._relay.send(self._move, asked, task, end_s)
        if over is not None:
            return over
        return self._goals.ended(result.error_code, moved=bool(result.planned_trajectory.joint_trajectory.points))

    def _straight(self, asked: Any, task: Task, end_s: float) -> Outcome:
        over, line = self._relay.ask(self._line, asked, task, min(end_s, time.monotonic() + LINE_S))
        if over is None:
            over = self._goals.no_line(line)
        if over is not None:
            return over
        over, result = self._relay.send(self._execute, self._execution.Goal(trajectory=line.solution), task, end_s)
        return self._goals.ended(result.error_code, moved=True) if over is None else over

    def _where(self) -> Pose | str:
        return self._transforms.pose(self._base_frame, self._settings.tcp_link)

    def _stop(self) -> None:
        self._event.publish(String(data="stop"))
        for cancel in self._controllers:
            cancel()
