"""Leaves that check a claim against independent evidence. What they pass stands in the ledger."""

from __future__ import annotations

from vlm_bt.leaves.context import Ports
from vlm_bt.leaves.leaf import Input, Leaf, Output, Steps
from vlm_bt.leaves.looking import LET_GO_WITHIN_M, apart, look, what_are_they
from vlm_bt.leaves.untrusted import plain
from vlm_bt.questions import Choose
from vlm_bt.types import Answer, Detection, HeldObject, LocatedObject, Outcome, VerifiedObject, Zone

EMPTY_HAND_M = 0.0012
COUNTED_AT_MOST = 3
"""From here on things in a container lie on each other, and depth counts fewer than there are."""


class VerifyGrounding(Leaf):
    """Is it really there, and is it what it is said to be?

    Evidence: depth in a second frame (it stands out at that place, with a plausible size), a second look with another
    crop and another wording, and what a person said of it before. The prediction sets of both looks must agree on
    one kind.
    """

    takes = {
        "candidate": Input("detection", "the claim to check"),
        "error_rate": Input(
            "number",
            "how often a confirmed name may be wrong; only a stricter rate than the configured one counts",
            required=False,
        ),
    }
    gives = {"into": Output("verified_object", "the object, identified and located")}
    reasons = ("unsure", "refuted", "stale", "camera_lost", "model_lost", "timed_out", "busy", "unsupported")
    asks = (Choose,)
    ports: Ports

    def act(self) -> Steps:
        candidate: Detection = self.input("candidate")
        ports = self.ports
        seen = yield from look(ports, fresh=True)
        if not seen.ok:
            return seen
        thing = ports.memory.objects.get(candidate.object.id)
        if thing is None:
            ports.memory.forget(candidate.object.id)
            return Outcome("refuted", f"depth shows nothing where {candidate.label} was claimed")
        known = ports.memory.verdicts.get(thing.id)
        if known is not None:
            renewed = ports.ledger.renew(known, thing)
            if renewed is not None:
                return self._confirm(renewed, "known from before and not touched since")
        told = ports.memory.facts.recall("object", thing.id, "identity")
        if told is not None:
            return self._confirm(ports.ledger.enter(thing, told, "person", 0.0), "a person said so")
        return (yield from self._second_look(candidate, thing))

    def _second_look(self, candidate: Detection, thing: LocatedObject) -> Steps:
        ports = self.ports
        rate = min(self.input("error_rate") or 1.0, ports.error_rate)
        ticket = what_are_they(ports, [thing.region], variant=1, wording=1, error_rate=rate)
        answered = yield ticket
        if not answered.ok:
            return answered
        first, second = candidate.answer, ticket.value[0]
        evidence = {
            "first": list(first.plausible) if first else [],
            "second": list(second.plausible),
            "frames": [candidate.object.frame_id, ports.memory.frame_id],
            "error_rate": rate,
        }
        if not second.calibrated or first is None:
            why = plain(second.uncalibrated) or "no valid calibration"
            return Outcome("unsure", f"{why}: nothing is surer than unsure", evidence)
        if len(first.plausible) != 1 or first.plausible != second.plausible:
            return Outcome("unsure", f"{_set(first)}, then {_set(second)}", evidence)
        implausible = self.implausible(second.best, thing)
        if implausible:
            return Outcome("unsure", f"it looks like a {second.best}, but {implausible}", evidence)
        return self._confirm(ports.ledger.enter(thing, second.best, "model", rate), f"two looks agree: {second}")

    def _confirm(self, tool: VerifiedObject, why: str) -> Outcome:
        self.ports.memory.verdicts[tool.object.id] = tool
        self.output("into", tool)
        return Outcome("done", f"{tool.label}: {why}")

    def implausible(self, label: str, thing: LocatedObject) -> str:
        """What depth says against the name; empty where the size fits."""
        known = self.ports.knowledge.get(label)
        if known is None:
            return ""
        shape = thing.footprint
        for name, value, (least, most) in (
            ("long", shape.length_m, known.length_m),
            ("wide", shape.width_m, known.width_m),
            ("high", shape.height_m, known.height_m),
        ):
            if not least <= value <= most:
                return f"it is {value * 1e3:.0f} mm {name} (known: {least * 1e3:.0f} to {most * 1e3:.0f})"
        return ""


