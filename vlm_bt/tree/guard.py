"""The guard: goes on only while its condition holds; else the arm holds still and the work is suspended.

py_trees' EternalGuard throws the work away, and takes RUNNING for clear; this one does neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import py_trees
from py_trees.behaviour import Behaviour
from py_trees.common import Status

from vlm_bt.ports import Clock
from vlm_bt.tree.outcomes import outcome_of
from vlm_bt.types import DONE, Outcome


@dataclass(frozen=True)
class Brake:
    """How a guard stops the arm and lets it go on. Both are called often and must be idempotent.

    `release` lets a held motion go on; a motion that was cancelled in the meantime must not come back by it.
    """

    hold: Callable[[], None]
    release: Callable[[], None]


class Guard(py_trees.decorators.Decorator):
    """Ticks its condition first in every tick; its child only where that succeeds.

    In a failing tick the arm is held, `otherwise` is ticked and the child is left as it is: RUNNING, not interrupted.
    When the condition holds again the child goes on (`resume`) or was interrupted and begins anew (`restart`), after
    `secure` has put down what the arm may hold; where that fails the guard fails.
    Time in which the child was suspended does not count against its time limits. A guard that is itself interrupted
    cancels its child before it lets the arm go.
    """

    def __init__(
        self,
        name: str,
        condition: Behaviour,
        child: Behaviour,
        otherwise: Behaviour | None,
        *,
        brake: Brake,
        clock: Clock,
        restart: bool = False,
        secure: Behaviour | None = None,
    ) -> None:
        super().__init__(name, child)
        self.condition = condition
        self.otherwise = otherwise
        self.secure = secure
        self.children = [condition, child, *(node for node in (otherwise, secure) if node is not None)]
        for node in self.children:
            node.parent = self
        self.restart = restart
        self.outcome: Outcome = DONE
        self._brake = brake
        self._clock = clock
        self._since_s: float | None = None
        self._securing = False

    @property
    def suspended(self) -> bool:
        return self._since_s is not None

    def initialise(self) -> None:
        self._since_s = None
        self._securing = False
        self.feedback_message = ""

    def tick(self) -> Iterator[Behaviour]:
        if self.status != Status.RUNNING:
            self.initialise()
        yield from self.condition.tick()
        if self.condition.status == Status.SUCCESS:
            if self._since_s is not None:
                self._go_on(self._since_s)
            if self._securing:
                assert self.secure is not None
                yield from self.secure.tick()
                self._securing = self.secure.status != Status.SUCCESS
            ended = self.secure.status if self.secure and self._securing else Status.RUNNING
            if not self._securing:
                yield from self.decorated.tick()
                ended = self.decorated.status
            if ended == Status.RUNNING:
                self.status = ended
            else:
                self.stop(ended)
        else:
            self._suspend()
            if self.otherwise is not None:
                yield from self.otherwise.tick()
            self.status = Status.RUNNING
        yield self

    def update(self) -> Status:
        return self.decorated.status

    def terminate(self, new_status: Status) -> None:
        decided = self.secure if self.secure and self._securing else self.decorated
        self.outcome = Outcome("cancelled") if new_status == Status.INVALID else outcome_of(decided)

    def stop(self, new_status: Status) -> None:
        """Also while suspended: the child is cancelled first, so that nothing moves when the arm is let go."""
        if new_status == Status.INVALID:
            for node in (self.condition, self.otherwise, self.secure):
                if node is not None and node.status != Status.INVALID:
                    node.stop(new_status)
        super().stop(new_status)
        if self._since_s is not None:
            self._since_s = None
            self._brake.release()

    def postpone(self, seconds: float) -> None:
        """An outer guard had suspended this one too: count that time once."""
        if self._since_s is not None:
            self._since_s += seconds

    def tip(self) -> Behaviour | None:
        return self if self.suspended else super().tip()

    def _suspend(self) -> None:
        if self.condition.status == Status.RUNNING:
            self.condition.stop(Status.INVALID)
        if self._since_s is None:
            self._since_s = self._clock.now_s
            if self.restart and self.decorated.status == Status.RUNNING:
                self.decorated.stop(Status.INVALID)
                self._securing = self.secure is not None
        self._brake.hold()
        self.feedback_message = f"suspended: {self.condition.name} says {outcome_of(self.condition)}"

    def _go_on(self, since_s: float) -> None:
        self._since_s = None
        self.feedback_message = ""
        if self.otherwise is not None and self.otherwise.status == Status.RUNNING:
            self.otherwise.stop(Status.INVALID)
        for node in self._suspended_nodes():
            postpone = getattr(node, "postpone", None)
            if postpone is not None and node.status == Status.RUNNING:
                postpone(self._clock.now_s - since_s)
        self._brake.release()

    def _suspended_nodes(self) -> Iterator[Behaviour]:
        yield from self.decorated.iterate()
        if self.secure is not None:
            yield from self.secure.iterate()
