"""Leaves that decide before anything is moved, and notice afterwards what nobody had planned for."""

from __future__ import annotations

from collections import Counter

from vlm_bt.leaves.asking import put
from vlm_bt.leaves.context import SAID_LEAVE, Ports
from vlm_bt.leaves.leaf import Input, Leaf, Output, Steps
from vlm_bt.leaves.looking import label_of, left_alone, look_and_claim, shown, turned_up
from vlm_bt.leaves.seeing import as_detection
from vlm_bt.ports import Ticket
from vlm_bt.questions import Choose
from vlm_bt.scene.facts import LEAVE
from vlm_bt.scene.layout import Section
from vlm_bt.sentences import contents, listed, plural
from vlm_bt.types import Detection, Group, Outcome
from vlm_bt.vision.geometry import LayOutSections

COLLECT = "collect"
"""The topic of the question whether to put away what turned up."""
MARKED_AT_MOST = 6


class PlanBench(Leaf):
    """Decide where each group goes: every section is laid out near its usual place, where depth shows room.

    What the mission knows by now is the plan's; what turns up later is nobody's until a person says so.
    """

    takes = {"groups": Input("groups", "which kinds belong in which zone")}
    gives = {"into": Output("report", "the plan in words", required=False)}
    reasons = ("camera_lost", "model_lost", "stale", "timed_out", "busy", "unsupported")
    asks = (Choose,)
    ports: Ports

    def act(self) -> Steps:
        groups: tuple[Group, ...] = self.input("groups")
        ports, memory, plan = self.ports, self.ports.memory, self.ports.memory.plan
        seen = yield from look_and_claim(ports, fresh=True)
        if not seen.ok:
            return seen
        names = {thing.id: label_of(ports, thing).rstrip("?") for thing in memory.objects.values()}
        goes = {
            thing.id: group
            for thing in memory.objects.values()
            if not left_alone(ports, thing) and (group := ports.group_of(names[thing.id], groups, thing.id)) is not None
        }
        zones = tuple(dict.fromkeys(ports.zone(group.zone) for group in groups))
        belong = {
            zone.name: tuple(memory.objects[i].region for i in goes if goes[i].zone == zone.name) for zone in zones
        }
        ticket: Ticket[tuple[Section, ...]] = ports.vision.submit(
            LayOutSections(memory.frame_id, tuple(ports.zones.values()), tuple(belong.items()))
        )
        answered = yield ticket
        if not answered.ok:
            return answered
        sections = [section for section in ticket.value if section.zone.name in belong]
        plan.zones.update({section.zone.name: section.zone for section in sections})
        plan.things.update(names)
        plan.belong.update({name: group.zone for name, group in goes.items()})
        plan.by_size = frozenset(group.zone for group in groups if group.by_size)
        plan.made = True
        memory.noticed = dict(memory.objects)
        ports.recorder.keep_frame(memory.frame_id, "plan")
        counts = {
            section.zone.name: Counter(names[i] for i in goes if goes[i].zone == section.zone.name)
            for section in sections
        }
        text = in_words(sections, counts, groups)
        ports.recorder.write(
            "event",
            {
                "what": "plan",
                "text": text,
                "frame": memory.frame_id,
                "sections": [
                    {
                        "zone": section.zone.name,
                        "x": list(section.zone.x),
                        "y": list(section.zone.y),
                        "container": section.zone.container,
                        "room": section.room,
                        "usual_room": section.usual_room,
                        "groups": [group.name for group in groups if group.zone == section.zone.name],
                        "by_size": section.zone.name in plan.by_size,
                        "things": dict(sorted(counts[section.zone.name].items())),
                    }
                    for section in sections
                ],
                "stay": sorted(names[i] for i in names if i not in goes),
            },
        )
        self.output("into", text)
        return Outcome("done", text)


