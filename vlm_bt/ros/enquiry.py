"""The vision service for callers in other threads: one thread works on what ROS asks; callers wait with a limit."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any

from rclpy.node import Node

from vlm_bt.clocks import WallClock
from vlm_bt.frames import FrameStore
from vlm_bt.ports import ASKER, Asker, Priority, Ticket
from vlm_bt.ros.camera import RosCamera, open_eyes
from vlm_bt.ros.runtime import Inbox
from vlm_bt.ros.stamps import Stamps
from vlm_bt.settings import Settings
from vlm_bt.types import Outcome
from vlm_bt.vision.service import VisionService

Steps = Generator[Ticket[Any], Outcome, tuple[Outcome, Any]]
"""Like a leaf: yields the tickets it waits for; ends with an outcome and, where that is `done`, a value."""

PERIOD_S = 0.02
ANSWERED_WITHIN_S = 2.0
"""How much longer than its limit a question is waited for: then the thread itself hangs."""
ENDS_WITHIN_S = 5.0
CLOSED = Outcome("cancelled", "the vision node is closing")


@dataclass(eq=False)
class Enquiry:
    """One question under way. Belongs to the desk's thread; `done` and `answer` are for whoever waits."""

    steps: Steps
    asker: Asker
    done: threading.Event
    answer: tuple[Outcome, Any] = (CLOSED, None)
    waiting: Ticket[Any] | None = None

    def go_on(self, outcome: Outcome | None = None) -> None:
        """Until the next ticket that is not there yet."""
        if self.done.is_set():
            return
        asking = ASKER.set(self.asker)
        try:
            while True:
                ticket = next(self.steps) if outcome is None else self.steps.send(outcome)
                outcome = ticket.outcome
                if outcome is None:
                    self.waiting = ticket
                    ticket.when_done(self.go_on)
                    return
        except StopIteration as end:
            self.end(*end.value)
        finally:
            ASKER.reset(asking)

    def end(self, outcome: Outcome, value: Any = None) -> None:
        """Idempotent; what is under way is cancelled."""
        if not self.done.is_set():
            self.answer = (outcome, value)
            self.done.set()
            if self.waiting is not None and self.waiting.outcome is None:
                self.waiting.cancel()
            with contextlib.suppress(ValueError, RuntimeError):  # It runs at this moment, further down in this stack.
                self.steps.close()


class EnquiryDesk:
    """Models, cameras and frames of the vision node, in one thread.

    Args:
        report: Told of what should not happen, in a line.

    Attributes:
        frames, vision, camera: For steps only, which run in the desk's thread.
    """

    def __init__(self, node: Node, settings: Settings, report: Callable[[str], None]) -> None:
        scene = settings.ros.scene
        self.frames = FrameStore()
        self.clock = WallClock(PERIOD_S)
        self._inbox = Inbox()
        stamps = Stamps(node, self.clock)
        self.eyes = open_eyes(node, settings.ros, stamps)
        self.camera = RosCamera(self.eyes, self.frames, stamps, self._inbox)
        zones = tuple(settings.zones().values())
        self.vision = VisionService(settings.vision, zones, self.frames, self.clock, _NoRecord(), lockstep=False)
        self._report = report
        self._places = threading.BoundedSemaphore(scene.at_once)
        self._at_once = scene.at_once
        self._limit_s = scene.limit_s
        self._open: set[Enquiry] = set()
        self._closing = threading.Event()
        self.clock.connect(
            (lambda tick: self._inbox.empty(), lambda tick: self.camera.step(), self._see), slow_down=lambda: False
        )
        self._thread = threading.Thread(target=self._work, name="vlm_bt-vision", daemon=True)

    def open(self) -> Mapping[str, str]:
        """Wait until the models are loaded, then begin to answer; model by its name in the configuration.

        Raises:
            ModelError.
        """
        ready = {name: known.model for name, known in self.vision.wait_ready().items()}
        self._thread.start()
        return ready

    def ask(
        self,
        steps: Callable[[], Steps],
        timeout_s: float = 0.0,
        *,
        skill: str = "ros",
        priority: Priority = Priority.MISSION,
        given_up: Callable[[], bool] = lambda: False,
    ) -> tuple[Outcome, Any]:
        """Ask and wait; from any thread but the desk's own. Never longer than the limit and a little.

        Args:
            timeout_s: 0: the node's own limit, which is also the longest there is.
            given_up: Whether whoever asks wants no answer any more; looked at now and then.
        """
        if not self._places.acquire(blocking=False):
            return Outcome("busy", f"{self._at_once} questions are being worked on already"), None
        try:
            limit_s = min(timeout_s, self._limit_s) if timeout_s > 0 else self._limit_s
            enquiry = Enquiry(steps(), Asker(skill, priority, self.clock.now_s + limit_s), threading.Event())
            self._inbox.post(lambda: self._begin(enquiry))
            by_s = self.clock.now_s + limit_s
            while not enquiry.done.wait(max(0.0, min(0.1, by_s - self.clock.now_s))):
                late = self.clock.now_s >= by_s
                if late or given_up() or self._closing.is_set():
                    why = Outcome("timed_out", f"no answer within {limit_s:g} s") if late else Outcome("cancelled")
                    return self._give_up(enquiry, why)
            return enquiry.answer
        finally:
            self._places.release()

    def close(self) -> None:
        """Idempotent."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(ENDS_WITHIN_S)
        for enquiry in list(self._open):
            enquiry.end(CLOSED)
        self.camera.close()
        self.vision.close()
        self.frames.close()

    def _give_up(self, enquiry: Enquiry, why: Outcome) -> tuple[Outcome, Any]:
        self._inbox.post(lambda: enquiry.end(why))
        enquiry.done.wait(ANSWERED_WITHIN_S)
        return enquiry.answer if enquiry.done.is_set() else (why, None)

    def _begin(self, enquiry: Enquiry) -> None:
        self._open = {known for known in self._open if not known.done.is_set()} | {enquiry}
        enquiry.go_on()

    def _see(self, tick: int) -> None:
        self.vision.flush()
        self.vision.settle(tick)

    def _work(self) -> None:
        """The boundary of the thread: a bug ends the questions under way, and is told, and the node goes on."""
        while not self._closing.is_set():
            try:
                self.clock.advance()
            except Exception as error:
                self._report(f"the vision thread failed: {type(error).__name__}: {error}")
                for enquiry in list(self._open):
                    enquiry.end(Outcome("model_lost", f"the vision node failed: {type(error).__name__}"))


class _NoRecord:
    """What a vision node sees belongs to no mission."""

    def write(self, channel: str, data: Mapping[str, Any]) -> None:
        pass

    def keep_frame(self, frame_id: str, why: str) -> None:
        pass
