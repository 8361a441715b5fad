"""What has been done last and who said what a thing is: what "why?" is answered from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOVES = ("pick", "place", "hand_over")


@dataclass(frozen=True)
class Said:
    """Who decided what an object is, and in words how."""

    label: str
    reason: str


@dataclass(frozen=True)
class Done:
    """A motion that has ended."""

    verb: str
    label: str
    object: str
    zone: str
    ended: str


class Journal:
    """Reads the mission's record as it is written."""

    def __init__(self) -> None:
        self._verdicts: dict[str, Said] = {}
        self._reasons: dict[tuple[str, str], str] = {}
        self._last_reason: dict[str, str] = {}
        self.done: list[Done] = []
        self.asked: list[str] = []
        """Ids of the objects that questions were about, oldest first."""

    def note(self, channel: str, entry: Mapping[str, Any]) -> None:
        """Onlooker of the record."""
        if channel == "verdict":
            self._decided(entry)
        elif channel == "motion" and entry.get("verb") in MOVES:
            ended = "" if entry.get("outcome") == "done" else str(entry.get("detail") or entry.get("outcome"))
            self.done.append(
                Done(str(entry["verb"]), str(entry["label"]), str(entry["object"]), str(entry.get("zone") or ""), ended)
            )
        elif channel == "question" and entry.get("about"):
            self.asked.append(str(entry["about"]))

    def verdict_on(self, object_id: str) -> Said | None:
        return self._verdicts.get(object_id)

    def _decided(self, entry: Mapping[str, Any]) -> None:
        thing, label, by = str(entry["object"]), str(entry["label"]), str(entry["by"])
        if by == "person":
            reason = "a person said so"
        elif by == "model":
            reason = f"two looks at it agreed, and such a verdict is wrong in {float(entry['error_rate']):.1%} at most"
        else:
            reason = self._reasons.get((thing, label)) or self._last_reason.get(label, "it was verified before")
        self._reasons[thing, label] = self._last_reason[label] = reason
        self._verdicts[thing] = Said(label, reason)
