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
from multiprocessing.reduction import ForkingPickler
from typing import Protocol

from vlm_bt.vision.messages import Began, Cancel, Done, Failed, FromProcess, Job, Ready, Worker
from vlm_bt.vision.process import serve

WATCH_S = 0.05
STARTS_IN_A_ROW = 3
"""So often it may die before it was ready; then it is given up."""
CHILDREN = threading.Lock()
"""`multiprocessing` reaps every child whenever it starts one, which several threads must not do at once."""


@dataclass(frozen=True)
class Lost:
    """The process is gone, and these jobs with it. `for_good`: it will not be started again."""

    numbers: tuple[int, ...]
    text: str
    for_good: bool = False


FromLane = FromProcess | Lost


class AnyLane(Protocol):
    """What the service needs of whatever answers jobs; `Lane` says what each part means."""

    restarts: int
    ready: Ready | None
    gone: str

    @property
    def pid(self) -> int | None: ...

    @property
    def has_news(self) -> bool: ...

    def post(self, message: list[Job] | Cancel) -> None: ...

    def take(self) -> list[FromLane]: ...

    def close(self) -> None: ...


class OpenLane(Protocol):
    """Opens a lane: `Lane` itself, or something that needs no process."""

    def __call__(
        self,
        name: str,
        open_worker: Callable[[], Worker],
        arrived: threading.Condition,
        *,
        threads: int = 1,
        patience_s: float = 60.0,
        start_within_s: float = 300.0,
    ) -> AnyLane: ...


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
        self._begun: set[int] = set()
        self._state = threading.Condition()
        self._sending = threading.Lock()
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None
        self._progress_s = 0.0
        self._silent = False
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
            elif isinstance(message, Cancel) and self._withdraw(message.number):
                self._tell(Failed(message.number, "cancelled", "cancelled before it was sent"))
            else:
                self._outbox.append(message)
                self._state.notify_all()

    def _withdraw(self, number: int) -> bool:
        """Take a job back that was not sent yet, as while the process starts."""
        for jobs in self._outbox:
            for job in () if isinstance(jobs, Cancel) else jobs:
                if job.number == number:
                    jobs.remove(job)  # type: ignore[union-attr]
                    return True
        return False

    @property
    def has_news(self) -> bool:
        return bool(self._inbox)

    def take(self) -> list[FromLane]:
        """Everything that has arrived since the last call."""
        # The keeper cannot watch while it reads, and a process may be stopped halfway through what it says.
        self._watch()
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
            if not refused:
                given_up = f"it was not ready after {failures} starts and is given up"
                text = f"the process of {self.name} {text}; {given_up if for_good else 'it was started again'}"
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
            self._process, self._silent = process, False
            self._begun.clear()
        why, was_ready, refused = "", False, False
        try:
            with CHILDREN:
                # A child that is killed while it is being told what to do breaks the pipe it is told through.
                process.start()
            theirs.close()
            if self._closing:
                process.kill()
            why, was_ready, refused = self._listen(pipe)
        except Exception as error:
            why = f"could not be started or understood ({type(error).__name__}: {error})"
            was_ready = self.ready is not None
        finally:
            with self._state:
                self.ready, self._pipe, self._process = None, None, None
            theirs.close()
            code = _ended(process)
            with self._sending:
                pipe.close()
        if self._silent:
            why = f"fell silent for {self._patience_s:g} s"
        return why or f"died ({_words(code)})", was_ready, refused

    def _listen(self, pipe: Connection) -> tuple[str, bool, bool]:
        """Hand on what the process says until it ends or must be ended. Returns as `_one_life`; no why: it died."""
        started = self._progress_s = time.monotonic()
        was_ready = False
        try:
            while True:
                if pipe.poll(WATCH_S):
                    message: FromProcess = pipe.recv()
                    if isinstance(message, Failed) and message.number == 0:
                        return message.text, False, True
                    if isinstance(message, Ready):
                        was_ready = True
                    self._note(message, pipe)
                    self._tell(message)
                elif not was_ready and time.monotonic() - started > self._start_within_s:
                    return f"did not start within {self._start_within_s:g} s", False, False
                else:
                    self._watch()
        except (EOFError, OSError):
            return "", was_ready, False

    def _watch(self) -> None:
        """Kill the process where nothing has moved for too long."""
        with self._state:
            waits = self._pipe is not None and bool(self._under_way)
            if waits and time.monotonic() - self._progress_s > self._patience_s:
                self._silent = True
                self._kill()

    def _note(self, message: FromProcess, pipe: Connection) -> None:
        with self._state:
            number = message.number if isinstance(message, (Done, Failed)) else 0
            # While a batch runs, remembered answers and cancels come from another thread: they prove nothing.
            if not number or number in self._begun or not self._begun:
                self._progress_s = time.monotonic()
            if isinstance(message, Ready):
                self.ready, self._pipe = message, pipe
                self._state.notify_all()
            elif isinstance(message, Began):
                self._begun.update(message.numbers)
            self._under_way.discard(number)
            self._begun.discard(number)

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
            assert pipe is not None
            try:
                packed = ForkingPickler.dumps(message)
            except Exception as error:
                self._give_back(numbers, f"the question cannot be sent to {self.name}: {type(error).__name__}: {error}")
                continue
            try:
                with self._sending:
                    pipe.send_bytes(packed)
            except (OSError, ValueError):
                self._give_back(numbers, f"the process of {self.name} died; it was started again")

    def _give_back(self, numbers: list[int], text: str) -> None:
        """Jobs that did not get through, but for those that the keeper has given up already."""
        with self._state:
            lost = [number for number in numbers if number in self._under_way]
            self._under_way.difference_update(lost)
        for number in lost:
            self._tell(Failed(number, "model_lost", text))

    def _kill(self) -> None:
        process = self._process
        if process is not None:
            with contextlib.suppress(ValueError, AttributeError, OSError):
                process.kill()


def _ended(process: BaseProcess) -> int | None:
    """Kill a process and free what it holds here; its exit code, None where it never started."""
    with contextlib.suppress(ValueError, AttributeError, OSError):
        process.kill()
    with contextlib.suppress(AssertionError, AttributeError):
        process.join(10.0)
    with CHILDREN, contextlib.suppress(ValueError):
        code = process.exitcode
        process.close()
        return code
    return None


def _words(code: int | None) -> str:
    if code is None:
        return "nothing is known of it"
    return f"signal {-code}" if code < 0 else f"exit code {code}"
