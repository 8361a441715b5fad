"""Serves MoveArm and Grip with an arm that follows joint trajectories: ros2_control, or what speaks its actions.

The ways are planned with our own kinematics, which knows the arms of `arm.robot` (the built-in one and the Panda) and
nothing of what lies around: for an arm of another kind, or one among obstacles, MoveArm and Grip want a node of yours.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from action_msgs.msg import GoalStatus
from builtin_interfaces.msg import Duration
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectoryPoint
from unique_identifier_msgs.msg import UUID
from vlm_bt_interfaces.msg import ArmState

from vlm_bt.errors import ConfigError
from vlm_bt.ros.arm_server import ArmServer, Hand, Task
from vlm_bt.ros.goal import ActionPort
from vlm_bt.ros.messages import pose_message
from vlm_bt.ros.motions import EMPTY_WIDTH_M
from vlm_bt.ros.pictures import header
from vlm_bt.ros.runtime import Runtime
from vlm_bt.ros.ways import Ways
from vlm_bt.settings import Settings
from vlm_bt.simulation.kinematics import Joints, Kinematics
from vlm_bt.simulation.motion import Trajectory
from vlm_bt.types import Outcome, Pose

STATE_S = 0.02
POINTS_EVERY_S = 0.02
ACCEPTED_WITHIN_S = 2.0
STANDS_WITHIN_S = 1.5
LONGEST_S = 60.0
WATCHED_S = 0.2
"""How fast the joints are is told over so long: single messages come too unevenly for that."""
LOOKS_EVERY_S = 0.005
NOT_WELL = {-4: "blocked", -5: "blocked"}
"""Errors of FollowJointTrajectory that say that something was in the way: tolerances that were not kept."""


class TrajectoryArm:
    """A driver between our two actions and the controllers'. One goal at a time.

    Raises:
        ConfigError: control_msgs is not installed, or the joints do not fit the robot.
    """

    def __init__(self, node: Node, settings: Settings) -> None:
        try:
            from control_msgs.action import FollowJointTrajectory, GripperCommand
        except ImportError as missing:
            raise ConfigError(
                f"the messages of ros2_control are not installed ({missing}): apt install ros-jazzy-control-msgs"
            ) from missing
        self._settings = settings.ros.trajectory
        self._base_frame = settings.ros.base_frame
        self._node = node
        self._kinds = (FollowJointTrajectory, GripperCommand)
        kinematics = Kinematics(settings.arm.robot)
        _fit(len(kinematics.lower), self._settings.joints, self._settings.named)
        self._planning, self._telling = kinematics, Kinematics(settings.arm.robot)
        self._ways = Ways(kinematics, self._settings.named, self._base_frame)
        self._controller = ActionPort(node, FollowJointTrajectory, self._settings.controller)
        self._gripper = ActionPort(node, GripperCommand, self._settings.gripper)
        self._lock = threading.Lock()
        self._joints: Joints | None = None
        self._past: deque[tuple[float, Joints]] = deque()
        self._speed = 0.0
        self._width_m = 0.0
        self._heard_s = float("-inf")
        self._moved = node.get_clock().now().to_msg()
        self._holds = False
        group = MutuallyExclusiveCallbackGroup()
        node.create_subscription(JointState, self._settings.joint_states, self._hear, 10, callback_group=group)
        self._states = node.create_publisher(ArmState, settings.ros.arm.state, 10)
        node.create_timer(STATE_S, self._say, callback_group=MutuallyExclusiveCallbackGroup())
        self._server = ArmServer(node, settings.ros.arm, self._begin, self._hand, self._base_frame)

    def close(self) -> None:
        self._server.close()

    @property
    def fault(self) -> str:
        """Why nothing may be moved; empty where all is well."""
        if time.monotonic() - self._heard_s > self._settings.lost_s:
            return f"nothing comes on {self._settings.joint_states} for the joints of the arm"
        if not self._controller.served:
            return f"nobody serves {self._settings.controller}"
        return "" if self._gripper.served else f"nobody serves {self._settings.gripper}"

    def _begin(self, task: Task) -> None:
        threading.Thread(target=self._run, args=(task,), name="trajectory_arm", daemon=True).start()

    def _run(self, task: Task) -> None:
        try:
            limit_s = float(task.request.time_limit_s)
            end_s = time.monotonic() + (limit_s if limit_s > 0 else LONGEST_S)
            carry_out = self._fingers if hasattr(task.request, "width_m") else self._travel
            task.outcome = Outcome("arm_fault", self.fault) if self.fault else carry_out(task, end_s)
            # A goal that the controller has not ended may creep, however slowly.
            task.standstill = task.standstill and self._stands(strictly=not task.outcome.ok)
        except Exception as error:
            # A thread's end: whoever waits must hear of it.
            task.outcome, task.standstill = Outcome("arm_fault", f"the driver failed: {error!r}"), False
            self._node.get_logger().error(f"a goal failed: {error!r}")
        finally:
            task.done.set()

    def _travel(self, task: Task, end_s: float) -> Outcome:
        with self._lock:
            start = None if self._joints is None else self._joints.copy()
        assert start is not None
        planned = self._ways.plan(task.request, start)
        if isinstance(planned, Outcome):
            return planned
        for way in planned:
            ended, result = self._sent(self._controller, self._trajectory(way), task, end_s)
            if ended is not None:
                return ended
            if result.error_code != self._kinds[0].Result.SUCCESSFUL:
                reason = NOT_WELL.get(result.error_code, "arm_fault")
                return Outcome(reason, f"the controller says {result.error_code}: {result.error_string}")
        return Outcome()

    def _fingers(self, task: Task, end_s: float) -> Outcome:
        width_m = float(task.request.width_m)
        if not 0.0 <= width_m < 1.0:
            return Outcome("unreachable", f"the fingers cannot be {width_m:g} m apart")
        goal = self._kinds[1].Goal()
        goal.command.position = width_m * self._settings.gripper_scale
        goal.command.max_effort = float(task.request.force_n)
        ended, result = self._sent(self._gripper, goal, task, end_s)
        if ended is not None:
            return ended
        self._hear_on()
        closes = width_m < EMPTY_WIDTH_M
        stopped_m = result.position / self._settings.gripper_scale
        self._holds = closes and not result.reached_goal and stopped_m >= EMPTY_WIDTH_M
        if not (result.reached_goal or result.stalled):
            return Outcome("arm_fault", f"the gripper came to {stopped_m:.3f} m instead of {width_m:.3f} m")
        return Outcome()

    def _trajectory(self, way: Trajectory) -> Any:
        goal = self._kinds[0].Goal()
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

    def _sent(self, port: ActionPort, goal: Any, task: Task, end_s: float) -> tuple[Outcome | None, Any]:
        """Send a goal and wait for its end: (None, result) where it ended by itself."""
        goal_id = UUID(uuid=list(uuid.uuid4().bytes))
        answer = port.send(goal_id, goal)
        if not self._waited(answer, task, time.monotonic() + ACCEPTED_WITHIN_S):
            return self._given_up(port, goal_id, answer, task, "not accepted in time"), None
        if answer.result() is None or not answer.result().accepted:
            return Outcome("arm_fault", f"{port.name} refused the goal"), None
        ending = port.result(goal_id)
        if not self._waited(ending, task, end_s):
            return self._given_up(port, goal_id, ending, task, "it took too long"), None
        response = ending.result()
        if response is None or response.status == GoalStatus.STATUS_UNKNOWN:
            return Outcome("arm_fault", f"{port.name} knows nothing of the goal any more"), None
        if response.status == GoalStatus.STATUS_CANCELED:
            return Outcome("cancelled", f"somebody cancelled the goal at {port.name}"), None
        return None, response.result

    def _given_up(self, port: ActionPort, goal_id: UUID, future: Any, task: Task, why: str) -> Outcome:
        """Cancel at the controller, again until it answers, and wait for the arm to stand."""
        cancelled, silent = task.cancelled.is_set(), self._silent()
        self._cancel_until(port, goal_id, future)
        if future.done() and getattr(future.result(), "accepted", False):
            # It was accepted late: it may have begun after the first cancel.
            future = port.result(goal_id)
            self._cancel_until(port, goal_id, future)
        task.standstill = future.done()
        if cancelled:
            return Outcome("cancelled", "the goal was cancelled")
        if silent:
            return Outcome(
                "arm_fault", f"nothing came on {self._settings.joint_states} for {self._settings.lost_s:g} s"
            )
        return Outcome("timed_out" if port.served else "arm_fault", f"{port.name}: {why}")

    def _cancel_until(self, port: ActionPort, goal_id: UUID, future: Any) -> None:
        until_s = time.monotonic() + STANDS_WITHIN_S
        while time.monotonic() < until_s and not future.done():
            port.cancel(goal_id)
            time.sleep(20 * LOOKS_EVERY_S)

    def _waited(self, future: Any, task: Task, until_s: float) -> bool:
        while not future.done():
            if task.cancelled.is_set() or time.monotonic() > until_s or self._silent():
                return False
            time.sleep(LOOKS_EVERY_S)
        return True

    def _hear_on(self) -> None:
        """Wait for joint states from after now: what the fingers did must stand in what the result says of them."""
        now_s = time.monotonic()
        while self._heard_s <= now_s + STATE_S and not self._silent():
            time.sleep(LOOKS_EVERY_S)

    def _silent(self) -> bool:
        return time.monotonic() - self._heard_s > self._settings.lost_s

    def _stands(self, *, strictly: bool) -> bool:
        """Wait until no joint moves any more.

        Args:
            strictly: Look for a while, beginning now: a motion that was broken off may be anywhere in its course.
        """
        began_s = time.monotonic()
        while time.monotonic() < began_s + STANDS_WITHIN_S:
            with self._lock:
                looked = bool(self._past) and (self._past[0][0] >= began_s or not strictly)
                still = looked and self._speed < self._settings.still_rad_s
            if still and not self._silent():
                return True
            time.sleep(LOOKS_EVERY_S)
        return False

    def _hear(self, said: JointState) -> None:
        at = dict(zip(said.name, said.position, strict=False))
        if not all(name in at for name in self._settings.joints):
            return
        joints, now_s = np.array([at[name] for name in self._settings.joints]), time.monotonic()
        with self._lock:
            self._past.append((now_s, joints))
            while now_s - self._past[0][0] > WATCHED_S:
                self._past.popleft()
            before_s, before = self._past[0]
            if now_s - before_s > WATCHED_S / 2:
                self._speed = float(np.abs(joints - before).max()) / (now_s - before_s)
            self._joints, self._heard_s = joints, now_s
            if all(name in at for name in self._settings.finger_joints):
                self._width_m = float(sum(at[name] for name in self._settings.finger_joints))
        if self._speed >= self._settings.still_rad_s:
            self._moved = self._node.get_clock().now().to_msg()

    def _hand(self) -> Hand:
        with self._lock:
            pose = Pose((0.0, 0.0, 0.0)) if self._joints is None else self._telling.pose(self._joints)
            return Hand(pose, self._width_m, self._holds)

    def _say(self) -> None:
        hand, fault = self._hand(), self.fault
        said = ArmState(header=header(self._node.get_clock().now().to_msg(), self._base_frame))
        said.healthy, said.fault = not fault, fault
        said.moving = self._speed >= self._settings.still_rad_s
        said.gripper_width_m, said.tcp, said.last_motion = hand.width_m, pose_message(hand.pose), self._moved
        self._states.publish(said)


def _fit(count: int, joints: tuple[str, ...], named: dict[str, tuple[float, ...]]) -> None:
    if len(joints) != count:
        raise ConfigError(f"ros.trajectory.joints: the robot has {count} joints, {len(joints)} are named")
    for name, posture in named.items():
        if len(posture) != count:
            raise ConfigError(f"ros.trajectory.named.{name}: {len(posture)} angles for {count} joints")


def _duration(seconds: float) -> Duration:
    whole = int(seconds)
    return Duration(sec=whole, nanosec=round((seconds - whole) * 1e9))


def main(
    settings: Settings,
    *,
    stop: threading.Event,
    namespace: str = "",
    ros_args: tuple[str, ...] = (),
    ready: Callable[[], None] = lambda: None,
) -> int:
    """Serve the arm until `stop` is set; `ready` is called when it is served. The exit code.

    Raises:
        ConfigError: control_msgs is not installed, or the joints do not fit the robot.
    """
    with Runtime(list(ros_args), threads=8) as runtime:
        arm = TrajectoryArm(runtime.node("trajectory_arm", namespace=namespace), settings)
        try:
            ready()
            stop.wait()
        finally:
            arm.close()
    return 0
