"""What the checker knows: types with trust, the ways a node can end, and a body seen from outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from vlm_bt.leaves.leaf import Safety
from vlm_bt.tree.cards import Card
from vlm_bt.tree.findings import Finding, Mark, Problem
from vlm_bt.tree.kinds import Kind
from vlm_bt.tree.syntax import Body
from vlm_bt.tree.words import Vocabulary
from vlm_bt.types import REASONS

FAULTS = frozenset(reason for reason, family in REASONS.items() if family == "fault")
State = int | None
"""The variables that are surely written, a bit for each (see `Room.bit`); None where no run gets here."""


class Typed(NamedTuple):
    """What is known of a value. `claim`: it is, or was taken from, something that a model said."""

    kind: Kind
    claim: bool


class Flow(NamedTuple):
    """How a node can end: what is written then, and the reasons of a failure."""

    success: State
    failure: State
    reasons: frozenset[str]


@dataclass
class Summary:
    """What a mission or a subtree does, seen from outside."""

    outputs: dict[str, Typed] = field(default_factory=dict)
    reasons: frozenset[str] = frozenset()
    safety: Safety = "looks"
    open_motion: bool = False
    findings: list[Finding] = field(default_factory=list)
    distrusted: list[Finding] = field(default_factory=list)
    """Where a claim reaches a motion."""


def meet(*states: State) -> State:
    """What is surely written where several ways come together."""
    met: State = None
    for state in states:
        if state is not None:
            met = state if met is None else met & state
    return met


class Reach(NamedTuple):
    """What a node and all below it may do: move the arm, write variables (a bit for each)."""

    moves: bool
    writes: int


@dataclass
class Room:
    """One body while it is worked out, in one scope of variables.

    Attributes:
        subtree: The summary of a skill's body, given the inputs that are claims; None where it contains itself.
        types: Of every variable; `written_at` says where each is written first.
        incomplete: Something could not be understood, so what seems to be missing may be only that.
    """

    body: Body
    words: Vocabulary
    subtree: Callable[[Card, frozenset[str]], Summary | None]
    inputs: Mapping[str, Typed]
    mission: bool
    types: dict[str, Typed] = field(default_factory=dict)
    written_at: dict[str, Mark] = field(default_factory=dict)
    summary: Summary = field(default_factory=Summary)
    incomplete: bool = False
    bits: dict[str, int] = field(default_factory=dict)

    def bit(self, name: str) -> int:
        """The bit that stands for a variable in a `State`."""
        return self.bits.setdefault(name, 1 << len(self.bits))

    def wrong(self, rule: str, mark: Mark, message: str, help: str = "") -> None:
        self.add([Problem(rule, mark, message, help)])

    def add(self, problems: list[Problem]) -> None:
        found = [self.body.document.finding(problem) for problem in problems]
        self.summary.findings += found
        self.summary.distrusted += [finding for finding in found if finding.rule == "trust"]
