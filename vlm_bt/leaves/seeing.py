"""Leaves that look: they claim and judge, and never move anything."""

from __future__ import annotations

from collections import Counter

from vlm_bt.leaves.context import Ports
from vlm_bt.leaves.leaf import Input, Leaf, Output, Steps
from vlm_bt.leaves.looking import label_of, left_alone, look_and_claim, shown, turned_up
from vlm_bt.questions import Choose
from vlm_bt.sentences import contents
from vlm_bt.types import Detection, Group, LocatedObject, Outcome, Scene

GIVE_UP_AFTER = 3
SCREWS_LAST = "screw"
IN_THE_WAY = "there is no way to it or no room for it, and nothing else is left to be moved"
WELL_INSIDE_M = 0.010
"""What was never handled lies in its zone only where depth, which errs by millimetres, cannot be wrong about it."""


class DescribeScene(Leaf):
    """Look at the bench and say in words what lies there."""

    gives = {"into": Output("scene", "what was seen")}
    reasons = ("camera_lost", "model_lost", "stale", "timed_out", "busy", "unsupported")
    asks = (Choose,)
    ports: Ports

    def act(self) -> Steps:
        seen = yield from look_and_claim(self.ports, fresh=True)
        if not seen.ok:
            return seen
        memory = self.ports.memory
        things = list(memory.objects.values())
        names = Counter(label_of(self.ports, thing).rstrip("?") for thing in things)
        text = describe(names)
        detections = tuple(as_detection(self.ports, thing) for thing in things)
        scene = Scene(memory.frame_id, text, detections)
        self.ports.recorder.keep_frame(memory.frame_id, "before" if memory.before is None else "scene")
        if memory.before is None:
            memory.before = scene
        self.ports.recorder.write("event", {"what": "scene described", "text": text, "frame": memory.frame_id})
        self.output("into", scene)
        return Outcome("done", text)


class EverythingIsSorted(Leaf):
    """Look whether a tool still lies where it does not belong. Unknown tools count as not sorted until set aside."""

    takes = {"groups": Input("groups", "which kinds belong in which zone")}
    reasons = ("no", "camera_lost", "model_lost", "stale", "timed_out", "busy", "unsupported")
    asks = (Choose,)
    ports: Ports

    def act(self) -> Steps:
        take_late_answers(self.ports)
        seen = yield from look_and_claim(self.ports)
        if not seen.ok:
            return seen
        left = candidates(self.ports, self.input("groups"))
        if not left:
            return Outcome()
        names = ", ".join(label_of(self.ports, thing) for thing in left[:4])
        return Outcome("no", f"{len(left)} still to sort: {names}{' ...' if len(left) > 4 else ''}")


class FindNextTool(Leaf):
    """The next thing that does not lie where it belongs: what is in the way first, large ones first, screws last."""

    takes = {"groups": Input("groups", "which kinds belong in which zone")}
    gives = {"into": Output("detection", "the claim of what it is and where it lies")}
    reasons = ("not_found", "camera_lost", "model_lost", "stale", "timed_out", "busy", "unsupported")
    asks = (Choose,)
    ports: Ports

    def act(self) -> Steps:
        seen = yield from look_and_claim(self.ports)
        if not seen.ok:
            return seen
        left = candidates(self.ports, self.input("groups"))
        if not left:
            return Outcome("not_found", "nothing is left to sort")
        found = as_detection(self.ports, left[0])
        self.output("into", found)
        return Outcome("done", str(found))


class VerifyScene(Leaf):
    """Look once more: does everything lie in the zone of its group, and is nothing left over?"""

    takes = {
        "claim": Input("text", "what should be true of the bench, for the record"),
        "groups": Input("groups", "which kinds belong in which zone"),
    }
    reasons = ("no", "unsure", "camera_lost", "model_lost", "stale", "timed_out", "busy", "unsupported")
    asks = (Choose,)
    ports: Ports

    def act(self) -> Steps:
        seen = yield from look_and_claim(self.ports, fresh=True)
        if not seen.ok:
            return seen
        ports, groups = self.ports, self.input("groups")
        wrong = candidates(ports, groups)
        if wrong:
            # What only one of two frames shows is noise, no thing.
            seen = yield from look_and_claim(ports, fresh=True)
            if not seen.ok:
                return seen
            before = {thing.id for thing in wrong}
            wrong = [thing for thing in candidates(ports, groups) if thing.id in before]
        aside = [thing for thing in ports.memory.objects.values() if thing.id in ports.memory.aside]
        ports.recorder.keep_frame(ports.memory.frame_id, "quality check")
        ports.recorder.write(
            "detections", {"frame": ports.memory.frame_id, "items": shown(ports, list(ports.memory.objects.values()))}
        )
        said = self.input("claim")
        if wrong:
            names = ", ".join(label_of(ports, thing) for thing in wrong)
            return Outcome("no", f"'{said}' does not hold: {names}")
        if aside:
            return Outcome("unsure", f"'{said}': {len(aside)} left where they lie on purpose")
        return Outcome("done", said)