class NoticeWhatTurnedUp(Leaf):
    """Look whether anything lies on the bench that the plan does not know. Two frames have to show it."""

    gives = {
        "into": Output("detections", "what turned up"),
        "say": Output("report", "what turned up, in words", required=False),
    }
    reasons = ("not_found", "camera_lost", "model_lost", "stale", "timed_out", "busy", "unsupported")
    asks = (Choose,)
    ports: Ports

    def act(self) -> Steps:
        ports, memory = self.ports, self.ports.memory
        before: set[str] | None = None
        found = []
        for _ in range(2):
            seen = yield from look_and_claim(ports, fresh=True)
            if not seen.ok:
                return seen
            found = [
                thing
                for thing in turned_up(ports)
                if (before is None or thing.id in before) and not left_alone(ports, thing)
            ]
            if not found:
                return Outcome("not_found", "nothing has turned up")
            before = {thing.id for thing in found}
        ports.recorder.keep_frame(memory.frame_id, "quality check")
        said = f"Turned up meanwhile: {contents(Counter(label_of(ports, thing).rstrip('?') for thing in found))}."
        ports.recorder.write(
            "event", {"what": "turned up", "text": said, "frame": memory.frame_id, "items": shown(ports, found)}
        )
        self.output("into", tuple(as_detection(ports, thing) for thing in found))
        self.output("say", said)
        return Outcome("done", said)


class AskToCollect(Leaf):
    """Show a person what turned up and ask whether to put it away; done where they say yes, and then the plan knows it.

    On no, and where nobody answers, it stays where it lies.
    """

    takes = {
        "things": Input("detections", "what turned up"),
        "answer_within_s": Input("number", "how long to wait for the person", required=False, default=30.0),
    }
    safety = "asks"
    reasons = ("no", "human_silent", "not_found")
    ports: Ports

    def act(self) -> Steps:
        claims: tuple[Detection, ...] = self.input("things")
        ports, memory = self.ports, self.ports.memory
        things = [memory.objects[claim.object.id] for claim in claims if claim.object.id in memory.objects]
        if not things:
            return Outcome("not_found", "what turned up is gone again")
        names = Counter(label_of(ports, thing).rstrip("?") for thing in things)
        loose = f"loose {plural('screw', len(things))}" if set(names) == {"screw"} else ""
        what = f"{len(things)} {loose}" if loose else contents(names)
        them = "it" if len(things) == 1 else "them"
        question = ports.question(
            f"I notice {what} that {'was' if len(things) == 1 else 'were'} not there before. Shall I collect {them}?",
            ("yes", "no"),
            "no",
            self.input("answer_within_s"),
            COLLECT,
            among=tuple(things[:MARKED_AT_MOST]),
        )
        reply = yield from put(ports, question)
        if reply.text == "yes" and not reply.silent:
            memory.plan.things.update({thing.id: label_of(ports, thing).rstrip("?") for thing in things})
            return Outcome("done", f"a person says: collect {them}")
        for thing in things:
            memory.aside[thing.id] = "nobody answered" if reply.silent else SAID_LEAVE
            if not reply.silent:
                memory.facts.remember("object", thing.id, LEAVE, True, "person", ports.clock.now_s)
        return (
            Outcome("human_silent", f"nobody answered: {question.text}") if reply.silent else Outcome("no", SAID_LEAVE)
        )


def in_words(sections: list[Section], counts: dict[str, Counter[str]], groups: tuple[Group, ...]) -> str:
    """ "wrenches left, by size (3 of them; 97% clear), loose screws into the parts bin (2 of them)"."""
    parts = []
    for section in sections:
        zone = section.zone
        names = listed(group.name for group in groups if group.zone == zone.name)
        where = f"into the {zone.name.replace('_', ' ')}" if zone.container else zone.name
        order = ", by size" if any(group.by_size for group in groups if group.zone == zone.name) else ""
        clear = "" if zone.container else f"; {section.room:.0%} clear"
        parts.append(f"{names} {where}{order} ({sum(counts[zone.name].values())} of them{clear})")
    return f"Plan: {'; '.join(parts)}."
