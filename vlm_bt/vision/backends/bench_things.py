"""The things that depth finds on a bench, and how well a phrase fits each of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from vlm_bt.questions import MOST_COUNTED, Mask
from vlm_bt.scene.crops import crop
from vlm_bt.scene.tabletop import TALLEST_M, Region, Segmentation, segment
from vlm_bt.types import Box, Frame, Zone
from vlm_bt.vision.backends.bench_heaps import Hidden, fits_hidden, hidden_in
from vlm_bt.vision.backends.bench_pieces import pieces_of
from vlm_bt.vision.backends.embedded_clip import EmbeddedClip, Floats, Pixels
from vlm_bt.vision.backends.head_answers import HeadAnswers
from vlm_bt.vision.model import Unsupported
from vlm_bt.vision.phrases import Claim, Phrase, denied, phrase_of
from vlm_bt.vision.vocabulary import KINDS
from vlm_bt.vision.words import NEAR_COLOURS

SLIMMEST_M2, WIDEST_M2 = 25e-6, 40e-4
"""How much of the bench a tool that stands on its end covers; an arm or a person covers more."""
Counts = NDArray[np.float64]
_DENIES = re.compile(r"\bnot\b|n't\b|\bno\b|without|lack|miss|how many|number of")


@dataclass(eq=False)
class Things:
    """Cut-outs of some things with what the model sees in them, worked out when it is first asked for.

    Attributes:
        pixels: (N, S, S, 3) uint8.
        looks: How many of the four views are looked at; one is enough for claims (measured), four are calibrated.
        trust: (N,) probability that each picture shows one whole thing; None: all do.
    """

    clip: EmbeddedClip
    pixels: Pixels
    looks: int = 4
    trust: Floats | None = None
    _for_head: Tensor | None = field(default=None, repr=False)

    @cached_property
    def _first_look(self) -> tuple[Tensor, ...]:
        return self.clip.seen(self.pixels)

    @cached_property
    def _views(self) -> list[Tensor]:
        return [self._first_look[0]] if self.looks == 1 else self.clip.views(self.pixels, self.looks)

    @cached_property
    def kinds(self) -> Floats:
        """(N, K + 1) probabilities, the last one for none of the kinds."""
        kinds = self.clip.kinds_of(self._views)
        if self.trust is None:
            return kinds
        known = kinds[:, :-1] * self.trust[:, None]
        whole: Floats = np.concatenate([known, 1.0 - known.sum(1, keepdims=True)], 1)
        return whole

    @cached_property
    def colours(self) -> Floats:
        """(N, C) probability of each of the clip's colours."""
        return self.clip.colours_of(self._views)

    @cached_property
    def parts(self) -> Floats:
        """(N, P) probability of each of the clip's parts; as trained, it is too high for rare ones."""
        return self.clip.parts_of(self._views)

    def asked_of(self, head: HeadAnswers) -> Tensor:
        """(N, 10, W): what the question head takes, from the same pass of the trunk."""
        if self._for_head is None:
            self._for_head = head.of_trunk(*self._first_look)
        return self._for_head

    @cached_property
    def looks_like(self) -> Floats:
        """(N, D) unit vectors of what the things look like, for telling one from another."""
        vectors = sum(view.numpy() for view in self._views) if len(self.pixels) else np.zeros((0, 1), np.float32)
        out: Floats = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        return out

    def fits(self, text: str) -> Floats:
        """(N,) probability that the phrase fits each thing: by the heads for kind, colour and part where they know
        the words, by comparing words and picture where they do not."""
        phrase = phrase_of(text, self.clip.parts)
        if len(self.pixels) == 0 or phrase.never:
            return np.zeros(len(self.pixels), np.float32)
        return self.fit(phrase)

    def holds(self, claim: str) -> Floats:
        """(N,) probability that a claim about each thing is true: as `fits`, and it may deny."""
        no, text = denied(claim)
        return 1.0 - self.fits(text) if no else self.fits(text)

    def choice(self, question: str, options: Sequence[str]) -> Floats | None:
        """(N, len(options) + 1) probability of each option, the last one for none of them; None where the heads do not
        know every word of the options, or the question may ask for what a thing is not."""
        phrases = [phrase_of(option, self.clip.parts) for option in options]
        vague = any(phrase.free or not (phrase.kinds or phrase.colour or phrase.parts) for phrase in phrases)
        if vague or _DENIES.search(question.lower()):
            return None
        fits = np.stack([self.fit(phrase) for phrase in phrases], 1)
        fits = fits / np.maximum(1.0, fits.sum(1, keepdims=True))
        out: Floats = np.concatenate([fits, np.clip(1.0 - fits.sum(1, keepdims=True), 0.0, 1.0)], 1)
        return out

    def fit(self, phrase: Phrase) -> Floats:
        """As `fits`, of a phrase taken apart."""
        if len(self.pixels) == 0 or phrase.never:
            return np.zeros(len(self.pixels), np.float32)
        if phrase.free:
            return self.clip.fits_of(self._views, phrase.text)
        chance: Floats = np.ones(len(self.pixels), np.float32)
        if phrase.kinds:
            chance = chance * self.kinds[:, [KINDS.index(kind) for kind in phrase.kinds]].sum(1)
        if phrase.colour:
            # A colour that the weights were not trained on fits nothing.
            near = [shade for shade in NEAR_COLOURS.get(phrase.colour, (phrase.colour,)) if shade in self.clip.colours]
            chance = chance * self.colours[:, [self.clip.colours.index(shade) for shade in near]].sum(1)
        for part in phrase.parts:
            chance = chance * self.parts[:, self.clip.parts.index(part)]
        return np.clip(chance, 0.0, 1.0)