def candidates(ports: Ports, groups: tuple[Group, ...]) -> list[LocatedObject]:
    """Things that still have to be looked after, best first; what turned up after the plan waits for a person's word.

    What the fingers found no way to, or no room for, waits until something else has been moved, and is left where it
    lies while nothing is left to move. What was tried before comes last; what takes up room in a zone comes first;
    screws last; large before small, while their zones still have room; near before far. What is laid out by size comes
    together, the longest first, once room was made: put down in another order, the last one may find no room between
    its neighbours.
    """
    memory, plan = ports.memory, ports.memory.plan
    for name, changes in memory.blocked.items():
        if changes != memory.changes and memory.aside.get(name) == IN_THE_WAY:
            del memory.aside[name]
    new = {thing.id for thing in turned_up(ports)}
    left = [t for t in ports.memory.objects.values() if t.id not in new and not settled(ports, t, groups)]
    ready = [thing for thing in left if memory.blocked.get(thing.id) != memory.changes]
    if not ready:
        memory.aside.update({thing.id: IN_THE_WAY for thing in left})

    def order(thing: LocatedObject) -> tuple[int, bool, bool, bool, float, float, str]:
        label = label_of(ports, thing)
        x, y = thing.footprint.centre
        tries = ports.memory.attempts.get(thing.id, 0)
        in_row = plan.belong.get(thing.id) in plan.by_size
        clear = in_row or not any(zone.holds((x, y)) for zone in ports.zones.values())
        large = thing.footprint.length_m if in_row else round(thing.footprint.length_m * thing.footprint.width_m, 3)
        return (tries, clear, label == SCREWS_LAST, not in_row, -large, round(x * x + y * y, 4), thing.id)

    return sorted(ready, key=order)


def settled(ports: Ports, thing: LocatedObject, groups: tuple[Group, ...]) -> bool:
    """It lies in its zone, was set aside, or was tried too often."""
    memory = ports.memory
    if left_alone(ports, thing):
        return True
    if memory.attempts.get(thing.id, 0) >= GIVE_UP_AFTER:
        memory.aside[thing.id] = f"given up after {GIVE_UP_AFTER} tries"
        return True
    verdict = memory.verdicts.get(thing.id)
    answer = memory.claims.get(thing.id)
    if verdict is not None:
        label = verdict.label
    elif answer is not None and len(answer.plausible) == 1:
        label = answer.plausible[0]
    else:
        return False
    group = ports.group_of(label, groups, thing.id)
    inside_m = 0.0 if memory.attempts.get(thing.id, 0) else WELL_INSIDE_M
    return group is not None and ports.zone(group.zone).holds(thing.footprint.centre, margin_m=-inside_m)


def as_detection(ports: Ports, thing: LocatedObject) -> Detection:
    answer = ports.memory.claims.get(thing.id)
    label = label_of(ports, thing).rstrip("?")
    return Detection(thing, label, answer.score if answer else 1.0, answer)


def take_late_answers(ports: Ports) -> None:
    """An answer that came after its question's limit still becomes a fact, and its object is looked after again."""
    for reply, question in ports.late_answers():
        if reply.text == question.default:
            continue
        if question.topic == "identity":
            ports.memory.facts.remember(
                "object", question.about, "identity", reply.text, by="person", stamp_s=reply.stamp_s
            )
        elif question.topic == "group":
            ports.memory.facts.remember(
                "kind", question.subject, "group", reply.text, by="person", stamp_s=reply.stamp_s
            )
        ports.memory.aside.pop(question.about, None)


def describe(names: Counter[str]) -> str:
    """One sentence from counted labels."""
    return f"A workbench with {contents(names)}." if names else "The bench is empty."
