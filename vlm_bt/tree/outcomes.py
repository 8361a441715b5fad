"""What our composites and decorators share: the outcome of a child, and whether it may be borne."""

from __future__ import annotations

from collections.abc import Iterable

import py_trees
from py_trees.common import Status

from vlm_bt.types import DONE, REASONS, Outcome


def outcome_of(node: py_trees.behaviour.Behaviour) -> Outcome:
    """The outcome a node left; one is made up for a foreign node that knows only its status."""
    outcome = getattr(node, "outcome", None)
    if isinstance(outcome, Outcome) and outcome.ok == (node.status == Status.SUCCESS):
        return outcome
    return DONE if node.status == Status.SUCCESS else Outcome("no", node.feedback_message)


def covers(role: str, reason: str) -> bool:
    """Does a branch or an `on` entry of that name take this reason? `else` takes answers and mishaps, never a fault."""
    family = REASONS[reason]
    return role in (reason, family) or (role == "else" and family != "fault")


def passes(outcome: Outcome, borne: Iterable[str]) -> bool:
    """A fault goes past every retry, selector and loop that does not name it."""
    return outcome.family == "fault" and not any(covers(name, outcome.reason) for name in borne)
