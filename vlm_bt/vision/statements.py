"""What is said of a whole scene: how many of what lie where, and how things lie to each other.

A closed grammar: what it does not cover is nothing that could be answered, and is never guessed at. Left and right,
above and below are those of the picture, as the camera sees them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from vlm_bt.types import Zone
from vlm_bt.vision.phrases import NUMBERS, Claim, Phrase, claim_of, is_noun, phrase_of
from vlm_bt.vision.words import plain

Relation = Literal[
    "left of", "right of", "above", "below", "touching", "next to", "between", "nearest to", "nearer to", "nearer than",
    "longer than", "shorter than", "taller than", "lower than", "bigger than", "smaller than", "in", "is",
]  # fmt: skip
"""X is nearer to A than to B: "nearer to" with the objects A and B. X is nearer to A than B is: "nearer than"."""


@dataclass(frozen=True)
class Condition:
    """What is said of a thing beyond its name.

    Attributes:
        objects: The other things; the predicate for "is"; none for "in".
        place: Name of a zone, "" for the whole bench; for "in".
        denied: The opposite is said.
    """

    relation: Relation
    objects: tuple[Phrase, ...] = ()
    place: str = ""
    denied: bool = False


@dataclass(frozen=True)
class Counted:
    """As many as claimed of the things that fit the phrase also meet the condition; with `every`, all of them do."""

    claim: Claim
    condition: Condition | None = None
    every: bool = False


@dataclass(frozen=True)
class Compared:
    """There are more, fewer, or as many of the first than, or as, of the second."""

    first: Phrase
    how: Literal["more", "fewer", "equal"]
    second: Phrase


@dataclass(frozen=True)
class Statement:
    """All of the clauses are said to be true together; with `denied`, not all of them."""

    clauses: tuple[Counted | Compared, ...]
    denied: bool = False


_SHORT = (("n't ", " not "), ("'s ", " is "))
_UNTRUE = re.compile(r"^(?:it is |is it )?(?:not true|false|untrue|wrong|not the case|not so) that (?:the )?")
_TRUE = re.compile(r"^(?:it is |is it )?(?:true|so|the case) that (?:the )?")
_PICTURE = r"(?: (?:in|on) (?:the |this )?(?:picture|image|frame|photo))"
_BE = r"(?:is|are|lies?|sits?|lying)"
_SIDE = r"(?:(?:to|on|at) (?:the )?)?{0}(?:[- ]hand)?(?: side)? of"
_THAN = re.compile(
    r"^(?:there (?:is|are) |are there |is there |i see )?"
    r"(?P<how>more|fewer|less|as many|just as many|the same number of) (?P<a>.+?) (?:than|as) (?:there are )?(?P<b>.+)$"
)
_HOW = {"more": "more", "fewer": "fewer", "less": "fewer"}
_RELATIONS: tuple[tuple[Relation, str], ...] = (
    ("left of", _SIDE.format("left")),
    ("right of", _SIDE.format("right")),
    ("above", rf"(?:above|higher{_PICTURE} than)"),
    ("below", rf"(?:below|beneath|lower{_PICTURE} than)"),
    ("touching", r"(?:touch(?:es|ing)?|in (?:direct )?contact with|(?:leaning |lying )?against)"),
    ("next to", r"(?:(?:right )?next to|beside|close to|near(?: to)?)"),
    ("nearest to", r"(?:the )?(?:nearest|closest)(?: (?:thing|tool|object|one))? to"),
    ("between", r"(?:somewhere )?(?:in )?between"),
    ("nearer to", r"(?:nearer|closer) to"),
    ("longer than", r"longer than"),
    ("shorter than", r"shorter than"),
    ("taller than", r"(?:taller|higher) than"),
    ("lower than", r"(?:flatter|lower) than"),
    ("bigger than", r"(?:bigger|larger) than"),
    ("smaller than", r"smaller than"),
)
_FOUND = tuple(
    (name, re.compile(rf"^(?P<a>.+?)(?: {_BE}| does| do)?(?P<no> not)?(?: lying)? {said} (?P<b>.+)$"))
    for name, said in _RELATIONS
)
_EACH_OTHER = re.compile(
    rf"^(?P<a>.+?) and (?P<b>.+?)(?: {_BE}| do)?(?P<no> not)?(?: lying)? "
    r"(?P<how>touch(?:ing)?|in contact|next to|close to|near)(?: each other| one another)?$"
)
_OF_THINGS = re.compile(
    r"(?:there|is there|are there|i (?:can )?see|(?:can|do) you see|you can see|it shows|does it show|an?|the|some|any|"
    r"at (?:least|most)|exactly|only|just|more|fewer|less|\d+|" + "|".join(NUMBERS) + r")\b"
)
"""How a text begins that says what is there."""
_NEAREST_IS = re.compile(
    r"^(?:what is |is )?(?:thing |tool |object |one )?(?:nearest|closest)(?: (?:thing|tool|object))? to (?:the )?"
    r"(?P<b>.+?)(?: is)?(?P<no> not)? (?P<a>(?:an?|the) .+)$"
)
_EVERY = re.compile(r"^(?:is |are )?(?:all(?: of)?(?: the)?|every(?: one of the)?|each) (?P<what>.+)$")
_NONE = re.compile(r"^(?:none of the|no|neither of the) (?P<what>.+)$")
_ASKED = re.compile(r"^(?:is|are|does|do) (?!there\b)(?:the )?(?P<rest>.+)$")
_IS = re.compile(r"^(?P<a>.+?) (?P<verb>is|are|has|have)(?P<no> not| no)? (?P<b>.+)$")
_HAVING = ("has", "have")


def statement_of(text: str, parts: Sequence[str] = (), zones: Sequence[Zone] = ()) -> Statement | None:
    """What is said of the scene; None where the grammar does not cover it.

    Args:
        parts: Phrases for parts that the model knows. zones: Places by name, such as "the left zone" and "the bin".
    """
    said, denied = plain(without_short_forms(text.replace(",", " , "))), False
    if _UNTRUE.match(said):
        said, denied = _UNTRUE.sub("", said), True
    said = plain(_TRUE.sub("", said))
    clauses = _Reader(parts, zones).clauses(said)
    if not clauses or (any(_is_strange(clause) for clause in clauses) and not _OF_THINGS.match(text.strip().lower())):
        return None
    return Statement(clauses, denied)


def _is_strange(clause: Counted | Compared) -> bool:
    """Whether it is nothing but words that are not known: a name of a thing, or anything else."""
    return isinstance(clause, Counted) and clause.condition is None and clause.claim.phrase.free


class _Reader:
    """Reads what is said in one language of parts and places."""

    def __init__(self, parts: Sequence[str], zones: Sequence[Zone]) -> None:
        self._parts = parts
        self._places = dict(spoken_places(zones))
        some = any_of(self._places)
        self._in = re.compile(
            rf"^(?:(?P<a>.+?) )??(?:(?:that )?{_BE} )?(?P<no>not )?(?:lying |placed |left |still )?"
            rf"(?P<out>outside(?: of)?|out of|in|inside|within|on|at)(?: of)? (?:the )?(?P<place>{some})$"
        )
        self._empty = re.compile(
            rf"^(?:is )?(?:the )?(?P<place>{some}) (?:is )?(?P<no>not )?(?:empty|clear|free|bare)$"
        )

    def clauses(self, said: str) -> tuple[Counted | Compared, ...]:
        """Empty: not understood."""
        one = self._clause(said)
        if one is not None:
            return (one,)
        together = self._each_other(said)
        if together is not None:
            return (together,)
        for first, second in _split(said):
            both = [*self.clauses(first), *self.clauses(second)]
            if self.clauses(first) and self.clauses(second):
                return tuple(both)
        return ()

    def _clause(self, said: str) -> Counted | Compared | None:
        found = _THAN.match(said)
        if found:
            a, b = self._noun(found["a"]), self._noun(re.sub(r" are there$", "", found["b"]))
            how = _HOW.get(found["how"], "equal")
            return Compared(a, how, b) if a and b else None  # type: ignore[arg-type]
        found = self._empty.match(said)
        if found:
            place = Condition("in", place=self._places[found["place"]])
            some = Claim(Phrase("thing"), "at least", 1) if found["no"] else Claim(Phrase("thing"), "exactly", 0)
            return Counted(some, place)
        for pattern, every in ((_EVERY, True), (_NONE, False)):
            found = pattern.match(said)
            if found:
                inner = self._said_of(found["what"], said.startswith(("is ", "are ")))
                if inner is None or inner.condition is None or inner.claim.number != 1:
                    return self._plain(said) if not every else None
                none = replace(inner.claim, quantity="exactly", number=0)
                return replace(inner, every=True) if every else replace(inner, claim=none)
        asked = _ASKED.match(said)
        return self._said_of(asked["rest"] if asked else said, asked is not None) or self._plain(said)

    def _said_of(self, said: str, asked: bool = False) -> Counted | None:
        """A subject with something that is said of it."""
        found = self._in.match(said)
        if found:
            claim = self._subject(found["a"] or "thing")
            denied = bool(found["no"]) != found["out"].startswith("out")
            return Counted(claim, Condition("in", place=self._places[found["place"]], denied=denied)) if claim else None
        found = _NEAREST_IS.match(said)
        if found:
            return self._related(found["a"], "nearest to", (found["b"],), bool(found["no"]))
        for name, pattern in _FOUND:
            found = pattern.match(said)
            if found:
                objects = _objects(name, found["b"])
                relation: Relation = "nearer than" if name == "nearer to" and found["b"].endswith(" is") else name
                return self._related(found["a"], relation, objects, bool(found["no"])) if objects else None
        if not asked:
            return self._attribute(said)
        # "is the hammer red": where the noun ends is found by trying.
        words = said.split()
        for cut in range(len(words) - 1, 0, -1):
            known = self._attribute(f"{' '.join(words[:cut])} is {' '.join(words[cut:])}")
            if known is not None:
                return known
        return None

    def _attribute(self, said: str) -> Counted | None:
        """ "the hammer is red", "the pliers have a red handle", "the red tool is a hammer"."""
        found = _IS.match(said)
        if not found or found["a"].startswith(("there", "it", "this", "that")):
            return None
        claim, has = self._subject(found["a"]), found["verb"] in _HAVING
        what = phrase_of(f"thing with {found['b']}" if has else found["b"], self._parts)
        if claim is None or what.free or not (what.kinds or what.colour or what.never or what.parts):
            return None
        return Counted(claim, Condition("is", (what,), denied=bool(found["no"])))

    def _related(self, subject: str, relation: Relation, objects: Sequence[str], denied: bool) -> Counted | None:
        claim = self._subject(subject)
        nothing = [text for text in objects if plain(text) in ("nothing", "nothing else")]
        nouns = [Phrase("thing") if text in nothing else self._noun(text) for text in objects]
        if claim is None or any(noun is None for noun in nouns) or (nothing and len(objects) > 1):
            return None
        known = tuple(noun for noun in nouns if noun is not None)
        return Counted(claim, Condition(relation, known, denied=denied != bool(nothing)))

    def _each_other(self, said: str) -> Counted | None:
        found = _EACH_OTHER.match(_ASKED.sub(r"\g<rest>", said))
        if not found or not found.group(0).endswith(("other", "another", "touch", "touching", "contact")):
            return None
        relation: Relation = "touching" if found["how"].startswith(("touch", "in contact")) else "next to"
        return self._related(found["a"], relation, (found["b"],), bool(found["no"]))

    def _subject(self, said: str) -> Claim | None:
        text = re.sub(r"^(?:there (?:is|are)|is there|are there|i (?:can )?see|nothing)\s+", "", plain(said))
        if plain(said) in ("nothing", "nothing else"):
            return Claim(Phrase("thing"), "exactly", 0)
        claim = claim_of(re.sub(rf"(?: that)?(?: {_BE})?$", "", text), self._parts)
        return claim if claim is not None and is_noun(claim.phrase) else None

    def _noun(self, said: str) -> Phrase | None:
        text = plain(re.sub(r"^(?:another|other) ", "", plain(said)))
        text = re.sub(r"^(?:(?:some)?thing|tool|object) else$", "thing", text)
        phrase = phrase_of(text, self._parts)
        return phrase if is_noun(phrase) else None

    def _plain(self, said: str) -> Counted | None:
        claim = claim_of(said, self._parts)
        return Counted(claim) if claim is not None and is_noun(claim.phrase) else None


def without_short_forms(text: str) -> str:
    """ "is not" for "isn't"; without capitals, articles at the start and end marks."""
    said = f"{plain(text)} "
    for short, long in _SHORT:
        said = said.replace(short, long)
    return " ".join(said.split())


def any_of(names: Iterable[str]) -> str:
    """A pattern for any of the names, the longest first; one that never matches where there are none."""
    return "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True)) or r"(?!)"


def spoken_places(zones: Sequence[Zone]) -> Iterator[tuple[str, str]]:
    """What each zone may be called, with its name."""
    boxes = [zone.name for zone in zones if zone.container]
    for zone in zones:
        words = zone.name.replace("_", " ").lower()
        bare = re.sub(r" ?(?:zone|area)$", "", words)
        for spoken in (f"{bare} zone", f"{bare} area", f"zone {bare}"):
            yield spoken, zone.name
        # "on the left" is not said of a zone that is called so.
        if zone.container or "_" in zone.name or bare != words:
            yield words, zone.name
            yield zone.name.lower(), zone.name
    if len(boxes) == 1:
        for word in ("bin", "box", "container", "tray"):
            yield word, boxes[0]


def spoken(zone: Zone) -> str:
    """ "left zone", "parts bin"."""
    words = zone.name.replace("_", " ")
    return words if zone.container or words.endswith(("zone", "area")) else f"{words} zone"


def _objects(relation: Relation, said: str) -> tuple[str, ...]:
    """Empty: there should be two, and are not, or which two is not clear."""
    if relation == "between":
        first, _, second = said.partition(" and ")
        return (first, second) if second else ()
    if relation == "nearer to":
        first, _, second = said.partition(" than ")
        meant = second.startswith("to ") or second.endswith(" is")
        return (first, re.sub(r"^to | is$", "", second)) if meant else ()
    return (said,)


def _split(said: str) -> Iterator[tuple[str, str]]:
    """Every way to take "A and B" for two; a verb that both share is said of each."""
    for found in re.finditer(r" (?:and|but) (?:also )?(?:there (?:is|are) )?", said):
        first, second = said[: found.start()], said[found.end() :]
        shared = re.search(rf" (?:{_BE}|has|have|touch)\b.*$", second)
        if shared and not re.search(rf"\b(?:{_BE}|has|have|there)\b", first):
            yield first + shared.group(0), second
        yield first, second
