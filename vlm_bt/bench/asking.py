"""A vision service with one model on pictures of the benchmark's own, outside simulated time."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlm_bt.clocks import WallClock
from vlm_bt.frames import FrameStore
from vlm_bt.ports import Clock, Ticket
from vlm_bt.questions import IsTrue, Look, Question
from vlm_bt.types import Frame, Intrinsics, Outcome, Pose
from vlm_bt.vision.service import VisionService
from vlm_bt.vision_settings import VisionSettings

WIDTH, HEIGHT = 640, 480


class Forgetful:
    """A record that keeps nothing."""

    def write(self, channel: str, data: Mapping[str, Any]) -> None:
        return None

    def keep_frame(self, frame_id: str, why: str) -> None:
        return None


class Desk:
    """A service with one model, ready to be asked; `clock` is a ticking one's. Use as a context manager.

    Raises:
        ModelError: The model cannot be loaded.
    """

    def __init__(self, model: Mapping[str, Any], clock: Clock | None = None, **vision: Any) -> None:
        settings = VisionSettings.model_validate({"models": {"measured": dict(model)}, **vision})
        self.frames = FrameStore()
        self.clock = clock if clock is not None else WallClock(0.05)
        self.service = VisionService(settings, (), self.frames, self.clock, Forgetful(), lockstep=False)
        try:
            self.ready = self.service.wait_ready()["measured"]
        except BaseException:
            self.close()
            raise

    def show(self, rgb: NDArray[np.uint8]) -> str:
        """Put a picture (H, W, 3) in, without depth; the frame's id."""
        return self.frames.put(frame_of(self.frames.new_id("overhead"), rgb))

    def submit(self, *questions: Question) -> Ticket[Any]:
        ticket: Ticket[Any]
        ticket = self.service.submit(questions[0]) if len(questions) == 1 else self.service.submit_all(questions)
        self.service.flush()
        return ticket

    def ended(self, ticket: Ticket[Any], patience_s: float = 600.0) -> Outcome | None:
        """Look for news, without ticks, until the ticket has ended; None after `patience_s`."""
        limit = time.monotonic() + patience_s
        while ticket.outcome is None and time.monotonic() < limit:
            self.service.settle(self.clock.tick)
            if ticket.outcome is None:
                self.service.wait_for_news(0.05)
        return ticket.outcome

    def timed(self, *questions: Question) -> tuple[float, Any]:
        """Seconds from question to answer, and the answer. Raises: RuntimeError: there is none."""
        began = time.perf_counter()
        ticket = self.submit(*questions)
        outcome = self.ended(ticket)
        took_s = time.perf_counter() - began
        if outcome is None or not outcome.ok:
            raise RuntimeError(f"no answer: {outcome}")
        return took_s, ticket.value

    @staticmethod
    def claim(frame_id: str, claim: str) -> IsTrue:
        return IsTrue((Look(frame_id),), claim)

    @staticmethod
    def noise(seed: int, height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.uint8]:
        """A picture without meaning, always the same for a seed."""
        return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)

    def close(self) -> None:
        self.service.close()
        self.frames.close()

    def __enter__(self) -> Desk:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def frame_of(name: str, rgb: NDArray[np.uint8]) -> Frame:
    """A frame of a picture, 1.15 m above the bench looking straight down, without depth."""
    height, width = rgb.shape[:2]
    lens = Intrinsics(width, height, width * 0.73, width * 0.73, width / 2, height / 2)
    pose = Pose((0.33, 0.0, 1.15), (0.0, 0.7071068, -0.7071068, 0.0))
    return Frame(name, "overhead", rgb, np.zeros((height, width), np.float32), lens, pose, 0.0)


def spread(values: Sequence[float]) -> str:
    """Milliseconds: median and 95th percentile, of seconds."""
    p50, p95 = np.percentile(np.asarray(values) * 1e3, [50, 95])
    return f"{p50:.2f} ms, 95% within {p95:.2f} ms"
