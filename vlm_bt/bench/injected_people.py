"""A supervisor who falls silent, errs, contradicts themselves or says stop, as the faults of a mission say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlm_bt.bench.fault_table import Faults
from vlm_bt.devices.people import Eyes, ScriptedHuman
from vlm_bt.ports import Clock, Recorder

WHO = "the supervisor"


class UnreliableHuman(ScriptedHuman):
    """The scripted supervisor, whose answers the faults of a mission spoil.

    Attributes:
        stop_said_tick: When they said stop; None: they did not.
    """

    def __init__(self, clock: Clock, recorder: Recorder, script: Mapping[str, Any], eyes: Eyes, faults: Faults) -> None:
        super().__init__(clock, recorder, script, eyes)
        self._faults = faults
        self._turn = 0
        self.stop_said_tick: int | None = None

    def answer(self, question_id: str, text: str, now_s: float) -> bool:
        faults = self._faults
        if faults.strikes("silent_person"):
            return False
        if faults.strikes("wrong_person"):
            text = self._wrong(question_id, text)
        elif faults.strikes("contradicting_person"):
            self._turn += 1
            text = self._wrong(question_id, text) if self._turn % 2 else text
        return super().answer(question_id, text, now_s)

    def settle(self, tick: int) -> None:
        if self.listener is not None and self._faults.due("says_stop"):
            self.stop_said_tick = tick
            self.listener.say("stop", WHO)
        super().settle(tick)

    def _wrong(self, question_id: str, text: str) -> str:
        """Another option of the question than the right one."""
        asked = [question for question in self.pending if question.id == question_id]
        others = [option for question in asked for option in question.options if option != text]
        return others[int(self._faults.draw() * len(others))] if others else text
