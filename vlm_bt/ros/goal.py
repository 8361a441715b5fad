"""One goal at an action server, from sending it to its end, with a limit on every wait."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from action_msgs.msg import GoalInfo, GoalStatus
from action_msgs.srv import CancelGoal
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from unique_identifier_msgs.msg import UUID

from vlm_bt.ros.runtime import Inbox
from vlm_bt.types import REASONS, Outcome

STANDSTILL_S = 2.0
"""How long a cancelled goal may take to end; then the arm counts as faulty."""
GRACE_S = 1.0
"""A server knows the goal's time limit itself: it has so much longer to say that the time was up."""
LOOKS_EVERY_S = 0.25
AWAY_LOOKS = 4
"""So many looks in a row without a server: it went away. Discovery flickers for a moment when others come and go."""
LATE = ("took too long", "not accepted in time")


class ActionPort:
    """The client's side of one action, made of its services.

    rclpy's own ActionClient notes a request after it was sent, so an answer that comes at once to another thread is
    thrown away, and a goal that was never answered cannot be cancelled. Services do not have that flaw, and a goal is
    cancelled by an id that is ours.
    """

    def __init__(self, node: Node, kind: Any, name: str) -> None:
        group = ReentrantCallbackGroup()
        self.name = name
        self._node = node
        self._kind = kind
        self._send = node.create_client(kind.Impl.SendGoalService, f"{name}/_action/send_goal", callback_group=group)
        self._get = node.create_client(kind.Impl.GetResultService, f"{name}/_action/get_result", callback_group=group)
        self._cancel = node.create_client(CancelGoal, f"{name}/_action/cancel_goal", callback_group=group)

    @property
    def served(self) -> bool:
        """Whether somebody serves the action now."""
        return bool(self._send.service_is_ready() and self._get.service_is_ready() and self._cancel.service_is_ready())

    @property
    def servers(self) -> int:
        """How many nodes serve it. One that was killed counts until its absence is noticed, some seconds later."""
        return int(self._node.count_publishers(f"{self.name}/_action/status"))

    def send(self, goal_id: UUID, goal: Any) -> Any:
        """The future resolves to a response with `accepted`."""
        return self._send.call_async(self._kind.Impl.SendGoalService.Request(goal_id=goal_id, goal=goal))

    def result(self, goal_id: UUID) -> Any:
        """The future resolves, when the goal has ended, to a response with `status` and `result`."""
        return self._get.call_async(self._kind.Impl.GetResultService.Request(goal_id=goal_id))

    def cancel(self, goal_id: UUID) -> Any:
        return self._cancel.call_async(CancelGoal.Request(goal_info=GoalInfo(goal_id=goal_id)))


