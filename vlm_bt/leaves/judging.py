"""Leaves that ask a model for a judgement. What comes back is a claim: a tree may branch on it, nothing may be moved
by its right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlm_bt.leaves.context import Ports
from vlm_bt.leaves.leaf import Input, Leaf, Output, Steps
from vlm_bt.leaves.showing import SEES_NOTHING, WHAT, WHERE, part_of, show
from vlm_bt.leaves.untrusted import plain
from vlm_bt.ports import Ticket
from vlm_bt.questions import Choose, Counted, HowMany, IsTrue
from vlm_bt.types import Answer, Count, Outcome, View

SURE_ABOVE = Input(
    "fraction",
    "for a model without a calibration: the probability from which an answer counts; if not given, such a model is "
    "never sure",
    required=False,
)


class JudgeClaim(Leaf):
    """Is a claim, such as "a hand is over the bench", true of what is seen? Done, `no` or `unsure`.

    A calibrated model is sure where the other answer is ruled out at the configured error rate, any other from
    `sure_above` on. Either way it is what a model says.
    """

    takes = {"claim": Input("text", "what may be true"), **WHAT, "sure_above": SURE_ABOVE}
    gives = {"into": Output("answer", "both probabilities", required=False)}
    reasons = ("no", "unsure", *SEES_NOTHING)
    asks = (IsTrue,)
    ports: Ports

    def act(self) -> Steps:
        shown = yield from show(self.ports, self.input("camera"), self.input("zone"), self.input("thing"))
        if isinstance(shown, Outcome):
            return shown
        ticket: Ticket[Answer] = self.ports.vision.submit(
            IsTrue((shown,), self.input("claim"), error_rate=self.ports.error_rate)
        )
        answered = yield ticket
        if not answered.ok:
            return answered
        self.output("into", ticket.value)
        return true_or_not(ticket.value, self.input("sure_above"))


class CompareViews(Leaf):
    """Is a claim, such as "a screwdriver was taken away", true of a kept picture and a new one of the same place?"""

    takes = {
        "claim": Input("text", "what may be true of the two pictures, before and after"),
        "before": Input("view", "the picture that was kept"),
        "sure_above": SURE_ABOVE,
    }
    gives = {"into": Output("answer", "both probabilities", required=False)}
    reasons = ("no", "unsure", *SEES_NOTHING)
    asks = (IsTrue,)
    ports: Ports

    def act(self) -> Steps:
        before: View = self.input("before")
        earlier = part_of(self.ports, before.frame_id, before.zone)
        if isinstance(earlier, Outcome):
            return earlier
        later = yield from show(self.ports, before.camera, before.zone)
        if isinstance(later, Outcome):
            return later
        ticket: Ticket[Answer] = self.ports.vision.submit(
            IsTrue((earlier, later), self.input("claim"), error_rate=self.ports.error_rate)
        )
        answered = yield ticket
        if not answered.ok:
            return answered
        self.output("into", ticket.value)
        return true_or_not(ticket.value, self.input("sure_above"), {"before": before.frame_id})


class ChooseAnswer(Leaf):
    """Which of the options fits what is seen? Done where one is sure, and is the one that is expected, if any is."""

    takes = {
        "question": Input("text", "what to answer"),
        "options": Input("texts", "what may be answered, two at least"),
        "expect": Input("text", "the answer that counts as done; any if not given", required=False),
        **WHAT,
        "sure_above": SURE_ABOVE,
    }
    gives = {"into": Output("answer", "the probability of each option; its `best` is the likeliest", required=False)}
    reasons = ("no", "unsure", *SEES_NOTHING)
    asks = (Choose,)
    ports: Ports

    def act(self) -> Steps:
        question, options = self.input("question"), tuple(dict.fromkeys(self.input("options")))
        if len(options) < 2:
            return Outcome("unsupported", f"'{plain(question)}' needs two options at least, it has {len(options)}")
        shown = yield from show(self.ports, self.input("camera"), self.input("zone"), self.input("thing"))
        if isinstance(shown, Outcome):
            return shown
        ticket: Ticket[Answer] = self.ports.vision.submit(
            Choose((shown,), question, options, error_rate=self.ports.error_rate)
        )
        answered = yield ticket
        if not answered.ok:
            return answered
        self.output("into", ticket.value)
        return chosen(ticket.value, self.input("sure_above"), self.input("expect"))


class CountSeen(Leaf):
    """How many of what a phrase names does a model see? `no` where there are fewer or more than there should be."""

    takes = {
        "phrase": Input("text", "what to count, such as screws"),
        "at_least": Input("number", "done only from this many on", required=False),
        "at_most": Input("number", "done only up to this many", required=False),
        **WHERE,
        "sure_above": Input(
            "fraction",
            "the probability of the number from which it counts; a model that gives none is then never sure",
            required=False,
        ),
    }
    gives = {"into": Output("count", "how many; its `total` is the number", required=False)}
    reasons = ("no", "unsure", *SEES_NOTHING)
    asks = (HowMany,)
    ports: Ports

    def act(self) -> Steps:
        shown = yield from show(self.ports, self.input("camera"), self.input("zone"))
        if isinstance(shown, Outcome):
            return shown
        ticket: Ticket[Counted] = self.ports.vision.submit(
            HowMany((shown,), self.input("phrase"), error_rate=self.ports.error_rate)
        )
        answered = yield ticket
        if not answered.ok:
            return answered
        counted = ticket.value
        phrase = plain(counted.phrase)
        self.output("into", Count(((phrase, counted.number),), 0, counted.frame_id))
        return self._judged(counted, f"{counted.number} x {phrase}")

    def _judged(self, counted: Counted, said: str) -> Outcome:
        least, most, sure_above = self.input("at_least"), self.input("at_most"), self.input("sure_above")
        score = max(counted.probabilities, default=0.0)
        evidence = {
            "frame": counted.frame_id,
            "model": counted.model,
            "number": counted.number,
            "score": score,
            "plausible": list(counted.plausible),
            "calibrated": counted.calibrated,
            "uncalibrated": plain(counted.uncalibrated),
        }
        if not counted.calibrated and sure_above is not None and score < sure_above:
            return Outcome("unsure", f"perhaps {said} ({score:.2f})", evidence)
        numbers = counted.plausible if counted.calibrated else (counted.number,)
        fitting = [n for n in numbers if (least is None or n >= least) and (most is None or n <= most)]
        asked_for_one = least is None and most is None
        if fitting and (len(fitting) < len(numbers) or (asked_for_one and len(numbers) > 1)):
            return Outcome("unsure", f"{numbers[0]} to {numbers[-1]} of {plain(counted.phrase)}", evidence)
        if not fitting and least is not None and numbers[-1] < least:
            return Outcome("no", f"{said}, fewer than {least:g}", evidence)
        if not fitting:
            return Outcome("no", f"{said}, more than {most:g}", evidence)
        return Outcome("done", said, evidence)


def true_or_not(answer: Answer, sure_above: float | None, more: Mapping[str, Any] | None = None) -> Outcome:
    """Three ways: done, `no` and `unsure`."""
    said = sure_answer(answer, sure_above)
    evidence = {**evidence_of(answer, sure_above), **(more or {})}
    reason = "done" if said == "yes" else "no" if said == "no" else "unsure"
    return Outcome(reason, f"'{plain(answer.question)}': {_shares(answer)}", evidence)


def chosen(answer: Answer, sure_above: float | None, expect: str | None) -> Outcome:
    """Done for the expected option, or for any; `no` for another one or where surely none fits; else `unsure`."""
    said = sure_answer(answer, sure_above)
    right = said == expect if expect else bool(said)
    reason = "unsure" if said is None else "done" if right else "no"
    told = "none of the options fits" if said == "" else f"'{plain(answer.question)}': {_shares(answer)}"
    return Outcome(reason, told, evidence_of(answer, sure_above))


def sure_answer(answer: Answer, sure_above: float | None) -> str | None:
    """The option that a model is sure of; "": it is sure that none fits; None: it is not sure."""
    if answer.calibrated:
        if len(answer.plausible) == 1 and answer.plausible[0] in answer.options:
            return answer.plausible[0]
        return None if answer.plausible else ""
    if sure_above is None:
        return None
    first, second, *_ = sorted((*answer.probabilities, answer.outside), reverse=True)
    if first < sure_above or first == second:
        return None
    return "" if first == answer.outside else answer.best


def evidence_of(answer: Answer, sure_above: float | None) -> dict[str, Any]:
    """JSON: who was shown what, was asked what, and said what how surely."""
    shares = {plain(o): round(p, 5) for o, p in zip(answer.options, answer.probabilities, strict=True)}
    return {
        "frame": answer.frame_id,
        "model": answer.model,
        "asked": plain(answer.question),
        "probabilities": shares,
        "outside": round(answer.outside, 5),
        "calibrated": answer.calibrated,
        "uncalibrated": plain(answer.uncalibrated),
        "sure_above": sure_above,
    }


def _shares(answer: Answer) -> str:
    """ "yes (0.97)", with the next likeliest where there are more."""
    return f"{plain(answer.best, 40)} ({answer.score:.2f})"
