"""What a phrase such as "red screwdriver with two handles" or "there are two spanners on the bench" asks for.

Words only: what is not understood is kept as free text for a model that compares words with pictures.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from vlm_bt.vision.words import GENERIC, NO_COLOURS, colour_called, kinds_called, plain

Quantity = Literal["exactly", "at least", "at most"]

NUMBERS = {
    "no": 0, "zero": 0, "one": 1, "a single": 1, "two": 2, "a pair of": 2, "three": 3, "four": 4, "five": 5, "six": 6,
    "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12,
}  # fmt: skip
_THINGS = {*GENERIC, "tools", "things", "objects", "items", "anything", "stuff", "part", "parts"}
_PLACE = (
    r"(?: (?:lying |left |still |here )?(?:on|at|in) (?:the |this )?"
    r"(?:work ?bench|bench|table|work ?surface|picture|image|frame|scene))"
)
_TAIL = re.compile(rf"(?:{_PLACE}| here| there| anywhere| in sight| visible)+$")
_THERE = re.compile(
    r"^(?:(?:is|are) there|there(?: is|'s| are)|i (?:can )?see|(?:can|do) you see|you can see|it shows|does it show)\s+"
)
_SUBJECT = r"(?:it|this|that|(?:the )?(?:thing|tool|object))"
_IT = re.compile(rf"^(?:is {_SUBJECT}|{_SUBJECT} is)\s+")
_LEAST = re.compile(
    r"^(at least|no fewer than|at most|no more than|exactly|only|just|more than|fewer than|less than)\s+"
)
_EMPTY = re.compile(
    r"(?:is )?(?:the )?(?:work ?bench|bench|table)(?: is)? (?:empty|clear|bare)|nothing|empty|"
    r"there(?: is|'s) nothing|is there nothing"
)
_HAS = re.compile(rf"^(?:{_SUBJECT} has|does {_SUBJECT} have|has|with|having)\s+")
_NOT = re.compile(
    rf"^(?:(?:{_SUBJECT} is )?(?:not|anything but|something (?:other than|else than|but))|is {_SUBJECT} not)\s+"
)
_ON_IT = re.compile(r" (?:on|at) (?:it|this|that)$")
_JOINS = re.compile(
    r"\b(?:and|or|than|not|no|in|on|at|to|by|under|over|behind|front|beside|near|next|left|right|inside|outside|between|"
    r"all|every|each|both|touching|above|below|moved?|fell|open|closed)\b"
)
"""Not in a name of things."""
MOST_WORDS = 8
_VERB = re.compile(r"\b(?:is|are|was|were|has|have|does|do|can|will|should)\b")


@dataclass(frozen=True)
class Phrase:
    """What a thing must be to fit; what is None or empty does not matter.

    Attributes:
        text: The phrase as it was said, without articles and place.
        kinds: One of these. colour: one of the colours that the model knows by name. part: what it has.
        free: The phrase has words that none of these covers.
        never: It has a colour that nothing on the bench has.
    """

    text: str
    kinds: tuple[str, ...] = ()
    colour: str = ""
    parts: tuple[str, ...] = ()
    free: bool = False
    never: bool = False


@dataclass(frozen=True)
class Claim:
    """A claim about how many things fit a phrase."""

    phrase: Phrase
    quantity: Quantity
    number: int


def phrase_of(text: str, parts: Sequence[str] = ()) -> Phrase:
    """Take a phrase apart. `parts`: the phrases for parts that the model knows."""
    said = plain(_TAIL.sub("", plain(_IT.sub("", _THERE.sub("", plain(text))))))
    whole = said
    said, _, that = said.partition(" that is ")
    had = _HAS.match(said)
    noun, _, having = ("thing", "", said[had.end() :]) if had else said.partition(" with ")
    known = {part.lower(): part for part in parts}
    colour, never, found, free = "", False, [], False
    words = noun.split()
    if that:
        colour, never = colour_called(that), that in NO_COLOURS
        free = not colour and not never
    for length in (2, 1):
        head = " ".join(words[:length]).removesuffix("-handled")
        if not colour and len(words) >= length and (colour_called(head) or head in NO_COLOURS):
            colour, never, words = colour_called(head), head in NO_COLOURS, words[length:]
            break
    for part in (plain(some) for some in re.split(r",| and ", having) if some.strip()):
        shade = part.rsplit(" ", 1)[0] if part.endswith((" handle", " handles")) else ""
        if part in known:
            found.append(known[part])
        elif colour_called(shade):
            colour = colour_called(shade)
        elif shade in NO_COLOURS:
            never = True
        elif part != "handle":
            free = True
    if not colour and len(words) == 2 and words[0] in _THINGS and colour_called(words[1]):
        colour, words = colour_called(words[1]), words[:1]
    rest = _ON_IT.sub("", " ".join(words))
    if rest in known:
        found.append(known[rest])
        rest = ""
    kinds = kinds_called(rest)
    of_handle = rest == "handle" and (colour or never)
    free = free or bool(rest and not kinds and rest not in _THINGS and not of_handle)
    return Phrase(whole, kinds, colour, tuple(found), free, never)


def is_noun(phrase: Phrase) -> bool:
    """Whether a phrase names things and says nothing else of them: where a word is not known, what it says is judged by
    comparing words with pictures, which only tells what things look like."""
    noun = phrase.text.partition(" with ")[0]
    return bool(noun) and not (
        phrase.free and (_VERB.search(phrase.text) or _JOINS.search(noun) or len(phrase.text.split()) > MOST_WORDS)
    )


def denied(text: str) -> tuple[bool, str]:
    """Whether a claim about one thing, such as "it is not a hammer", denies, and what."""
    said = plain(text)
    found = _NOT.match(said)
    return (True, said[found.end() :]) if found else (False, text)


def claim_of(text: str, parts: Sequence[str] = ()) -> Claim | None:
    """What is claimed about a picture of several things; None where it is about anything but what is there."""
    said = plain(text)
    if _EMPTY.fullmatch(_TAIL.sub("", said)) or _EMPTY.fullmatch(said):
        return Claim(Phrase("thing"), "exactly", 0)
    said = _TAIL.sub("", _THERE.sub("", said)).strip()
    quantity: Quantity = "at least"
    number, shift = 1, 0
    limited = _LEAST.match(said)
    if limited:
        word, said = limited[1], said[limited.end() :]
        shift = {"more than": 1, "fewer than": -1, "less than": -1}.get(word, 0)
        exact = word in ("exactly", "only", "just")
        quantity = (
            "exactly" if exact else "at least" if word in ("at least", "no fewer than", "more than") else "at most"
        )
    for name, value in NUMBERS.items():
        if said.startswith(f"{name} "):
            said, number = said[len(name) + 1 :], value
            quantity = quantity if limited else "exactly" if value != 1 else "at least"
            break
    else:
        digits = re.match(r"(\d{1,3})\s+", said)
        if digits:
            said, number = said[digits.end() :], int(digits[1])
            quantity = quantity if limited else "exactly"
    phrase = phrase_of(said, parts)
    joined = re.search(r" (?:and|or) ", f" {phrase.text.partition(' with ')[0]} ")
    if _VERB.search(phrase.text) or joined or not phrase.text:
        return None
    return Claim(phrase, quantity, max(0, number + shift))
