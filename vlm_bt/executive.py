"""Ticks a tree, tells subscribers what every node was, and stops the arm whatever happens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import py_trees
from py_trees.behaviour import Behaviour
from py_trees.common import Status

from vlm_bt.ledger import VerifiedArm
from vlm_bt.ports import Clock
from vlm_bt.types import Outcome

Path = tuple[int, ...]


@dataclass(frozen=True)
class Snapshot:
    """One tick: what every node was after it.

    Attributes:
        changed: (path, node) whose status is not what it was before.
        took_s: Wall time of the tick; None where nothing was ticked, as in a pause.
    """

    tick: int
    now_s: float
    root: Behaviour
    changed: tuple[tuple[Path, Behaviour], ...]
    took_s: float | None = None


class Subscriber(Protocol):
    """Sees every tick. Must be quick: it runs between ticks in the executive's thread."""

    def after_tick(self, snapshot: Snapshot) -> None: ...


class Executive:
    """The loop. Knows the tree, the clock and the arm's stop; nothing of cameras, models or simulations.

    Args:
        time_limit_s: Mission time after which the mission is stopped with `timed_out`.

    Attributes:
        time_limit_s: May be set while it runs, from any thread.
        running: Whether it is inside `run`: only then anything ticks.
    """

    def __init__(
        self,
        root: Behaviour,
        clock: Clock,
        arm: VerifiedArm,
        subscribers: Sequence[Subscriber] = (),
        time_limit_s: float = 1800.0,
    ) -> None:
        self.tree = py_trees.trees.BehaviourTree(root)
        self.root = root
        self._clock = clock
        self._arm = arm
        self._subscribers = tuple(subscribers)
        self.time_limit_s = time_limit_s
        self._nodes = tuple(walk(root))
        self._before: list[Status] = [Status.INVALID] * len(self._nodes)
        self._abort: str | None = None
        self._wants_pause = self._wants_step = False
        self._paused_s: float | None = None
        self.tick_s: list[float] = []
        self.running = False

    def tick(self) -> None:
        """Tick once. A bug in a leaf interrupts the tree and stops the arm before it propagates."""
        began = time.perf_counter()
        try:
            self.tree.tick()
        except BaseException:
            self.safe_stop("an error in a leaf")
            raise
        self.tick_s.append(time.perf_counter() - began)

    def run(self, on_tick: Callable[[Snapshot], None] | None = None) -> Outcome:
        """Tick until the tree ends, the time is up or the mission is aborted. The arm stands still afterwards."""
        self.running = True
        try:
            return self._run(on_tick)
        finally:
            self.running = False

    def _run(self, on_tick: Callable[[Snapshot], None] | None) -> Outcome:
        while True:
            self._hold_or_go_on()
            ticks = self._paused_s is None and self._abort is None
            if ticks:
                self.tick()
            snapshot = self._snapshot(self.tick_s[-1] if ticks else None)
            for subscriber in self._subscribers:
                subscriber.after_tick(snapshot)
            if on_tick is not None:
                on_tick(snapshot)
            ended = self._ended()
            if ended is not None:
                return ended
            self._clock.advance()

    def abort(self, why: str) -> None:
        """Before anything else is ticked, stop the arm, take no more motions and end the mission.

        Safe from a signal handler: it only sets a word, for the handler may interrupt the arm or the recorder at work.
        """
        self._abort = why
        self._clock.hurry()

    def pause(self) -> None:
        """Before the next tick, hold position, and tick nothing until `resume`. Only sets a word: safe anywhere."""
        self._wants_pause = True
        self._clock.hurry()

    def resume(self) -> None:
        """Go on; the time of the pause counts against no limit but the mission's own."""
        self._wants_pause = False

    def step(self) -> None:
        """Within a pause, tick once and hold position again. Only sets a word: safe anywhere."""
        self._wants_step = self._wants_pause
        self._clock.hurry()

    @property
    def paused(self) -> bool:
        return self._paused_s is not None

    def safe_stop(self, why: str) -> None:
        """Interrupt the tree and stop the arm. Idempotent."""
        self._arm.disable()
        if self.root.status == Status.RUNNING:
            self.root.stop(Status.INVALID)

    def tick_ms(self) -> dict[str, float]:
        """Wall time of `tick()`: median, 99th and 99.9th percentile in milliseconds."""
        if not self.tick_s:
            return {"p50": 0.0, "p99": 0.0, "p999": 0.0}
        p50, p99, p999 = np.percentile(np.asarray(self.tick_s) * 1e3, [50, 99, 99.9])
        return {"p50": round(float(p50), 3), "p99": round(float(p99), 3), "p999": round(float(p999), 3)}

    def _hold_or_go_on(self) -> None:
        waits, self._wants_step = self._wants_pause and not self._wants_step, False
        if waits and self._paused_s is None:
            self._paused_s = self._clock.now_s
            self._arm.hold("pause")
        elif not waits and self._paused_s is not None:
            lasted_s, self._paused_s = self._clock.now_s - self._paused_s, None
            for _, node in self._nodes:
                postpone = getattr(node, "postpone", None)
                if postpone is not None:
                    postpone(lasted_s)
            self._arm.resume("pause")

    def _ended(self) -> Outcome | None:
        if self._abort is not None:
            why = self._abort
            self.safe_stop(why)
            return Outcome("cancelled", why)
        if self.root.status == Status.SUCCESS:
            self._arm.stop()
            return Outcome("done")
        if self.root.status == Status.FAILURE:
            self._arm.stop()
            outcome = getattr(self.root, "outcome", None)
            return outcome if isinstance(outcome, Outcome) and not outcome.ok else Outcome("no", "the tree failed")
        if self._clock.now_s >= self.time_limit_s:
            self.safe_stop("time is up")
            return Outcome("timed_out", f"the mission took longer than {self.time_limit_s:g} s")
        return None

    def _snapshot(self, took_s: float | None = None) -> Snapshot:
        now = [node.status for _, node in self._nodes]
        changed = tuple(
            entry for entry, before, status in zip(self._nodes, self._before, now, strict=True) if before != status
        )
        self._before = now
        return Snapshot(self._clock.tick, self._clock.now_s, self.root, changed, took_s)


def walk(root: Behaviour, path: Path = ()) -> Iterator[tuple[Path, Behaviour]]:
    """Every node with its child-index path, parents first."""
    yield path, root
    for index, child in enumerate(root.children):
        yield from walk(child, (*path, index))
