"""Leaves that look again after a motion: is it in the hand, does it lie where it was put?"""

from __future__ import annotations

from vlm_bt.leaves.context import Ports
from vlm_bt.leaves.leaf import Input, Leaf, Steps
from vlm_bt.leaves.looking import LET_GO_WITHIN_M, apart, look
from vlm_bt.scene.in_hand import points_beside
from vlm_bt.types import Evidence, HeldObject, LocatedObject, Outcome, Zone

EMPTY_HAND_M = 0.0012
SHIFTED_M = 0.008
STICKS_OUT_M = 0.080
"""What is shorter may be hidden by the fingers."""
SEEN_PX, NOTHING_PX = 40, 3
SAME_LENGTH = 1.25
COUNTED_AT_MOST = 3
"""From here on things in a container lie on each other, and depth counts fewer than there are."""


class VerifyInHand(Leaf):
    """Is it in the hand, and is it what it should be?

    Evidence: what the fingers feel, whether it has shifted since they closed, what the camera at the wrist sees between
    them, and how wide such a thing is known to be.
    """

    takes = {
        "held": Input("held_object", "what should be in the hand"),
        "camera": Input(
            "text", "the camera that looks at the fingers; one that is not there says nothing", required=False
        ),
    }
    reasons = ("dropped", "slipped", "unsure")
    ports: Ports

    def act(self) -> Steps:
        held: HeldObject = self.input("held")
        ports, camera = self.ports, self.input("camera")
        state = ports.arm.state
        width_m = state.gripper_width_m
        wide = f"{width_m * 1e3:.0f} mm between the fingers"
        if width_m < EMPTY_HAND_M:
            ports.ledger.let_go(held)
            felt = Evidence("fingers", wide, "against")
            why = f"the gripper closed on nothing where the {held.label} should be"
            return Outcome("dropped", why, grounds=(felt,))
        grounds = [Evidence("fingers", wide, "for"), ports.knowledge.grasp(held.label, width_m)]
        if camera:
            shot = ports.camera.request(camera)
            taken = yield shot
            beside = points_beside(ports.frames.get(shot.value), state.tcp) if taken.ok else None
            grounds.append(seen_in_hand(camera, held, beside))
        if abs(width_m - held.width_m) > SHIFTED_M:
            why = f"{wide}, {held.width_m * 1e3:.0f} mm when they closed: it has shifted in the hand"
            return Outcome("slipped", why, grounds=(*grounds, Evidence("grip", why, "against")))
        against = next((one for one in grounds if one.weighs == "against"), None)
        if against is not None:
            return Outcome("unsure", f"is it the {held.label}? {against.says}", grounds=tuple(grounds))
        return Outcome("done", wide, grounds=tuple(grounds))


def seen_in_hand(camera: str, held: HeldObject, beside: int | None) -> Evidence:
    """What so many pixels beside the fingertips say; short things hide behind the fingers."""
    source = f"{camera} depth"
    if beside is None:
        return Evidence(source, "there is no picture of the fingertips")
    if beside >= SEEN_PX:
        return Evidence(source, f"something sticks out between the fingers ({beside} pixels)", "for")
    if held.tool.object.footprint.length_m < STICKS_OUT_M:
        return Evidence(source, "it is too short to stick out between the fingers")
    if beside <= NOTHING_PX:
        return Evidence(source, f"nothing sticks out between the fingers ({beside} pixels)", "against")
    return Evidence(source, f"hardly anything sticks out between the fingers ({beside} pixels)")


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
            number = memory.contained[zone.name]
            counted = f"{inside} things stood out in the {zone.name}, now {number}"
            if near:
                beside = Evidence("depth", f"it stands out beside the {zone.name}", "against")
                return Outcome("wrong_zone", f"the {held.label} lies beside the {zone.name}", grounds=(beside,))
            if number <= (inside if inside < COUNTED_AT_MOST else 0):
                why = f"the {held.label} does not lie in the {zone.name}"
                return Outcome("not_found", why, grounds=(Evidence("depth", counted, "against"),))
            memory.put(held.label, zone.name, spot)
            more = Evidence("depth", counted, "for" if number > inside else "neutral")
            return Outcome("done", f"{held.label} in the {zone.name}", grounds=(more,))
        if not near:
            nothing = Evidence("depth", f"nothing new stands out at ({spot[0]:.2f}, {spot[1]:.2f})", "against")
            return Outcome("not_found", f"the {held.label} does not lie where it was put", grounds=(nothing,))
        thing = min(near, key=lambda thing: apart(thing, spot))
        off = Evidence("depth", f"it stands out {apart(thing, spot) * 1e3:.0f} mm from where it was put", "for")
        grounds = (off, same_shape(held, thing))
        if not zone.holds(thing.footprint.centre):
            outside = Evidence("zone", f"its middle lies outside {zone.name}", "against")
            return Outcome("wrong_zone", f"the {held.label} lies outside {zone.name}", grounds=(*grounds, outside))
        memory.put(held.label, zone.name, thing.footprint.centre)
        return Outcome("done", f"{held.label} in {zone.name}", grounds=grounds)


def same_shape(held: HeldObject, thing: LocatedObject) -> Evidence:
    """Whether what lies there has the length of what was taken up; it may touch a neighbour, so no is no refusal."""
    before, now = held.tool.object.footprint.length_m, thing.footprint.length_m
    alike = 1 / SAME_LENGTH < now / max(before, 1e-6) < SAME_LENGTH
    said = f"{now * 1e3:.0f} mm long, it was {before * 1e3:.0f} mm"
    return Evidence("shape", said, "for" if alike else "neutral")


def zone_middle(zone: Zone) -> tuple[float, float]:
    return (sum(zone.x) / 2, sum(zone.y) / 2)
