"""The entries that browsers see, in order, and what stood at any moment of them."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterable, Mapping
from typing import Any

ONE = frozenset({"nodes", "bench", "configuration", "tree", "result"})
"""Channels of which only the last entry stands."""
SHOWN = ONE | {"status", "question", "reply", "fact", "said", "motion", "verdict", "detections", "event"}
SHOWN |= {"query", "answer"}
"""Channels of the record that browsers see, and `bench`, the plan of the zones."""
FEW = {"event": 300, "query": 200, "answer": 200}
"""Of these channels so many of the last entries stand; of the others 1000."""
MANY = 1000
ROOM = 100_000


class Told:
    """One entry: channel, time on the mission's clock and the JSON text that browsers get, made when first wanted."""

    __slots__ = ("_text", "channel", "data", "t")

    def __init__(self, channel: str, data: Mapping[str, Any]) -> None:
        self.channel = channel
        self.data = data
        self.t = float(data.get("t") or 0.0)
        self._text = ""

    @property
    def text(self) -> str:
        if not self._text:
            self._text = as_json({"channel": self.channel, **self.data})
        return self._text

    @property
    def key(self) -> object:
        """Of the entries with the same key only the last one stands; None: each stands for itself."""
        if self.channel in ONE:
            return self.channel
        if self.channel == "status":
            return ("status", tuple(self.data.get("path") or ()))
        if self.channel == "fact":
            return ("fact", self.data.get("id"))
        if self.channel == "detections":
            return ("detections", camera_of(self.data))
        return None


class MissionLog:
    """The entries of one mission; safe from any thread, and appending is quick.

    Args:
        room: How many entries are kept. Of the oldest ones then only what stands is kept, and one can scrub back no
            further than that.
    """

    def __init__(self, room: int = ROOM) -> None:
        self._lock = threading.Lock()
        self._entries: list[Told] = []
        self._dropped = 0
        self._room = room
        self.from_t = 0.0

    def append(self, channel: str, data: Mapping[str, Any]) -> None:
        if channel not in SHOWN:
            return
        with self._lock:
            self._entries.append(Told(channel, data))
            if len(self._entries) > self._room:
                half = len(self._entries) // 2
                old, self._entries = self._entries[:half], self._entries[half:]
                self.from_t = old[-1].t
                kept = standing(old)
                self._dropped += half - len(kept)
                self._entries[:0] = kept

    @property
    def count(self) -> int:
        """How many entries there were so far."""
        with self._lock:
            return self._dropped + len(self._entries)

    @property
    def to_t(self) -> float:
        with self._lock:
            return self._entries[-1].t if self._entries else 0.0

    def since(self, number: int) -> tuple[int, list[Told] | None]:
        """(count, the entries after the first `number`); None where some of them are gone: take a snapshot."""
        with self._lock:
            count = self._dropped + len(self._entries)
            first = number - self._dropped
            return count, self._entries[first:] if first >= 0 else None

    def at(self, t: float = math.inf) -> tuple[int, list[Told]]:
        """(how many entries there were until `t`, those of them that stood then, in order)."""
        with self._lock:
            entries = list(self._entries)
            dropped = self._dropped
        if t < math.inf:
            end = next((n for n, one in enumerate(entries) if one.t > t), len(entries))
            entries = entries[:end]
        return dropped + len(entries), standing(entries)


def standing(entries: list[Told]) -> list[Told]:
    """What is left to be told of entries: the last one where a later one replaces earlier ones, in their order."""
    seen: set[object] = set()
    left: dict[str, int] = {}
    kept: list[Told] = []
    for one in reversed(entries):
        key = one.key
        if key is not None:
            if key in seen:
                continue
            seen.add(key)
        else:
            room = left.get(one.channel, FEW.get(one.channel, MANY))
            if room <= 0:
                continue
            left[one.channel] = room - 1
        kept.append(one)
    return kept[::-1]


def camera_of(detections: Mapping[str, Any]) -> str:
    """The camera whose picture detections are of."""
    return str(detections.get("camera") or str(detections.get("frame") or "").rpartition("-")[0])


def as_json(value: Any) -> str:
    """JSON that every browser reads: no NaN, no infinity, no lone surrogates."""
    try:
        return json.dumps(value, default=_plain, allow_nan=False, separators=(",", ":"))
    except ValueError:
        return json.dumps(_finite(value), default=_plain, separators=(",", ":"))


def texts(entries: Iterable[Told]) -> str:
    return ",".join(one.text for one in entries)


def _plain(value: Any) -> Any:
    return _finite(value.tolist()) if hasattr(value, "tolist") else str(value)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return value
