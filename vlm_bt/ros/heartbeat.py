"""A heartbeat that says what is true: it stops when the executive does, also when only a tick hangs."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable

from rclpy.node import Node

from vlm_bt.errors import ConfigError
from vlm_bt.executive import Snapshot
from vlm_bt.ros.heart import UP, Lease

TOPIC = "heartbeat"
LEASE_S = 0.5
"""A process that shows no sign of life for so long hangs as a whole. One that is killed is noticed at once."""
UP_WITHIN_S = 30.0
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
    """Lets a process of its own beat (see `heart`), and renews its lease as long as `alive` says so.

    Args:
        name: Of the sender.
        alive: Whether whoever it speaks for is at work; called in a thread of its own, must be quick.
        commanding: Whether goals are under way at an arm.

    Attributes:
        instance: A number that no earlier start had.
    """

    def __init__(
        self, node: Node, name: str, period_s: float, alive: Callable[[], bool], commanding: Callable[[], bool]
    ) -> None:
        self.instance = _instance()
        self._name = name
        self._topic = node.resolve_topic_name(TOPIC)
        self._period_s = period_s
        self._alive = alive
        self._commanding = commanding
        self._ending = threading.Event()
        self._file = os.memfd_create("heartbeat")
        os.truncate(self._file, 64)
        self._lease = Lease.of(self._file)
        self._lease.instance = self.instance
        self._heart: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None

    def prepare(self) -> None:
        """Start the process; it is silent until `begin`. What takes long may be done meanwhile. Idempotent."""
        if self._heart is not None and self._heart.poll() is None:
            return
        command = [sys.executable, "-m", "vlm_bt.ros.heart", str(self._file), self._topic, self._name]
        self._heart = subprocess.Popen(
            [*command, str(self._period_s)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(self._file,),
        )

    def begin(self) -> None:
        """Beat from now on: before anything is commanded. Idempotent.

        Raises:
            ConfigError: The process that is to beat does not come up.
        """
        if self._thread is not None:
            return
        self.prepare()
        self._wait_up()
        self._renew()
        self._thread = threading.Thread(target=self._renew_on, name="vlm_bt-heartbeat", daemon=True)
        self._thread.start()

    def start_anew(self) -> None:
        """Be another one from now on: what the guardian held against the one before is dealt with."""
        self.prepare()
        self.instance = _instance()
        self._lease.instance = self.instance

    def leave(self) -> None:
        """Say goodbye: the silence that follows is no alarm. Only where nothing is under way. Idempotent."""
        if self._ending.is_set():
            return
        self._stop_renewing()
        self._lease.leaving = True
        if self._heart is not None:
            try:
                self._heart.wait(END_WITHIN_S)
            except subprocess.TimeoutExpired:
                self._heart.kill()
        self._let_go()

    def fall_silent(self) -> None:
        """Stop without a goodbye, for what could not be stopped is the guardian's to stop. Idempotent."""
        if self._ending.is_set():
            return
        self._stop_renewing()
        if self._heart is not None:
            self._heart.kill()
        self._let_go()

    def _wait_up(self) -> None:
        assert self._heart is not None and self._heart.stdout is not None
        watch = threading.Timer(UP_WITHIN_S, self._heart.kill)
        watch.start()
        # Fast DDS prints its own lines before that, such as that a port in shared memory is taken.
        said_up = UP in iter(self._heart.stdout.readline, b"")
        watch.cancel()
        if not said_up:
            raise ConfigError("the process that sends the heartbeat does not start")

    def _renew_on(self) -> None:
        while not self._ending.wait(self._period_s):
            self._renew()

    def _renew(self) -> None:
        alive = self._alive()
        self._lease.commanding = self._commanding()
        self._lease.until_s = time.monotonic() + LEASE_S if alive else 0.0

    def _stop_renewing(self) -> None:
        self._ending.set()
        if self._thread is not None:
            self._thread.join(END_WITHIN_S)
        self._lease.until_s = 0.0

    def _let_go(self) -> None:
        if self._heart is not None:
            self._heart.wait(END_WITHIN_S)
            for pipe in (self._heart.stdin, self._heart.stdout):
                if pipe is not None:
                    pipe.close()
        os.close(self._file)


def _instance() -> int:
    return random.SystemRandom().getrandbits(63)
