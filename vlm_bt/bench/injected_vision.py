"""A vision service whose models err, tarry and die as the faults of a mission say. Geometry is left alone."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vlm_bt.bench.fault_table import Faults
from vlm_bt.bench.injected_answers import Spoilt
from vlm_bt.ports import ASKER, Ticket
from vlm_bt.questions import Question
from vlm_bt.types import Box, Outcome
from vlm_bt.vision.geometry import FindSpot, GeometryRequest, LayOutSections, PlanGrasps, Segment, Segmented
from vlm_bt.vision.service import GEOMETRY, VisionService

SLOW_S = (1.0, 6.0)
HANGS_S = 20.0
"""After so long a watch-dog ends a model that has fallen silent, on the mission's clock."""


@dataclass(eq=False)
class _Held:
    """An answer that is kept back. `outcome`: how its ticket fails when the time has come; None: with the value."""

    ticket: Ticket[Any]
    due_s: float
    deadline_s: float
    value: Any = None
    outcome: Outcome | None = None


class InjectedVision(VisionService):
    """The real service with its real models; what comes back through the port is spoilt.

    Outlives missions as the real one does: `inflict` says what the next one suffers.
    """

    def inflict(self, faults: Faults, spoilt: Spoilt, regions: dict[str, Segmented]) -> None:
        """Args: regions: Filled with what depth shows in each frame, for `spoilt`."""
        self._faults, self._spoilt, self._regions = faults, spoilt, regions
        self._kept: list[_Held] = []

    def submit(self, question: Question | GeometryRequest) -> Ticket[Any]:
        if isinstance(question, Segment | PlanGrasps | FindSpot | LayOutSections):
            ticket = super().submit(question)
            if isinstance(question, Segment):
                ticket.when_done(lambda outcome: self._note(ticket) if outcome.ok else None)
            return ticket
        asked = question
        return self._through(super().submit(question), lambda value: self._spoilt.alone(asked, value))

    def submit_all(self, questions: Sequence[Question]) -> Ticket[tuple[Any, ...]]:
        asked = tuple(questions)
        return self._through(super().submit_all(asked), lambda value: self._spoilt.together(asked, value))

    def settle(self, tick: int) -> None:
        if self._faults.due("model_killed"):
            self._kill()
        super().settle(tick)
        now_s = max(self._clock.now_s, tick * self._clock.period_s)
        kept, self._kept = self._kept, []
        for held in kept:
            if held.ticket.outcome is not None:
                continue
            if now_s > held.deadline_s + 1e-9:
                held.ticket.fail(Outcome("timed_out", "the model gave no answer in time"))
            elif now_s < held.due_s - 1e-9:
                self._kept.append(held)
            elif held.outcome is not None:
                held.ticket.fail(held.outcome)
            else:
                held.ticket.resolve(held.value)

    def _through(self, inner: Ticket[Any], spoil: Any) -> Ticket[Any]:
        deadline_s = ASKER.get().deadline_s
        outer: Ticket[Any] = Ticket(inner.label, inner.cancel)
        faults, now_s = self._faults, self._clock.now_s
        held = _Held(outer, 0.0, math.inf if deadline_s is None else deadline_s)
        if faults.strikes("model_dead"):
            held.outcome = Outcome("model_lost", "the model's process died")
        elif faults.strikes("model_hung"):
            held.due_s = now_s + HANGS_S
            held.outcome = Outcome("model_lost", f"the model fell silent for {HANGS_S:g} s")
        elif faults.strikes("model_slow"):
            held.due_s = now_s + SLOW_S[0] + (SLOW_S[1] - SLOW_S[0]) * faults.draw()
        if held.outcome is not None:
            inner.cancel()
            self._kept.append(held)
            return outer

        def ended(outcome: Outcome) -> None:
            if not outcome.ok:
                outer.fail(outcome)
            elif outer.outcome is None:
                held.value = spoil(inner.value)
                if held.due_s > self._clock.now_s:
                    self._kept.append(held)
                else:
                    outer.resolve(held.value)

        inner.when_done(ended)
        return outer

    def _note(self, ticket: Ticket[Segmented]) -> None:
        self._regions[ticket.value.frame_id] = ticket.value

    def _kill(self) -> None:
        for name, lane in self.lanes.items():
            if name != GEOMETRY and lane.pid is not None:
                os.kill(lane.pid, signal.SIGKILL)


def middle(box: Box) -> tuple[float, float]:
    """(column, row) of a box's middle."""
    return (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
