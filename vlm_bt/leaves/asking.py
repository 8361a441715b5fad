"""Leaves that ask a person. Answers become facts of the mission, also when they come late."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from vlm_bt.leaves.context import SAID_LEAVE, Ports
from vlm_bt.leaves.leaf import Input, Leaf, Output, Steps
from vlm_bt.leaves.looking import look, what_are_they
from vlm_bt.ports import Ticket
from vlm_bt.questions import Caption, Choose, Describe, Look
from vlm_bt.scene.facts import IDENTITY, LEAVE
from vlm_bt.sentences import article, listed, plural
from vlm_bt.types import Answer, Detection, Group, LocatedObject, Outcome, Question, Reply, VerifiedObject

LEAVE_IT = "leave it"


class AskAbout(Leaf):
    """Ask a person what a thing is, with what can be seen of it and the kinds that are plausible."""

    takes = {
        "candidate": Input("detection", "the thing nobody is sure about"),
        "answer_within_s": Input("number", "how long to wait for the person", required=False, default=30.0),
    }
    gives = {"into": Output("verified_object", "the object as the person named it, located anew")}
    safety = "asks"
    reasons = ("unsure", "refuted", "stale", "camera_lost", "model_lost", "timed_out", "busy", "unsupported")
    asks = (Describe,)
    ports: Ports

    def act(self) -> Steps:
        candidate: Detection = self.input("candidate")
        thing = self.ports.memory.objects.get(candidate.object.id, candidate.object)
        told = self.ports.memory.facts.recall("object", thing.id, IDENTITY)
        if told is None:
            reply = yield from self._ask(candidate, thing)
            if isinstance(reply, Outcome):
                return reply
            told = reply.text
            if reply.silent or told == LEAVE_IT:
                self.ports.memory.aside[thing.id] = "nobody answered" if reply.silent else SAID_LEAVE
                if not reply.silent:
                    self._learn(thing, LEAVE, True)
                return Outcome("unsure", f"{thing.id} is left where it lies: {self.ports.memory.aside[thing.id]}")
            self._learn(thing, IDENTITY, told)
        # The person's answer took its time: where it lies now is for the depth camera to say.
        seen = yield from look(self.ports, fresh=True)
        if not seen.ok:
            return seen
        now = self.ports.memory.objects.get(thing.id)
        if now is None:
            return Outcome("refuted", f"the {told} is no longer there")
        tool = self.ports.ledger.enter(now, told, "person", 0.0)
        self.ports.memory.verdicts[now.id] = tool
        self.output("into", tool)
        return Outcome("done", f"a person says: {told}")

    def _learn(self, thing: LocatedObject, key: str, value: Any) -> None:
        self.ports.memory.facts.remember("object", thing.id, key, value, "person", self.ports.clock.now_s)

    def _ask(self, candidate: Detection, thing: LocatedObject) -> Generator[Ticket[Any], Outcome, Reply | Outcome]:
        ports = self.ports
        looks = (Look(ports.memory.frame_id, thing.region),)
        ticket: Ticket[Caption] = ports.vision.submit(Describe(looks, "its colour, shape and parts, not its name"))
        described = yield ticket
        if not described.ok:
            return described
        plausible = tuple(
            kind for kind in (candidate.answer.plausible if candidate.answer else ()) if kind in ports.kinds
        )
        options = plausible if len(plausible) > 1 else ports.kinds
        length = f"{thing.footprint.length_m * 100:.0f} cm long"
        guess = f"It may be: {listed(plausible, 'or')}" if plausible else "It is like nothing I know"
        text = f"I see {ticket.value.text}, {length}. {guess}. What is it?"
        question = ports.question(
            text, (*options, LEAVE_IT), LEAVE_IT, self.input("answer_within_s"), "identity", thing, free_text=True
        )
        return (yield from put(ports, question))


class ClassifyTool(Leaf):
    """Which group does an identified tool belong to? Its kind says so, or what a person said before."""

    takes = {
        "tool": Input("verified_object", "the identified tool"),
        "groups": Input("groups", "which kinds belong in which zone"),
    }
    gives = {"into": Output("group", "the group it belongs to")}
    reasons = ("unsure",)
    ports: Ports

    def act(self) -> Steps:
        tool: VerifiedObject = self.input("tool")
        group = self.ports.group_of(tool.label, self.input("groups"), tool.object.id)
        if group is None:
            return Outcome("unsure", f"no group names {article(tool.label)} {tool.label}")
        self.output("into", group)
        return Outcome("done", f"{tool.label} belongs to the {group.name}")
        yield


class AskGroup(Leaf):
    """Ask a person where a tool goes that no group names, most alike groups first."""

    takes = {
        "tool": Input("verified_object", "the identified tool"),
        "groups": Input("groups", "which kinds belong in which zone"),
        "answer_within_s": Input("number", "how long to wait for the person", required=False, default=30.0),
    }
    gives = {"into": Output("group", "the group the person chose")}
    safety = "asks"
    reasons = ("unsure", "model_lost", "stale", "timed_out", "busy", "unsupported")
    asks = (Choose,)
    ports: Ports

    def act(self) -> Steps:
        tool: VerifiedObject = self.input("tool")
        groups: tuple[Group, ...] = self.input("groups")
        ports = self.ports
        asked = what_are_they(ports, [tool.object.region], frame_id=tool.object.frame_id)
        answered = yield asked
        if not answered.ok:
            return answered
        ranked = alike(asked.value[0], groups)
        text = (
            f"Where does the {tool.label} go? No group names it; "
            f"it is most like the {ranked[0].name} or the {ranked[1].name}."
            if len(ranked) > 1
            else f"Where does the {tool.label} go? No group names it."
        )
        options = (*(group.name for group in ranked), LEAVE_IT)
        question = ports.question(
            text, options, LEAVE_IT, self.input("answer_within_s"), "group", tool.object, subject=tool.label
        )
        reply = yield from put(ports, question)
        chosen = next((group for group in groups if group.name == reply.text), None)
        if chosen is None:
            why = "nobody answered" if reply.silent else SAID_LEAVE
            ports.memory.aside[tool.object.id] = why
            if not reply.silent:
                ports.memory.facts.remember("object", tool.object.id, LEAVE, True, "person", ports.clock.now_s)
            return Outcome("unsure", f"the {tool.label} is left where it lies: {why}")
        ports.memory.facts.remember("kind", tool.label, "group", chosen.name, by="person", stamp_s=ports.clock.now_s)
        self.output("into", chosen)
        return Outcome("done", f"a person says: the {tool.label} goes with the {plural(chosen.name, 2)}")


class AskHuman(Leaf):
    """Ask a person anything, with options; done where the answer is the expected one."""

    takes = {
        "question": Input("text", "what to ask"),
        "options": Input("texts", "what may be answered; the first is not preferred"),
        "expect": Input("text", "the answer that lets the mission go on"),
        "default": Input("text", "what holds where nobody answers; the last option otherwise", required=False),
        "answer_within_s": Input("number", "how long to wait for the person", required=False, default=30.0),
    }
    gives = {"into": Output("text", "the answer", required=False)}
    safety = "asks"
    reasons = ("no", "human_silent", "timed_out")
    ports: Ports

    def act(self) -> Steps:
        options = tuple(self.input("options"))
        default = self.input("default") or options[-1]
        ports = self.ports
        if ports.memory.frame_id:
            ports.recorder.keep_frame(ports.memory.frame_id, "question")
        question = ports.question(self.input("question"), options, default, self.input("answer_within_s"))
        reply = yield from put(ports, question)
        self.output("into", reply.text)
        if reply.silent:
            return Outcome("human_silent", f"nobody answered: {question.text}")
        return Outcome() if reply.text == self.input("expect") else Outcome("no", f"a person says: {reply.text}")


class SetAside(Leaf):
    """Leave a thing where it lies for the rest of the mission. Nothing moves."""

    takes = {
        "candidate": Input("detection", "the thing to leave alone"),
        "why": Input("text", "the reason, for the report", required=False, default="set aside"),
    }
    ports: Ports

    def act(self) -> Steps:
        candidate: Detection = self.input("candidate")
        self.ports.memory.aside[candidate.object.id] = self.input("why")
        return Outcome("done", f"{candidate.object.id} is left where it lies")
        yield


def put(ports: Ports, question: Question) -> Generator[Ticket[Any], Outcome, Reply]:
    """Put a question to the person and wait for the reply; every reply has come by the question's own limit."""
    if question.frame_id:
        ports.recorder.keep_frame(question.frame_id, "question")
        ports.frames.pin(question.frame_id)
    ticket = ports.human.ask(question)
    try:
        yield ticket
    finally:
        if question.frame_id:
            ports.frames.unpin(question.frame_id)
    return ticket.value if ticket.outcome and ticket.outcome.ok else Reply(question.id, question.default, silent=True)


def alike(answer: Answer, groups: tuple[Group, ...]) -> tuple[Group, ...]:
    """The groups, the one whose kinds the model finds most probable first."""
    chance = dict(zip(answer.options, answer.probabilities, strict=True))
    return tuple(sorted(groups, key=lambda group: -max((chance.get(kind, 0.0) for kind in group.kinds), default=0.0)))
