"""What a mission's time was spent on, from its record."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

from vlm_bt.recording import entries
from vlm_bt.recording.incidents import stops
from vlm_bt.recording.record import Record

Span = tuple[float, float]


@dataclass(frozen=True)
class TimeSpent:
    """Seconds on the mission's clock; the parts exclude each other and add up to the mission.

    Where several things go on at once the first in this order counts: the arm moves, a question to a person is open,
    the guard holds the arm, a question to a model is open.

    Attributes:
        moving: From each motion's command to its end.
        asking: Waiting for people: the arm stands and a question is not answered.
        held: The guard held the arm.
        thinking: Waiting for the model: the wall time that each answer took, up to the answer.
        rest: Ticks in between, and waiting that the tree itself asked for.
    """

    moving: float = 0.0
    asking: float = 0.0
    held: float = 0.0
    thinking: float = 0.0
    rest: float = 0.0

    @property
    def whole(self) -> float:
        return self.moving + self.asking + self.held + self.thinking + self.rest

    def __add__(self, other: TimeSpent) -> TimeSpent:
        return TimeSpent(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))

    def shares(self) -> dict[str, float]:
        """The share of each part, 0 to 1; all 0 for a mission that took no time."""
        whole = self.whole
        return {one.name: getattr(self, one.name) / whole if whole else 0.0 for one in fields(self)}


PARTS = {
    "moving": "Moving",
    "asking": "Waiting for people",
    "held": "Held by the guard",
    "thinking": "Waiting for the model",
    "rest": "Everything else",
}


def time_spent(record: Record) -> TimeSpent:
    """The parts of a record's time; of one that is cut off, until its last message."""
    ended = max((one.t for one in record.entries), default=0.0)
    motions = [(float(one.data.get("began_s", one.t)), one.t) for one in record.of(entries.Motion)]
    answered = {one.id: one.t for one in reversed(list(record.of(entries.ReplyGiven)))}
    asked = [(one.t, answered.get(one.id, ended)) for one in record.of(entries.AskedQuestion)]
    held = [(one.t, ended if one.seconds is None else one.t + one.seconds) for one in stops(record)]
    answers = [(max(0.0, one.t - one.ms / 1e3), one.t) for one in record.of(entries.ModelAnswer)]
    counted: list[Span] = []
    parts: list[float] = []
    for spans in (motions, asked, held, answers):
        before = _length(counted)
        counted += [span for span in spans if span[1] > span[0]]
        parts.append(_length(counted) - before)
    moving, asking, holding, thinking = parts
    return TimeSpent(moving, asking, holding, thinking, max(0.0, ended - sum(parts)))


def _length(spans: Iterable[Span]) -> float:
    """Length of the union of spans."""
    length, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        length += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return length
