"""Counting: what lies on the bench and in the containers, by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from typing import Any

from vlm_bt.leaves.context import Ports
from vlm_bt.leaves.leaf import Input, Leaf, Output, Steps
from vlm_bt.leaves.looking import label_of, look_and_claim, what_are_they
from vlm_bt.ports import Ticket
from vlm_bt.questions import Choose
from vlm_bt.sentences import named, plural, split
from vlm_bt.types import Answer, Count, Outcome
from vlm_bt.vision.geometry import Segment, Segmented

UNKNOWN = "unknown tool"


class VerifyCount(Leaf):
    """Count what lies on the bench and in the containers, of one kind or of every kind.

    What no look can tell for sure is counted apart. In a container things lie on each other: depth sees those on top.
    """

    takes = {"of": Input("text", "a kind, or a word of its name such as screwdriver", required=False)}
    gives = {
        "into": Output("count", "how many of each"),
        "say": Output("report", "the answer in words, such as '3 screwdrivers: 2 Phillips, 1 flat'", required=False),
    }
    reasons = ("camera_lost", "model_lost", "stale", "timed_out", "busy", "unsupported")
    asks = (Choose,)
    ports: Ports

    def act(self) -> Steps:
        seen = yield from look_and_claim(self.ports)
        if not seen.ok:
            return seen
        inside: list[str] = []
        looked = yield from self._inside(inside)
        if not looked.ok:
            return looked
        memory = self.ports.memory
        labels = [label_of(self.ports, thing) for thing in memory.objects.values()] + inside
        sure = Counter(label for label in labels if not label.endswith("?") and label != UNKNOWN)
        of = self.input("of")
        rows = tuple((label, n) for label, n in sorted(sure.items()) if not of or named(of, label))
        unsure = [label.rstrip("?") for label in labels if label.endswith("?") or label == UNKNOWN]
        found = Count(
            rows,
            sum(not of or named(of, label) for label in unsure),
            memory.frame_id,
        )
        self.output("into", found)
        said = in_words(found, of)
        self.output("say", said)
        return Outcome("done", said)

    def _inside(self, labels: list[str]) -> Generator[Ticket[Any], Outcome, Outcome]:
        """Fills in what lies in the containers: what was put there is known by name, the rest is a claim."""
        ports, memory = self.ports, self.ports.memory
        if not memory.contained:
            labels += [put.label for put in memory.placed if ports.zone(put.zone).container]
            return Outcome()
        segmented: Ticket[Segmented] = ports.vision.submit(Segment(memory.frame_id))
        seen = yield segmented
        if not seen.ok:
            return seen
        for name in memory.contained:
            regions = tuple(r.index for r in segmented.value.regions if r.container == name)
            known = [put.label for put in memory.placed if put.zone == name]
            labels += known
            if len(regions) <= len(known):
                continue
            ticket = what_are_they(ports, regions)
            answered = yield ticket
            if not answered.ok:
                return answered
            claimed = Counter(_label(answer) for answer in ticket.value) - Counter(known)
            labels += list(claimed.elements())[: len(regions) - len(known)]
        return Outcome()


def in_words(found: Count, of: str | None) -> str:
    """ "3 screwdrivers: 2 Phillips, 1 flat", with what could not be told apart."""
    counts = dict(found.counts)
    total = sum(counts.values())
    said = split(counts, of or "thing")
    if found.unsure:
        rest = f"{found.unsure} {plural('thing', found.unsure)} that could not be told apart"
        said = f"{said}, and {rest}" if total else f"{said}; there {'is' if found.unsure == 1 else 'are'} {rest}"
    return f"{said[0].upper()}{said[1:]}."


def _label(answer: Answer) -> str:
    if len(answer.plausible) == 1:
        return answer.plausible[0]
    return f"{answer.best}?" if answer.plausible else UNKNOWN
