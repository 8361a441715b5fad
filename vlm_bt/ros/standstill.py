"""Makes sure that no goal of one action is under way: cancels all of them until the server says that none is left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from action_msgs.msg import GoalStatus, GoalStatusArray
from action_msgs.srv import CancelGoal
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

AGAIN_S = 0.1
"""So long a cancel may go unanswered before it is sent again."""
UNDER_WAY = (GoalStatus.STATUS_ACCEPTED, GoalStatus.STATUS_EXECUTING, GoalStatus.STATUS_CANCELING)
STATUS = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL, reliability=ReliabilityPolicy.RELIABLE)


class Standstill:
    """One action, as the guardian keeps it still.

    Args:
        now: Real time, seconds.

    Attributes:
        cancelled: How many goals were told to stop, over all.
        goals: The goals under way as the server last said: id and status.
    """

    def __init__(self, node: Node, action: str, now: Callable[[], float]) -> None:
        self.action = action
        self.cancelled = 0
        self.goals: dict[bytes, int] = {}
        self._now = now
        self._client = node.create_client(
            CancelGoal, f"{action}/_action/cancel_goal", callback_group=ReentrantCallbackGroup()
        )
        self._asked_s: float | None = None
        self._answered = False
        node.create_subscription(GoalStatusArray, f"{action}/_action/status", self._hear, STATUS)

    def begin(self) -> None:
        """From now on nothing may be under way."""
        self._answered, self._asked_s = False, None

    @property
    def served(self) -> bool:
        return bool(self._client.service_is_ready())

    @property
    def still(self) -> bool:
        """The server has said since `begin` that it has nothing to cancel, and that no goal is under way."""
        return self._answered and not self.goals

    def hold(self) -> None:
        """Called often: cancel what is under way, and what has come since."""
        if self.still:
            return
        if not self.served:
            self.goals = {}
            return
        now_s = self._now()
        if self._asked_s is not None and now_s - self._asked_s < AGAIN_S:
            return
        self._asked_s = now_s
        # An empty request means all goals.
        self._client.call_async(CancelGoal.Request()).add_done_callback(self._told)

    def _told(self, done: Any) -> None:
        if done.cancelled() or done.exception() is not None or done.result() is None:
            return
        told = [bytes(goal.goal_id.uuid) for goal in done.result().goals_canceling]
        self.cancelled += len(told)
        self._answered = not told
        if told:
            self._asked_s = None
        # What was executing and is not among them belonged to a server that is there no more.
        ending = {goal: status for goal, status in self.goals.items() if status == GoalStatus.STATUS_CANCELING}
        self.goals = ending | dict.fromkeys(told, GoalStatus.STATUS_CANCELING)

    def _hear(self, statuses: Any) -> None:
        self.goals = {
            bytes(status.goal_info.goal_id.uuid): status.status
            for status in statuses.status_list
            if status.status in UNDER_WAY
        }