class Goal:
    """A goal that was sent. `step` is called between ticks; `ended` and `result` are set in the executive's thread.

    A goal that is cancelled before the server accepted it is cancelled the moment it is.

    Args:
        accept_limit_s: Until the server takes it. limit_s: until it has ended.
        now: Seconds, on the clock that limits are kept on.
    """

    def __init__(
        self,
        port: ActionPort,
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
        self._port = port
        self._inbox = inbox
        self._now = now
        self._what = what
        self._id = UUID(uuid=list(uuid.uuid4().bytes))
        self._accepted = False
        self._cancelled: str | None = None
        self._cancelled_s = 0.0
        self._accept_by_s = now() + accept_limit_s
        self._end_by_s = self._accept_by_s + limit_s + GRACE_S
        self._look_s = now() + LOOKS_EVERY_S
        self._away = 0
        self._message = message
        self._sent = False
        self._send()

    @property
    def cancelled(self) -> bool:
        """Whether it was us who cancelled it."""
        return self._cancelled is not None

    def cancel(self, why: str) -> None:
        """Idempotent. The goal counts as ended only when the server says that the arm stands still."""
        if self._cancelled is None and self.ended is None:
            self._cancelled, self._cancelled_s = why, self._now()
            if self._sent:
                self._port.cancel(self._id)
            else:
                self._end(Outcome("cancelled", f"{self._what}: {why}"))

    def step(self) -> None:
        """Look at the clock."""
        if self.ended is not None:
            return
        now_s = self._now()
        if not self._sent:
            if now_s > self._accept_by_s:
                self._end(
                    Outcome("arm_fault", f"{self._what}: nobody serves {self._port.name}; does the arm's node run?")
                )
            else:
                self._send()
        elif self._cancelled is not None and now_s - self._cancelled_s > STANDSTILL_S:
            self._end(Outcome("arm_fault", f"{self._what}: {self._cancelled}, and standstill was never confirmed"))
        elif self._cancelled is None and not self._accepted and now_s > self._accept_by_s:
            self.cancel("not accepted in time")
        elif self._cancelled is None and now_s > self._end_by_s:
            self.cancel("took too long")
        elif now_s > self._look_s:
            self._look_s = now_s + LOOKS_EVERY_S
            self._away = 0 if self._port.served else self._away + 1
            if self._away >= AWAY_LOOKS:
                self._end(Outcome("arm_fault", f"{self._what}: the server of {self._port.name} went away"))

    def _send(self) -> None:
        if self._port.served:
            self._sent = True
            self._port.send(self._id, self._message).add_done_callback(self._answered)

    def _answered(self, done: Any) -> None:
        """In a thread of ROS: what is cancelled already must not wait for the executive."""
        response = _value(done)
        if response is not None and response.accepted and (self._cancelled is not None or self.ended is not None):
            self._port.cancel(self._id)
        self._inbox.post(lambda: self._take_answer(response))

    def _take_answer(self, response: Any) -> None:
        if response is None or not response.accepted:
            reason = "refused" if response is not None else "could not be sent"
            self._end(Outcome("cancelled" if self.cancelled else "arm_fault", f"{self._what}: the goal was {reason}"))
            return
        self._accepted = True
        if self._cancelled is not None or self.ended is not None:
            self._port.cancel(self._id)
        self._port.result(self._id).add_done_callback(lambda done: self._inbox.post(lambda: self._finished(done)))

    def _finished(self, done: Any) -> None:
        response = _value(done)
        if response is None:
            self._end(Outcome("arm_fault", f"{self._what}: its result could not be had ({done.exception()})"))
            return
        if response.status == GoalStatus.STATUS_UNKNOWN:
            # Nobody knows what the goal does by now: it must not go on.
            self._port.cancel(self._id)
            self._end(Outcome("arm_fault", f"{self._what}: {self._stranger()}"))
            return
        self.result = response.result
        said, succeeded = response.result.outcome, response.status == GoalStatus.STATUS_SUCCEEDED
        if not getattr(response.result, "standstill", True):
            self._end(Outcome("arm_fault", f"{self._what}: the arm could not confirm that it stands still"))
        elif succeeded and said.reason == "done":
            self._end(Outcome())
        elif self._cancelled is not None and said.reason in ("cancelled", ""):
            self._end(
                Outcome("timed_out" if self._cancelled in LATE else "cancelled", f"{self._what}: {self._cancelled}")
            )
        elif response.status == GoalStatus.STATUS_CANCELED and said.reason in ("cancelled", ""):
            self._end(Outcome("cancelled", f"{self._what}: {said.detail or 'somebody else cancelled it'}"))
        else:
            self._end(_outcome(said.reason, f"{self._what}: {said.detail or said.reason or 'aborted'}"))

    def _stranger(self) -> str:
        """Who it is that does not know a goal which was accepted. Every server of a name answers what one is asked."""
        name, servers = self._port.name, self._port.servers
        if servers > 1:
            return f"{servers} nodes serve {name} and answer for one another; only one may (is the ROS domain shared?)"
        return f"the server of {name} does not know the goal; was it started anew?"

    def _end(self, outcome: Outcome) -> None:
        if self.ended is None:
            self.ended = outcome


class CancelEverything:
    """Cancels every goal of an action server, also those that are not ours, or that it has not told us of yet."""

    def __init__(self, node: Node, action: str) -> None:
        self._client = node.create_client(
            CancelGoal, f"{action}/_action/cancel_goal", callback_group=ReentrantCallbackGroup()
        )

    def __call__(self) -> Any:
        """Ask for it; the future says what was cancelled. None where nobody serves the action."""
        return self._client.call_async(CancelGoal.Request()) if self._client.service_is_ready() else None


def _value(done: Any) -> Any:
    return None if done.cancelled() or done.exception() is not None else done.result()


def _outcome(reason: str, detail: str) -> Outcome:
    """A server's word may be none of ours: then it is a fault of the arm."""
    return Outcome(reason if reason in REASONS and reason != "done" else "arm_fault", detail)
