"""Answers from a file, with delays and faults: for tests, demonstrations and fault injection. No model is involved.

    # config: vision: {models: {stand-in: {backend: scripted, script: answers.yaml}}}
    revision: demo-1                     # what the answers are signed with
    answers: [is_true, choose, ground]   # what it answers itself; everything if not given
    starting: {takes_s: 0.5}             # while it loads; faults too
    tally: counts.json                   # `times` outlives the process; else every process counts from nothing
    rules:                               # the first that fits and has an answer to this type of question
      - when: {question: is_true, about: "*hammer*", camera: overhead, part: 0}
        times: 2                         # only for the first two questions that it holds for
        takes_s: 0.2                     # a batch takes as long as its slowest question; works_s: with a busy core
        p_yes: 0.97                      # outside: 0.01
      - when: {question: choose, about: "what is it?"}
        probabilities: {hammer: 0.9, screw: 0.05}   # the rest is `outside`; or a list in the order of the options
      - when: {about: wrench}
        boxes: [{box: [10, 20, 60, 40], score: 0.8}]        # ground
        number: 2                                           # how_many; numbers: [0.1, 0.2, 0.7]
      - text: a bench with tools         # describe
        lines: [ACME, 10 mm]             # read_text
        vector: [1, 0, 0]                # embed; made a unit vector
      - {when: {about: "trap 1"}, hang: true}               # never comes back
      - {when: {about: "trap 2"}, raise: "a bug"}
      - {when: {about: "trap 3"}, out_of_memory: 4}         # where more than 4 are asked together; 0: always
      - {when: {about: "trap 4"}, exit: 3}                  # the process ends
      - {when: {about: "trap 5"}, kill: true}               # by SIGKILL
      - {when: {about: "trap 6"}, garbage: true}            # a result of the wrong type
      - {when: {about: "trap 7"}, unsupported: "too small"}

A question that no rule holds for is `Unsupported`. The same questions in the same order get the same answers.
"""

from __future__ import annotations

import json
import math
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import cast

from vlm_bt.errors import VlmBtError
from vlm_bt.questions import (
    NAMES,
    YES_NO,
    Caption,
    Choose,
    Counted,
    Describe,
    Embed,
    Embedding,
    Found,
    Ground,
    Grounded,
    HowMany,
    IsTrue,
    Question,
    ReadOut,
    Result,
    TextLine,
    name_of,
)
from vlm_bt.types import Answer, Box
from vlm_bt.vision.backends import Surroundings
from vlm_bt.vision.backends.script import Act, Rule, about_of, load_script
from vlm_bt.vision.model import Asked, Unsupported
from vlm_bt.vision_settings import ScriptedModel

STARTING = "starting"


