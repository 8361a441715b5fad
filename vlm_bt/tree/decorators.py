"""py_trees' decorators with an outcome, and those that it lacks: on the mission's clock, and passing faults on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import py_trees
from py_trees.behaviour import Behaviour
from py_trees.common import Status

from vlm_bt.ports import Clock
from vlm_bt.tree.outcomes import outcome_of, passes
from vlm_bt.types import DONE, Outcome


class _WithOutcome(py_trees.decorators.Decorator):
    """Leaves the child's outcome unless a subclass set another before it ends."""

    def __init__(self, name: str, child: Behaviour) -> None:
        super().__init__(name, child)
        self.outcome = DONE
        self._own: Outcome | None = None

    def initialise(self) -> None:
        self._own = None

    def update(self) -> Status:
        return self.decorated.status

    def terminate(self, new_status: Status) -> None:
        if new_status == Status.INVALID:
            self.outcome = Outcome("cancelled")
        else:
            self.outcome = self._own or outcome_of(self.decorated)

    def _ends(self, outcome: Outcome) -> Status:
        self._own = outcome
        self.feedback_message = str(outcome)
        return Status.SUCCESS if outcome.ok else Status.FAILURE


class TryAgain(py_trees.decorators.Retry):
    """py_trees' retry, ended at once by a fault that `on` does not name."""

    def __init__(self, name: str, child: Behaviour, at_most: int, on: Sequence[str] = ()) -> None:
        super().__init__(name, child, at_most)
        self.on = tuple(on)
        self.outcome = DONE

    def update(self) -> Status:
        if self.decorated.status == Status.FAILURE:
            outcome = outcome_of(self.decorated)
            if passes(outcome, self.on):
                self.feedback_message = f"not tried again: {outcome}"
                return Status.FAILURE
        return super().update()

    def terminate(self, new_status: Status) -> None:
        self.outcome = Outcome("cancelled") if new_status == Status.INVALID else outcome_of(self.decorated)


class TimeLimit(_WithOutcome):
    """Fails with `timed_out` and cancels its child after a time on the mission's clock."""

    def __init__(self, name: str, child: Behaviour, after_s: float, clock: Clock) -> None:
        super().__init__(name, child)
        self.after_s = after_s
        self._clock = clock
        self._began_s = 0.0

    def initialise(self) -> None:
        super().initialise()
        self._began_s = self._clock.now_s

    def update(self) -> Status:
        if self.decorated.status == Status.RUNNING and self._clock.now_s - self._began_s >= self.after_s - 1e-9:
            return self._ends(Outcome("timed_out", f"{self.decorated.name} took longer than {self.after_s:g} s"))
        return self.decorated.status

    def postpone(self, seconds: float) -> None:
        """Time in which a guard had suspended the work does not count."""
        self._began_s += seconds


class Turned(_WithOutcome):
    """Success and failure change places. A fault stays a failure: that nobody could look is no answer."""

    def update(self) -> Status:
        if self.decorated.status == Status.SUCCESS:
            return self._ends(Outcome("no", f"{self.decorated.name} succeeded"))
        if self.decorated.status == Status.FAILURE and outcome_of(self.decorated).family != "fault":
            return self._ends(DONE)
        return self.decorated.status


class Forgiven(_WithOutcome):
    """Succeeds whatever its child does, except for a fault that `on` does not name."""

    def __init__(self, name: str, child: Behaviour, on: Sequence[str] = ()) -> None:
        super().__init__(name, child)
        self.on = tuple(on)

    def update(self) -> Status:
        if self.decorated.status == Status.FAILURE:
            outcome = outcome_of(self.decorated)
            if not passes(outcome, self.on):
                return self._ends(Outcome("done", f"in spite of {outcome}"))
        return self.decorated.status


class Failed(_WithOutcome):
    """Fails after its child has ended, with a reason of the author's; a fault of the child keeps its own."""

    def __init__(self, name: str, child: Behaviour, reason: str = "no") -> None:
        super().__init__(name, child)
        self.reason = reason

    def update(self) -> Status:
        if self.decorated.status == Status.RUNNING:
            return Status.RUNNING
        outcome = outcome_of(self.decorated)
        return self._ends(
            outcome if outcome.family == "fault" else Outcome(self.reason, f"after {self.decorated.name}")
        )


class Once(_WithOutcome):
    """After its child has succeeded once it succeeds at once. A subtree that begins anew has done nothing yet."""

    def __init__(self, name: str, child: Behaviour) -> None:
        super().__init__(name, child)
        self.done = False

    def tick(self) -> Iterator[Behaviour]:
        if self.done and self.status != Status.RUNNING:
            self._own = Outcome("done", "done before")
            self.stop(Status.SUCCESS)
            yield self
            return
        yield from super().tick()

    def update(self) -> Status:
        self.done = self.done or self.decorated.status == Status.SUCCESS
        return self.decorated.status

    def forget(self) -> None:
        self.done = False


class Always(Behaviour):
    """Ends at once with one outcome."""

    def __init__(self, name: str, outcome: Outcome) -> None:
        super().__init__(name)
        self.outcome = outcome

    def update(self) -> Status:
        return Status.SUCCESS if self.outcome.ok else Status.FAILURE


class ForEach(_WithOutcome):
    """Ticks its one child once for each item, a variable set to the item; the first failure ends it."""

    def __init__(
        self, name: str, child: Behaviour, items: Callable[[], Sequence[Any]], write: Callable[[Any], None]
    ) -> None:
        super().__init__(name, child)
        self._items = items
        self._write = write
        self._left: list[Any] = []

    def initialise(self) -> None:
        super().initialise()
        self._left = list(self._items())
        if self._left:
            self._write(self._left[0])

    def tick(self) -> Iterator[Behaviour]:
        if self.status != Status.RUNNING and not self._items():
            self._own = DONE
            self.stop(Status.SUCCESS)
            yield self
            return
        yield from super().tick()

    def update(self) -> Status:
        if self.decorated.status != Status.SUCCESS:
            return self.decorated.status
        del self._left[0]
        if not self._left:
            return Status.SUCCESS
        self._write(self._left[0])
        self.feedback_message = f"{len(self._left)} left"
        return Status.RUNNING


class Subtree(_WithOutcome):
    """The body of a skill in a scope of its own; only its declared inputs and outputs cross.

    Attributes:
        skill: The name of the card that it was built from.
    """

    def __init__(
        self, name: str, child: Behaviour, enter: Callable[[], None], leave: Callable[[], None], skill: str = ""
    ) -> None:
        super().__init__(name, child)
        self.skill = skill
        self._enter = enter
        self._leave = leave

    def initialise(self) -> None:
        super().initialise()
        self._enter()

    def update(self) -> Status:
        if self.decorated.status == Status.SUCCESS:
            self._leave()
        return self.decorated.status
