"""Leaves that check a claim against independent evidence. What they pass stands in the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from typing import Any, Literal

from vlm_bt.leaves.changes import take_note, what_became_of
from vlm_bt.leaves.context import Ports
from vlm_bt.leaves.leaf import Input, Leaf, Output, Steps
from vlm_bt.leaves.looking import look
from vlm_bt.leaves.second_view import second_view
from vlm_bt.leaves.untrusted import plain
from vlm_bt.ports import Ticket
from vlm_bt.questions import WHAT_IS_IT, Choose, Look
from vlm_bt.sentences import article
from vlm_bt.types import Answer, Detection, Evidence, LocatedObject, Outcome, VerifiedObject

AGREE = 3
EVERY_LOOK = 5
"""From so many looks on, the majority decides: the third frame has been asked for."""


class VerifyGrounding(Leaf):
    """Is it really there, and is it what it is said to be?

    Evidence: depth in a new frame, further looks with other crops and wordings, known sizes and reach, what a person
    said of it before, and, with `camera`, what another camera sees there. Where the looks do not agree at once, a
    third frame is taken and the majority decides.
    """

    takes = {
        "candidate": Input("detection", "the claim to check"),
        "camera": Input("text", "another camera that looks as well, such as wrist", required=False),
        "error_rate": Input(
            "number",
            "how often a confirmed name may be wrong; only a stricter rate than the configured one counts",
            required=False,
        ),
    }
    gives = {"into": Output("verified_object", "the object, identified and located")}
    reasons = ("unsure", "refuted", "stale", "camera_lost", "model_lost", "timed_out", "busy", "unsupported")
    asks = (Choose,)
    ports: Ports

    def act(self) -> Steps:
        candidate: Detection = self.input("candidate")
        ports = self.ports
        seen = yield from look(ports, fresh=True)
        if not seen.ok:
            return seen
        thing = ports.memory.objects.get(candidate.object.id)
        if thing is None:
            ports.memory.forget(candidate.object.id)
            nothing = Evidence("depth", "nothing stands out there", "against")
            return Outcome("refuted", f"depth shows nothing where {candidate.label} was claimed", grounds=(nothing,))
        depth = Evidence("depth", f"{thing} stands out {thing.footprint.height_m * 1e3:.0f} mm", "for")
        known = ports.memory.verdicts.get(thing.id)
        if known is not None:
            renewed = ports.ledger.renew(known, thing)
            if renewed is not None:
                tracked = Evidence("tracking", f"verified before as {known.label}, and it lies as it lay", "for")
                return self.confirmed(renewed, "known from before and not touched since", (depth, tracked))
        told = ports.memory.facts.recall("object", thing.id, "identity")
        if told is not None:
            said = Evidence("a person", f"it is {article(told)} {told}", "for")
            return self.confirmed(ports.ledger.enter(thing, told, "person", 0.0), "a person said so", (depth, said))
        return (yield from self._look_closer(candidate, thing, depth))

    def _look_closer(self, candidate: Detection, thing: LocatedObject, depth: Evidence) -> Steps:
        ports = self.ports
        rate = min(self.input("error_rate") or 1.0, ports.error_rate)
        answers = [candidate.answer] if candidate.answer else []
        looked = yield from self._looks(thing, ((1, 1), (2, 0)), rate, answers)
        if not looked.ok:
            return looked
        seen: tuple[Evidence, ...] = (depth,)
        if self.input("camera"):
            extra, answer = yield from second_view(ports, self.input("camera"), thing, rate)
            seen = (*seen, *extra)
            answers += [answer] if answer else []
        if not agreed(answers) and any(len(answer.plausible) == 1 for answer in answers):
            again = yield from look(ports, fresh=True)
            if not again.ok:
                return again
            now = ports.memory.objects.get(thing.id)
            if now is None:
                gone = Evidence("depth", "it stood out in one frame and not in the next", "against")
                return Outcome("refuted", f"depth does not see {thing.id} again", grounds=(*seen, gone))
            thing = now
            looked = yield from self._looks(thing, ((0, 1), (1, 0), (2, 1)), rate, answers)
            if not looked.ok:
                return looked
        return self._decide(candidate, thing, answers, seen, rate)

    def _looks(
        self, thing: LocatedObject, how: tuple[tuple[int, int], ...], rate: float, answers: list[Answer]
    ) -> Generator[Ticket[Any], Outcome, Outcome]:
        """Ask what it is once for each (crop, wording), all together; the answers are put behind `answers`."""
        ports = self.ports
        shown = [Look(ports.memory.frame_id, thing.region, variant) for variant, _ in how]
        questions = [
            Choose((one,), WHAT_IS_IT, ports.kinds, wording, rate) for one, (_, wording) in zip(shown, how, strict=True)
        ]
        ticket: Ticket[tuple[Answer, ...]] = ports.vision.submit_all(questions)
        answered = yield ticket
        if answered.ok:
            answers += ticket.value
        return answered

    def _decide(
        self, candidate: Detection, thing: LocatedObject, answers: list[Answer], seen: tuple[Evidence, ...], rate: float
    ) -> Outcome:
        ports = self.ports
        label = favourite(answers) or candidate.label
        looks = tuple(weighed(f"look {n}", answer, label) for n, answer in enumerate(answers, 1))
        knows = (ports.knowledge.size(label, thing.footprint), ports.knowledge.reach(thing.footprint))
        grounds = (*seen, *looks, *knows)
        evidence = {
            "plausible": [list(answer.plausible) for answer in answers],
            "frames": list(dict.fromkeys(answer.frame_id for answer in answers)),
            "error_rate": rate,
        }

        def unsure(why: str) -> Outcome:
            return Outcome("unsure", why, evidence, grounds)

        without = next((answer for answer in answers if not answer.calibrated), None)
        if without is not None or candidate.answer is None:
            why = plain(without.uncalibrated) if without is not None else ""
            return unsure(f"{why or 'no valid calibration'}: nothing is surer than unsure")
        if agreed(answers) != label:
            return unsure(f"{len(answers)} looks do not agree: {', then '.join(_set(answer) for answer in answers)}")
        against = next((one for one in (*seen, *knows) if one.weighs == "against"), None)
        if against is not None:
            return unsure(f"it looks like {article(label)} {label}, but {against.says}")
        care = ports.knowledge.care(label)
        if care:
            return unsure(f"{care}: a person has to say that it is one")
        count = sum(one.weighs == "for" for one in looks)
        tool = ports.ledger.enter(thing, label, "model", rate)
        return self.confirmed(tool, f"{count} of {len(looks)} looks agree", grounds, evidence)

    def confirmed(
        self, tool: VerifiedObject, why: str, grounds: tuple[Evidence, ...], evidence: Mapping[str, Any] | None = None
    ) -> Outcome:
        self.ports.memory.verdicts[tool.object.id] = tool
        self.output("into", tool)
        return Outcome("done", f"{tool.label}: {why}", evidence or {}, grounds)


def favourite(answers: Sequence[Answer]) -> str:
    """The kind that most looks leave as the only plausible one; "" where none does."""
    counts = Counter(answer.plausible[0] for answer in answers if len(answer.plausible) == 1)
    return max(sorted(counts), key=counts.__getitem__, default="")


def agreed(answers: Sequence[Answer]) -> str:
    """The kind that enough looks agree on: all of the first three or four, two thirds of more; "" where none.

    A look that cannot tell it from others counts for nothing, one that rules it out against it.
    """
    label = favourite(answers)
    sure = sum(answer.plausible == (label,) for answer in answers)
    against = sum(label not in answer.plausible for answer in answers)
    if len(answers) < EVERY_LOOK:
        return label if sure >= AGREE and against == 0 else ""
    return label if 3 * sure >= 2 * len(answers) and sure - against >= 2 else ""


def weighed(source: str, answer: Answer, label: str) -> Evidence:
    """What one look says of a name."""
    weighs: Literal["for", "against", "neutral"] = "neutral"
    if answer.calibrated and label not in answer.plausible:
        weighs = "against"
    elif answer.calibrated and len(answer.plausible) == 1:
        weighs = "for"
    return Evidence(source, _set(answer), weighs, round(answer.score, 4))


class LocateAgain(Leaf):
    """Find a verified object again in a fresh frame, after a try that may have moved it."""

    takes = {"tool": Input("verified_object", "the object as it was verified")}
    gives = {"into": Output("verified_object", "the same object where it lies now")}
    reasons = ("not_found", "pushed", "taken", "stale", "camera_lost", "model_lost", "timed_out")
    ports: Ports

    def act(self) -> Steps:
        tool: VerifiedObject = self.input("tool")
        ports, memory = self.ports, self.ports.memory
        seen = yield from look(ports)
        if not seen.ok:
            return seen
        name = tool.object.id
        now = memory.followed.get(name, name)
        thing, known = memory.objects.get(now), tool if now == name else memory.verdicts.get(now)
        renewed = ports.ledger.renew(known, thing) if thing is not None and known is not None else None
        if renewed is None:
            return self._gone(tool, now)
        ports.memory.verdicts[renewed.object.id] = renewed
        self.output("into", renewed)
        return Outcome("done", str(renewed))

    def _gone(self, tool: VerifiedObject, now: str) -> Outcome:
        """Why it does not lie where it lay. `now`: the name under which it is followed."""
        ports, memory, name = self.ports, self.ports.memory, tool.object.id
        if name in memory.taken:
            return Outcome("taken", f"the {tool.label} was taken away")
        if now != name and now in memory.objects:
            return Outcome("pushed", f"the {tool.label} was pushed, and is now {now}")
        change = what_became_of(ports, tool.object) if now == name and name not in memory.objects else None
        if change is None:
            return Outcome("not_found", f"the {tool.label} is no longer where it was")
        take_note(ports, change)
        return Outcome(change.reason, str(change), grounds=(change.evidence,))


def _set(answer: Answer) -> str:
    return " or ".join(answer.plausible) if answer.plausible else "none of the known kinds"
