"""The terms on which a skill asks models, as its card says: how urgent it is, and which earlier answers will do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from vlm_bt.ports import Asker, Priority
from vlm_bt.questions import Reuse
from vlm_bt.tree.cards import Card
from vlm_bt.tree.findings import Problem, did_you_mean, one_of
from vlm_bt.tree.kinds import describe
from vlm_bt.tree.parse import Parser
from vlm_bt.tree.source import Entry, Value
from vlm_bt.tree.source import Mapping as MappingValue

PRIORITIES: Mapping[str, str] = {
    "guard": "before everything else: what keeps the robot or a person safe",
    "mission": "what the mission waits for",
    "chatter": "what can wait: reports, descriptions, small talk; the first to give way where too many wait",
}
REUSES: Mapping[str, str] = {
    "exact": "an earlier answer stands for a new one where every pixel that the model is shown is the same",
    "similar": "also where the picture is nearly the same; only for what looks and gives no right to move anything",
    "never": "every question is asked anew",
}
TRUSTED = ("verified_object", "held_object")


class Terms:
    """Reads `vision:` of a card; what is wrong goes to `problems`."""

    def __init__(self, parser: Parser, problems: list[Problem]) -> None:
        self._parser = parser
        self._problems = problems

    def read(self, entry: Entry, card: Card) -> Asker:
        """`card` has its leaf, safety and outputs already."""
        if card.instant:
            self._wrong("unknown-key", entry.key, "the leaf answers at once and asks no model")
            return card.asker
        value = entry.value
        if not isinstance(value, MappingValue):
            help = "Write it as vision: {priority: PRIORITY, reuse: REUSE}."
            self._wrong("type", value, f"expected priority and reuse by name, not {describe(value)}", help)
            return card.asker
        self._parser.only(value, ("priority", "reuse"), "'vision'")
        priority, reuse = card.asker.priority, card.asker.reuse
        if "priority" in value.entries:
            said = self._one(value.entries["priority"].value, "priority", PRIORITIES)
            priority = Priority[said.upper()] if said else priority
        if "reuse" in value.entries:
            said = self._one(value.entries["reuse"].value, "reuse", REUSES)
            if said == "similar" and (why := not_similar(card)):
                self._wrong("loosened", value.entries["reuse"].value, why, "Use exact or never.")
            elif said:
                reuse = cast(Reuse, said)
        return Asker(card.name, priority, reuse=reuse)

    def _one(self, value: Value, what: str, known: Mapping[str, str]) -> str:
        said = self._parser.text(value)
        if not said or said in known:
            return said
        hint = did_you_mean(said, list(known))
        self._wrong("type", value, f"there is no {what} {said!r}", f"There are: {one_of(known)}.{hint}")
        return ""

    def _wrong(self, rule: str, at: Value, message: str, help: str = "") -> None:
        self._problems.append(Problem(rule, at.mark, message, help))


def not_similar(card: Card) -> str:
    """Why answers about pictures that are only similar will not do for this skill; empty where they will."""
    # An earlier answer is no independent evidence, and what is verified or asked is taken for evidence later.
    trusted = next((port.kind.name for port in card.outputs.values() if port.kind.name in TRUSTED), "")
    if trusted:
        return f"the leaf gives a {trusted}: an earlier answer is no evidence for it"
    return (
        "" if card.safety == "looks" else f"the leaf counts as {card.safety!r}: an earlier answer is no evidence for it"
    )
