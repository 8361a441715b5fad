"""rclpy's action client, without what loses its answers."""

from __future__ import annotations

import threading
import time
from typing import Any

from rclpy.action import ActionClient

NOTED_WITHIN_S = 1.0
_PENDING = {
    "goal": "_goal_sequence_number_to_goal_id",
    "cancel": "_pending_cancel_requests",
    "result": "_result_sequence_number_to_goal_id",
}
"""Where rclpy (7.1) notes last that it has sent a request of each kind."""


class SureActionClient(ActionClient):  # type: ignore[misc]  # rclpy's types are not read
    """An `ActionClient` whose answers are not lost, in two ways that rclpy's are.

    rclpy notes a request after it has sent it. An answer that another thread takes in between finds no request of its
    own, is told as unexpected, and lost; here that thread waits until the request is noted.

    A server that has not yet discovered its client waits 100 ms for it (rmw_fastrtps), then drops the answer: the goal
    runs, and its sender never hears of it. The goal's status, which is kept for those who come late, tells it too.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        self._answered: set[int] = set()
        self._lock = threading.Lock()
        super().__init__(*args, **options)

    async def execute(self, taken_data: dict[str, Any]) -> None:
        by_s = time.monotonic() + NOTED_WITHIN_S
        if "goal" in taken_data and not self._first(taken_data["goal"][0]):
            del taken_data["goal"]
        while not self._noted(taken_data) and time.monotonic() < by_s:
            time.sleep(0.0005)
        for told in taken_data["status"].status_list if "status" in taken_data else ():
            await self._accepted(told.goal_info)
        await super().execute(taken_data)

    async def _accepted(self, told: Any) -> None:
        """Take a goal that has a status, and whose answer has not come, as accepted: those refused get none."""
        for number, goal_id in list(self._goal_sequence_number_to_goal_id.items()):
            if goal_id == told.goal_id and self._first(number):
                response = self._action_type.Impl.SendGoalService.Response(accepted=True, stamp=told.stamp)
                await super().execute({"goal": (number, response)})

    def _first(self, number: int) -> bool:
        """Whether this is the first answer to a goal, of the two ways in which one comes."""
        with self._lock:
            known = number in self._answered
            self._answered.add(number)
            return not known

    def _noted(self, taken: dict[str, Any]) -> bool:
        return all(taken[kind][0] in getattr(self, notes) for kind, notes in _PENDING.items() if kind in taken)
