"""What the mission's verifications went by: the evidence behind each verdict and each refusal, from the record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vlm_bt.recording import entries
from vlm_bt.recording.entries import Json
from vlm_bt.recording.record import Record

SAME_TICK_S = 0.11


@dataclass(frozen=True)
class Check:
    """A verification that ended at `t` seconds.

    Attributes:
        what: The skill, with its inputs as the tree writes them.
        reason: "done" where it was confirmed, or else why not, as in `vlm_bt.types.REASONS`.
        grounds: Each with `source`, `says`, `weighs` (for, against or neutral) and `score` (0 to 1, or null).
    """

    t: float
    what: str
    reason: str
    detail: str
    grounds: tuple[Json, ...]

    @property
    def confirmed(self) -> bool:
        return self.reason == "done"


def checks(record: Record) -> tuple[Check, ...]:
    """Every verification that told its evidence, oldest first."""
    return tuple(
        Check(one.t, one.name, one.outcome, one.detail, one.grounds)
        for one in record.of(entries.StatusChange)
        if one.grounds
    )


def grounds_of_verdicts(record: Record) -> Mapping[str, tuple[Json, ...]]:
    """By verdict id, what it rests on; one by tracking rests on its own and on those of the first it carries on."""
    confirmed = [one for one in checks(record) if one.confirmed]
    found: dict[str, tuple[Json, ...]] = {}
    first: dict[tuple[str, str], tuple[Json, ...]] = {}
    for verdict in record.of(entries.VerdictGiven):
        own = next(
            (one.grounds for one in confirmed if 0 <= one.t - verdict.t < SAME_TICK_S and verdict.label in one.detail),
            (),
        )
        thing = (verdict.object, verdict.label)
        found[verdict.id] = (*first.get(thing, ()), *own)
        if verdict.by != "tracking":
            first[thing] = own
    return found
