"""Leaves that go after a thing that does not lie where it should: it was pushed, or came to rest beside its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlm_bt.leaves.context import Ports
from vlm_bt.leaves.leaf import Input, Leaf, Output, Steps
from vlm_bt.leaves.looking import look_and_claim
from vlm_bt.leaves.seeing import as_detection
from vlm_bt.leaves.verifying import VerifyGrounding
from vlm_bt.types import Evidence, HeldObject, Outcome, VerifiedObject


class FollowPushed(VerifyGrounding):
    """Verify anew what was pushed, where it lies now: it has to be of the same name as before."""

    takes = {
        "tool": Input("verified_object", "the object as it was verified before it was pushed"),
        "camera": VerifyGrounding.takes["camera"],
        "error_rate": VerifyGrounding.takes["error_rate"],
    }

    def act(self) -> Steps:
        tool: VerifiedObject = self.input("tool")
        ports, memory = self.ports, self.ports.memory
        seen = yield from look_and_claim(ports)
        if not seen.ok:
            return seen
        thing = memory.objects.get(memory.followed.get(tool.object.id, ""))
        if thing is None:
            why = f"nothing that was pushed is the {tool.label}"
            return Outcome("refuted", why, grounds=(Evidence("depth", why, "against"),))
        depth = Evidence("depth", f"{thing} has its shape and was not there before", "for")
        told = memory.facts.recall("object", thing.id, "identity")
        if told is not None:
            said = Evidence("a person", f"said what it is: {told}", "for")
            named = ports.ledger.enter(thing, told, "person", 0.0)
            return self.confirmed(named, "a person said so before it was pushed", (depth, said))
        return (yield from self._look_closer(as_detection(ports, thing), thing, depth))

    def confirmed(
        self, tool: VerifiedObject, why: str, grounds: tuple[Evidence, ...], evidence: Mapping[str, Any] | None = None
    ) -> Outcome:
        before: VerifiedObject = self.input("tool")
        if tool.label != before.label:
            return Outcome("unsure", f"what lies there is {tool.label}, not {before.label}", evidence or {}, grounds)
        return super().confirmed(tool, why, grounds, evidence)


class LocatePlaced(Leaf):
    """Find what was put down and came to rest outside its zone. Its identity goes with it, as the last look saw it."""

    takes = {"held": Input("held_object", "what was put down")}
    gives = {"into": Output("verified_object", "the same object where it lies now")}
    reasons = ("not_found", "camera_lost", "model_lost", "stale", "timed_out", "busy", "unsupported")
    ports: Ports

    def act(self) -> Steps:
        held: HeldObject = self.input("held")
        ports, memory = self.ports, self.ports.memory
        seen = yield from look_and_claim(ports)
        if not seen.ok:
            return seen
        name = memory.followed.get(held.tool.object.id, "")
        known, thing = memory.verdicts.get(name), memory.objects.get(name)
        renewed = ports.ledger.renew(known, thing) if known is not None and thing is not None else None
        if renewed is None:
            return Outcome("not_found", f"it can't be told where the {held.label} came to rest")
        memory.verdicts[name] = renewed
        self.output("into", renewed)
        return Outcome("done", str(renewed))
