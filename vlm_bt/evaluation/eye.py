"""The real vision service with the models of a configuration, asked outside a mission."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any

from vlm_bt.clocks import WallClock
from vlm_bt.errors import ConfigError, ModelError
from vlm_bt.evaluation.judging import Said
from vlm_bt.frames import FrameStore
from vlm_bt.ports import ASKER, Asker, Ticket
from vlm_bt.questions import Question, Reuse
from vlm_bt.types import Frame, Zone
from vlm_bt.vision.geometry import SeenRegion, Segment
from vlm_bt.vision.service import VisionService
from vlm_bt.vision_settings import VisionSettings

_TICK_S = 0.05
_NEWS_S = 0.05


class _Times:
    """A recorder that keeps how long models ran for the latest answers."""

    def __init__(self) -> None:
        self.run_ms: list[float] = []

    def write(self, channel: str, data: Mapping[str, Any]) -> None:
        if channel == "answer" and "run_ms" in data:
            self.run_ms.append(float(data["run_ms"]))

    def keep_frame(self, frame_id: str, why: str) -> None:
        """There is no record to keep it in."""


class Eye:
    """A service that is ready to be asked; a context manager.

    Args:
        vision: Models and routes of the configuration. model: only this one of them; its routes if not given.
        zones: Places that claims may name; those with walls are looked into.

    Attributes:
        revisions: What each model says it is, by its name.

    Raises:
        ConfigError: No model has this name.
        ModelError: One cannot be loaded.
    """

    def __init__(self, vision: VisionSettings, zones: Sequence[Zone] = (), model: str | None = None) -> None:
        settings = _only(vision, model) if model is not None else vision
        self._most = settings.waiting_at_most
        self._patience_s = sum(one.patience_s + one.start_within_s for one in settings.models.values())
        self._frames = FrameStore()
        self._clock = WallClock(_TICK_S)
        self._times = _Times()
        self._service = VisionService(settings, zones, self._frames, self._clock, self._times, lockstep=False)
        try:
            ready = self._service.wait_ready()
        except BaseException:
            self.close()
            raise
        self.revisions = {name: one.model for name, one in ready.items()}
        self.calibrations = {name: "" if one.calibrated else one.note for name, one in ready.items()}

    def show(self, frame: Frame) -> str:
        """Put a frame in; the id by which it is asked about. The latest twelve are kept."""
        return self._frames.put(replace(frame, id=self._frames.new_id(frame.camera), stamp_s=self._clock.now_s))

    def regions(self, frame_id: str) -> tuple[SeenRegion, ...]:
        """What depth finds in a frame. Needed before one of them is asked about.

        Raises:
            ModelError: Geometry has failed.
        """
        (said,) = self._waited([self._service.submit(Segment(frame_id))])
        if said.failed:
            raise ModelError(f"depth finds nothing in {frame_id}: {said.failed}")
        found: tuple[SeenRegion, ...] = said.result.regions
        return found

    def ask(self, questions: Sequence[Question], reuse: Reuse = "exact") -> list[Said]:
        """Answers in the order of the questions; one that fails does not spoil the others."""
        said: list[Said] = []
        for start in range(0, len(questions), self._most):
            token = ASKER.set(Asker("evaluate", reuse=reuse))
            try:
                tickets = [self._service.submit(question) for question in questions[start : start + self._most]]
            finally:
                ASKER.reset(token)
            said += self._waited(tickets)
        return said

    def close(self) -> None:
        self._service.close()
        self._frames.close()

    def __enter__(self) -> Eye:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _waited(self, tickets: Sequence[Ticket[Any]]) -> list[Said]:
        began, found = time.perf_counter(), dict[int, Said]()
        self._service.flush()
        while len(found) < len(tickets) and time.perf_counter() - began < self._patience_s:
            self._times.run_ms.clear()
            self._service.settle(self._clock.tick)
            ms, run_ms = (time.perf_counter() - began) * 1e3, iter(self._times.run_ms)
            for number, ticket in enumerate(tickets):
                if ticket.outcome is not None and number not in found:
                    failed = "" if ticket.outcome.ok else str(ticket.outcome)
                    value = None if failed else ticket.value
                    found[number] = Said(value, ms, 0.0 if failed else next(run_ms, 0.0), failed)
            if len(found) < len(tickets):
                self._service.wait_for_news(_NEWS_S)
        for number, ticket in enumerate(tickets):
            if number not in found:
                ticket.cancel()
                found[number] = Said(None, self._patience_s * 1e3, failed=f"no answer within {self._patience_s:g} s")
        return [found[number] for number in range(len(tickets))]


def _only(vision: VisionSettings, model: str) -> VisionSettings:
    if model not in vision.models:
        raise ConfigError(f"no model is called {model!r}; there are: {', '.join(vision.models)}")
    return vision.model_copy(update={"models": {model: vision.models[model]}, "route": model})
