"""A heartbeat that says what is true: it stops when the executive does, also when only a tick hangs."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from vlm_bt_interfaces.msg import Heartbeat as HeartbeatMessage

from vlm_bt.executive import Snapshot

TOPIC = "heartbeat"
BEATS = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
END_WITHIN_S = 2.0


class Pulse:
    """Subscriber of the executive: when it was last at work. Read from another thread."""

    def __init__(self) -> None:
        self._last_s = time.monotonic()

    def after_tick(self, snapshot: Snapshot) -> None:
        self._last_s = time.monotonic()

    def mark(self) -> None:
        self._last_s = time.monotonic()

    @property
    def age_s(self) -> float:
        """Seconds of real time."""
        return time.monotonic() - self._last_s


class Heartbeat:
    """Beats from a thread of its own, as long as `alive` says so.

    Args:
        name: Of the sender.
        alive: Whether whoever it speaks for is at work; called in the heart's thread, must be quick.
        commanding: Whether goals are under way at an arm.

    Attributes:
        instance: A number that no earlier start had.
    """

    def __init__(
        self, node: Node, name: str, period_s: float, alive: Callable[[], bool], commanding: Callable[[], bool]
    ) -> None:
        self.instance = _instance()
        self._node = node
        self._name = name
        self._period_s = period_s
        self._alive = alive
        self._commanding = commanding
        self._count = 0
        self._ending = threading.Event()
        self._publisher = node.create_publisher(HeartbeatMessage, TOPIC, BEATS)
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Beat from now on: before anything is commanded. Idempotent."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._beat, name="vlm_bt-heartbeat", daemon=True)
            self._thread.start()

    def start_anew(self) -> None:
        """Be another one from now on: what the guardian held against the one before is dealt with."""
        self.instance = _instance()

    def leave(self) -> None:
        """Say goodbye: the silence that follows is no alarm. Only where nothing is under way. Idempotent."""
        if not self._ending.is_set():
            self.fall_silent()
            self._say(leaving=True)

    def fall_silent(self) -> None:
        """Stop without a goodbye, for what could not be stopped is the guardian's to stop."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join(END_WITHIN_S)

    def _beat(self) -> None:
        while not self._ending.wait(self._period_s):
            if self._alive():
                self._say()

    def _say(self, *, leaving: bool = False) -> None:
        self._count += 1
        message = HeartbeatMessage(
            sender=self._name,
            instance=self.instance,
            count=self._count,
            period_s=self._period_s,
            commanding=not leaving and self._commanding(),
            leaving=leaving,
        )
        # The context may be closed under this thread: then nobody hears it any more.
        with contextlib.suppress(Exception):
            message.header.stamp = self._node.get_clock().now().to_msg()
            self._publisher.publish(message)


def _instance() -> int:
    return random.SystemRandom().getrandbits(63)
