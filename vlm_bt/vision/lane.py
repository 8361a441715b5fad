"""One process that sees, as the service has it: started, fed, watched, killed and started again, never waited for.

Two threads of the service's own process keep it: one starts it, reads from it and watches it; one writes to it. So
nothing that the other process does, or does not do, can hold up whoever posts a job.
"""

from __future__ import annotations

import contextlib
import multiprocessing as mp
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from vlm_bt.vision.messages import Cancel, Done, Failed, FromProcess, Job, Ready, Worker
from vlm_bt.vision.process import serve

WATCH_S = 0.05
STARTS_IN_A_ROW = 3
"""So often it may die before it was ready; then it is given up."""


@dataclass(frozen=True)
class Lost:
    """The process is gone, and these jobs with it. `for_good`: it will not be started again."""

    numbers: tuple[int, ...]
    text: str
    for_good: bool = False


FromLane = FromProcess | Lost


class Lane:
    """A process that answers jobs.

    Args:
        open_worker: Picklable; makes the worker in the process.
        arrived: Notified whenever something is in `take`; several lanes may share it.
        patience_s: Wall time without a sign of progress, while jobs are under way, after which it is killed.
        start_within_s: Wall time that its start may take.
    """

    def __init__(
        self,
        name: str,
        open_worker: Callable[[], Worker],
        arrived: threading.Condition,
        *,
        threads: int = 1,
        patience_s: float = 60.0,
        start_within_s: float = 300.0,
    ) -> None:
        self.name = name
        self.restarts = 0
        self.ready: Ready | None = None
        self.gone: str = ""
        self._open_worker = open_worker
        self._arrived = arrived
        self._threads = threads
        self._patience_s = patience_s
        self._start_within_s = start_within_s
        self._outbox: deque[list[Job] | Cancel] = deque()
        self._inbox: deque[FromLane] = deque()
        self._under_way: set[int] = set()
        self._state = threading.Condition()
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None
        self._progress_s = 0.0
        self._closing = False
        self._writer = threading.Thread(target=self._write, name=f"vlm_bt-{name}-writer", daemon=True)
        self._keeper = threading.Thread(target=self._keep, name=f"vlm_bt-{name}-keeper", daemon=True)
        self._writer.start()
        self._keeper.start()

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        process = self._process
        return process.pid if process is not None else None

    def post(self, message: list[Job] | Cancel) -> None:
        """Hand over jobs, all of them to be known before one begins. Never blocks."""
        with self._state:
            if self.gone:
                numbers = (message.number,) if isinstance(message, Cancel) else tuple(job.number for job in message)
                self._tell(Lost(numbers, self.gone, True))
                return
            self._outbox.append(message)
            self._state.notify_all()

    @property
    def has_news(self) -> bool:
        return bool(self._inbox)

    def take(self) -> list[FromLane]:
        """Everything that has arrived since the last call."""
        taken: list[FromLane] = []
        while self._inbox:
            taken.append(self._inbox.popleft())
        return taken

    def close(self) -> None:
        """End the process and the threads. Idempotent."""
        with self._state:
            self._closing = True
            self._kill()
            self._state.notify_all()
        self._keeper.join(10.0)
        self._writer.join(10.0)

    def _tell(self, message: FromLane) -> None:
        self._inbox.append(message)
        with self._arrived:
            self._arrived.notify_all()

    def _keep(self) -> None:
        failures = 0
        while not self._closing:
            text, was_ready, refused = self._one_life()
            failures = 0 if was_ready else failures + 1
            for_good = refused or failures >= STARTS_IN_A_ROW
            with self._state:
                if self._closing:
                    return
                lost = sorted(self._under_way)
                self._under_way.clear()
                if for_good:
                    self.gone = text
                    waiting = [job.number for some in self._outbox if not isinstance(some, Cancel) for job in some]
                    lost += waiting
                    self._outbox.clear()
                else:
                    self.restarts += 1
            self._tell(Lost(tuple(lost), text, for_good))
            if for_good:
                return

    def _one_life(self) -> tuple[str, bool, bool]:
        """Run the process until it ends. Returns why, whether it had been ready, and whether it refused to start."""
        context = mp.get_context("spawn")
        pipe, theirs = context.Pipe()
        process = context.Process(
            target=serve, args=(theirs, self._open_worker, self._threads), daemon=True, name=f"vlm_bt-{self.name}"
        )
        with self._state:
            if self._closing:
                pipe.close()
                theirs.close()
                return "closed", False, False
            self._process = process
        process.start()
        theirs.close()
        if self._closing:
            process.kill()
        started = self._progress_s = time.monotonic()
        why, was_ready = "died", False
        try:
            while True:
                if pipe.poll(WATCH_S):
                    message: FromProcess = pipe.recv()
                    self._progress_s = time.monotonic()
                    if isinstance(message, Ready):
                        was_ready = True
                        with self._state:
                            self.ready, self._pipe = message, pipe
                            self._state.notify_all()
                    elif isinstance(message, Failed) and message.number == 0:
                        return message.text, False, True
                    self._note(message)
                    self._tell(message)
                elif not was_ready and time.monotonic() - started > self._start_within_s:
                    why = f"did not start within {self._start_within_s:g} s"
                    break
                elif self._under_way and time.monotonic() - self._progress_s > self._patience_s:
                    why = f"fell silent for {self._patience_s:g} s"
                    break
        except (EOFError, OSError):
            pass
        finally:
            with self._state:
                self.ready, self._pipe, self._process = None, None, None
            process.kill()
            process.join(10.0)
            code = process.exitcode
            pipe.close()
            with contextlib.suppress(ValueError):
                process.close()
        if why == "died" and code:
            why = f"died ({f'signal {-code}' if code < 0 else f'exit code {code}'})"
        return f"the process of {self.name} {why}; it was started again", was_ready, False

    def _note(self, message: FromProcess) -> None:
        if isinstance(message, (Done, Failed)):
            with self._state:
                self._under_way.discard(message.number)

    def _write(self) -> None:
        while True:
            with self._state:
                while not self._closing and not (self._outbox and self._pipe is not None):
                    self._state.wait()
                if self._closing:
                    return
                message, pipe = self._outbox.popleft(), self._pipe
                numbers = [] if isinstance(message, Cancel) else [job.number for job in message]
                if not self._under_way:
                    self._progress_s = time.monotonic()
                self._under_way.update(numbers)
            try:
                assert pipe is not None
                pipe.send(message)
            except (OSError, ValueError):
                with self._state:
                    lost = tuple(number for number in numbers if number in self._under_way)
                    self._under_way.difference_update(lost)
                if lost:
                    self._tell(Lost(lost, f"the process of {self.name} died; it was started again"))

    def _kill(self) -> None:
        process = self._process
        if process is not None:
            with contextlib.suppress(ValueError, AttributeError, OSError):
                process.kill()
