"""The mission's ledger of verdicts, and the arm port that moves only what stands in it.

A sealed constructor can be forged with `dataclasses.replace`, so the arm does not trust a `VerifiedObject` for its
type: it looks the verdict up here, at run time, before every motion.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from vlm_bt.ports import Arm, ArmState, Clock, Recorder, Ticket
from vlm_bt.types import Grasp, HeldObject, LocatedObject, Outcome, PlaceSpot, VerifiedObject

T = TypeVar("T")
OPEN_WITHIN_M = 0.002
"""So much less than the widest grasp's opening still counts as open."""
ABOVE_M = 0.04
"""A hand that has stayed so far above a thing's top has not closed on it."""
REACHES_INTO_M = 0.05
"""How far around a grasp or a place the open fingers may touch something."""
Judge = Literal["model", "person", "tracking"]


@dataclass(frozen=True)
class Verdict:
    """Who decided what an object is, from which frame, and how often such a decision is wrong.

    `error_rate` is the calibrated rate for a model; 0 where a person decided. `origin`: who decided in the first place,
    where it was carried on by tracking.
    """

    id: str
    object: LocatedObject
    label: str
    by: Judge
    frame_id: str
    error_rate: float
    stamp_s: float
    origin: Judge


class Ledger:
    """Every verdict of a mission. The only maker of `VerifiedObject`s.

    Args:
        max_age_s: How long a verdict allows a motion before the object has to be located again.
    """

    def __init__(self, clock: Clock, recorder: Recorder, max_age_s: float = 60.0) -> None:
        self._clock = clock
        self._recorder = recorder
        self._max_age_s = max_age_s
        self._verdicts: dict[str, Verdict] = {}
        self._void: dict[str, str] = {}
        self._revoked: set[str] = set()
        self._held: dict[str, HeldObject] = {}
        self.objection: Callable[[str, str], str] = lambda object_id, label: ""
        """What a person has said against touching an object under a name; a verdict does not overrule it."""
        self.care: Callable[[str], str] = lambda label: ""
        """Why things of a kind are moved on a person's word only; "" where a model's will do."""

    def enter(self, thing: LocatedObject, label: str, by: Judge, error_rate: float) -> VerifiedObject:
        """Write a verdict down; it is bound to the frame that `thing` was located in."""
        return self._enter(thing, label, by, error_rate, by)

    def _enter(self, thing: LocatedObject, label: str, by: Judge, error_rate: float, origin: Judge) -> VerifiedObject:
        verdict = Verdict(
            f"verdict-{len(self._verdicts) + 1}",
            thing,
            label,
            by,
            thing.frame_id,
            error_rate,
            thing.stamp_s,
            origin,
        )
        self._verdicts[verdict.id] = verdict
        self._recorder.write(
            "verdict",
            {
                "id": verdict.id,
                "object": thing.id,
                "label": label,
                "by": by,
                "frame": thing.frame_id,
                "error_rate": error_rate,
                "centre": list(thing.footprint.centre),
            },
        )
        return VerifiedObject(thing, label, verdict.id)

    def renew(self, tool: VerifiedObject, seen: LocatedObject) -> VerifiedObject | None:
        """The same tracked object, located again: its identity carries over to the new place. None for another one, and
        where tracking is not to be trusted any more."""
        known = self._verdicts.get(tool.verdict_id)
        if known is None or known.id in self._revoked or known.label != tool.label or seen.id != known.object.id:
            return None
        if self.objection(seen.id, known.label):
            return None
        return self._enter(seen, known.label, "tracking", known.error_rate, known.origin)

    def take_over(self, before: Ledger, tool: VerifiedObject) -> VerifiedObject | None:
        """A verdict of an earlier mission on the same bench, as old as it is; None where it allowed no motion there."""
        known = before._verdicts.get(tool.verdict_id)
        if known is None or known.id in before._void or (known.object, known.label) != (tool.object, tool.label):
            return None
        return self._enter(tool.object, known.label, "tracking", known.error_rate, known.origin)

    def carry_over(self, held: HeldObject, seen: LocatedObject) -> VerifiedObject:
        """What was held lies where it was put: its identity goes over to the new track that was seen there."""
        known = self._verdicts[held.verdict_id]
        return self._enter(seen, known.label, "tracking", known.error_rate, known.origin)

    def tighten(self, max_age_s: float) -> None:
        """From now on verdicts allow motions for no longer than this. A longer time than before changes nothing."""
        self._max_age_s = min(self._max_age_s, max_age_s)

    def touched(self, object_id: str, why: str) -> None:
        """The object was moved or its place disturbed: its verdicts allow no further motion."""
        for verdict in self._verdicts.values():
            if verdict.object.id == object_id:
                self._void.setdefault(verdict.id, why)

    def disturbed(self, centre: tuple[float, float], radius_m: float, why: str) -> None:
        """Something reached into that circle of the bench: what lies there has to be located again."""
        for verdict in self._verdicts.values():
            shape = verdict.object.footprint
            away = math.hypot(shape.centre[0] - centre[0], shape.centre[1] - centre[1])
            if away - shape.length_m / 2 < radius_m:
                self._void.setdefault(verdict.id, why)

    def revoke_all(self, why: str) -> None:
        """No verdict of before holds, nor can one be carried on by tracking: everything has to be verified anew."""
        for verdict in self._verdicts.values():
            self._void[verdict.id] = why
        self._revoked.update(self._verdicts)
        self._recorder.write("event", {"what": "verdicts revoked", "why": why})

    def judge(self, tool: VerifiedObject) -> Outcome:
        """Done where the object may be moved; `unverified` or `stale` otherwise."""
        verdict = self._verdicts.get(tool.verdict_id)
        if verdict is None or (verdict.object, verdict.label) != (tool.object, tool.label):
            return Outcome("unverified", f"no verdict says that {tool.object.id} is a {tool.label}")
        against = self.objection(tool.object.id, tool.label)
        if against:
            return Outcome("no", against)
        care = "" if verdict.origin == "person" else self.care(tool.label)
        if care:
            return Outcome("unverified", f"{care}: a person has to say what {tool.object.id} is")
        if verdict.id in self._void:
            return Outcome("stale", f"{tool.object.id}: {self._void[verdict.id]} since it was verified")
        age = self._clock.now_s - verdict.stamp_s
        if age > self._max_age_s:
            return Outcome("stale", f"the verdict on {tool.object.id} is {age:.0f} s old; locate it again")
        return Outcome()

    def took(self, held: HeldObject) -> None:
        self._held[held.verdict_id] = held

    def let_go(self, held: HeldObject) -> None:
        self._held.pop(held.verdict_id, None)

    @property
    def in_hand(self) -> HeldObject | None:
        return next(iter(self._held.values()), None)

    def judge_held(self, held: HeldObject) -> Outcome:
        known = self._held.get(held.verdict_id)
        if known is None or known != held:
            return Outcome("unverified", f"no verified pick put a {held.label} into the hand")
        return Outcome()


