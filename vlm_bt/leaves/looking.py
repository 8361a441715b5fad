"""Looking at the bench: steps that leaves share. Each is a generator to be used with `yield from`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Generator, Sequence
from typing import Any

from vlm_bt.leaves.context import SAID_LEAVE, Ports
from vlm_bt.ports import Ticket
from vlm_bt.questions import WHAT_IS_IT, Choose, Look
from vlm_bt.scene.steadiness import Sighting, moved
from vlm_bt.types import Answer, LocatedObject, Outcome
from vlm_bt.vision.geometry import Segment, Segmented

Step = Generator[Ticket[Any], Outcome, Outcome]

OVERHEAD = "overhead"
REUSE_S = 0.5
HIDDEN_SHARE = 0.008
"""An arm or a person over the bench: what they cover cannot be told, so another frame is taken."""
LOOKS_AT_MOST = 20
CAMERA_STALLS_S = 2.0
"""A black picture, or none, is waited out for so long before it counts as a lost camera."""
LET_GO_WITHIN_M = 0.06
"""How far from where it was let go a thing may come to rest and still be taken for it."""


def look(ports: Ports, *, fresh: bool = False) -> Step:
    """Take a frame from above, find what stands out, follow it from the last look. Fills `ports.memory`.

    A frame that is newer than the last motion and hardly older than now is used again unless `fresh`.
    """
    memory = ports.memory
    newer = memory.seen_s > ports.arm.state.last_motion_s
    if not fresh and newer and ports.clock.now_s - memory.seen_s <= REUSE_S and memory.frame_id in ports.frames:
        return Outcome()
    began_s = ports.clock.now_s
    for looks in range(1, LOOKS_AT_MOST + 1):
        shot = ports.camera.request(OVERHEAD)
        taken = yield shot
        if not taken.ok:
            if stalls(ports, taken, began_s, looks):
                continue
            return taken
        frame_id = shot.value
        ticket: Ticket[Segmented] = ports.vision.submit(Segment(frame_id))
        seen = yield ticket
        if not seen.ok:
            if stalls(ports, seen, began_s, looks):
                continue
            return seen
        if ticket.value.hidden <= HIDDEN_SHARE:
            break
    else:
        return Outcome("camera_lost", f"something tall covers {ticket.value.hidden:.0%} of the bench")
    frame = ports.frames.handle(frame_id)
    if memory.frame_id in ports.frames:
        ports.frames.unpin(memory.frame_id)
    ports.frames.pin(frame_id)
    memory.frame_id, memory.seen_s = frame_id, frame.stamp_s
    on_bench = [region for region in ticket.value.regions if not region.container]
    known = set(memory.objects)
    located = memory.tracker.update(on_bench, frame_id, frame.stamp_s)
    memory.objects = {thing.id: thing for thing in located}
    recognise(ports, [thing for thing in located if thing.id not in known])
    if ticket.value.camera is not None:
        places = {thing.id: thing.footprint.anchor for thing in located}
        watch_camera(ports, Sighting(ticket.value.camera, ticket.value.aligned, places))
    memory.contained = Counter(region.container for region in ticket.value.regions if region.container)
    return Outcome()


def stalls(ports: Ports, why: Outcome, began_s: float, looks: int) -> bool:
    """Whether a camera that gives no usable picture is still given time."""
    waited_s = ports.clock.now_s - began_s
    return why.reason == "camera_lost" and waited_s < CAMERA_STALLS_S and looks < LOOKS_AT_MOST


def watch_camera(ports: Ports, now: Sighting) -> None:
    """Where the camera has moved since the last look, nothing that was verified before holds any more."""
    memory, before = ports.memory, ports.memory.sighting
    memory.sighting = now
    why = moved(before, now) if before is not None else ""
    if why:
        ports.ledger.revoke_all(f"the camera has moved: {why}")
        memory.verdicts.clear()
        memory.claims.clear()


def recognise(ports: Ports, fresh: list[LocatedObject]) -> None:
    """What turned up where something was let go is that thing: its identity and its tries go over to the new track."""
    memory = ports.memory
    for expected in memory.expected:
        near = [thing for thing in fresh if apart(thing, expected.centre) < LET_GO_WITHIN_M]
        if near:
            thing = min(near, key=lambda thing: apart(thing, expected.centre))
            memory.verdicts[thing.id] = ports.ledger.carry_over(expected.held, thing)
            memory.attempts[thing.id] = expected.tries
            memory.noticed[thing.id] = thing
            memory.followed[expected.held.tool.object.id] = thing.id
            if expected.held.tool.object.id in memory.blocked:
                memory.blocked[thing.id] = memory.blocked[expected.held.tool.object.id]
            memory.facts.carry_over(expected.held.tool.object.id, thing.id)
            memory.plan.goes_on(expected.held.tool.object.id, thing.id)
            fresh = [other for other in fresh if other is not thing]
    memory.expected = []


def apart(thing: LocatedObject, place: tuple[float, float]) -> float:
    """Metres between a thing's middle and a place."""
    x, y = thing.footprint.centre
    return math.hypot(x - place[0], y - place[1])


