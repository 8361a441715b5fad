"""A mission as lines of the log, taken from its record: what began, was asked, moved, failed and ended."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from vlm_bt.executive import Snapshot
from vlm_bt.operations.logs import Standing
from vlm_bt.recording.incidents import EVENTS
from vlm_bt.types import REASONS

MESSAGES: Mapping[str, str] = {
    "question": "a person was asked",
    "reply": "a person answered",
    "said": "a person said something",
    "fact": "a fact was noted",
    "verdict": "a verdict was given",
    "query": "a model was asked",
    "answer": "a model answered",
    "motion": "a motion ended",
    "event": "something happened",
    "status": "a node changed",
    "result": "the mission ended",
}
"""What lines of a channel say; all that differs from one to the next is in `data`. Other channels are no lines."""
QUIET = ("query", "answer", "status", "verdict")
UNTOLD = ("t", "tick")

log = logging.getLogger("vlm_bt.mission")


class MissionLog:
    """Logs one mission. A subscriber of the executive; `note` takes the entries of the record."""

    def __init__(self, standing: Standing, mission: str) -> None:
        self._standing = standing
        standing.mission, standing.tick, standing.node = mission, 0, ""
        self._mission = mission
        self._inner: frozenset[tuple[int, ...]] = frozenset()

    def after_tick(self, snapshot: Snapshot) -> None:
        tip = snapshot.root.tip()
        self._standing.tick = snapshot.tick + 1
        self._standing.node = tip.name if tip is not None else ""

    def note(self, channel: str, entry: Mapping[str, Any]) -> None:
        """Onlooker of the record."""
        if channel == "configuration":
            self._write(logging.INFO, "the mission began", entry, {"seed": entry.get("seed")})
            return
        if channel == "nodes":
            self._inner = frozenset(tuple(node["path"][:-1]) for node in entry["nodes"] if node["path"])
        if channel in MESSAGES:
            data = {name: value for name, value in entry.items() if name not in UNTOLD}
            self._write(self._level(channel, entry), MESSAGES[channel], entry, data)

    def _write(self, level: int, message: str, entry: Mapping[str, Any], data: Mapping[str, Any]) -> None:
        if not log.isEnabledFor(level):
            return
        more: dict[str, Any] = {"mission": self._mission, "t": entry["t"], "data": data}
        if "tick" in entry:
            more |= {"tick": entry["tick"], "node": entry.get("name", "")}
        log.log(level, message, extra=more)

    def _level(self, channel: str, entry: Mapping[str, Any]) -> int:
        outcome = str(entry.get("outcome", ""))
        if channel == "result":
            return logging.INFO if outcome == "done" else logging.ERROR
        if channel == "event":
            return logging.WARNING if entry["what"] in EVENTS else logging.INFO
        if channel == "motion":
            return logging.INFO if outcome == "done" else logging.WARNING
        if channel == "answer" and isinstance(entry.get("result"), Mapping) and "failed" in entry["result"]:
            return logging.WARNING
        if channel == "status" and tuple(entry["path"]) not in self._inner:
            # A fault of a leaf; what it makes of the nodes above it is told by theirs.
            return logging.WARNING if REASONS.get(outcome) in ("fault", "mishap") else logging.DEBUG
        return logging.DEBUG if channel in QUIET else logging.INFO
