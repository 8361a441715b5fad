"""What every leaf is: declared inputs and outputs, and an `act` that yields the tickets it polls.

A leaf is written as a generator. Each `yield ticket` hands control back to the tree; the leaf stays RUNNING until the
ticket ends, and `act` goes on with its `Outcome`. So work is submitted in `initialise`, polled in `update` and
cancelled in `terminate`, and nothing can wait inside a tick:

    class MoveHome(Leaf):
        safety = "moves"

        def act(self) -> Steps:
            ticket = self.ports.arm.move_to("home")
            ended = yield ticket
            return ended
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import py_trees
from py_trees.common import Status

from vlm_bt.ports import ASKER, Asker, Ticket
from vlm_bt.questions import Question
from vlm_bt.types import DONE, Outcome

Safety = Literal["looks", "asks", "moves"]
Steps = Generator[Ticket[Any], Outcome, Outcome]


@dataclass(frozen=True)
class Input:
    """An input of a leaf. `type` is a name of the type table (`vlm_bt.tree.kinds`)."""

    type: str
    help: str = ""
    required: bool = True
    default: Any = None


@dataclass(frozen=True)
class Output:
    """An output of a leaf: the author names the variable that takes it (`into: $x`)."""

    type: str
    help: str = ""
    required: bool = True


@dataclass
class Binding:
    """What the compiler hands to a leaf: how to read its inputs now, where its outputs go, and on which terms it asks
    models (without a deadline, which each activation has of its own)."""

    read: Callable[[str], Any]
    write: Callable[[str, Any], None]
    given: frozenset[str] = field(default_factory=frozenset)
    asker: Asker = field(default_factory=Asker)


class Leaf(py_trees.behaviour.Behaviour):
    """A py_trees behaviour that leaves an `Outcome`.

    Subclasses declare `takes`, `gives`, `safety`, the `reasons` they may end with besides done and what
    it `asks` models, and write `act`.
    """

    takes: ClassVar[Mapping[str, Input]] = {}
    gives: ClassVar[Mapping[str, Output]] = {}
    safety: ClassVar[Safety] = "looks"
    reasons: ClassVar[tuple[str, ...]] = ()
    asks: ClassVar[tuple[type[Question], ...]] = ()
    """Types of questions that it puts to models; a mission does not start where a model does not answer one of them."""
    instant: ClassVar[bool] = False
    """True where `act` yields nothing, so that the leaf can be a guard's condition."""

    def __init__(self, name: str, ports: Any, binding: Binding, timeout_s: float | None = None) -> None:
        super().__init__(name)
        self.ports = ports
        self.timeout_s = timeout_s
        self.outcome: Outcome = DONE
        self._binding = binding
        self._steps: Steps | None = None
        self._waiting: Ticket[Any] | None = None
        self._began_s = 0.0
        self._asker = binding.asker

    @property
    def skill(self) -> str:
        """The name of the card that it was built from."""
        return self._binding.asker.skill

    def act(self) -> Steps:
        raise NotImplementedError
        yield

    def input(self, name: str) -> Any:
        """The value of an input now: the author's constant, the variable's value, or the default."""
        return self._binding.read(name)

    def output(self, name: str, value: Any) -> None:
        """Set the author's variable; nothing happens where the author did not ask for this output."""
        self._binding.write(name, value)

    def initialise(self) -> None:
        self.outcome = DONE
        self.feedback_message = ""
        self._waiting = None
        self._began_s = self.ports.clock.now_s
        self._set_deadline()
        self._steps = self.act()

    def update(self) -> Status:
        assert self._steps is not None
        answer: Outcome | None = None
        if self._waiting is not None:
            answer = self._waiting.outcome
            if answer is None:
                return self._overdue()
        # What `act` submits is asked in this leaf's name; nobody else may be taken for it, so the word is taken back.
        asking = ASKER.set(self._asker)
        try:
            while True:
                self._waiting = self._steps.send(answer) if answer is not None else next(self._steps)
                answer = self._waiting.outcome
                if answer is None:
                    return Status.RUNNING
        except StopIteration as end:
            self._waiting = None
            return self._finish(end.value or DONE)
        finally:
            ASKER.reset(asking)

    def terminate(self, new_status: Status) -> None:
        """Idempotent: cancels what is under way."""
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        if self._steps is not None:
            self._steps.close()
            self._steps = None
        if new_status == Status.INVALID:
            self.outcome = Outcome("cancelled")

    def postpone(self, seconds: float) -> None:
        """Time in which a guard had suspended this leaf does not count against its limit."""
        self._began_s += seconds
        self._set_deadline()

    def _set_deadline(self) -> None:
        if self.timeout_s is not None:
            self._asker = replace(self._binding.asker, deadline_s=self._began_s + self.timeout_s)

    def _overdue(self) -> Status:
        if self.timeout_s is None or self.ports.clock.now_s - self._began_s < self.timeout_s:
            return Status.RUNNING
        assert self._waiting is not None
        return self._finish(Outcome("timed_out", f"{self._waiting.label} took longer than {self.timeout_s:g} s"))

    def _finish(self, outcome: Outcome) -> Status:
        self.outcome = outcome
        self.feedback_message = str(outcome)
        return Status.SUCCESS if outcome.ok else Status.FAILURE