class Scripted:
    """A `VisionModel` whose answers stand in a file.

    Raises:
        ConfigError: The file cannot be read or does not fit.
    """

    def __init__(self, settings: ScriptedModel, surroundings: Surroundings) -> None:
        self._path = settings.script
        self._script = load_script(settings.script)
        self._held = self._counted()
        starting = self._script.starting
        if not self._spent(STARTING, starting):
            self._note([STARTING])
            _pass([starting])
            if starting.out_of_memory is not None:
                raise MemoryError("the script has no memory to start with")
            _break(starting)

    @property
    def revision(self) -> str:
        return self._script.revision

    @property
    def answers(self) -> frozenset[type[Question]]:
        return frozenset(NAMES[name] for name in self._script.answers)

    def answer(self, batch: Sequence[Asked]) -> list[Result | VlmBtError]:
        """Rules are chosen for all questions first, then the slowest is waited for, then the first fault happens."""
        numbers = self._chosen(batch)
        rules = [None if number is None else self._script.rules[number] for number in numbers]
        known = [rule for rule in rules if rule is not None]
        _pass(known)
        short = next((rule for rule in known if _too_many(rule, len(batch))), None)
        if short is not None:
            self._note([str(number) for number, rule in zip(numbers, rules, strict=True) if rule is short])
            raise MemoryError(f"the script has memory for {short.out_of_memory} questions, it was asked {len(batch)}")
        self._note([str(number) for number in numbers if number is not None])
        for rule in known:
            _break(rule)
        return [self._result(asked, rule) for asked, rule in zip(batch, rules, strict=True)]

    def _chosen(self, batch: Sequence[Asked]) -> list[int | None]:
        """The index of each question's rule."""
        held = self._held.copy()
        chosen: list[int | None] = []
        for asked in batch:
            fitting = (
                number
                for number, rule in enumerate(self._script.rules)
                if rule.holds_for(asked) and (rule.times is None or held[str(number)] < rule.times)
            )
            number = next(fitting, None)
            held[str(number)] += 1
            chosen.append(number)
        return chosen

    def _result(self, asked: Asked, rule: Rule | None) -> Result | VlmBtError:
        question = asked.question
        if rule is None:
            words = f" about {about_of(question)!r}" if about_of(question) else ""
            return Unsupported(f"{self._path}: no rule answers {name_of(question)}{words}")
        if rule.unsupported is not None:
            return Unsupported(rule.unsupported)
        if rule.garbage:
            return cast(Result, "garbage")
        return result_of(question, rule)

    def _spent(self, name: str, act: Act) -> bool:
        return act.times is not None and self._held[name] >= act.times

    def _counted(self) -> Counter[str]:
        path = self._script.tally
        return (
            Counter(json.loads(path.read_text(encoding="utf-8"))) if path is not None and path.is_file() else Counter()
        )

    def _note(self, names: Sequence[str]) -> None:
        self._held.update(names)
        if self._script.tally is not None:
            self._script.tally.write_text(json.dumps(self._held), encoding="utf-8")


def result_of(question: Question, rule: Rule) -> Result:
    """The answer that a rule has for a question it holds for."""
    if isinstance(question, Ground):
        places = sorted(rule.boxes or (), key=lambda place: -place.score)
        found = tuple(Found(Box(*place.box), place.score, None, place.part) for place in places)
        return Grounded(question.phrase, tuple(one for one in found if one.score >= question.least_score))
    if isinstance(question, IsTrue):
        yes, outside = rule.p_yes or 0.0, rule.outside or 0.0
        return Answer(question.claim, YES_NO, (yes, max(0.0, 1.0 - yes - outside)), outside=outside)
    if isinstance(question, Choose):
        return _chosen_among(question, rule)
    if isinstance(question, HowMany):
        return Counted(question.phrase, rule.number or 0, rule.numbers)
    if isinstance(question, Describe):
        return Caption(rule.text or "")
    if isinstance(question, Embed):
        vector = rule.vector or ()
        return Embedding(tuple(value / math.hypot(*vector) for value in vector))
    return ReadOut(tuple(TextLine(line) for line in rule.lines or ()))


def _chosen_among(question: Choose, rule: Rule) -> Answer:
    given = rule.probabilities or ()
    named = given if isinstance(given, dict) else dict(zip(question.options, given, strict=False))
    shares = tuple(named.get(option, 0.0) for option in question.options)
    return Answer(question.question, question.options, shares, outside=max(0.0, 1.0 - sum(shares)))


def _too_many(rule: Rule, asked: int) -> bool:
    return rule.out_of_memory is not None and (rule.out_of_memory == 0 or asked > rule.out_of_memory)


def _pass(acts: Sequence[Act]) -> None:
    """Let the time of the slowest pass."""
    time.sleep(max((act.takes_s for act in acts), default=0.0))
    ends_s = time.perf_counter() + max((act.works_s for act in acts), default=0.0)
    while time.perf_counter() < ends_s:
        pass


def _break(act: Act) -> None:
    """Let the fault of a rule happen, where it concerns the whole process. Raises: RuntimeError, MemoryError."""
    if act.hang:
        threading.Event().wait()
    if act.raise_ is not None:
        raise RuntimeError(act.raise_)
    if act.exit is not None:
        os._exit(act.exit)
    if act.kill:
        os.kill(os.getpid(), signal.SIGKILL)
