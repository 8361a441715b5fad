"""A goal that is passed on to somebody else's action, from sending it to its end; a wait in a thread of its own."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

from action_msgs.msg import GoalStatus
from unique_identifier_msgs.msg import UUID

from vlm_bt.ros.arm_server import Task
from vlm_bt.ros.goal import ActionPort
from vlm_bt.ros.joints import LOOKS_EVERY_S, STANDS_WITHIN_S, JointWatch
from vlm_bt.types import Outcome

ACCEPTED_WITHIN_S = 2.0
CANCEL_EVERY_S = 0.1


class Relay:
    """Passes on what a task asks for. A cancelled task, a time limit and silent joints end every wait.

    Args:
        stop: Called too whenever a goal is cancelled, for arms that have another way to be stopped.
    """

    def __init__(self, joints: JointWatch, stop: Callable[[], None] = lambda: None) -> None:
        self._joints = joints
        self._stop = stop

    def send(self, port: ActionPort, goal: Any, task: Task, end_s: float) -> tuple[Outcome | None, Any]:
        """Send a goal and wait for its end: (None, result) where it ended by itself.

        Args:
            end_s: On the monotonic clock.
        """
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

    def ask(self, client: Any, request: Any, task: Task, end_s: float) -> tuple[Outcome | None, Any]:
        """Call a service that moves nothing: (None, response) where it answered."""
        answer = client.call_async(request)
        if self._waited(answer, task, end_s):
            if answer.result() is not None:
                return None, answer.result()
            return Outcome("arm_fault", f"{client.srv_name} did not answer: {answer.exception()}"), None
        client.remove_pending_request(answer)
        if not self._joints.silent and not task.cancelled.is_set():
            return Outcome("timed_out", f"{client.srv_name} did not answer in time"), None
        return self._why(task), None

    def _given_up(self, port: ActionPort, goal_id: UUID, future: Any, task: Task, why: str) -> Outcome:
        """Cancel where the goal was sent, again until it answers, and wait for its end."""
        over = None if task.cancelled.is_set() or self._joints.silent else why
        self._cancel_until(port, goal_id, future)
        if future.done() and getattr(future.result(), "accepted", False):
            # It was accepted late: it may have begun after the first cancel.
            future = port.result(goal_id)
            self._cancel_until(port, goal_id, future)
        task.standstill = future.done()
        if over is None:
            return self._why(task)
        return Outcome("timed_out" if port.served else "arm_fault", f"{port.name}: {over}")

    def _why(self, task: Task) -> Outcome:
        if task.cancelled.is_set():
            return Outcome("cancelled", "the goal was cancelled")
        return Outcome("arm_fault", self._joints.fault or "the joints were silent for a while")

    def _cancel_until(self, port: ActionPort, goal_id: UUID, future: Any) -> None:
        until_s = time.monotonic() + STANDS_WITHIN_S
        while time.monotonic() < until_s and not future.done():
            port.cancel(goal_id)
            self._stop()
            time.sleep(CANCEL_EVERY_S)

    def _waited(self, future: Any, task: Task, until_s: float) -> bool:
        while not future.done():
            if task.cancelled.is_set() or time.monotonic() > until_s or self._joints.silent:
                return False
            time.sleep(LOOKS_EVERY_S)
        return True
