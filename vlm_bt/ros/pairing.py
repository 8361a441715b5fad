"""Colour and depth of one moment, found among messages that come separately, late, or not at all."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, Literal

Side = Literal["colour", "depth"]
KEPT = 6


@dataclass(frozen=True, eq=False)
class Pair:
    """`stamp_s`: when the older of both was taken, ROS clock."""

    colour: Any
    depth: Any
    stamp_s: float


class Pairing:
    """Pairs messages by their stamps.

    Args:
        most_apart_s: Two that are stamped so far apart still show the same moment.

    Attributes:
        pairs, lone, late: How many were paired; went by without a partner; came after a newer pair was made.
        apart_s: How far apart the last two were that did not fit; None where all fitted.
    """

    def __init__(self, most_apart_s: float) -> None:
        self._most_apart_s = most_apart_s
        self._waiting: dict[Side, deque[tuple[float, Any]]] = {"colour": deque(), "depth": deque()}
        self._last_s = float("-inf")
        self.pairs = self.lone = self.late = 0
        self.apart_s: float | None = None

    def add(self, side: Side, stamp_s: float, message: Any) -> Pair | None:
        """Take a message; returns the pair that it completes."""
        if stamp_s <= self._last_s:
            self._restart_or_count(stamp_s)
            if stamp_s <= self._last_s:
                return None
        own, others = self._waiting[side], self._waiting["depth" if side == "colour" else "colour"]
        nearest = min(others, key=lambda other: abs(other[0] - stamp_s), default=None)
        apart_s = abs(nearest[0] - stamp_s) if nearest is not None else None
        if nearest is None or apart_s is None or apart_s > self._most_apart_s:
            self.apart_s = apart_s if apart_s is not None else self.apart_s
            own.append((stamp_s, message))
            if len(own) > KEPT:
                own.popleft()
                self.lone += 1
            return None
        self.pairs, self.apart_s = self.pairs + 1, None
        # Which of both came first must not matter: what is older than either has no partner any more.
        self._last_s = max(stamp_s, nearest[0])
        for waiting in (own, others):
            while waiting and waiting[0][0] <= self._last_s:
                self.lone += waiting.popleft() is not nearest
        colour, depth = (message, nearest[1]) if side == "colour" else (nearest[1], message)
        return Pair(colour, depth, min(stamp_s, nearest[0]))

    def _restart_or_count(self, stamp_s: float) -> None:
        """A camera whose stamps jump back far has been started anew; one that is a little behind is late."""
        if self._last_s - stamp_s > 1.0:
            for waiting in self._waiting.values():
                waiting.clear()
            self._last_s = float("-inf")
        else:
            self.late += 1
