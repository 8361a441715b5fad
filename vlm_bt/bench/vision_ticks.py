"""Ticks of a tree whose leaves ask, while the model is busy for five seconds with every question."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import py_trees
from py_trees.behaviour import Behaviour
from py_trees.common import Status

from vlm_bt.bench.asking import Desk
from vlm_bt.clocks import WallClock
from vlm_bt.executive import Executive
from vlm_bt.ledger import VerifiedArm
from vlm_bt.ports import ASKER, Asker, Priority, Ticket

PERIOD_S = 0.005
BUSY_S = 5.0
DEADLINE_S = 0.5
TICKS_A_PICTURE = 10
SCRIPT = f"""
answers: [is_true]
rules:
  - {{works_s: {BUSY_S}, p_yes: 0.9}}
"""


@dataclass
class Ticked:
    """Seconds of every tick, and of what happened between ticks: sending questions and handing out answers."""

    tick_s: list[float] = field(default_factory=list)
    between_s: list[float] = field(default_factory=list)
    asked: int = 0
    answered: int = 0
    timed_out: int = 0


class Asks(Behaviour):
    """Always has a question under way, or, with `each_tick`, asks another one in every tick."""

    def __init__(
        self, name: str, desk: Desk, found: Ticked, pictures: list[str], *, each_tick: bool, asks: bool
    ) -> None:
        super().__init__(name)
        self._asks = asks
        self._desk, self._found, self._pictures, self._each_tick = desk, found, pictures, each_tick
        self._ticket: Ticket[Any] | None = None

    def update(self) -> Status:
        if self._ticket is not None and self._ticket.outcome is not None:
            self._ticket = None
        if self._asks and (self._ticket is None or self._each_tick):
            deadline_s = self._desk.clock.now_s + DEADLINE_S if self._each_tick else None
            priority = Priority.CHATTER if self._each_tick else Priority.MISSION
            token = ASKER.set(Asker(self.name, priority, deadline_s))
            self._found.asked += 1
            claim = self._desk.claim(self._pictures[-1], f"{self.name} {self._found.asked}")
            self._ticket = self._desk.service.submit(claim)
            self._ticket.when_done(self._ended)
            ASKER.reset(token)
        return Status.RUNNING

    def _ended(self, outcome: Any) -> None:
        self._found.answered += outcome.ok
        self._found.timed_out += outcome.reason == "timed_out"


class Ticking(WallClock):
    """Wall time with something between the ticks."""

    def __init__(self, period_s: float, between: Callable[[int], None]) -> None:
        super().__init__(period_s)
        self._between = between

    def advance(self) -> None:
        self._between(self.tick + 1)
        super().advance()


class NoArm:
    """Nothing moves in this benchmark."""

    def disable(self) -> None:
        return None

    stop = hold = resume = disable


def ticked(ticks: int, folder: Path, asks: bool = True) -> Ticked:
    """Tick that often, with a new picture every tenth tick; without `asks` the leaves only look at what they have."""
    script = folder / "busy.yaml"
    script.write_text(SCRIPT, encoding="utf-8")
    found = Ticked()
    pictures: list[str] = []
    model = {"backend": "scripted", "script": str(script), "batch_at_most": 1}
    clock = Ticking(PERIOD_S, lambda tick: _between(tick, desk, found, pictures, shown))
    with Desk(model, clock=clock) as desk:
        shown = [desk.noise(seed) for seed in range(4)]
        pictures.append(desk.show(shown[0]))
        root = py_trees.composites.Parallel("look", py_trees.common.ParallelPolicy.SuccessOnAll())
        for name in ("mission", "chatter"):
            root.add_child(Asks(name, desk, found, pictures, each_tick=name == "chatter", asks=asks))
        executive = Executive(root, clock, cast(VerifiedArm, NoArm()))
        executive.run(lambda snapshot: executive.abort("measured") if snapshot.tick >= ticks else None)
        found.tick_s = executive.tick_s
    return found


def _between(tick: int, desk: Desk, found: Ticked, pictures: list[str], shown: list[Any]) -> None:
    began = time.perf_counter()
    desk.service.settle(tick)
    found.between_s.append(time.perf_counter() - began)
    if tick % TICKS_A_PICTURE == 0:
        pictures[:] = [desk.show(shown[tick // TICKS_A_PICTURE % len(shown)])]


def worst_ms(values: list[float]) -> float:
    """99.9th percentile in milliseconds."""
    return round(float(np.percentile(np.asarray(values) * 1e3, 99.9)), 3)
