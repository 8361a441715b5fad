"""Answers in words, from what a mission knows; nothing here changes anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from vlm_bt.conversation.journal import Journal
from vlm_bt.conversation.things import Known, a, place_of, places, the
from vlm_bt.leaves.context import Ports
from vlm_bt.leaves.counting import in_words
from vlm_bt.scene.facts import GROUP, IDENTITY, LEAVE, Fact
from vlm_bt.sentences import listed, plural
from vlm_bt.types import Count

NOTHING_SEEN = "I have not looked at the bench yet."


def how_many(things: Sequence[Known], kind: str, where: str = "") -> str:
    """ "5 screwdrivers: 3 Phillips, 2 flat." with what could not be told apart."""
    sure = Counter(one.label for one in things if one.label and one.sure)
    count = Count(tuple(sorted(sure.items())), sum(not (one.label and one.sure) for one in things), "")
    said = in_words(count, kind or None)
    return f"{said.removesuffix('.')} {where}." if where else said


def where_is(found: Sequence[Known], among: Sequence[Known], kind: str) -> str:
    if not found:
        return f"I see no {kind or 'such thing'}."
    if len(found) == 1:
        return f"{_begun(the(found[0]))} is {place_of(found[0], among)}."
    word = plural(kind or "thing", 2)
    return f"The {word}: {places(found, among)}."


def what_is(one: Known, ports: Ports, journal: Journal) -> str:
    """What a thing is taken for, and how that is known."""
    long = f", {one.length_m * 100:.0f} cm long" if one.length_m else ""
    where = " in my hand" if one.place == "hand" else ""
    verdict = journal.verdict_on(one.id)
    if verdict is not None and verdict.label == one.label:
        return f"That is {a(one.label)}{where}{long}: {verdict.reason}."
    told = ports.memory.facts.recall("object", one.id, IDENTITY)
    if told:
        return f"That is {a(str(told))}{long}: a person said so."
    answer = ports.memory.claims.get(one.id)
    if answer is None or not answer.plausible:
        return f"I do not know what that is{long}. It is like nothing I know."
    if len(answer.plausible) > 1:
        return f"I am not sure{long}: it may be {listed([a(kind) for kind in answer.plausible], 'or')}."
    return f"I take it for {a(one.label)}{long}, {answer.score:.0%} by the model; it is not verified yet."


def why_left(one: Known, ports: Ports) -> str:
    """Why a thing lies where it does; "" where nothing was decided about it."""
    why = ports.memory.aside.get(one.id) or ports.memory.objection(one.id, one.label)
    return f"{_begun(the(one))} is left where it lies: {why}." if why else ""


def fact_in_words(fact: Fact, called: str = "") -> str:
    """A fact as a person would say it. `called`: what its object is called."""
    about = called or (fact.subject.replace("-", " ") if fact.scope == "object" else plural(fact.subject, 2))
    if fact.key == LEAVE:
        return f"{about}: to be left alone"
    if fact.key == IDENTITY:
        return f"{about}: {a(str(fact.value))}"
    if fact.key == GROUP:
        return f"{about}: with the {plural(str(fact.value), 2)}"
    return str(fact)


def _begun(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"
