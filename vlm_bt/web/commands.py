"""What a browser may ask of a running mission, carried out on the ways that the mission has for people anyway."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Protocol

from vlm_bt.conversation.acts import MissionActs
from vlm_bt.conversation.talk import LONGEST_SAID, Conversation, Response
from vlm_bt.devices.people import Channel
from vlm_bt.executive import Executive
from vlm_bt.leaves.context import Memory
from vlm_bt.ports import Clock
from vlm_bt.types import Box, Question
from vlm_bt.web.access import ROLES, Role
from vlm_bt.web.source import Command, Done, done, number_in

BY = "the browser"
NEEDS_CONTROL = ("pause", "resume")
"""Intents of what is said that only the role `control` may have; a stop may come from anybody who may speak."""
SPEEDS = (0.25, 16.0)


class Commanded(Protocol):
    """What commands need of a mission."""

    executive: Executive
    human: Channel
    conversation: Conversation
    acts: MissionActs
    memory: Memory

    @property
    def clock(self) -> Clock: ...

    def interrupt(self, why: str = ...) -> None: ...


class Commands:
    """The commands of one mission."""

    def __init__(self, mission: Commanded) -> None:
        self._mission = mission
        self._in_turn: Mapping[str, Callable[[Command], Done]] = {
            "answer": self._answer,
            "point": self._point,
            "revoke": self._revoke,
        }
        self.known = frozenset({"abort", "pause", "resume", "step", "say", *self._in_turn})
        if hasattr(mission.clock, "speed"):
            self.known |= {"speed"}

    def at_once(self, command: Command, role: Role) -> Future[Done] | None:
        """Do what only sets a word, or waits in a queue of its own; from any thread. None: it has to wait its turn."""
        what, mission = str(command.get("do")), self._mission
        if what == "abort":
            mission.interrupt("aborted in the browser")
        elif what == "pause":
            mission.executive.pause()
        elif what == "resume":
            mission.executive.resume()
        elif what == "step":
            mission.executive.step()
        elif what == "speed":
            return self._set_speed(command)
        elif what == "say":
            return self._say(_text(command), role)
        elif what in self._in_turn:
            return None
        else:
            return done(False, f"nothing is called {what[:40]!r} here")
        return done(True)

    def carry_out(self, command: Command) -> Done:
        """In the executive's thread, between ticks."""
        return self._in_turn[str(command.get("do"))](command)

    def _say(self, text: str, role: Role) -> Future[Done]:
        conversation = self._mission.conversation
        heard = conversation.hear(text)
        if heard.intent in NEEDS_CONTROL and ROLES.index(role) < ROLES.index("control"):
            return done(False, "you may speak to the robot here, and not hold it")
        said: Future[Done] = Future()

        def answered(response: Future[Response]) -> None:
            said.set_result(Done(True, response.result().text))

        conversation.say(text, BY).add_done_callback(answered)
        return said

    def _set_speed(self, command: Command) -> Future[Done]:
        clock: Any = self._mission.clock
        if not hasattr(clock, "speed"):
            return done(False, "time can't be changed here")
        speed = number_in(command, "speed")
        if command.get("speed") == "max":
            clock.speed = None
        elif speed is not None and SPEEDS[0] <= speed <= SPEEDS[1]:
            clock.speed = speed
        else:
            return done(False, f"the speed is 'max' or a number from {SPEEDS[0]:g} to {SPEEDS[1]:g}")
        return done(True)

    def _answer(self, command: Command) -> Done:
        ok = self._mission.human.answer(str(command.get("question")), _text(command), self._mission.clock.now_s)
        return Done(ok, "" if ok else "the question is not open any more, or that is none of its options")

    def _revoke(self, command: Command) -> Done:
        told = self._mission.acts.take_back(str(command.get("fact")))
        return Done(bool(told), told or "no such fact stands")

    def _point(self, command: Command) -> Done:
        """The option of a question whose mark lies there, or the thing that is meant from now on."""
        place = _place(command)
        if place is None:
            return Done(False, "where? u and v are pixels")
        if command.get("question"):
            return self._point_out(str(command["question"]), place)
        camera = str(command.get("camera") or "") or str(command.get("frame") or "").rpartition("-")[0]
        things = [one for one in self._mission.memory.objects.values() if one.frame_id.rpartition("-")[0] == camera]
        number = smallest_at([one.box for one in things], place)
        told = self._mission.acts.point_at(things[number].id) if number is not None else ""
        if not told:
            return Done(False, "nothing that I know lies there")
        text = _text(command)
        if text:
            self._mission.conversation.say(text, BY)
        return Done(True, told)

    def _point_out(self, question_id: str, place: tuple[float, float]) -> Done:
        question = next((one for one in self._mission.human.pending if one.id == question_id), None)
        if question is None:
            return Done(False, "the question is not open any more")
        option = option_at(question, place)
        if option is None:
            return Done(False, "none of the things that the question is about lies there")
        return Done(self._mission.human.answer(question_id, option, self._mission.clock.now_s), option)


def option_at(question: Question, place: tuple[float, float]) -> str | None:
    """The option that stands for the thing at a place in the question's picture, pixels; of several the smallest."""
    number = smallest_at(question.marks, place)
    return question.options[number] if number is not None and number < len(question.options) else None


def smallest_at(boxes: Sequence[Box], place: tuple[float, float]) -> int | None:
    """Which box holds a pixel, the smallest of several; None: no one does."""
    u, v = place
    found = [n for n, box in enumerate(boxes) if box.x0 <= u < box.x1 and box.y0 <= v < box.y1]
    return min(found, key=lambda n: (boxes[n].x1 - boxes[n].x0) * (boxes[n].y1 - boxes[n].y0), default=None)


def _text(command: Command) -> str:
    return str(command.get("text") or "")[:LONGEST_SAID]


def _place(command: Command) -> tuple[float, float] | None:
    u, v = number_in(command, "u"), number_in(command, "v")
    return (u, v) if u is not None and v is not None else None
