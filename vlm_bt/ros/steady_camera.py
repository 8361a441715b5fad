"""A camera that publishes pair after pair at a steady rate, in a process of its own: for measurements.

python -m vlm_bt.ros.steady_camera COUNT RATE_HZ
"""

from __future__ import annotations

import sys
import time

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import Image

from vlm_bt.ros.pairing import Pairing
from vlm_bt.ros.pictures import colour_message, depth_message, header
from vlm_bt.ros.runtime import Runtime
from vlm_bt.ros.sim_cameras import REALSENSE

COLOUR, DEPTH = "steady/colour", "steady/depth"
SIZE = (480, 640)
LISTENED_WITHIN_S = 30.0
SETTLES_S = 0.5
PICTURES = 4
"""Different ones, by turns."""


class PairWatch:
    """Counts the pairs that arrive, and how long after their stamp each was complete.

    Attributes:
        latencies_s: Of each pair, from the stamp before its messages were made to its second message taken here.
    """

    def __init__(self, node: Node) -> None:
        from vlm_bt.ros.eye import PICTURES as KINDS
        from vlm_bt.ros.feed import Feed

        self.latencies_s: list[float] = []
        self._node = node
        self._pairing = Pairing(0.0)
        group = node.default_callback_group
        self._feeds = [
            Feed(node, COLOUR, KINDS, lambda message: self._hear("colour", message), group),
            Feed(node, DEPTH, KINDS, lambda message: self._hear("depth", message), group),
        ]
        self._timer = node.create_timer(0.05, self._adapt, callback_group=group)

    def _adapt(self) -> None:
        for feed in self._feeds:
            feed.adapt()

    def _hear(self, side: object, message: Image) -> None:
        stamp_s = message.header.stamp.sec + message.header.stamp.nanosec * 1e-9
        if self._pairing.add(side, stamp_s, message) is not None:  # type: ignore[arg-type]
            self.latencies_s.append(self._node.get_clock().now().nanoseconds * 1e-9 - stamp_s)


def publish(count: int, rate_hz: float) -> int:
    """Once somebody listens; the exit code: 1 where nobody ever does."""
    rng = np.random.default_rng(0)
    colours = [rng.integers(0, 256, (*SIZE, 3), np.uint8) for _ in range(PICTURES)]
    depths = [rng.uniform(0.3, 2.0, SIZE).astype(np.float32) for _ in range(PICTURES)]
    with Runtime() as runtime:
        node = runtime.node("steady_camera")
        colour = node.create_publisher(Image, COLOUR, REALSENSE)
        depth = node.create_publisher(Image, DEPTH, REALSENSE)
        by_s = time.monotonic() + LISTENED_WITHIN_S
        while not (colour.get_subscription_count() and depth.get_subscription_count()):
            if time.monotonic() > by_s:
                return 1
            time.sleep(0.01)
        time.sleep(SETTLES_S)
        due_s = time.monotonic()
        for number in range(count):
            head = header(node.get_clock().now().to_msg(), "steady_optical")
            colour.publish(colour_message(colours[number % PICTURES], head))
            depth.publish(depth_message(depths[number % PICTURES], head))
            due_s += 1.0 / rate_hz
            time.sleep(max(0.0, due_s - time.monotonic()))
        time.sleep(SETTLES_S)
    return 0


if __name__ == "__main__":
    sys.exit(publish(int(sys.argv[1]), float(sys.argv[2])))
