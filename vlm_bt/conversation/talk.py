"""The conversation of one mission: whatever is said at any moment gets an answer while the mission goes on."""

from __future__ import annotations

import queue
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from vlm_bt.conversation.examples import MAY_BE_SAID
from vlm_bt.conversation.intents import Heard, understand
from vlm_bt.conversation.names import Names
from vlm_bt.leaves.untrusted import plain
from vlm_bt.ports import Recorder

LONGEST_SAID = 200
LONGEST_NAME = 60
AT_ONCE = ("stop", "pause", "resume")
"""Intents that only set a word; they are carried out in the thread that brings them, before the next tick."""

May = Callable[[str, str], str]
"""(who, intent) -> why they may not say so, "" where they may. The one place where roles of people come in."""


@dataclass(frozen=True)
class Response:
    """What is said back.

    Attributes:
        intent: What was understood; "" where nothing fits, and then `options` are sentences to choose from.
    """

    intent: str
    text: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Controls:
    """What words act on at once; each only sets a word, so any thread may call it. `stop` takes the reason."""

    stop: Callable[[str], None]
    pause: Callable[[], None]
    resume: Callable[[], None]


class Acts(Protocol):
    """What is done about a sentence that can wait for the next tick; called in the executive's thread."""

    @property
    def names(self) -> Names: ...

    def respond(self, heard: Heard, by: str) -> Response: ...


@dataclass(frozen=True)
class _Waiting:
    text: str
    by: str
    heard: Heard
    answer: Future[Response]


def everybody(who: str, intent: str) -> str:
    """No roles: whoever speaks may say everything."""
    return ""


class Conversation:
    """Takes in sentences from any thread and answers them; a tick never waits for one.

    Args:
        may: Who may say what.
    """

    def __init__(self, controls: Controls, acts: Acts, recorder: Recorder, may: May = everybody) -> None:
        self._controls = controls
        self._acts = acts
        self._recorder = recorder
        self._may = may
        self._names = acts.names
        self._offered: tuple[str, ...] = ()
        self._waiting: queue.SimpleQueue[_Waiting] = queue.SimpleQueue()

    def say(self, text: str, by: str = "") -> Future[Response]:
        """Take in a sentence; from any thread. A stop, a pause or a resume has taken effect when this returns."""
        said = text.strip()
        if said.isdigit() and 0 < int(said) <= len(self._offered):
            said = self._offered[int(said) - 1]
        heard = self.hear(said)
        waiting = _Waiting(said, plain(by, LONGEST_NAME), heard, Future())
        if heard.intent in AT_ONCE and heard.sure and (heard.intent == "stop" or not self._may(by, heard.intent)):
            waiting.answer.set_result(self._at_once(heard.intent, waiting.by))
        self._waiting.put(waiting)
        return waiting.answer

    def hear(self, text: str) -> Heard:
        """What a sentence would be taken for; nothing is done."""
        return understand(text, self._names)

    def settle(self, tick: int) -> None:
        """Between ticks, in the executive's thread: answer what was said since."""
        self._names = self._acts.names
        while not self._waiting.empty():
            one = self._waiting.get()
            response = one.answer.result() if one.answer.done() else self._respond(one)
            self._offered = response.options
            self._recorder.write(
                "said",
                {
                    "text": plain(one.text, LONGEST_SAID),
                    "by": one.by,
                    "intent": response.intent,
                    "sure": one.heard.sure,
                    "reply": response.text,
                    "options": list(response.options),
                },
            )
            if not one.answer.done():
                one.answer.set_result(response)

    def _at_once(self, intent: str, by: str) -> Response:
        if intent == "stop":
            self._controls.stop(f"{by or 'a person'} said stop")
            return Response(intent, "Stopping: the arm stands still.")
        if intent == "pause":
            self._controls.pause()
            return Response(intent, "Holding still. Say 'resume' to go on.")
        self._controls.resume()
        return Response(intent, "Going on.")

    def _respond(self, one: _Waiting) -> Response:
        intent = one.heard.intent
        if intent is None:
            options = one.heard.options
            shown = "".join(f"\n  {number}. {option}" for number, option in enumerate(options, 1))
            return Response("", f"I did not understand that. Did you mean:{shown}", options)
        if not one.heard.sure and intent in AT_ONCE:
            return Response("", f"Did you mean:\n  1. {MAY_BE_SAID[intent]}", (MAY_BE_SAID[intent],))
        refused = self._may(one.by, intent)
        if refused:
            return Response(intent, refused)
        return self._acts.respond(one.heard, one.by)
