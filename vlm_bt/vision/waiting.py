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
        self._count = itertools.count()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, entries: list[Entry]) -> None:
        """All of them at once, so that none runs before the others are there."""
        with self._changed:
            for entry in entries:
                heapq.heappush(self._heap, (entry[0].order, next(self._count), entry))
            self._changed.notify()

    def cancel(self, number: int) -> bool:
        """Take a job out, with its pictures. False where it is not waiting: it runs already, or has run."""
        with self._changed:
            left = [waiting for waiting in self._heap if waiting[2][0].number != number]
            found = len(left) < len(self._heap)
            if found:
                heapq.heapify(left)
                self._heap = left
            return found

    def take(self, at_most: int) -> list[Entry]:
        """Wait for the next batch; empty when the queue was closed."""
        with self._changed:
            while not self._heap and not self._closed:
                self._changed.wait()
            batch: list[Entry] = []
            while self._heap and len(batch) < at_most:
                entry = self._heap[0][2]
                if batch and entry[0].group != batch[0][0].group:
                    break
                heapq.heappop(self._heap)
                batch.append(entry)
            return batch

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._heap.clear()
            self._changed.notify()