class LocateAgain(Leaf):
    """Find a verified object again in a fresh frame, after a try that may have moved it."""

    takes = {"tool": Input("verified_object", "the object as it was verified")}
    gives = {"into": Output("verified_object", "the same object where it lies now")}
    reasons = ("not_found", "stale", "camera_lost", "model_lost", "timed_out")
    ports: Ports

    def act(self) -> Steps:
        tool: VerifiedObject = self.input("tool")
        ports = self.ports
        seen = yield from look(ports)
        if not seen.ok:
            return seen
        thing = ports.memory.objects.get(tool.object.id)
        renewed = ports.ledger.renew(tool, thing) if thing is not None else None
        if renewed is None:
            return Outcome("not_found", f"the {tool.label} is no longer where it was")
        ports.memory.verdicts[renewed.object.id] = renewed
        self.output("into", renewed)
        return Outcome("done", str(renewed))


class VerifyInHand(Leaf):
    """Is it in the hand? The gripper's own width says so."""

    takes = {"held": Input("held_object", "what should be in the hand")}
    reasons = ("dropped",)
    ports: Ports

    def act(self) -> Steps:
        held: HeldObject = self.input("held")
        width_m = self.ports.arm.state.gripper_width_m
        if width_m < EMPTY_HAND_M:
            self.ports.ledger.let_go(held)
            return Outcome("dropped", f"the gripper closed on nothing where the {held.label} should be")
        return Outcome("done", f"{width_m * 1e3:.0f} mm between the fingers")
        yield


class VerifyPlaced(Leaf):
    """Look whether it lies where it was put.

    In a container depth has to show one thing more, as long as there are few enough to be told apart.
    """

    takes = {
        "held": Input("held_object", "what was put down"),
        "zone": Input("zone", "where it should lie"),
    }
    reasons = ("not_found", "wrong_zone", "camera_lost", "model_lost", "stale", "timed_out")
    ports: Ports

    def act(self) -> Steps:
        held: HeldObject = self.input("held")
        ports, memory = self.ports, self.ports.memory
        zone = ports.zone(self.input("zone"))
        spot = next((e.centre for e in memory.expected if e.held == held), zone_middle(zone))
        inside = memory.contained[zone.name]
        seen = yield from look(ports, fresh=True)
        if not seen.ok:
            return seen
        mine = [
            tool for tool in memory.verdicts.values() if tool.label == held.label and tool.object.id in memory.objects
        ]
        near = [tool.object for tool in mine if apart(tool.object, spot) < LET_GO_WITHIN_M]
        if zone.container:
            if near:
                return Outcome("wrong_zone", f"the {held.label} lies beside the {zone.name}")
            if memory.contained[zone.name] <= (inside if inside < COUNTED_AT_MOST else 0):
                return Outcome("not_found", f"the {held.label} does not lie in the {zone.name}")
            memory.put(held.label, zone.name, spot)
            return Outcome("done", f"{held.label} in the {zone.name}")
        if not near:
            return Outcome("not_found", f"the {held.label} does not lie where it was put")
        thing = min(near, key=lambda thing: apart(thing, spot))
        if not zone.holds(thing.footprint.centre, margin_m=0.005):
            return Outcome("wrong_zone", f"the {held.label} lies outside {zone.name}")
        memory.put(held.label, zone.name, thing.footprint.centre)
        return Outcome("done", f"{held.label} in {zone.name}")


def zone_middle(zone: Zone) -> tuple[float, float]:
    return (sum(zone.x) / 2, sum(zone.y) / 2)


def _set(answer: Answer) -> str:
    return " or ".join(answer.plausible) if answer.plausible else "none of the known kinds"
