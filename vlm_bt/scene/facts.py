"""What a mission has learnt, mostly from people: scoped, listed, revocable."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Scope = Literal["object", "kind", "mission"]


@dataclass(frozen=True)
class Fact:
    """Something that holds: of one object (by its track's id), of a kind (by its name), or of the whole mission.

    `by` is who said so ("person", "model"); `stamp_s` when, on the mission's clock.
    """

    scope: Scope
    subject: str
    key: str
    value: str
    by: str
    stamp_s: float


class Facts:
    """The latest word on every (scope, subject, key)."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], Fact] = {}

    def remember(self, scope: Scope, subject: str, key: str, value: str, *, by: str, stamp_s: float) -> Fact:
        """What was said before of the same thing is replaced."""
        fact = Fact(scope, subject, key, value, by, stamp_s)
        self._known[(scope, subject, key)] = fact
        return fact

    def recall(self, scope: Scope, subject: str, key: str) -> str | None:
        fact = self._known.get((scope, subject, key))
        return fact.value if fact else None

    def revoke(self, scope: Scope, subject: str, key: str) -> bool:
        """True where there was something to take back."""
        return self._known.pop((scope, subject, key), None) is not None

    def listed(self) -> list[dict[str, Any]]:
        """Every fact as JSON, oldest first."""
        return [asdict(fact) for fact in sorted(self._known.values(), key=lambda fact: fact.stamp_s)]
