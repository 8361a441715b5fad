"""What "it" and "that one" may mean now."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vlm_bt.conversation.journal import Journal
from vlm_bt.conversation.references import Spoken
from vlm_bt.conversation.things import Known, known_things
from vlm_bt.executive import Executive
from vlm_bt.leaves.context import Ports
from vlm_bt.leaves.leaf import Leaf
from vlm_bt.types import Detection, HeldObject, LocatedObject, Question, VerifiedObject

FRESH_S = 30.0
"""So long what was spoken of goes before what is handled now, on the mission's clock."""
INPUTS = ("held", "tool", "candidate", "thing")
"""Inputs of leaves that hold the thing they work on."""


class Focus:
    """Follows what is asked about, spoken of and handled. Belongs to the executive's thread."""

    def __init__(
        self, ports: Ports, executive: Executive, journal: Journal, pending: Callable[[], Sequence[Question]]
    ) -> None:
        self._ports = ports
        self._executive = executive
        self._journal = journal
        self._pending = pending
        self._last: tuple[str, ...] = ()
        self._kind = ""
        self._last_s = float("-inf")

    def speak_of(self, things: Sequence[Known], kind: str) -> None:
        """These were spoken of just now."""
        self._last, self._last_s = tuple(one.id for one in things if one.id), self._ports.clock.now_s
        self._kind = kind or self._kind

    def spoken(self) -> Spoken:
        """An open question's thing, what was just spoken of, what is handled, then what was before."""
        ids = [question.about for question in self._pending() if question.about]
        fresh = self._ports.clock.now_s - self._last_s <= FRESH_S
        one = self._last if len(self._last) == 1 else ()
        if fresh:
            ids += one
        handled = self.handled()
        ids += [handled] if handled else []
        ids += [*one, *reversed(self._journal.asked), *(done.object for done in reversed(self._journal.done))]
        return Spoken(tuple(dict.fromkeys(ids)), self._last if fresh else (), self._kind)

    def handled(self) -> str:
        """The id of the thing that is in the hand, or that the running leaf works on; "" for none."""
        held = self._ports.ledger.in_hand
        if held is not None:
            return held.tool.object.id
        leaf = self._executive.root.tip()
        if not isinstance(leaf, Leaf):
            return ""
        for name in INPUTS:
            if name in leaf.takes:
                return _id_of(leaf.input(name))
        return ""

    def handled_thing(self) -> Known | None:
        name = self.handled()
        return next((one for one in known_things(self._ports) if name and one.id == name), None)


def _id_of(value: object) -> str:
    if isinstance(value, HeldObject):
        value = value.tool
    if isinstance(value, VerifiedObject | Detection):
        value = value.object
    return value.id if isinstance(value, LocatedObject) else ""
