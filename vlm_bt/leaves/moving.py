"""Leaves that move the arm. They take only what the ledger vouches for, and the arm checks that again."""

from __future__ import annotations

from vlm_bt.leaves.context import Ports
from vlm_bt.leaves.leaf import Input, Leaf, Output, Steps
from vlm_bt.leaves.rows import slot_by_size
from vlm_bt.ports import Ticket
from vlm_bt.scene.free_space import along_row
from vlm_bt.scene.layout import PITCH_GAP_M, lengthened
from vlm_bt.types import Grasp, HeldObject, Outcome, PlaceSpot, VerifiedObject, Zone
from vlm_bt.vision.geometry import FindSpot, PlanGrasps

SPOTS_TRIED = 4


class Pick(Leaf):
    """Grasp a verified object from above and lift it clear of the bench."""

    takes = {"tool": Input("verified_object", "what to pick up")}
    gives = {"into": Output("held_object", "the object in the hand")}
    safety = "moves"
    reasons = (
        "no",
        "grasp_failed",
        "dropped",
        "blocked",
        "unreachable",
        "stale",
        "unverified",
        "arm_fault",
        "model_lost",
        "timed_out",
    )
    ports: Ports

    def act(self) -> Steps:
        tool: VerifiedObject = self.input("tool")
        ports, thing = self.ports, tool.object
        verdict = ports.ledger.judge(tool)
        if not verdict.ok:
            return verdict
        planned: Ticket[tuple[Grasp, ...]] = ports.vision.submit(PlanGrasps(thing.frame_id, thing.region))
        answered = yield planned
        if not answered.ok:
            return answered
        memory = ports.memory
        if memory.blocked.get(thing.id) != memory.changes:
            memory.attempts[thing.id] = memory.attempts.get(thing.id, 0) + 1
        if not planned.value:
            memory.blocked[thing.id] = memory.changes
            return Outcome("blocked", f"the jaws find no way to the {tool.label}")
        ports.recorder.keep_frame(thing.frame_id, f"pick {tool.label}")
        ticket = ports.arm.pick(tool, planned.value)
        moved = yield ticket
        if moved.ok:
            memory.picked(tool)
            self.output("into", ticket.value)
        elif moved.reason == "blocked":
            memory.blocked[thing.id] = memory.changes
        return moved


class Place(Leaf):
    """Put what is held down at a free place of a zone. A full one grows where the mission has laid it out; where it
    cannot, the thing is put down outside every zone."""

    takes = {"held": Input("held_object", "what to put down"), "zone": Input("zone", "where it belongs")}
    safety = "moves"
    reasons = (
        "no_space",
        "unreachable",
        "blocked",
        "dropped",
        "unverified",
        "arm_fault",
        "model_lost",
        "stale",
        "timed_out",
    )
    ports: Ports

    def act(self) -> Steps:
        held: HeldObject = self.input("held")
        wanted = self.ports.zone(self.input("zone"))
        last = Outcome("no_space", f"no free place in {wanted.name}")
        zones = [wanted, None]
        longer = self._longer(wanted, held)
        if longer is not None:
            zones.insert(1, longer)
        for zone in zones:
            tried: tuple[tuple[float, float], ...] = ()
            while len(tried) < SPOTS_TRIED:
                ticket = self._find(held, zone, tried)
                found = yield ticket
                if not found.ok:
                    return found
                if ticket.value is None:
                    break
                spot: PlaceSpot = ticket.value
                moved = yield self.ports.arm.place(held, spot)
                if moved.ok:
                    self.ports.memory.let_go(held, spot.centre)
                    if zone is not None:
                        if zone is not wanted:
                            self._grew(zone)
                        return Outcome()
                    self.ports.memory.blocked[held.tool.object.id] = self.ports.memory.changes
                    return Outcome("no_space", f"{wanted.name} is full; put aside")
                if moved.reason not in ("unreachable", "blocked"):
                    return moved
                last, tried = moved, (*tried, spot.centre)
        return last

    def _longer(self, zone: Zone, held: HeldObject) -> Zone | None:
        """The section as it would be with room for one more, once in a mission, and only where the mission laid it out;
        None where it cannot grow."""
        plan = self.ports.memory.plan
        if zone.container or zone.name not in plan.zones or zone.name in plan.longer:
            return None
        low, high = (zone.x, zone.y)[along_row(zone)]
        needed_m = high - low + held.tool.object.footprint.width_m + PITCH_GAP_M
        others = [other for other in self.ports.zones.values() if other.name != zone.name]
        grown = lengthened(zone, needed_m, others)
        return None if grown == zone else grown

    def _grew(self, zone: Zone) -> None:
        plan = self.ports.memory.plan
        plan.zones[zone.name] = zone
        plan.longer.add(zone.name)
        where = {"zone": zone.name, "x": list(zone.x), "y": list(zone.y)}
        self.ports.recorder.write("event", {"what": "section grew", "text": f"{zone.name} was full", **where})

    def _find(
        self, held: HeldObject, zone: Zone | None, avoid: tuple[tuple[float, float], ...]
    ) -> Ticket[PlaceSpot | None]:
        memory, thing = self.ports.memory, held.tool.object
        without = thing.region if thing.frame_id == memory.frame_id else None
        zones = tuple(self.ports.zones.values())
        slot = slot_by_size(self.ports, held, zone) if zone is not None else None
        return self.ports.vision.submit(FindSpot(memory.frame_id, zone, held, without, zones, avoid, slot))


class GoHome(Leaf):
    """Fold the arm back so that the camera sees the whole bench."""

    safety = "moves"
    reasons = ("arm_fault", "timed_out")
    ports: Ports

    def act(self) -> Steps:
        return (yield self.ports.arm.move_to("home"))


class HoldStill(Leaf):
    """Stop the arm where it is and keep the grip. Always allowed."""

    instant = True
    ports: Ports

    def act(self) -> Steps:
        self.ports.arm.hold()
        return Outcome("done", "the arm holds still")
        yield
