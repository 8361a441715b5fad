"""Leaves that hand a tool to a person, or put it back where nobody takes it."""

from __future__ import annotations

from vlm_bt.leaves.asking import put
from vlm_bt.leaves.context import Ports
from vlm_bt.leaves.handled import EMPTY_HAND_M
from vlm_bt.leaves.leaf import Input, Leaf, Steps
from vlm_bt.ports import Ticket
from vlm_bt.types import HeldObject, Outcome, PlaceSpot, Zone
from vlm_bt.vision.geometry import FindSpot

HAND_OVER = "hand_over"
"""The topic of the question whose answer opens the fingers."""
HAS_IT, PUT_IT_BACK = "I have it", "put it back"
STILL_HOLDS_S = 2.0
"""How long after saying so a person is taken to have the thing in their hand."""
AROUND_M = 0.12
SPOTS_TRIED = 4


class HoldOut(Leaf):
    """Bring what is held to where a person can take it. The fingers stay closed."""

    takes = {"held": Input("held_object", "what is in the hand")}
    safety = "moves"
    reasons = ("unverified", "arm_fault", "timed_out")
    ports: Ports

    def act(self) -> Steps:
        return (yield self.ports.arm.hold_out(self.input("held")))


class HandOver(Leaf):
    """Wait until a person says that they have hold of it, then open the fingers. The arm itself stands still.

    The fingers stay closed on silence, on "put it back", and on an answer that is older than two seconds: whoever
    gave it may have let go again.
    """

    takes = {
        "held": Input("held_object", "what to hand over"),
        "answer_within_s": Input("number", "how long to wait for the person", required=False, default=60.0),
    }
    safety = "moves"
    reasons = ("no", "human_silent", "dropped", "stale", "unverified", "arm_fault", "timed_out")
    ports: Ports

    def act(self) -> Steps:
        held: HeldObject = self.input("held")
        ports = self.ports
        lost = self._lost(held)
        if lost is not None:
            return lost
        text = f"Here is the {held.label}. Take hold of it, then say so; I let go only then."
        question = ports.question(
            text, (HAS_IT, PUT_IT_BACK), PUT_IT_BACK, self.input("answer_within_s"), HAND_OVER, subject=held.label
        )
        reply = yield from put(ports, question)
        if reply.silent:
            return Outcome("human_silent", f"nobody took the {held.label}")
        if reply.text != HAS_IT:
            return Outcome("no", f"a person says: {reply.text}")
        age_s = ports.clock.now_s - reply.stamp_s
        if age_s > STILL_HOLDS_S:
            return Outcome("stale", f"'{HAS_IT}' was said {age_s:.0f} s ago")
        lost = self._lost(held)
        if lost is not None:
            return lost
        opened = yield ports.arm.release(held)
        return Outcome("done", f"a person has the {held.label}") if opened.ok else opened

    def _lost(self, held: HeldObject) -> Outcome | None:
        if self.ports.arm.state.gripper_width_m >= EMPTY_HAND_M:
            return None
        self.ports.ledger.let_go(held)
        return Outcome("dropped", f"the {held.label} is not in the hand")


class PutBack(Leaf):
    """Put what is held down where it was picked up, or as near to that as there is room."""

    takes = {"held": Input("held_object", "what to put back")}
    safety = "moves"
    reasons = ("no_space", "unreachable", "blocked", "dropped", "unverified", "arm_fault", "model_lost", "timed_out")
    ports: Ports

    def act(self) -> Steps:
        held: HeldObject = self.input("held")
        ports, thing = self.ports, held.tool.object
        x, y = thing.footprint.centre
        around = Zone("", (x - AROUND_M, x + AROUND_M), (y - AROUND_M, y + AROUND_M))
        without = thing.region if thing.frame_id == ports.memory.frame_id else None
        last = Outcome("no_space", f"no free place for the {held.label}")
        for zone in (around, None):
            tried: tuple[tuple[float, float], ...] = ()
            while len(tried) < SPOTS_TRIED:
                ticket: Ticket[PlaceSpot | None] = ports.vision.submit(
                    FindSpot(ports.memory.frame_id, zone, held, without, tuple(ports.zones.values()), tried)
                )
                found = yield ticket
                if not found.ok:
                    return found
                if ticket.value is None:
                    break
                spot = ticket.value
                moved = yield ports.arm.place(held, spot)
                if moved.ok:
                    ports.memory.let_go(held, spot.centre)
                    return Outcome("done", f"the {held.label} lies at ({spot.centre[0]:.2f}, {spot.centre[1]:.2f})")
                if moved.reason not in ("unreachable", "blocked"):
                    return moved
                last, tried = moved, (*tried, spot.centre)
        return last
