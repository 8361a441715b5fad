"""The facts of a mission as its record tells them: each once, as it stood last."""

from __future__ import annotations

from vlm_bt.recording.entries import FactTold
from vlm_bt.recording.record import Record
from vlm_bt.scene.facts import Fact, Facts


def facts_of(record: Record) -> Facts:
    """Every fact of a record, also what was taken back; of a mission that still runs, those so far."""
    found = {
        one.id: Fact.from_json({**one.data, "scope": one.scope, "value": one.value}) for one in record.of(FactTold)
    }
    return Facts(found.values())
