"""Stamps of messages on the mission's clock."""

from __future__ import annotations

from rclpy.node import Node

from vlm_bt.ports import Clock


class Stamps:
    """What a message's stamp is on the mission's clock: as long ago there as it is on ROS's.

    Args:
        node: Its clock is the one that stamps are on; simulated time where the node uses that.

    Attributes:
        clock: Of the mission; another one for every mission, while what listens to the robot goes on.
    """

    def __init__(self, node: Node, clock: Clock) -> None:
        self._ros = node.get_clock()
        self.clock = clock

    @property
    def now_s(self) -> float:
        """Seconds on the ROS clock."""
        return float(self._ros.now().nanoseconds * 1e-9)

    def mission_s(self, stamp_s: float) -> float:
        """A time on the ROS clock, seconds, on the mission's; never negative, never later than now."""
        now_s = self.clock.now_s
        return min(now_s, max(0.0, now_s - (self.now_s - stamp_s)))