class VerifiedArm:
    """The arm port that leaves see: checks the ledger, counts and records every motion, then drives the real arm."""

    def __init__(self, arm: Arm, ledger: Ledger, clock: Clock, recorder: Recorder) -> None:
        self._arm = arm
        self._ledger = ledger
        self._clock = clock
        self._recorder = recorder
        self.motions = 0
        self.refused = 0
        self.unverified_motions = 0
        self._disabled = False
        self._held_by: set[str] = set()
        self._reaching: tuple[VerifiedObject, Ticket[HeldObject], float] | None = None
        self._lowest_m = 0.0

    def pick(self, tool: VerifiedObject, grasps: Sequence[Grasp]) -> Ticket[HeldObject]:
        verdict = self._ledger.judge(tool)
        if not verdict.ok:
            refused: Ticket[HeldObject] = Ticket(f"pick the {tool.label}")
            return self._refuse(refused, verdict)
        ticket = self._start(lambda: self._arm.pick(tool, grasps), f"pick the {tool.label}")
        self._audit(self._ledger.judge(tool))
        self._lowest_m = self._arm.state.tcp[2]
        self._reaching = (tool, ticket, max((grasp.opening_m for grasp in grasps), default=0.0))

        def ended(outcome: Outcome) -> None:
            self._ledger.touched(tool.object.id, "the gripper has touched it")
            self._ledger.disturbed(tool.object.footprint.centre, REACHES_INTO_M, "the gripper has reached in beside it")
            if outcome.ok:
                self._ledger.took(ticket.value)

        ticket.when_done(ended)
        self._record(
            "pick", tool.label, tool.object.id, tool.verdict_id, ticket, tool.object.footprint.centre, None, ""
        )
        return ticket

    def place(self, held: HeldObject, spot: PlaceSpot) -> Ticket[None]:
        verdict = self._ledger.judge_held(held)
        if not verdict.ok:
            refused: Ticket[None] = Ticket(f"place the {held.label}")
            return self._refuse(refused, verdict)
        ticket = self._start(lambda: self._arm.place(held, spot), f"place the {held.label}")
        self._audit(self._ledger.judge_held(held))
        ticket.when_done(lambda outcome: self._ledger.let_go(held) if outcome.reason in ("done", "dropped") else None)
        beside = "something was put down beside it"
        ticket.when_done(lambda outcome: self._ledger.disturbed(spot.centre, REACHES_INTO_M, beside))
        start = held.tool.object.footprint.centre
        self._record("place", held.label, held.tool.object.id, held.verdict_id, ticket, start, spot.centre, spot.zone)
        return ticket

    def hold_out(self, held: HeldObject) -> Ticket[None]:
        """Bring what is held to where a person can take it."""
        return self._with_held(held, "hold_out", lambda: self._arm.move_to("hand_over"))

    def release(self, held: HeldObject) -> Ticket[None]:
        """Open the fingers where the hand is. Only for a person who has said that they hold the thing."""
        ticket = self._with_held(held, "hand_over", lambda: self._arm.release(held))
        ticket.when_done(lambda outcome: self._ledger.let_go(held) if outcome.reason in ("done", "dropped") else None)
        return ticket

    def _with_held(self, held: HeldObject, verb: str, begin: Callable[[], Ticket[None]]) -> Ticket[None]:
        label = f"{verb.replace('_', ' ')} the {held.label}"
        verdict = self._ledger.judge_held(held)
        if not verdict.ok:
            refused: Ticket[None] = Ticket(label)
            return self._refuse(refused, verdict)
        ticket = self._start(begin, label)
        self._audit(self._ledger.judge_held(held))
        self._record(verb, held.label, held.tool.object.id, held.verdict_id, ticket, None, None, "")
        return ticket

    def move_to(self, named: str) -> Ticket[None]:
        ticket = self._start(lambda: self._arm.move_to(named), f"move to {named}")
        self._record(named, "", "", "", ticket, None, None, "")
        return ticket

    def hold(self, by: str = "guard") -> None:
        """Stand still until everybody who held it has let it go on."""
        self._held_by.add(by)
        self._arm.hold()

    def resume(self, by: str = "guard") -> None:
        self._held_by.discard(by)
        if not self._disabled and not self._held_by:
            self._arm.resume()

    def stop(self) -> None:
        self._arm.stop()

    def watch(self) -> None:
        """Between ticks: how far down the hand has come for what it reaches for."""
        if self._reaching is not None:
            self._lowest_m = min(self._lowest_m, self._arm.state.tcp[2])

    def reaches_for(self, object_id: str) -> bool:
        """Whether a pick of this object is under way."""
        return (
            self._reaching is not None
            and self._reaching[0].object.id == object_id
            and self._reaching[1].outcome is None
        )

    def withdraw(self, object_id: str, why: str) -> bool:
        """Stop reaching for an object; the pick ends with `no`. False where it is not reached for, or may be gripped.

        A hand that has not come down to the object, or whose fingers are open wide, grips nothing.
        """
        if self._reaching is None or not self.reaches_for(object_id):
            return False
        tool, ticket, opening_m = self._reaching
        self.watch()
        above = self._lowest_m > tool.object.footprint.height_m + ABOVE_M
        if not above and self._arm.state.gripper_width_m < opening_m - OPEN_WITHIN_M:
            return False
        ticket.fail(Outcome("no", why))
        self._arm.stop()
        return True

    def disable(self) -> None:
        """After an abort: stop, and let no motion command through any more."""
        self._disabled = True
        self._arm.stop()

    @property
    def state(self) -> ArmState:
        return self._arm.state

    def _start(self, begin: Callable[[], Ticket[T]], label: str) -> Ticket[T]:
        if self._disabled:
            ticket: Ticket[T] = Ticket(label)
            ticket.fail(Outcome("cancelled", "the mission was aborted; the arm takes no more commands"))
            return ticket
        return begin()

    def _audit(self, verdict: Outcome) -> None:
        self.motions += 1
        if not verdict.ok:
            self.unverified_motions += 1

    def _refuse(self, ticket: Ticket[T], why: Outcome) -> Ticket[T]:
        self.refused += 1
        self._recorder.write("event", {"what": "motion refused", "motion": ticket.label, "why": str(why)})
        ticket.fail(why)
        return ticket

    def _record(
        self,
        verb: str,
        label: str,
        thing: str,
        verdict: str,
        ticket: Ticket[T],
        start: tuple[float, float] | None,
        end: tuple[float, float] | None,
        zone: str,
    ) -> None:
        began_s = self._clock.now_s
        number = self.motions

        def ended(outcome: Outcome) -> None:
            self._recorder.write(
                "motion",
                {
                    "id": f"motion-{number}",
                    "verb": verb,
                    "label": label,
                    "object": thing,
                    "verdict": verdict,
                    "zone": zone,
                    "from": list(start) if start else None,
                    "to": list(end) if end else None,
                    "began_s": round(began_s, 3),
                    "outcome": outcome.reason,
                    "detail": outcome.detail,
                },
            )

        ticket.when_done(ended)
