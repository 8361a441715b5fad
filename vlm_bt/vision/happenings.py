"""What is said to have happened between an earlier and a later picture of a bench: a closed grammar, nothing guessed.

What moved a thing is not to be seen. A thing that lies elsewhere is "placed" where it lies in a zone, "dropped"
where it lies in none; "missed" is one that a gripper has at most nudged; "wrong zone" needs the zone that was meant.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from vlm_bt.types import Zone
from vlm_bt.vision.phrases import Claim, Phrase, claim_of, is_noun
from vlm_bt.vision.statements import any_of, spoken_places, without_short_forms
from vlm_bt.vision.words import plain

Event = Literal[
    "changed", "moved", "placed", "missed", "kept", "dropped", "wrong zone", "knocked over", "taken", "added"
]


@dataclass(frozen=True)
class Happening:
    """As many things as claimed have met with this.

    Attributes:
        place: Name of the zone for "placed", "" for any; for "wrong zone" the one that was meant.
        denied: The opposite is said.
    """

    event: Event
    claim: Claim
    place: str = ""
    denied: bool = False


_ANY = Claim(Phrase("thing"), "at least", 1)
_HELP = r"(?:was|were|is|are|has been|have been|has|have|had|got|did|been)"
_PUT = r"(?:placed|put(?: down)?|moved|laid(?: down)?|dropped|sorted|set down|brought|taken)"
_VERBS: tuple[tuple[Event, str], ...] = (
    ("knocked over", r"(?:knocked|tipped|turned|toppled|fallen|fell|fall) over|knocked down|toppled|overturned"),
    ("missed", r"missed(?: by the (?:gripper|hand|arm|robot))?|not (?:grasped|gripped|picked up)|a? ?missed grasp"),
    ("kept", r"(?:still |left )?where (?:it|they) (?:was|were)|stayed(?: in place| where (?:it|they) (?:was|were))?|"
             r"left (?:alone|in place)|untouched|unchanged|unmoved|as (?:it|they) (?:was|were)"),
    ("dropped", r"dropped|let fall|fell(?: down)?|fallen(?: down)?|fall(?: down)?|slipped(?: away)?"),
    ("taken", r"(?:taken|removed|picked up|lifted|carried)(?: away| off| up)?(?: from (?:the )?(?:bench|table))?|"
              r"gone|missing|disappeared|vanished|disappear|no longer there"),
    ("added", r"added(?: to (?:the )?(?:bench|table))?|new|appeared|turned up|appear|"
              r"(?:put|placed|laid|set)(?: down)? on (?:the )?(?:bench|table)"),
    ("moved", r"moved(?: away)?|shifted|displaced|elsewhere|somewhere else|move|pushed(?: away| aside)?|nudged"),
    ("placed", r"placed|put(?: down)?|sorted|laid(?: down)?|set down"),
    ("changed", r"changed|happened|change|happen"),
)  # fmt: skip
_SAID = tuple(
    (event, re.compile(rf"^(?:(?P<a>.+?) )?(?:{_HELP} )?(?P<no>not )?(?:now |just )?(?:{verb})$"))
    for event, verb in _VERBS
)
_STILL = re.compile(r"^(?:bench|table|scene|picture|everything|all|nothing)(?: is| was| looks)? (?P<no>not )?"
                    r"(?:(?:the |still )?(?:same|unchanged|as it was|as before))$")  # fmt: skip
_WRONG = re.compile(
    rf"^(?:(?P<a>.+?) )??(?:{_HELP} )?(?P<no>not )?(?:{_PUT} )?(?:in |into |to )?(?:the |a )?wrong (?:zone|place|bin)$"
)
_MEANT = (
    r"[,;(]? ?(?:(?:and |which |that )?(?:it |they )?(?:was |were |is )?(?:meant|intended) for|"
    r"instead of(?: in| into)?|(?:it )?(?:should|was to|was supposed to) (?:have )?(?:go|gone|be|been)"
    r"(?: put| placed| moved)?(?: in| into| to))"
)
_ASKED = re.compile(rf"^{_HELP} (?P<rest>(?:the |an? |any|some|no|nothing|two|three).+)$")
_NOW = re.compile(r"^there (?:is|are) (?:an?other|a new|new) (?P<a>.+)$")
_WHICH = re.compile(
    r"^(?:what|which(?: (?:one|thing|tool|object|of these)(?: things| tools)?)?) (?=was|were|is|has|fell|moved)"
)
_TO_WHAT = re.compile(r"\bhappened to (?:the )?(?P<a>[^?.,;]+)")
_WHERE = re.compile(
    r"^where (?:was|has|is|were) (?:the )?(?P<a>.+?)(?: been)? (?P<verb>put|placed|moved|laid)(?: down| to)?$"
)
_NAMES: dict[str, Event] = {
    "nothing": "changed",
    "missed grasp": "missed",
    "grasp missed": "missed",
    "failed grasp": "missed",
    "grasp failed": "missed",
    "knocked over": "knocked over",
}


def happening_of(
    text: str, parts: Sequence[str] = (), zones: Sequence[Zone] = (), about: str = "", meant: str = ""
) -> Happening | None:
    """What is said to have happened; None where it is not understood.

    Args:
        about: What "it" is, and what a text without a subject is about; anything if empty.
        meant: Name of the zone that it was meant for, where the text itself does not say; "placed" is into that one.
    """
    said = plain(without_short_forms(text.replace("_", " ")))
    said_to_be_meant, said = _meant(said, zones)
    meant = said_to_be_meant or meant
    if about:
        said = re.sub(r"\b(?:it|they|this|that)\b(?= )", about, said, count=1)
    asked = _ASKED.match(said)
    said = plain(asked["rest"] if asked else said)
    subject = claim_of(about, parts) if about else _ANY
    still = _STILL.match(said)
    if still:
        return Happening("changed", _ANY, denied=not still["no"])
    if said in _NAMES:
        return Happening(_NAMES[said], subject or _ANY, denied=said == "nothing")
    wrong = _WRONG.match(said)
    if wrong:
        return _happened("wrong zone", wrong["a"], bool(wrong["no"]), meant, subject, parts) if meant else None
    places = dict(spoken_places(zones))
    somewhere = rf"(?:in|into|to|inside|on|onto) (?:the )?(?P<place>{any_of(places)})"
    put = re.match(rf"^(?:(?P<a>.+?) )??(?:{_HELP} )?(?P<no>not )?{_PUT} {somewhere}$", said)
    if put:
        return _happened("placed", put["a"], bool(put["no"]), places[put["place"]], subject, parts)
    new = _NOW.match(said)
    if new:
        return _happened("added", new["a"], False, "", subject, parts)
    for event, pattern in _SAID:
        found = pattern.match(said)
        if found:
            goal = meant if event == "placed" else ""
            return _happened(event, found["a"], bool(found["no"]), goal, subject, parts)
    return None


def filled_in(question: str, option: str) -> str:
    """A question such as "which tool was taken?" with one of its options for an answer."""
    asked = plain(question)
    where = _WHERE.match(asked)
    if where:
        return f"{where['a']} was {where['verb']} into {plain(re.sub(r'^(?:in|into|to|on) ', '', plain(option)))}"
    return _WHICH.sub(f"{plain(option)} ", asked) if _WHICH.match(asked) and "happened" not in asked else option


def asked_about(question: str) -> str:
    """The thing in "what happened to the hammer?"; "" for a question about everything."""
    found = _TO_WHAT.search(plain(question))
    return plain(re.split(r" (?:that|which|,)", found["a"])[0]) if found else ""


def meant_zone(question: str, zones: Sequence[Zone]) -> str:
    """The zone that something was meant for, where a question says it."""
    return _meant(plain(question), zones)[0]


def _meant(said: str, zones: Sequence[Zone]) -> tuple[str, str]:
    """The zone that was meant, and the text without it."""
    places = dict(spoken_places(zones))
    some = any_of(places)
    found = re.search(rf"{_MEANT} (?:the )?(?P<place>{some})\)?", said)
    if found:
        return places[found["place"]], plain(said[: found.start()] + said[found.end() :])
    other = re.search(rf"\b(?:a |another )?(?:zone|place) (?:other )?than (?:the )?(?P<place>{some})$", said)
    if other:
        return places[other["place"]], said[: other.start()] + "the wrong zone"
    return "", said


def _happened(
    event: Event, subject: str | None, denied: bool, place: str, about: Claim | None, parts: Sequence[str]
) -> Happening | None:
    said = plain(subject or "")
    if said in ("nothing", "nothing else"):
        return Happening(event, _ANY, place, not denied)
    if said in ("", "it", "something", "anything", "a thing"):
        return Happening(event, about or _ANY, place, denied)
    claim = claim_of(said, parts)
    if claim is None or not is_noun(claim.phrase):
        return None
    if event == "missed" and said in ("grasp", "gripper", "hand", "arm", "robot"):
        return Happening(event, about or _ANY, place, denied)
    return Happening(event, claim, place, denied)
