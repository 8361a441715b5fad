"""Sentences for training: what may be said of a crop, and of which crops each sentence is true.

Kinds held out of training are never named here: neither they nor words for them. Nor are held-out pairs of colour and
kind: no crop shows one, so the sentence would only be learnt as never true.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlm_bt.training.held_out import is_pair_held_out
from vlm_bt.vision.vocabulary import KINDS, PROMPTS
from vlm_bt.vision.words import ABSENT, CATEGORIES, GENERIC, SYNONYMS

PREFIXES = ("", "", "a ", "the ", "a photo of a ", "a picture of a ", "an image of a ")
SUFFIXES = ("", "", "", " on a bench", " on the workbench", " on a table")


@dataclass(frozen=True)
class Caption:
    """A sentence and when it is true; what is None or empty does not matter.

    Attributes:
        kinds: One of these. colour: index of the colour. part: index of the part.
        never: True of nothing that is on the bench.
    """

    text: str
    kinds: tuple[int, ...] = ()
    colour: int | None = None
    part: int | None = None
    never: bool = False


class Captions:
    """Draws sentences about the colours and parts that the data has.

    Args:
        colours, parts: Names, in the order of the labels in the data.
    """

    def __init__(self, colours: Sequence[str], parts: Sequence[str], rng: np.random.Generator) -> None:
        self._colours, self._parts, self._rng = tuple(colours), tuple(parts), rng

    def draw(self) -> Caption:
        """One sentence."""
        chance = self._rng.random()
        if chance < 0.16:
            kind = int(self._rng.integers(len(KINDS)))
            wordings = PROMPTS[KINDS[kind]]
            wording = wordings[int(self._rng.integers(len(wordings)))]
            return Caption(self._pick(wording), (kind,))
        if chance < 0.24:
            return Caption(self._dressed(self._pick(ABSENT)), never=True)
        noun, kinds = self._noun()
        colour = int(self._rng.integers(len(self._colours))) if self._rng.random() < (0.45 if kinds else 0.5) else None
        if colour is not None and kinds and all(is_pair_held_out(self._colours[colour], KINDS[kind]) for kind in kinds):
            colour = None
        part = None
        if self._parts and (self._rng.random() < (0.15 if kinds else 0.6) or (not kinds and colour is None)):
            part = int(self._rng.integers(len(self._parts)))
        text = noun
        if colour is not None:
            text = (
                f"{self._colours[colour]} {noun}"
                if self._rng.random() < 0.7
                else f"{noun} that is {self._colours[colour]}"
            )
        if part is not None:
            text = f"{text} with {self._parts[part]}"
        return Caption(self._dressed(text), kinds, colour, part)

    def draw_many(self, count: int) -> list[Caption]:
        return [self.draw() for _ in range(count)]

    def _noun(self) -> tuple[str, tuple[int, ...]]:
        chance = self._rng.random()
        if chance < 0.45:
            kind = int(self._rng.integers(len(KINDS)))
            return self._pick(SYNONYMS[KINDS[kind]]), (kind,)
        if chance < 0.57:
            members = tuple(CATEGORIES)[int(self._rng.integers(len(CATEGORIES)))]
            return self._pick(CATEGORIES[members]), tuple(KINDS.index(member) for member in members)
        return self._pick(GENERIC), ()

    def _dressed(self, text: str) -> str:
        return self._pick(PREFIXES) + text + self._pick(SUFFIXES)

    def _pick(self, choices: Sequence[str]) -> str:
        return choices[int(self._rng.integers(len(choices)))]


def matches(
    captions: Sequence[Caption], kind: NDArray[np.integer], colour: NDArray[np.integer], parts: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Which captions are true of which crops: (N, len(captions)).

    Args:
        kind, colour: (N,) indices, `len(KINDS)` and above: no kind; colour -1: not one colour. parts: (N, P).
    """
    true = np.ones((len(kind), len(captions)), bool)
    for column, caption in enumerate(captions):
        if caption.never:
            true[:, column] = False
        if caption.kinds:
            true[:, column] &= np.isin(kind, caption.kinds)
        if caption.colour is not None:
            true[:, column] &= colour == caption.colour
        if caption.part is not None:
            true[:, column] &= parts[:, caption.part]
    return true