@dataclass(eq=False)
class Bench:
    """Everything on the bench in one frame.

    Attributes:
        pixel_m: Side of a pixel on the bench, metres.
        columns: Where (x, y, metres, base frame) something slim stands that is taller than a thing that lies can be,
            with its height: no region, because an arm or a person looks like that too.
        pieces: Rows of what was cut from a heap of things that touch; their `index` is that of the heap.
    """

    frame: Frame
    regions: tuple[Region, ...]
    things: Things
    pixel_m: float
    columns: tuple[tuple[float, float, float], ...] = ()
    pieces: frozenset[int] = frozenset()

    @cached_property
    def hidden(self) -> tuple[Hidden, ...]:
        """What may lie there besides the regions, because depth takes things that touch for one."""
        return hidden_in(self.regions, self.things.kinds, self.pieces)

    def fits(self, phrase: Phrase, rows: Sequence[int]) -> Counts:
        """(N + H,) probability that the phrase fits each of these things, and that each hidden thing is there and fits;
        `hidden_with` has their rows."""
        shades = self.things.colours if phrase.colour and self.hidden else self.things.kinds
        unseen = [
            h.chance * fits_hidden(phrase, self.things.clip.colours, shades[h.row]) for h in self.hidden_with(rows)
        ]
        return np.concatenate([self.things.fit(phrase)[list(rows)], np.array(unseen)]).astype(np.float64)

    def hidden_with(self, rows: Sequence[int]) -> list[Hidden]:
        return [hidden for hidden in self.hidden if hidden.row in rows]

    def within(self, box: Box) -> list[int]:
        """Rows of the things whose middle lies in the box, which may be that of the whole frame."""
        middles = [((r.box.x0 + r.box.x1) / 2, (r.box.y0 + r.box.y1) / 2) for r in self.regions]
        return [n for n, (x, y) in enumerate(middles) if box.x0 <= x < box.x1 and box.y0 <= y < box.y1]

    def mask(self, row: int) -> Mask:
        return Mask.of(self.regions[row].box, self.regions[row].mask.astype(bool))


def look_at_bench(frame: Frame, containers: Sequence[Zone], clip: EmbeddedClip) -> Bench:
    """Segment the frame, take heaps apart and cut out what stands out.

    Raises:
        Unsupported: It has no depth, or shows no bench.
    """
    if frame.depth_m.size == 0 or not np.any(frame.depth_m > 0):
        raise Unsupported("the shipped model finds things by depth and this frame has none; ask a detector instead")
    found = segment(frame, containers)
    if found.error:
        raise Unsupported(f"the shipped model finds things by depth: {found.error}")
    regions: list[Region] = []
    trust: list[float] = []
    pieces: set[int] = set()
    for region in (*found.regions, *found.contents):
        cut = pieces_of(frame, found, region, clip)
        pieces.update(range(len(regions), len(regions) + len(cut)))
        regions += [piece.region for piece in cut] or [region]
        trust += [piece.trust for piece in cut] or [1.0]
    pixels = np.empty((len(regions), clip.size, clip.size, 3), np.uint8)
    for row, region in enumerate(regions):
        pixels[row] = crop(frame, region, clip.size)
    things = Things(clip, pixels, trust=np.array(trust, np.float32) if pieces else None)
    pixel_m = found.bench.pose_camera_in_base.position[2] / frame.intrinsics.fx
    return Bench(frame, tuple(regions), things, pixel_m, _columns(found, pixel_m), frozenset(pieces))


def _columns(found: Segmentation, pixel_m: float) -> tuple[tuple[float, float, float], ...]:
    labels, _ = ndimage.label(found.height_m > TALLEST_M)
    out = []
    for number, place in enumerate(ndimage.find_objects(labels), start=1):
        top = labels[place] == number
        if SLIMMEST_M2 <= top.sum() * pixel_m**2 <= WIDEST_M2:
            x, y = found.points[place][top].mean(0).tolist()
            out.append((x, y, float(found.height_m[place][top].max())))
    return tuple(out)


def distribution(chances: Sequence[float]) -> Counts:
    """Probability of each number of hits, 0 to N, where hit n has the given chance and each is for itself; what lies
    above `MOST_COUNTED` is put on the last."""
    counts = np.ones(1)
    for chance in chances:
        counts = np.append(counts * (1 - chance), 0.0) + np.append(0.0, counts * chance)
    if len(counts) > MOST_COUNTED + 1:
        counts = np.append(counts[:MOST_COUNTED], counts[MOST_COUNTED:].sum())
    return counts


def chance_of(claim: Claim, chances: Sequence[float]) -> float:
    """Probability that as many hit as is claimed."""
    counts = distribution(chances)
    number = min(claim.number, MOST_COUNTED)
    if claim.quantity == "exactly":
        return float(counts[number]) if number < len(counts) else 0.0
    return float(counts[number:].sum() if claim.quantity == "at least" else counts[: number + 1].sum())
