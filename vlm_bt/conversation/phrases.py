"""The parts of a sentence that name things: "it", "the other screwdrivers", "the hammer on the left"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vlm_bt.conversation.names import EVERYTHING, SIDES, SIZES, Names

POINTING = frozenset({"it", "that", "this", "them", "those", "these"})
DETERMINERS = (
    frozenset(
        {
            "the",
            "a",
            "an",
            "any",
            "some",
            "all",
            "every",
            "both",
            "my",
            "your",
            "our",
            "another",
        }
    )
    | POINTING
)
PLURAL = frozenset(
    {
        "them",
        "those",
        "these",
        "all",
        "both",
        "ones",
        "others",
        "rest",
        "everything",
    }
)
BARE_HEADS = frozenset({"one", "ones", "other", "others", "rest"})
OTHER = frozenset({"other", "others", "another", "rest", "remaining"})
BESIDE = (("next", "to"), ("beside",), ("near",), ("close", "to"), ("besides",), ("by",), ("at", "the", "side", "of"))
LEADS_TO_A_PLACE = frozenset(
    {
        "on",
        "at",
        "in",
        "to",
        "from",
        "of",
        "lying",
        "that",
        "is",
        "are",
        "far",
        "very",
        "the",
        "your",
    }
)
HANDS = frozenset({"hand", "gripper", "fingers"})
THERE = frozenset({"there", "here", "over"})
ADJECTIVES_AT_MOST = 2
GRAMMAR = frozenset(
    (
        *DETERMINERS, *BARE_HEADS, *THERE, *LEADS_TO_A_PLACE,
        "with", "into", "among", "and", "or", "is", "are", "was", "not", "what", "which", "where", "why", "how",
        "many", "me", "i", "we", "you", "for", "go", "goes", "be", "belongs", "do", "put", "kind", "sort",
        "about", "again", "still",
    )
)  # fmt: skip
"""Words that are never an unknown adjective."""


@dataclass(frozen=True)
class Phrase:
    """A thing as a person names it.

    Attributes:
        kind: What it is called: a kind, a family such as "wrench", "" for any tool; None where no name is said.
        pointing: "that wrench", "it": what is meant was spoken of before, or is being handled.
        place: A side of the bench, a section's name, or "hand".
        beside: The thing that it lies next to; on `side` of it, if one is said.
        unknown: Adjectives that nobody knows a meaning of, such as "red".
        words: What was said, without determiners and place.
    """

    kind: str | None = None
    plural: bool = False
    pointing: bool = False
    size: str = ""
    place: str = ""
    other: bool = False
    beside: Phrase | None = None
    side: str = ""
    unknown: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    @property
    def bare(self) -> bool:
        """A kind as such, "hammers", and no particular ones."""
        return bool(self.kind) and not (self.pointing or self.size or self.place or self.other or self.beside)


@dataclass(frozen=True)
class Spotted:
    """A phrase, and the words [begin, end) that it is made of."""

    phrase: Phrase
    begin: int
    end: int


def spot(words: Sequence[str], names: Names) -> list[Spotted]:
    """Every phrase in a sentence of lower-case words without hyphens, from left to right; none overlap."""
    found, at = [], 0
    while at < len(words):
        one = _phrase(words, at, names)
        if one is None:
            at += 1
        else:
            found.append(one)
            at = one.end
    return found


def _phrase(words: Sequence[str], begin: int, names: Names) -> Spotted | None:
    at = begin
    determined = False
    pointing = False
    plural = False
    while at < len(words) and words[at] in DETERMINERS:
        pointing = pointing or words[at] in POINTING
        plural = plural or words[at] in PLURAL
        determined = True
        at += 1
        if words[at - 1] in POINTING and words[at - 1] not in ("it", "them"):
            break
        if words[at - 1] in ("it", "them"):
            return _with_place(words, begin, at, Phrase(None, plural, True, words=(words[at - 1],)), names)
    head = _head(words, at, names, determined)
    if head is None:
        if pointing:
            bare = words[at - 1] if words[at - 1] in POINTING else ""
            return _with_place(words, begin, at, Phrase(None, plural, True, words=(bare,)), names) if bare else None
        return None
    phrase, end = head
    phrase = replace(phrase, pointing=pointing, plural=plural or phrase.plural)
    return _with_place(words, begin, end, phrase, names)


def _head(words: Sequence[str], at: int, names: Names, determined: bool) -> tuple[Phrase, int] | None:
    """Adjectives and the noun. Without a determiner only a known name is a noun."""
    other, size, place = False, "", ""
    unknown: list[str] = []
    first = at
    while at < len(words):
        kind, length = _longest_name(words, at, names)
        if length:
            words_said = tuple(word for word in words[first : at + length] if word not in OTHER and word not in SIZES)
            last = words[at + length - 1]
            plural = last in PLURAL or (last.endswith("s") and kind != last and last not in ("pliers",))
            return Phrase(kind, plural, False, size, place, other, None, "", tuple(unknown), words_said), at + length
        word = words[at]
        if word in BARE_HEADS and (determined or other or size) and not (word in OTHER and at + 1 < len(words) and (
            _longest_name(words, at + 1, names)[1] or words[at + 1] in BARE_HEADS
        )):  # fmt: skip
            other = other or word in OTHER
            return Phrase(None, word in PLURAL, False, size, place, other, None, "", tuple(unknown)), at + 1
        if word in OTHER:
            other = True
        elif word in SIZES:
            size = SIZES[word]
        elif word in SIDES and (determined or (at + 1 < len(words) and _longest_name(words, at + 1, names)[1])):
            place = SIDES[word]
        elif determined and word not in GRAMMAR and len(unknown) < ADJECTIVES_AT_MOST:
            unknown.append(word)
        else:
            break
        at += 1
    if size and determined and not unknown:
        return Phrase(None, False, False, size, place, other), at
    return None


def _longest_name(words: Sequence[str], at: int, names: Names) -> tuple[str, int]:
    for length in range(min(names.longest, len(words) - at), 0, -1):
        part = tuple(words[at : at + length])
        if part in names.kinds and not (part[0] in EVERYTHING and part + tuple(words[at + 1 : at + 2]) in names.zones):
            return names.kinds[part], length
    return "", 0


def _with_place(words: Sequence[str], begin: int, end: int, phrase: Phrase, names: Names) -> Spotted:
    """What follows a noun and says where it lies."""
    at = end
    while at < len(words) and words[at] in THERE:
        at += 1
    end = at
    while at < len(words) and words[at] in ("lying", "that", "which", "is", "are") and at - end < 2:
        at += 1
    for lead in BESIDE:
        if tuple(words[at : at + len(lead)]) == lead:
            anchor = _phrase(words, at + len(lead), names)
            if anchor is not None and (anchor.phrase.kind or anchor.phrase.pointing):
                return Spotted(replace(phrase, beside=anchor.phrase), begin, anchor.end)
    return _at_a_side(words, begin, end, at, phrase, names)


def _at_a_side(words: Sequence[str], begin: int, end: int, at: int, phrase: Phrase, names: Names) -> Spotted:
    start = at
    while at < len(words) and at - start < 4 and words[at] in LEADS_TO_A_PLACE:
        at += 1
    if at == start or at >= len(words):
        return Spotted(phrase, begin, end)
    zone = next((zone for form, zone in names.zones.items() if tuple(words[at : at + len(form)]) == form), None)
    if zone is not None:
        length = len(zone.split("_"))
        return Spotted(replace(phrase, place=zone), begin, at + length)
    if words[at] in HANDS:
        return Spotted(replace(phrase, place="hand"), begin, at + 1)
    if words[at] not in SIDES:
        return Spotted(phrase, begin, end)
    side, at = SIDES[words[at]], at + 1
    if at < len(words) and words[at] in ("side", "section", "zone", "hand", "end"):
        at += 1
    if at < len(words) and words[at] == "of":
        anchor = _phrase(words, at + 1, names)
        if anchor is not None and anchor.phrase.kind:
            return Spotted(replace(phrase, beside=anchor.phrase, side=side), begin, anchor.end)
        if tuple(words[at : at + 3]) in (("of", "the", "bench"), ("of", "the", "table")):
            at += 3
    return Spotted(replace(phrase, place=side), begin, at)
