"""What a mission has learnt and was told: scoped, listed, revocable."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

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
        fact = Fact(f"fact-{len(self._facts) + 1}", scope, subject, key, value, by, stamp_s)
        self._facts.append(fact)
        return fact

    def recall(self, scope: Scope, subject: str, key: str) -> Any:
        """The value that stands; None where nothing is known."""
        fact = self.fact(scope, subject, key)
        return None if fact is None else fact.value

    def fact(self, scope: Scope, subject: str, key: str) -> Fact | None:
        """The fact that stands."""
        standing = [f for f in self._facts if not f.revoked and (f.scope, f.subject, f.key) == (scope, subject, key)]
        if not standing:
            return None
        best = max(range(len(standing)), key=lambda n: (standing[n].by == "person", standing[n].stamp_s, n))
        return standing[best]

    def about(self, scope: Scope, subject: str) -> tuple[Fact, ...]:
        """Every fact about a subject that is not revoked, in the order in which they were written down."""
        return tuple(f for f in self._facts if not f.revoked and (f.scope, f.subject) == (scope, subject))

    def revoke(self, scope: Scope, subject: str, key: str) -> int:
        """Take back everything that was said of it; how many facts that were."""
        count = 0
        for n, fact in enumerate(self._facts):
            if not fact.revoked and (fact.scope, fact.subject, fact.key) == (scope, subject, key):
                self._facts[n] = replace(fact, revoked=True)
                count += 1
        return count

    def revoke_fact(self, fact_id: str) -> bool:
        """Take back one fact; False where there is none that stands under this id."""
        for n, fact in enumerate(self._facts):
            if fact.id == fact_id and not fact.revoked:
                self._facts[n] = replace(fact, revoked=True)
                return True
        return False

    def all(self) -> tuple[Fact, ...]:
        """Everything, also what was revoked, in the order in which it was written down."""
        return tuple(self._facts)

    def to_json(self) -> list[dict[str, Any]]:
        return [asdict(fact) for fact in self._facts]

    @classmethod
    def from_json(cls, data: Iterable[Mapping[str, Any]]) -> Facts:
        return cls(Fact(**entry) for entry in data)
