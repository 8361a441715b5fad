"""Tickets to the process that sees: deadlines in ticks, a watch-dog in wall time, restarts, and what it all cost."""

from __future__ import annotations

import contextlib
import math
import multiprocessing as mp
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any

from vlm_bt.errors import FrameGone, ModelError
from vlm_bt.frames import FrameHandle, FrameStore
from vlm_bt.ports import Clock, Recorder, Ticket
from vlm_bt.types import Outcome
from vlm_bt.vision.requests import MODEL_REQUESTS, Request
from vlm_bt.vision.worker import Failed, Ready, WorkerSettings, serve

LATENCY_S: Mapping[str, float] = {
    "Segment": 0.10,
    "Classify": 0.10,
    "IsTrue": 0.05,
    "Describe": 0.10,
    "PlanGrasps": 0.05,
    "FindSpot": 0.05,
}
"""How long an answer takes on the mission's clock when time is simulated, rounded up to whole ticks."""


class VisionService:
    """Sends requests to one worker process and hands their answers out at fixed ticks.

    Args:
        lockstep: Time is simulated: an answer arrives exactly `LATENCY_S` after its request and the clock waits for it.
            Otherwise it arrives when it is there.
        patience_s: Wall time after which a silent worker is taken for dead, killed and started again.
    """

    def __init__(
        self,
        worker: WorkerSettings,
        frames: FrameStore,
        clock: Clock,
        recorder: Recorder,
        *,
        lockstep: bool = True,
        patience_s: float = 60.0,
    ) -> None:
        self._settings = worker
        self._frames = frames
        self._clock = clock
        self._recorder = recorder
        self._lockstep = lockstep
        self._patience_s = patience_s
        self._open: dict[int, tuple[Ticket[Any], Request, int, float]] = {}
        self._early: dict[int, Any] = {}
        self._count = 0
        self.model_queries = 0
        self.wait_s = 0.0
        self.restarts = 0
        self._process: mp.process.BaseProcess | None = None
        self._pipe: Connection | None = None
        self.ready: Ready | None = None
        self._start()

    def submit(self, request: Request) -> Ticket[Any]:
        """Send a request. The ticket fails with `stale` (frame gone), `model_lost` or an answer's own outcome."""
        kind = type(request).__name__
        ticket: Ticket[Any] = Ticket(kind, None)
        try:
            handle = self._frames.handle(request.frame_id)
        except FrameGone as gone:
            ticket.fail(Outcome("stale", str(gone)))
            return ticket
        self._count += 1
        number = self._count
        due = self._clock.tick + max(1, math.ceil(LATENCY_S[kind] / self._clock.period_s - 1e-9))
        self._open[number] = (ticket, request, due, time.monotonic())
        if isinstance(request, MODEL_REQUESTS):
            self.model_queries += 1
        self._recorder.write("query", {"id": number, "kind": kind, "frame": request.frame_id, "asked": _plain(request)})
        self._send(number, handle, request)
        return ticket

    def settle(self, tick: int) -> None:
        """Called by the clock between ticks: hand out what is due at `tick`, waiting for it in lockstep."""
        for number in [n for n, entry in self._open.items() if not self._lockstep or entry[2] <= tick]:
            answer = self._receive(number)
            if answer is not None:
                self._hand_out(number, answer)

    def wait_ready(self) -> Ready:
        """Wait until the worker has loaded its model.

        Raises:
            ModelError: The weights are missing or corrupt, or it did not start in time.
        """
        if self.ready is None:
            answer = self._await(0)
            if isinstance(answer, Failed):
                raise ModelError(answer.text)
            if answer is None:
                raise ModelError(f"the model process did not start within {self._patience_s:g} s")
            self.ready = answer
        return self.ready

    def close(self) -> None:
        """Idempotent."""
        for ticket, *_ in self._open.values():
            ticket.fail(Outcome("cancelled", "the vision service is closed"))
        self._open.clear()
        self._kill()

    def _receive(self, number: int) -> Any:
        if number in self._early:
            return self._early.pop(number)
        if not self._lockstep:
            self._drain()
            answer = self._early.pop(number, None)
            overdue = time.monotonic() - self._open[number][3] > self._patience_s
            return answer if answer is not None or not overdue else self._lost()
        began = time.perf_counter()
        answer = self._await(number)
        self.wait_s += time.perf_counter() - began
        return answer if answer is not None else self._lost()

    def _await(self, number: int) -> Any:
        """The answer of that number, or None when the worker is dead or silent for `patience_s`."""
        deadline = time.monotonic() + self._patience_s
        while number not in self._early:
            assert self._pipe is not None
            left = deadline - time.monotonic()
            try:
                if left <= 0 or not self._pipe.poll(left):
                    return None
                key, answer = self._pipe.recv()
            except (EOFError, OSError):
                return None
            self._early[key] = answer
        return self._early.pop(number)

    def _drain(self) -> None:
        try:
            while self._pipe is not None and self._pipe.poll(0):
                key, answer = self._pipe.recv()
                self._early[key] = answer
        except (EOFError, OSError):
            self._lost()

    def _lost(self) -> Failed:
        """Kill and start again; everything else under way is lost with it."""
        lost = Failed("model_lost", "the model process died or fell silent; it was started again")
        self._recorder.write("event", {"what": "model process restarted"})
        self.restarts += 1
        self._kill()
        self._early = dict.fromkeys(self._open, lost)
        self._start()
        return lost

    def _hand_out(self, number: int, answer: Any) -> None:
        ticket, request, *_ = self._open.pop(number)
        self._early.pop(number, None)
        if isinstance(answer, Failed):
            ticket.fail(Outcome(answer.reason, answer.text))
            shown: Any = {"failed": answer.reason, "text": answer.text}
        else:
            ticket.resolve(answer.value)
            shown = _plain(answer.value)
        record = {"id": number, "kind": type(request).__name__, "result": shown}
        if not isinstance(answer, Failed):
            record["ms"] = round(answer.ms, 2)
        self._recorder.write("answer", record)

    def _send(self, number: int, handle: FrameHandle, request: Request) -> None:
        assert self._pipe is not None
        # A worker that died is missed, and replaced, when its answer is due: starting a process would block the tick.
        with contextlib.suppress(OSError):
            self._pipe.send((number, handle, request))

    def _start(self) -> None:
        context = mp.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, self._settings), daemon=True, name="vlm_bt-eyes")
        self._process.start()
        theirs.close()
        self.ready = None

    def _kill(self) -> None:
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None
        if self._process is not None:
            self._process.join(0.5)
            if self._process.is_alive():
                self._process.kill()
                self._process.join(5.0)
            self._process = None


def _plain(value: Any) -> Any:
    """JSON for the record; large tuples are kept, arrays never occur."""
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return round(value, 5)
    return value if isinstance(value, (str, int, bool)) or value is None else str(value)
