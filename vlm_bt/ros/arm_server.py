"""Serves MoveArm and Grip for whatever moves an arm: one goal at a time, cancelled within a moment, always answered."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from vlm_bt_interfaces.action import Grip, MoveArm

from vlm_bt.ros.messages import outcome_message, pose_message
from vlm_bt.ros_settings import RosArmSettings
from vlm_bt.types import Outcome, Pose

LOOKS_EVERY_S = 0.01
FEEDBACK_EVERY = 10


@dataclass(eq=False)
class Task:
    """One goal under way: `vlm_bt.ros.sim_arm.Job` for whoever carries it out."""

    request: Any
    cancelled: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)
    outcome: Outcome = field(default_factory=Outcome)
    standstill: bool = True


@dataclass(frozen=True)
class Hand:
    """What the arm's own sensors say. `holds`: whether something is between the fingers."""

    pose: Pose
    width_m: float
    holds: bool


class ArmServer:
    """Both actions of an arm.

    A goal is refused while another is under way. Cancelling is always allowed; the result comes when the arm stands.

    Args:
        begin: Called in a thread of ROS with each goal; sets `done` at its end, whatever happens to it.
        hand: What the arm's sensors say now.
    """

    def __init__(
        self,
        node: Node,
        settings: RosArmSettings,
        begin: Callable[[Task], None],
        hand: Callable[[], Hand],
        base_frame: str,
    ) -> None:
        self._node = node
        self._begin = begin
        self._hand = hand
        self._base_frame = base_frame
        self._lock = threading.Lock()
        self._busy = False
        self._closed = False
        group = ReentrantCallbackGroup()
        self._servers = [
            ActionServer(
                node,
                kind,
                name,
                execute,
                goal_callback=self._asked,
                cancel_callback=lambda handle: CancelResponse.ACCEPT,
                callback_group=group,
            )
            for kind, name, execute in ((MoveArm, settings.move, self._move), (Grip, settings.grip, self._grip))
        ]

    def close(self) -> None:
        """Refuse new goals and end the one under way. A node does not take its action servers with it."""
        self._closed = True
        for server in self._servers:
            server.destroy()

    def _asked(self, goal: Any) -> GoalResponse:
        with self._lock:
            if self._busy or self._closed:
                return GoalResponse.REJECT
            self._busy = True
        return GoalResponse.ACCEPT

    def _move(self, handle: Any) -> Any:
        task = self._carry_out(handle, lambda: MoveArm.Feedback(distance_m=self._left_m(handle.request)))
        result = MoveArm.Result(outcome=outcome_message(task.outcome), standstill=task.standstill)
        result.tcp.header.frame_id = self._base_frame
        result.tcp.header.stamp = self._node.get_clock().now().to_msg()
        result.tcp.pose = pose_message(self._hand().pose)
        return self._ended(handle, task, result)

    def _grip(self, handle: Any) -> Any:
        task = self._carry_out(handle, lambda: Grip.Feedback(width_m=self._hand().width_m))
        hand = self._hand()
        result = Grip.Result(outcome=outcome_message(task.outcome), width_m=hand.width_m, held=hand.holds)
        return self._ended(handle, task, result)

    def _carry_out(self, handle: Any, feedback: Callable[[], Any]) -> Task:
        task = Task(handle.request)
        self._begin(task)
        looks = 0
        while not task.done.wait(LOOKS_EVERY_S):
            if self._closed:
                # Whoever carried it out may be gone already, and nobody must wait for it.
                task.cancelled.set()
                return Task(handle.request, outcome=Outcome("arm_fault", "the arm's node ends"), standstill=False)
            if handle.is_cancel_requested:
                task.cancelled.set()
            looks += 1
            if looks % FEEDBACK_EVERY == 0 and not self._closed:
                handle.publish_feedback(feedback())
        return task

    def _ended(self, handle: Any, task: Task, result: Any) -> Any:
        with self._lock:
            self._busy = False
        if task.outcome.ok:
            handle.succeed()
        elif handle.is_cancel_requested:
            handle.canceled()
        else:
            handle.abort()
        return result

    def _left_m(self, goal: Any) -> float:
        if goal.named:
            return -1.0
        at, now = goal.pose.pose.position, self._hand().pose.position
        return float(sum((a - b) ** 2 for a, b in zip((at.x, at.y, at.z), now, strict=True)) ** 0.5)
