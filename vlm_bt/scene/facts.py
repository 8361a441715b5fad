"""What a mission has learnt and was told: scoped, listed, revocable."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

from vlm_bt.sentences import named

IDENTITY, GROUP, LEAVE = "identity", "group", "leave"
"""Keys: what a thing is called, which group it goes with, and that it is not to be touched."""

Scope = Literal["object", "kind", "mission"]
SCOPES: tuple[str, ...] = get_args(Scope)


@dataclass(frozen=True)
class Fact:
    """One thing that was learnt.

    Attributes:
        scope: Whether it is about one object, about every object of a kind, or about the mission.
        subject: The object's id or the kind's name; "" for the mission.
        key, value: What is said of it, as `identity`, "Allen wrench"; the value is a plain JSON value.
        by: Who said so: "person", or the name of what found out.
        stamp_s: When it was said, on the Clock.
    """

    id: str
    scope: Scope
    subject: str
    key: str
    value: Any
    by: str
    stamp_s: float
    revoked: bool = False

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Fact:
        """Raises: KeyError, TypeError, ValueError: it is no fact."""
        if row["scope"] not in SCOPES:
            raise ValueError(f"unknown scope {row['scope']!r} of a fact; known: {', '.join(SCOPES)}")
        texts = (str(row["subject"]), str(row["key"]), row["value"], str(row["by"]))
        return cls(str(row["id"]), row["scope"], *texts, float(row["stamp_s"]), bool(row.get("revoked")))

    def __str__(self) -> str:
        about = "" if self.scope == "mission" else f"{self.subject}: "
        return f"{about}{self.key} = {self.value} (by {self.by}{', revoked' if self.revoked else ''})"


class Facts:
    """The facts of one mission. Nothing is ever deleted: a revoked fact stays in the list and is used no more.

    Of several facts about the same thing a person's word stands over anything else, then the one said last stands;
    an answer that is written down late keeps the time at which it was given.
    """

    def __init__(self, facts: Iterable[Fact] = ()) -> None:
        self._facts: list[Fact] = list(facts)
        self.onlooker: Callable[[Fact], None] = lambda fact: None
        """Told of every fact as it is written down, carried over or taken back. Must be quick."""

    def remember(
        self, scope: Scope, subject: str, key: str, value: Any, by: str = "person", stamp_s: float = 0.0
    ) -> Fact:
        """Write a fact down.

        Raises:
            ValueError: An unknown scope.
            TypeError: The value is no plain JSON value.
        """
        if scope not in SCOPES:
            raise ValueError(f"unknown scope {scope!r} of a fact; known: {', '.join(SCOPES)}")
        json.dumps(value)
        fact = Fact(self._next_id(), scope, subject, key, value, by, stamp_s)
        self._facts.append(fact)
        self.onlooker(fact)
        return fact

    def _next_id(self) -> str:
        numbers = [int(fact.id.rpartition("-")[2]) for fact in self._facts if fact.id.rpartition("-")[2].isdigit()]
        return f"fact-{max(numbers, default=0) + 1}"

    def recall(self, scope: Scope, subject: str, key: str) -> Any:
        """The value that stands; None where nothing is known."""
        fact = self.fact(scope, subject, key)
        return None if fact is None else fact.value

    def fact(self, scope: Scope, subject: str, key: str) -> Fact | None:
        """The fact that stands."""
        return _strongest([f for f in self._facts if (f.scope, f.subject, f.key) == (scope, subject, key)])

    def of_kind(self, label: str, key: str) -> Fact | None:
        """What stands of a thing that is called `label`: said of its kind, or of a family such as "wrench"."""
        return _strongest([f for f in self._facts if (f.scope, f.key) == ("kind", key) and named(f.subject, label)])

    def last_said(self) -> Fact | None:
        """The newest fact that stands because a person said so."""
        said = [(fact.stamp_s, n) for n, fact in enumerate(self._facts) if fact.by == "person" and not fact.revoked]
        return self._facts[max(said)[1]] if said else None

    def carry_over(self, object_id: str, to: str) -> None:
        """The same thing goes by another id from now on."""
        for fact in self.about("object", object_id):
            self.remember("object", to, fact.key, fact.value, fact.by, fact.stamp_s)
            self.revoke_fact(fact.id)

    def about(self, scope: Scope, subject: str) -> tuple[Fact, ...]:
        """Every fact about a subject that is not revoked, in the order in which they were written down."""
        return tuple(f for f in self._facts if not f.revoked and (f.scope, f.subject) == (scope, subject))

    def revoke(self, scope: Scope, subject: str, key: str) -> int:
        """Take back everything that was said of it; how many facts that were."""
        count = 0
        for n, fact in enumerate(self._facts):
            if not fact.revoked and (fact.scope, fact.subject, fact.key) == (scope, subject, key):
                self._facts[n] = replace(fact, revoked=True)
                self.onlooker(self._facts[n])
                count += 1
        return count

    def revoke_fact(self, fact_id: str) -> bool:
        """Take back one fact; False where there is none that stands under this id."""
        for n, fact in enumerate(self._facts):
            if fact.id == fact_id and not fact.revoked:
                self._facts[n] = replace(fact, revoked=True)
                self.onlooker(self._facts[n])
                return True
        return False

    def all(self) -> tuple[Fact, ...]:
        """Everything, also what was revoked, in the order in which it was written down."""
        return tuple(self._facts)

    def to_json(self) -> list[dict[str, Any]]:
        return [asdict(fact) for fact in self._facts]

    @classmethod
    def from_json(cls, data: Iterable[Mapping[str, Any]]) -> Facts:
        return cls(Fact.from_json(entry) for entry in data)


def _strongest(facts: Iterable[Fact]) -> Fact | None:
    """A person's word over anything else, then what was said last."""
    standing = [fact for fact in facts if not fact.revoked]
    if not standing:
        return None
    return standing[max(range(len(standing)), key=lambda n: (standing[n].by == "person", standing[n].stamp_s, n))]
