"""The executor of rclpy's callbacks: a few threads take turns at waiting for work, and each does what it found.

rclpy's `MultiThreadedExecutor` (7.1) hands work to a pool, and hands it over again at every turn until a thread of the
pool has begun it. On a busy machine its queue grew to thousands of entries for a few dozen messages, and answers took
seconds. Here a thread that waits holds the turn, and gives it up only when it begins what it found, so nothing queues.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

from rclpy.context import Context
from rclpy.exceptions import InvalidHandle
from rclpy.executors import (
    ConditionReachedException,
    Executor,
    ExternalShutdownException,
    ShutdownException,
    TimeoutException,
)
from rclpy.logging import get_logger

LOG = get_logger("vlm_bt")
SUSPENDED_S = 0.005
"""A callback that awaits something is asked again after so long; rclpy would ask without pause."""
END_WITHIN_S = 5.0
TURN_S = 1.0
"""A thread that waits for work says so at least this often."""


class Threads(Executor):  # type: ignore[misc]  # rclpy's types are not read
    """Spins the nodes that are added, from `start` to `shutdown`. A callback that fails is logged, and ends nothing.

    Args:
        count: How many callbacks run at once; one more thread waits for the next.
        beat: Called at every turn, and every second where there is nothing to do.
    """

    def __init__(self, count: int, context: Context, beat: Callable[[], None] = lambda: None) -> None:
        super().__init__(context=context)
        self._beat = beat
        self._is_shutdown: bool = False
        self._turn = threading.Lock()
        self._threads = [threading.Thread(target=self.spin, name=f"ros-{n}", daemon=True) for n in range(count + 1)]

    def start(self) -> None:
        """Call once."""
        for thread in self._threads:
            thread.start()

    def spin_once(self, timeout_sec: float | None = None) -> None:
        """Wait for one callback and run it; from any number of threads."""
        try:
            with self._turn:
                self._beat()
                task, *_ = self.wait_for_ready_callbacks(timeout_sec=TURN_S if timeout_sec is None else timeout_sec)
        except (ShutdownException, ExternalShutdownException, TimeoutException, ConditionReachedException):
            return
        except Exception:
            # `context is not valid` and destroyed handles escape now and then while it shuts down.
            if self._is_shutdown or not self._context.ok():
                return
            LOG.error(f"waiting for callbacks failed\n{traceback.format_exc()}")
            time.sleep(SUSPENDED_S)
            return
        task()
        if task.done():
            self._tell(task)
        elif not task.executing():
            time.sleep(SUSPENDED_S)
            self.wake()

    def shutdown(self, timeout_sec: float | None = END_WITHIN_S) -> bool:
        """Idempotent. Waits for callbacks under way, except for the one that calls this."""
        with self._shutdown_lock:
            first = not self._is_shutdown
            self._is_shutdown = True
            if first and self._guard:
                self._guard.trigger()
        by_s = time.monotonic() + (END_WITHIN_S if timeout_sec is None else timeout_sec)
        for thread in self._threads:
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join(max(0.0, by_s - time.monotonic()))
        ended = not any(thread.is_alive() for thread in self._threads)
        return bool(super().shutdown(0.0)) and ended

    def _tell(self, task: Any) -> None:
        error = task.exception()
        if error is None or isinstance(error, InvalidHandle) or self._is_shutdown or not self._context.ok():
            return
        LOG.error(f"a callback failed\n{''.join(traceback.format_exception(error))}")