def what_are_they(
    ports: Ports,
    regions: Sequence[int],
    *,
    frame_id: str = "",
    variant: int = 0,
    wording: int = 0,
    error_rate: float | None = None,
) -> Ticket[tuple[Answer, ...]]:
    """Ask the model which of its kinds each thing is; another variant and wording is a second look.

    Args:
        regions: Indices into the segmentation of `frame_id`, the latest frame if not given.
    """
    frame_id, rate = frame_id or ports.memory.frame_id, ports.error_rate if error_rate is None else error_rate
    return ports.vision.submit_all(
        [Choose((Look(frame_id, index, variant),), WHAT_IS_IT, ports.kinds, wording, rate) for index in regions]
    )


def claim(ports: Ports, things: list[LocatedObject]) -> Step:
    """Ask the model what each thing is. Fills `memory.claims`."""
    ticket = what_are_they(ports, [thing.region for thing in things])
    answered = yield ticket
    if answered.ok:
        for thing, answer in zip(things, ticket.value, strict=True):
            ports.memory.claims[thing.id] = answer
        ports.recorder.write("detections", {"frame": ports.memory.frame_id, "items": shown(ports, things)})
    return answered


def look_and_claim(ports: Ports, *, fresh: bool = False) -> Step:
    """A look, and a claim for everything that has none yet."""
    seen = yield from look(ports, fresh=fresh)
    if not seen.ok:
        return seen
    unnamed = [
        t
        for t in ports.memory.objects.values()
        if t.id not in ports.memory.claims and t.id not in ports.memory.verdicts
    ]
    return (yield from claim(ports, unnamed)) if unnamed else Outcome()


def label_of(ports: Ports, thing: LocatedObject) -> str:
    """What the mission calls a thing now: the verified name, else the claimed one with a question mark."""
    verdict = ports.memory.verdicts.get(thing.id)
    if verdict is not None:
        return verdict.label
    answer = ports.memory.claims.get(thing.id)
    if answer is None:
        return "?"
    return (
        answer.plausible[0] if len(answer.plausible) == 1 else f"{answer.best}?" if answer.plausible else "unknown tool"
    )


def left_alone(ports: Ports, thing: LocatedObject) -> str:
    """Why a thing is left where it lies; "" where it is not."""
    memory = ports.memory
    why = memory.aside.get(thing.id, "")
    if not why and memory.objection(thing.id, label_of(ports, thing).rstrip("?")) == SAID_LEAVE:
        why = memory.aside[thing.id] = SAID_LEAVE
    return why


def turned_up(ports: Ports) -> list[LocatedObject]:
    """What lies on the bench and the mission's plan does not know.

    A thing of a name of which the plan misses one is that one: it was dropped, or lost sight of.
    """
    memory = ports.memory
    plan = memory.plan
    strangers = [thing for thing in memory.objects.values() if not plan.knows(thing.id)]
    if not strangers:
        return []
    missing = Counter(label for name, label in plan.things.items() if name not in memory.objects)
    missing -= Counter(put.label for put in memory.placed if ports.zone(put.zone).container)
    held = ports.ledger.in_hand
    missing -= Counter([held.label] if held is not None else [])
    new = []
    for thing in strangers:
        label = label_of(ports, thing).rstrip("?")
        if missing[label] > 0:
            missing[label] -= 1
        else:
            new.append(thing)
    return new


def shown(ports: Ports, things: list[LocatedObject]) -> list[dict[str, Any]]:
    """JSON of things with what is believed of them, for the record."""
    rows = []
    for thing in things:
        answer = ports.memory.claims.get(thing.id)
        box = thing.box
        rows.append(
            {
                "object": thing.id,
                "label": label_of(ports, thing),
                "score": round(answer.score, 4) if answer else 1.0,
                "plausible": list(answer.plausible) if answer else [],
                "box": [box.x0, box.y0, box.x1, box.y1],
                "centre": [round(v, 4) for v in thing.footprint.centre],
                "length_m": round(thing.footprint.length_m, 4),
                "verified": thing.id in ports.memory.verdicts,
            }
        )
    return rows
