"""What happened on the bench that the arm did not do on purpose: things that were pushed, taken or added."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from vlm_bt.leaves.context import Ports
from vlm_bt.leaves.leaf import Leaf, Steps
from vlm_bt.leaves.looking import apart, label_of, left_alone, look_and_claim, turned_up
from vlm_bt.questions import Choose
from vlm_bt.sentences import listed
from vlm_bt.types import Evidence, Footprint, LocatedObject, Outcome

PUSHED_WITHIN_M = 0.25
"""What is found farther from where it lay is not taken for the same thing."""
TOLD_WITHIN_M = 0.10
"""So far what a person said of a thing goes with it."""
ALIKE_LENGTH, ALIKE_AREA = 1.2, 1.6
COVERED_M = 0.010
LOOKS = 3
"""So many frames in a row have to show a change; depth noise hides a thin thing in one of them."""


@dataclass(frozen=True)
class Change:
    """One thing that changed. `before` and `now` are its track's names, "" where it was not there."""

    reason: Literal["taken", "pushed", "added"]
    label: str
    before: str
    now: str
    evidence: Evidence

    def __str__(self) -> str:
        return f"{self.label}: {self.evidence.says}"


class NoticeChanges(Leaf):
    """Look whether a thing was taken, pushed or added since the last time. What was pushed has to be verified again
    where it lies now; what was taken is no longer looked for; what was added waits for a person's word.
    """

    reasons = ("taken", "pushed", "added", "camera_lost", "model_lost", "stale", "timed_out", "busy", "unsupported")
    asks = (Choose,)
    ports: Ports

    def act(self) -> Steps:
        ports, memory = self.ports, self.ports.memory
        found: list[Change] = []
        for number in range(LOOKS):
            seen = yield from look_and_claim(ports, fresh=number > 0)
            if not seen.ok:
                return seen
            shown = changes(ports)
            found = [one for one in shown if number == 0 or _same(one, found)]
            if not found:
                break
        for change in found:
            take_note(ports, change)
        noticed = memory.noticed
        still = {name: thing for name, thing in noticed.items() if name not in memory.objects and _hidden(ports, thing)}
        memory.noticed = {**still, **memory.objects}
        if not found:
            return Outcome("done", "nothing has changed but what the arm did")
        first = min(found, key=lambda change: ("taken", "pushed", "added").index(change.reason))
        ports.recorder.keep_frame(memory.frame_id, "something changed")
        return Outcome(first.reason, listed(map(str, found)), grounds=tuple(change.evidence for change in found))


def changes(ports: Ports) -> list[Change]:
    """What the latest look shows that nobody has taken note of yet."""
    memory = ports.memory
    if not memory.noticed:
        return []
    out: list[Change] = []
    moved_here: set[str] = set()
    for name, thing in memory.noticed.items():
        if name in memory.objects:
            continue
        change = what_became_of(ports, thing, without=moved_here)
        if change is not None:
            moved_here.add(change.now)
            out.append(change)
    for thing in turned_up(ports):
        known = thing.id in memory.noticed or thing.id in moved_here or left_alone(ports, thing)
        if known or any(_covers(before.footprint, thing.footprint.centre) for before in memory.noticed.values()):
            continue
        label = label_of(ports, thing).rstrip("?")
        x, y = thing.footprint.centre
        says = f"it lies at ({x:.2f}, {y:.2f}), where nothing lay before"
        out.append(Change("added", label, "", thing.id, Evidence("depth", says, "for")))
    return out


def what_became_of(ports: Ports, thing: LocatedObject, *, without: set[str] | None = None) -> Change | None:
    """Why a thing that was there is not seen: something of its shape lies near by, or its place is bare.

    None where it cannot be told: another thing covers its place, or the arm has handled it and it may lie anywhere.
    """
    memory = ports.memory
    verdict = memory.verdicts.get(thing.id)
    label = verdict.label if verdict is not None else memory.plan.things.get(thing.id, "") or label_of(ports, thing)
    strange = [
        other
        for name, other in memory.objects.items()
        if name not in memory.noticed and name not in memory.verdicts and name not in (without or ())
    ]
    near = [
        other
        for other in strange
        if alike(thing.footprint, other.footprint) and apart(other, thing.footprint.centre) <= PUSHED_WITHIN_M
    ]
    if near:
        now = min(near, key=lambda other: apart(other, thing.footprint.centre))
        says = f"it lies {apart(now, thing.footprint.centre) * 1e3:.0f} mm from where it lay"
        return Change("pushed", label, thing.id, now.id, Evidence("depth", says, "for"))
    if _hidden(ports, thing) or memory.attempts.get(thing.id, 0):
        return None
    says = "the bench is bare where it lay, and the arm has not reached for it"
    return Change("taken", label, thing.id, "", Evidence("depth", says, "for"))


def take_note(ports: Ports, change: Change) -> None:
    """The mission's memory follows what happened."""
    memory = ports.memory
    if change.reason == "taken":
        memory.taken.add(change.before)
        for known in (memory.plan.things, memory.plan.belong, memory.noticed):
            known.pop(change.before, None)
        memory.forget(change.before)
    elif change.reason == "pushed":
        before, now = memory.noticed.pop(change.before, None), memory.objects[change.now]
        memory.noticed[change.now] = now
        memory.followed[change.before] = change.now
        memory.plan.goes_on(change.before, change.now)
        memory.attempts[change.now] = memory.attempts.get(change.before, 0)
        if before is not None and apart(now, before.footprint.centre) <= TOLD_WITHIN_M:
            memory.facts.carry_over(change.before, change.now)
        memory.forget(change.before)


def alike(one: Footprint, other: Footprint) -> bool:
    """Whether two outlines are of the same size, however they lie."""
    length = max(one.length_m, 1e-6) / max(other.length_m, 1e-6)
    area = max(one.area_m2, 1e-6) / max(other.area_m2, 1e-6)
    return 1 / ALIKE_LENGTH <= length <= ALIKE_LENGTH and 1 / ALIKE_AREA <= area <= ALIKE_AREA


def _same(change: Change, others: list[Change]) -> bool:
    key = (change.reason, change.before, change.now)
    return any(key == (other.reason, other.before, other.now) for other in others)


def _hidden(ports: Ports, thing: LocatedObject) -> bool:
    """Whether something else stands where it lay."""
    now = ports.memory.objects.values()
    return any(_covers(other.footprint, thing.footprint.anchor) for other in now)


def _covers(shape: Footprint, place: tuple[float, float]) -> bool:
    dx, dy = place[0] - shape.centre[0], place[1] - shape.centre[1]
    c, s = math.cos(shape.yaw_rad), math.sin(shape.yaw_rad)
    along, across = abs(c * dx + s * dy), abs(c * dy - s * dx)
    return along <= shape.length_m / 2 + COVERED_M and across <= shape.width_m / 2 + COVERED_M
