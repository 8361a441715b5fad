"""Asking typed questions through the real service and its real processes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from fakes import CrankClock, ListRecorder

from vlm_bt.frames import FrameStore
from vlm_bt.ports import Ticket
from vlm_bt.types import Frame, Intrinsics, Pose, Zone
from vlm_bt.vision.service import VisionService
from vlm_bt.vision_settings import VisionSettings

PATIENCE_S = 60.0


class Eyes:
    """A service on frames of the test's own, outside simulated time unless told otherwise."""

    def __init__(self, settings: VisionSettings | dict[str, Any], *, lockstep: bool = False, containers=()) -> None:
        if isinstance(settings, dict):
            settings = VisionSettings.model_validate(settings)
        self.frames = FrameStore()
        self.clock = CrankClock()
        self.recorder = ListRecorder()
        self.service = VisionService(
            settings, list[Zone](containers), self.frames, self.clock, self.recorder, lockstep=lockstep
        )

    def show(self, rgb, depth_m=None, camera: str = "overhead") -> str:
        """Put a picture (H, W, 3) uint8 in; returns the frame's id."""
        return self.frames.put(picture_frame(self.frames.new_id(camera), rgb, depth_m, camera, self.clock.now_s))

    def ended(self, ticket: Ticket[Any], patience_s: float = PATIENCE_S) -> Ticket[Any]:
        """Let ticks pass until the ticket has ended."""
        limit = time.monotonic() + patience_s
        while ticket.outcome is None and time.monotonic() < limit:
            self.clock.advance()
            self.service.settle(self.clock.tick)
            time.sleep(0.001)
        assert ticket.outcome is not None, f"no answer to {ticket.label} in {patience_s:g} s"
        return ticket

    def ask(self, question: Any) -> Any:
        """The answer to one question; an AssertionError with the outcome where there is none."""
        ticket = self.ended(self.service.submit(question))
        assert ticket.outcome is not None and ticket.outcome.ok, str(ticket.outcome)
        return ticket.value

    def ask_all(self, questions: Sequence[Any]) -> tuple[Any, ...]:
        ticket = self.ended(self.service.submit_all(questions))
        assert ticket.outcome is not None and ticket.outcome.ok, str(ticket.outcome)
        return ticket.value

    def refused(self, question: Any) -> Any:
        """The outcome of a question that gets no answer."""
        outcome = self.ended(self.service.submit(question)).outcome
        assert outcome is not None and not outcome.ok
        return outcome

    def close(self) -> None:
        self.service.close()
        self.frames.close()


@contextlib.contextmanager
def eyes(model: dict[str, Any], *, lockstep: bool = False, **vision: Any) -> Iterator[Eyes]:
    """A service with one model of these settings, ready to be asked."""
    opened = Eyes({"models": {"tested": model}, **vision}, lockstep=lockstep)
    try:
        opened.service.wait_ready()
        yield opened
    finally:
        opened.close()


def picture_frame(name: str, rgb, depth_m=None, camera: str = "overhead", stamp_s: float = 0.0) -> Frame:
    """A frame of a picture (H, W, 3) uint8, 1.15 m above the bench looking straight down; no depth if not given."""
    height, width = rgb.shape[:2]
    lens = Intrinsics(width, height, width * 0.73, width * 0.73, width / 2, height / 2)
    depth = np.zeros((height, width), np.float32) if depth_m is None else np.asarray(depth_m, np.float32)
    pose = Pose((0.33, 0.0, 1.15), (0.0, 0.7071068, -0.7071068, 0.0))
    return Frame(name, camera, np.asarray(rgb, np.uint8), depth, lens, pose, stamp_s)


def noise(seed: int = 0, height: int = 120, width: int = 160):
    """A picture without meaning, always the same for a seed."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
