"""One goal at an action server, from sending it to its end, with a limit on every wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from action_msgs.msg import GoalStatus
from action_msgs.srv import CancelGoal
from rclpy.action import ActionClient
from rclpy.node import Node

from vlm_bt.ros.runtime import Inbox
from vlm_bt.types import Outcome

STANDSTILL_S = 2.0
"""How long a cancelled goal may take to end; then the arm counts as faulty."""


class Goal:
    """A goal that was sent. `step` is called between ticks; `ended` and `result` are set in the executive's thread.

    A goal that is cancelled before the server accepted it is cancelled the moment it is.

    Args:
        accept_limit_s: Until the server takes it. limit_s: until it has ended.
        now: The mission's clock, seconds.
    """

    def __init__(
        self,
        client: ActionClient,
        message: Any,
        inbox: Inbox,
        now: Callable[[], float],
        *,
        accept_limit_s: float,
        limit_s: float,
        what: str,
    ) -> None:
        self.ended: Outcome | None = None
        self.result: Any = None
        self._inbox = inbox
        self._now = now
        self._what = what
        self._handle: Any = None
        self._cancelled: str | None = None
        self._cancelled_s = 0.0
        self._accept_by_s = now() + accept_limit_s
        self._end_by_s = now() + limit_s
        if not client.server_is_ready():
            self.ended = Outcome("arm_fault", f"nobody serves {what}; is the arm's node running?")
            return
        client.send_goal_async(message).add_done_callback(lambda done: inbox.post(lambda: self._accepted(done)))

    @property
    def standing(self) -> bool:
        """Whether nothing of it can move the arm any more."""
        return self.ended is not None

    def cancel(self, why: str) -> None:
        """Idempotent. The goal counts as ended only when the server says that the arm stands still."""
        if self._cancelled is None and self.ended is None:
            self._cancelled, self._cancelled_s = why, self._now()
            if self._handle is not None:
                self._handle.cancel_goal_async()

    def step(self) -> None:
        """Look at the clock."""
        if self.ended is not None:
            return
        now_s = self._now()
        if self._cancelled is not None and now_s - self._cancelled_s > STANDSTILL_S:
            self.ended = Outcome("arm_fault", f"{self._what}: cancelled, but the server never confirmed standstill")
        elif self._cancelled is None and self._handle is None and now_s > self._accept_by_s:
            self.cancel("not accepted in time")
        elif self._cancelled is None and now_s > self._end_by_s:
            self.cancel("took too long")

    def _accepted(self, done: Any) -> None:
        handle = _value(done)
        if handle is None or not handle.accepted:
            reason = "refused" if handle is not None else "could not be sent"
            self._end(Outcome("arm_fault", f"{self._what}: the goal was {reason}"))
            return
        self._handle = handle
        if self._cancelled is not None:
            handle.cancel_goal_async()
        handle.get_result_async().add_done_callback(lambda result: self._inbox.post(lambda: self._finished(result)))

    def _finished(self, done: Any) -> None:
        wrapped = _value(done)
        if wrapped is None:
            self._end(Outcome("arm_fault", f"{self._what}: the server went away"))
            return
        self.result = wrapped.result
        said = wrapped.result.outcome
        if self._cancelled is not None and wrapped.status != GoalStatus.STATUS_SUCCEEDED:
            late = self._cancelled in ("took too long", "not accepted in time")
            self._end(Outcome("timed_out" if late else "cancelled", f"{self._what}: {self._cancelled}"))
        elif wrapped.status == GoalStatus.STATUS_SUCCEEDED and said.reason == "done":
            self._end(Outcome())
        else:
            self._end(_outcome(said.reason, f"{self._what}: {said.detail or said.reason or 'aborted'}"))

    def _end(self, outcome: Outcome) -> None:
        if self.ended is None:
            self.ended = outcome


class CancelEverything:
    """Cancels every goal of an action server, also those that are not ours, or that it has not told us of yet."""

    def __init__(self, node: Node, action: str) -> None:
        self._client = node.create_client(CancelGoal, f"{action}/_action/cancel_goal")

    def __call__(self) -> Any:
        """Ask for it; the future says what was cancelled. None where nobody serves the action."""
        return self._client.call_async(CancelGoal.Request()) if self._client.service_is_ready() else None


def _value(done: Any) -> Any:
    return None if done.cancelled() or done.exception() is not None else done.result()


def _outcome(reason: str, detail: str) -> Outcome:
    """A server's word may be none of ours: then it is a fault of the arm."""
    try:
        return Outcome(reason if reason != "done" else "arm_fault", detail)
    except ValueError:
        return Outcome("arm_fault", detail)
