"""The questions that wait in a model's process, and which of them run next, together."""

from __future__ import annotations

import heapq
import itertools
import threading
from typing import Any

from vlm_bt.vision.messages import Job

Entry = tuple[Job, Any, float]
"""A job, what was prepared for it, and when it came (perf_counter, seconds)."""


class Waiting:
    """A queue between the thread that listens and the thread that runs the model.

    Smallest `Job.order` first (most urgent, then nearest deadline), equals in the order they came. A batch holds jobs
    of one group only.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[tuple[float, ...], int, Entry]] = []
        self._cancelled: set[int] = set()
        self._known: set[int] = set()
        self._count = itertools.count()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, entries: list[Entry]) -> None:
        """All of them at once, so that none runs before the others are there."""
        with self._changed:
            for entry in entries:
                self._known.add(entry[0].number)
                heapq.heappush(self._heap, (entry[0].order, next(self._count), entry))
            self._changed.notify()

    def cancel(self, number: int) -> bool:
        """Take a job out. False where it is not waiting: it runs already, or has run."""
        with self._changed:
            if number not in self._known:
                return False
            self._known.discard(number)
            self._cancelled.add(number)
            return True

    def take(self, at_most: int) -> list[Entry]:
        """Wait for the next batch; empty when the queue was closed."""
        with self._changed:
            while True:
                self._drop_cancelled()
                if self._heap or self._closed:
                    break
                self._changed.wait()
            batch: list[Entry] = []
            while self._heap and len(batch) < at_most:
                entry = self._heap[0][2]
                if batch and entry[0].group != batch[0][0].group:
                    break
                heapq.heappop(self._heap)
                self._known.discard(entry[0].number)
                batch.append(entry)
                self._drop_cancelled()
            return batch

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._heap.clear()
            self._changed.notify()

    def _drop_cancelled(self) -> None:
        while self._heap and self._heap[0][2][0].number in self._cancelled:
            self._cancelled.discard(heapq.heappop(self._heap)[2][0].number)
