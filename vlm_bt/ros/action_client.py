"""rclpy's action client, without its race."""

from __future__ import annotations

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
    """An `ActionClient` whose answers are not thrown away when they come at once.

    rclpy notes a request after it has sent it. An answer that another thread takes in between finds no request of its
    own, is told as unexpected, and lost; here that thread waits until the request is noted.
    """

    async def execute(self, taken_data: dict[str, Any]) -> None:
        by_s = time.monotonic() + NOTED_WITHIN_S
        while not self._noted(taken_data) and time.monotonic() < by_s:
            time.sleep(0.0005)
        await super().execute(taken_data)

    def _noted(self, taken: dict[str, Any]) -> bool:
        return all(taken[kind][0] in getattr(self, notes) for kind, notes in _PENDING.items() if kind in taken)
