"""Phrases for things, with what they mean: who fits, who does not, and of whom it cannot be said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from vlm_bt.vision.asking_words import indefinite
from vlm_bt.vision.vocabulary import KINDS
from vlm_bt.vision.words import COLOUR_WORDS, HANDLED, SYNONYMS

T = TypeVar("T")

STEEL = ("grey", "dark grey", "silver")
"""Too near to each other to be told false."""
_NEIGHBOURS = "qwertyuiop asdfghjkl zxcvbnm"


class Thing(Protocol):
    """What is known of a thing; see `Truth`. What was cut out of a picture is one, too."""

    @property
    def kind(self) -> str: ...
    @property
    def colour(self) -> str: ...
    @property
    def parts(self) -> tuple[str, ...]: ...


Some = TypeVar("Some", bound=Thing)


@dataclass(frozen=True)
class Wanted:
    """What a phrase asks for; what is empty does not matter.

    Attributes:
        text: The phrase, such as "red-handled pliers", without an article.
        asked: How it is put: "kind", "synonym", "misspelt", "colour and kind", "colour", "part" or "absent".
    """

    text: str
    asked: str
    kind: str = ""
    colour: str = ""
    part: str = ""

    def fits(self, truth: Thing) -> bool | None:
        """Whether it is said of this thing; None where people, too, might say it or not."""
        parts = [self._kind_fits(truth), self._colour_fits(truth), self._part_fits(truth)]
        if self.asked == "absent" or False in parts:
            return False
        return None if None in parts else True

    def _kind_fits(self, truth: Thing) -> bool | None:
        if not self.kind or truth.kind == self.kind:
            return True
        # "pliers" is also said of those with a needle nose.
        return None if (self.kind, truth.kind) == ("pliers", "needle-nose pliers") else False

    def _colour_fits(self, truth: Thing) -> bool | None:
        if not self.colour or truth.colour == self.colour:
            return True
        return None if self.colour in STEEL and truth.colour in STEEL else False

    def _part_fits(self, truth: Thing) -> bool | None:
        if not self.part or self.part in truth.parts:
            return True
        # "rounded end" and "flat end" may both be said of one thing by somebody who does not look closely.
        last = self.part.split()[-1].removesuffix("s")
        return None if any(part.split()[-1].removesuffix("s") == last for part in truth.parts) else False


def by_kind(kind: str) -> Wanted:
    return Wanted(kind, "kind", kind)


def by_synonym(kind: str, rng: np.random.Generator) -> Wanted:
    """By another name that people use; one that is a misspelling is left out."""
    names = [word for word in SYNONYMS[kind] if word != kind and _is_spelt(word) and not word.startswith("a ")]
    return Wanted(pick(rng, names) if names else kind, "synonym", kind)


def by_misspelling(kind: str, rng: np.random.Generator) -> Wanted:
    """With one slip of the finger in one of its words, drawn anew and in no list."""
    return Wanted(misspelt(kind, rng), "misspelt", kind)


def by_colour_and_kind(colour: str, kind: str, rng: np.random.Generator) -> Wanted:
    word = pick(rng, COLOUR_WORDS[colour])
    forms = ["{} {}", "{}-handled {}"] if kind in HANDLED else ["{} {}"]
    return Wanted(pick(rng, forms).format(word, kind), "colour and kind", kind, colour)


def by_colour(colour: str, rng: np.random.Generator) -> Wanted:
    return Wanted(f"{pick(rng, COLOUR_WORDS[colour])} thing", "colour", colour=colour)


def by_part(part: str) -> Wanted:
    return Wanted(f"tool with {indefinite(part)}", "part", part=part)


def by_nothing(noun: str) -> Wanted:
    """What lies on no bench."""
    return Wanted(noun, "absent")


def who_fits(wanted: Wanted, truths: Sequence[Some]) -> list[Some] | None:
    """The things that a phrase names; None where it cannot be said of one of them."""
    fits = [(truth, wanted.fits(truth)) for truth in truths]
    if any(said is None for _, said in fits):
        return None
    return [truth for truth, said in fits if said]


def misspelt(text: str, rng: np.random.Generator) -> str:
    """One slip: two letters exchanged, one left out, doubled, or hit beside its key; never the first of a word."""
    places = [i for i in range(1, len(text)) if text[i].isalpha() and text[i - 1].isalpha()]
    for _ in range(20):
        at, slip = int(pick(rng, places)), pick(rng, ("exchanged", "left out", "doubled", "beside"))
        letter = text[at]
        if slip == "exchanged" and at + 1 < len(text) and text[at + 1].isalpha():
            made = text[:at] + text[at + 1] + letter + text[at + 2 :]
        elif slip == "left out":
            made = text[:at] + text[at + 1 :]
        elif slip == "doubled":
            made = text[:at] + letter + text[at:]
        else:
            key = _NEIGHBOURS.find(letter.lower())
            near = [_NEIGHBOURS[k] for k in (key - 1, key + 1) if 0 <= k < len(_NEIGHBOURS) and _NEIGHBOURS[k] != " "]
            made = text[:at] + pick(rng, near) + text[at + 1 :] if key >= 0 and near else text
        if made != text:
            return made
    return text


def are(noun: str) -> bool:
    """Whether it is said in the plural: "pliers" are, "a pair of pliers" is."""
    return noun.endswith("s") and not noun.startswith(("pair", "a pair"))


def kinds_there(truths: Sequence[Thing]) -> list[str]:
    """Kinds that lie there at all, in the order of the vocabulary."""
    return [kind for kind in KINDS if any(truth.kind == kind for truth in truths)]


def _is_spelt(word: str) -> bool:
    wrong = ("wrentch", "ajust", "adjustib", "spaner", "philips", "plyers", "pliars", "mesure", "scew", "hamer")
    return not any(piece in word.lower() for piece in wrong)


def pick(rng: np.random.Generator, choices: Sequence[T]) -> T:
    """One of them, all equally likely."""
    return choices[int(rng.integers(len(choices)))]
