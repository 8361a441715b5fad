"""Things that depth takes for one because they touch: how likely a region is several, and what that hides."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from vlm_bt.scene.tabletop import Region
from vlm_bt.vision.backends.embedded_clip import Floats
from vlm_bt.vision.phrases import Phrase
from vlm_bt.vision.words import NEAR_COLOURS

ABOUT_AREA, ABOUT_WIDTH, ABOUT = 2.27, 3.55, 21.58
"""Logistic regression on the logarithms of area and width (SI units) of 261 regions of staged scenes that are no known
kind, 58 of which were several things."""
MORE_PER_M2 = 300.0
"""How many further things a heap holds on average, by its area."""
SPREAD = 1.6
"""How many there may be, as a multiple of that."""
LEAST_SEVERAL = 0.02
"""What is less likely several than that is one thing."""
MISSED_A_PIECE = 0.25
"""How many things a piece that was cut from a heap still hides on average (62 heaps of staged scenes)."""
_SHARE_OF_KIND, _SHARE_OF_WORDS = 1 / 12, 0.1


@dataclass(frozen=True)
class Hidden:
    """A thing that may be part of what depth took for one.

    Attributes:
        row: Row of the region that hides it. chance: that it is there at all.
    """

    row: int
    chance: float


def chance_of_several(region: Region, strange: float) -> float:
    """Probability that a region is several things.

    Args:
        strange: Probability that it is none of the known kinds.
    """
    shape = region.footprint
    score = ABOUT + ABOUT_AREA * math.log(shape.area_m2) + ABOUT_WIDTH * math.log(max(shape.width_m, 1e-3))
    return strange / (1.0 + math.exp(-max(-40.0, min(40.0, score))))


def hidden_in(regions: Sequence[Region], kinds: Floats, pieces: Collection[int] = ()) -> tuple[Hidden, ...]:
    """What regions may hide that are too big or too wide for one thing that is no known kind, or were cut from a heap.

    Args:
        kinds: (N, K + 1) probabilities, the last one for none of the kinds. pieces: rows that were cut from a heap.
    """
    found: list[Hidden] = []
    for row, region in enumerate(regions):
        if row in pieces:
            found.append(Hidden(row, MISSED_A_PIECE))
            continue
        several = chance_of_several(region, float(kinds[row, -1]))
        if several >= LEAST_SEVERAL:
            more = max(1.0, MORE_PER_M2 * region.footprint.area_m2)
            places = math.ceil(SPREAD * more)
            found += [Hidden(row, several * more / places)] * places
    return tuple(found)


def fits_hidden(phrase: Phrase, colours: Sequence[str], shades: Floats) -> float:
    """Probability that a phrase fits a hidden thing, of which no more is known than the colours of what hides it.

    Args:
        colours: What `shades` (C,), the probability of each for the region, are about.
    """
    if phrase.never:
        return 0.0
    if phrase.free:
        return _SHARE_OF_WORDS
    chance = min(1.0, len(phrase.kinds) * _SHARE_OF_KIND) if phrase.kinds else 1.0
    if phrase.colour:
        near = [shade for shade in NEAR_COLOURS.get(phrase.colour, (phrase.colour,)) if shade in colours]
        seen = sum(float(shades[colours.index(shade)]) for shade in near)
        chance *= 0.5 * seen + 0.5 * len(near) / len(colours)
    return chance * _SHARE_OF_WORDS ** len(phrase.parts)
