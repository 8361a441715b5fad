"""Questions about crops with their answers, in many wordings, for the question head.

Half of what is asked with yes or no is true. What is not true is nearly true: another kind of the same family, another
colour of the same kind, a part of a similar thing. Pairs of colour and kind that are held out are never asked about.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from vlm_bt.training.data import Label
from vlm_bt.training.held_out import HELD_OUT_PAIRS, is_pair_held_out
from vlm_bt.vision.asking_words import (
    CAPTION_QUESTION,
    NONE_OF_THESE,
    TRUE_TEMPLATES,
    caption_of,
    choice_prompt,
    indefinite,
    parts_of,
    proper_parts,
)
from vlm_bt.vision.vocabulary import KINDS, OTHER
from vlm_bt.vision.words import ABSENT, CATEGORIES, COLOUR_WORDS, GENERIC, HANDLED, NO_COLOURS, SYNONYMS

_FAMILIES: tuple[tuple[str, ...], ...] = (
    ("adjustable wrench", "combination wrench"),
    ("Phillips screwdriver", "flat screwdriver"),
    ("pliers", "needle-nose pliers"),
)
_COUNTS = ("none", "one", "two")
_NUMBERS = {"none": "0", "one": "1", "two": "2"}
_NOUN_FORMS = (
    "{}",
    "{}",
    "is it {}",
    "is this {}",
    "it is {}",
    "this is {}",
    "is there {} here",
    "there is {}",
    "I see {}",
)
_COLOUR_FORMS = ("{}", "is it {}", "it is {}", "is the tool {}", "the thing is {}", "a {} thing", "something {}")
_PART_FORMS = ("has {}", "it has {}", "does it have {}", "a tool with {}", "a thing with {}", "{}", "is there {} on it")
_NOT_FORMS = ("not {}", "it is not {}", "this is not {}", "anything but {}", "something other than {}")
_WHAT = ("what is it", "what is this", "which tool is it", "what kind of tool is this", "name it")
_COLOUR = ("what colour is it", "what color is it", "which colour is it", "what is its colour", "its colour")
_PART = ("which part does it have", "what does it have", "which of these can you see", "what is on it")
_HANDLES = ("how many handles does it have", "how many handles are there", "how many handles", "number of handles")
_CAPTION = (CAPTION_QUESTION, "what do you see", "describe the thing", "describe this picture", "caption")


@dataclass(frozen=True)
class Drawn:
    """One question with its answer; `topic` for reports."""

    question: str
    answer: str
    topic: str


def is_held_out(label: Label) -> bool:
    """Whether the crop shows a pair of colour and kind that is kept out of training."""
    return is_pair_held_out(label.colour, label.source)


class Questions:
    """Draws questions.

    Args:
        parts: Phrases for all parts. held_out: Ask about the held-out pairs only, for a test; or never.
    """

    def __init__(self, parts: Sequence[str], rng: np.random.Generator, held_out: bool = False) -> None:
        self._parts, self._rng, self._held_out = proper_parts(parts), rng, held_out
        self._sorts: tuple[tuple[float, Callable[[Label], Drawn | None]], ...] = (
            (0.60, self._yes_no),
            (0.07, self._what),
            (0.05, self._what_colour),
            (0.03, self._how_many),
            (0.16, self._choice),
            (0.09, self._caption),
        )

    def draw(self, label: Label) -> Drawn:
        """One question that the label answers."""
        while True:
            chance = self._rng.random()
            for share, sort in self._sorts:
                if chance < share:
                    drawn = sort(label)
                    if drawn is not None:
                        return drawn
                    break
                chance -= share

    def yes_no(self, label: Label) -> Drawn:
        """One claim, true or not."""
        while True:
            drawn = self._yes_no(label)
            if drawn is not None:
                return drawn

    def _yes_no(self, label: Label) -> Drawn | None:
        true, chance = self._rng.random() < 0.5, self._rng.random()
        known = bool(label.colour)
        if chance < 0.09 and not true:
            claim, topic = self._in(_NOUN_FORMS, indefinite(self._pick(ABSENT))), "absent"
        elif chance < 0.25 and known:
            claim, topic = self._colour_claim(label, true), "colour"
        elif chance < 0.42 and known:
            part = self._part(label, true)
            if part is None:
                return None
            claim, topic = self._in(_PART_FORMS, indefinite(part)), "part"
        elif chance < 0.62 and known:
            some, topic = self._coloured(label, true), "colour and kind"
            if some is None:
                return None
            claim = self._in(_NOUN_FORMS, some)
        else:
            noun = self._noun(label, true)
            if noun is None:
                return None
            claim, topic = self._in(_NOUN_FORMS, self._article(noun)), "kind"
            if self._rng.random() < 0.12:
                claim, true, topic = self._in(_NOT_FORMS, self._article(noun)), not true, "not"
        mark = "?" if self._rng.random() < 0.4 else ""
        return Drawn(self._in(TRUE_TEMPLATES, claim + mark), "yes" if true else "no", topic)

    def _colour_claim(self, label: Label, true: bool) -> str:
        word = self._word_of(label.colour) if true else self._other_colour(label)
        if label.source in HANDLED and self._rng.random() < 0.3:
            return self._in(_PART_FORMS, f"a {word} handle")
        return self._in(_COLOUR_FORMS, word)

    def _coloured(self, label: Label, true: bool) -> str | None:
        """A noun with a colour, such as "a red-handled flat screwdriver"."""
        wrong = "" if true else self._pick(("colour", "colour", "noun", "noun", "both"))
        noun = self._noun(label, wrong not in ("noun", "both")) or (self._pick(GENERIC) if wrong != "noun" else None)
        if noun is None:
            return None
        word = self._other_colour(label) if wrong in ("colour", "both") else self._word_of(label.colour)
        if not self._held_out and self._names_held_out(word, noun):
            return None
        forms = ["{c} {n}", "{c} {n}", "{n} that is {c}"]
        if label.source in HANDLED:
            forms += ["{c}-handled {n}", "{n} with a {c} handle"]
        return self._article(self._pick(forms).format(c=word, n=noun))

    def _names_held_out(self, word: str, noun: str) -> bool:
        return any(word in COLOUR_WORDS[colour] and noun in SYNONYMS[kind] for colour, kind in HELD_OUT_PAIRS)

    def _noun(self, label: Label, true: bool) -> str | None:
        """A noun for what it is, or for what it nearly is; None where there is none."""
        if true:
            if label.source not in KINDS:
                return None
            groups = [words for members, words in CATEGORIES.items() if label.source in members]
            return self._pick(groups[0] if groups and self._rng.random() < 0.3 else SYNONYMS[label.source])
        family = next((some for some in _FAMILIES if label.source in some), ())
        near = [kind for kind in family if kind != label.source]
        if near and self._rng.random() < 0.45:
            # "pliers" is also said of those with a needle nose.
            words = [
                word for word in SYNONYMS[near[0]] if near[0] != "pliers" or word not in ("pliers", "pair of pliers")
            ]
            return self._pick(words)
        others = [kind for kind in KINDS if kind != label.source and kind not in family]
        kind = self._pick(others)
        groups = [words for members, words in CATEGORIES.items() if kind in members]
        return self._pick(groups[0] if groups and self._rng.random() < 0.3 else SYNONYMS[kind])

    def _part(self, label: Label, true: bool) -> str | None:
        """A part that it has, or one that it surely has not."""
        if true:
            some = [part for part in label.parts if part in self._parts]
            return self._pick(some) if some else None
        last = {_stem(part) for part in label.parts} - {"handle"}
        handles = {"two handles", "two ring handles", "ring handle"} if "two ring handles" in label.parts else set()
        for _ in range(20):
            part = self._pick(self._parts)
            if part not in label.parts and _stem(part) not in last and part not in handles:
                return part
        return None

    def _what(self, label: Label) -> Drawn:
        return Drawn(self._asked(_WHAT), label.source if label.source in KINDS else OTHER, "what")

    def _what_colour(self, label: Label) -> Drawn | None:
        return Drawn(self._asked(_COLOUR), label.colour, "what colour") if label.colour else None

    def _how_many(self, label: Label) -> Drawn | None:
        count = handles_of(label)
        return Drawn(self._asked(_HANDLES), count, "how many") if count else None

    def _caption(self, label: Label) -> Drawn | None:
        if not label.colour:
            return None
        if self._rng.random() < 0.25:
            return Drawn("describe its parts", parts_of([p for p in label.parts if p in self._parts]), "parts")
        return Drawn(self._asked(_CAPTION), caption_of(label.source, label.colour, label.parts), "caption")

    def _choice(self, label: Label) -> Drawn | None:
        """One of some options, or none of them."""
        chance, missing = self._rng.random(), self._rng.random() < 0.2
        count = int(self._rng.integers(2, 5)) if self._rng.random() < 0.85 else int(self._rng.integers(5, 9))
        right: str | None
        if chance < 0.45:
            right = self._noun(label, True)
            wrong = [noun for noun in (self._noun(label, False) for _ in range(count)) if noun]
            wrong += [self._pick(ABSENT)] if self._rng.random() < 0.3 else []
            asked, topic = self._pick(_WHAT), "choose kind"
        elif not label.colour:
            return None
        elif chance < 0.70:
            right, wrong = self._word_of(label.colour), [self._other_colour(label) for _ in range(count)]
            asked, topic = self._pick(_COLOUR), "choose colour"
        elif chance < 0.90:
            right = self._part(label, True)
            wrong = [part for part in (self._part(label, False) for _ in range(count)) if part]
            asked, topic = self._pick(_PART), "choose part"
        else:
            right, digits, topic = handles_of(label) or None, self._rng.random() < 0.5, "choose count"
            if right is None:
                return None
            wrong = [some for some in _COUNTS if some != right]
            if digits:
                right, wrong = _NUMBERS[right], [_NUMBERS[some] for some in wrong]
            asked = self._pick(_HANDLES)
        options = sorted(set(wrong) - {right})[:8]
        self._rng.shuffle(options)
        options = options[: max(2, count) - (right is not None and not missing)]
        if right is not None and not missing:
            options.insert(int(self._rng.integers(len(options) + 1)), right)
        answer = right if right is not None and not missing else NONE_OF_THESE
        return Drawn(choice_prompt(asked, options), answer, topic) if options else None

    def _other_colour(self, label: Label) -> str:
        """A colour that it has not; greys and silver are too near to each other to be told false."""
        near = {"grey", "dark grey", "silver"} if label.colour in ("grey", "dark grey", "silver") else {label.colour}
        if self._rng.random() < 0.08:
            return self._pick(NO_COLOURS)
        for _ in range(50):
            colour = self._pick(tuple(COLOUR_WORDS))
            if colour not in near and (self._held_out or (colour, label.source) not in HELD_OUT_PAIRS):
                break
        return self._word_of(colour)

    def _word_of(self, colour: str) -> str:
        words = COLOUR_WORDS[colour]
        return words[0] if self._rng.random() < 0.7 else self._pick(words)

    def _article(self, noun: str) -> str:
        chance = self._rng.random()
        return noun if chance < 0.2 else f"the {noun}" if chance < 0.3 else indefinite(noun)

    def _asked(self, forms: Sequence[str]) -> str:
        return self._pick(forms) + ("?" if self._rng.random() < 0.6 else "")

    def _in(self, forms: Sequence[str], text: str) -> str:
        return self._pick(forms).format(text)

    def _pick(self, choices: Sequence[str]) -> str:
        return choices[int(self._rng.integers(len(choices)))]


def handles_of(label: Label) -> str:
    """ "none", "one" or "two"; "" where the label does not say."""
    if label.source in ("pliers", "needle-nose pliers") or {"two handles", "two ring handles"} & set(label.parts):
        return "two"
    if label.source in ("screw", "tape measure"):
        return "none"
    if label.source in KINDS or any(part.endswith(" handle") for part in label.parts):
        return "one"
    return ""


def _stem(part: str) -> str:
    return part.split()[-1].removesuffix("s")
