"""A lane without a process: its worker answers in the caller's own thread, as soon as it is asked."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from vlm_bt.errors import VlmBtError
from vlm_bt.vision.lane import FromLane
from vlm_bt.vision.messages import Cancel, Failed, Job, Ready, Worker
from vlm_bt.vision.process import failure


class InlineLane:
    """Answers jobs at once. It is an `AnyLane`.

    A worker that raises loses the batch it was asked (`model_lost`), as a process that dies does; it is not watched,
    so a worker must never wait.

    Args:
        open_worker: Called here and now; what it raises is why the lane is `gone`.
    """

    pid: int | None = None

    def __init__(self, name: str, open_worker: Callable[[], Worker]) -> None:
        self.name = name
        self.restarts = 0
        self.gone = ""
        self.ready: Ready | None = None
        self._inbox: deque[FromLane] = deque()
        try:
            self._worker = open_worker()
            self.ready = self._worker.ready
        except VlmBtError as error:
            self.gone = str(error)

    @property
    def has_news(self) -> bool:
        return bool(self._inbox)

    def post(self, message: list[Job] | Cancel) -> None:
        if isinstance(message, Cancel):
            return
        if self.gone:
            self._inbox.extend(Failed(job.number, "model_lost", self.gone) for job in message)
            return
        batch = []
        for job in message:
            try:
                batch.append((job, self._worker.prepare(job)))
            except Exception as error:
                self._inbox.append(failure(job, error))
        # In the order and in the batches in which a process would take them.
        batch.sort(key=lambda entry: (entry[0].order, entry[0].number))
        size = self._worker.batch_at_most
        for start in range(0, len(batch), size):
            part = batch[start : start + size]
            try:
                self._inbox.extend(self._worker.run(part, lambda numbers: None))
            except Exception as error:
                self._inbox.extend(failure(job, error) for job, _ in part)

    def take(self) -> list[FromLane]:
        taken = list(self._inbox)
        self._inbox.clear()
        return taken

    def close(self) -> None:
        """Idempotent."""
        self.gone = self.gone or "the vision service is closed"
