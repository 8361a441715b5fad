"""Crops to learn from in memory, and what is done to them before they are shown."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from torch import Tensor

from vlm_bt.vision.vocabulary import KINDS

SIZE = 96
MEAN, SPREAD = 0.5, 0.25
NO_KIND = len(KINDS)
LUMA = (0.299, 0.587, 0.114)
HARSH_SHARE, HARSH_LIGHT = 0.15, (0.3, 1.6)
"""So many crops are shown in a light far from the usual: so many times as bright."""


@dataclass(frozen=True)
class Crops:
    """What the model learns from.

    Attributes:
        pixels: (N, SIZE, SIZE, 3) uint8.
        kind: (N,) index into `KINDS`, `NO_KIND` for none of them.
        colour: (N,) index into `colours`, -1 where colour and parts are not known. parts: (N, P) bool.
        source: (N,) what it really is, for reports: a kind, "odd", "several", "fragment".
    """

    pixels: NDArray[np.uint8]
    kind: NDArray[np.int64]
    colour: NDArray[np.int64]
    parts: NDArray[np.bool_]
    source: NDArray[np.str_]
    colours: tuple[str, ...]
    part_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.kind)

    def rows(self, which: slice) -> Crops:
        """Some of them, without copying."""
        return replace(
            self,
            pixels=self.pixels[which],
            kind=self.kind[which],
            colour=self.colour[which],
            parts=self.parts[which],
            source=self.source[which],
        )


@dataclass(frozen=True)
class Batch:
    """Pictures (N, 3, SIZE, SIZE) as the model sees them, and their labels as in `Crops`."""

    pixels: Tensor
    kind: NDArray[np.int64]
    colour: NDArray[np.int64]
    parts: NDArray[np.bool_]


class Sampler:
    """Draws batches in which every kind is as common as every other, and things of no kind have their share.

    Args:
        unknown: Share of things of no kind. chimeras: share that is cut together from two. grey: share without colour,
            so that shapes are learnt that do not hang on it.
    """

    def __init__(self, crops: Crops, size: int, unknown: float, chimeras: float, grey: float) -> None:
        self._crops, self._size, self._chimeras, self._grey = crops, size, chimeras, grey
        self._of_kind = [np.flatnonzero(crops.kind == kind) for kind in range(NO_KIND + 1)]
        present = [kind for kind in range(NO_KIND) if len(self._of_kind[kind])]
        chances = np.zeros(NO_KIND + 1)
        chances[present] = (1 - unknown) / len(present)
        chances[NO_KIND] = unknown if len(self._of_kind[NO_KIND]) else 0.0
        self._chances = chances / chances.sum()

    def batch(self, rng: np.random.Generator) -> Batch:
        """The batch that this generator draws."""
        crops = self._crops
        kinds = rng.choice(NO_KIND + 1, self._size, p=self._chances)
        rows = np.array([self._of_kind[kind][rng.integers(len(self._of_kind[kind]))] for kind in kinds])
        pixels = crops.pixels[rows]
        kind, colour, parts = crops.kind[rows], crops.colour[rows], crops.parts[rows]
        count = int(self._chimeras * len(rows))
        for row in range(count):
            other = int(rng.integers(count, len(rows)))
            if _family(kind[row]) == _family(kind[other]):
                continue
            pixels[row] = _joined(pixels[row], pixels[other], rng)
            kind[row], colour[row] = NO_KIND, -1
        for row in range(count, count + int(self._grey * len(rows))):
            pixels[row] = (pixels[row] @ np.array(LUMA, np.float32)).round()[..., None]
            colour[row] = -1
        return Batch(augmented(torch.from_numpy(pixels).permute(0, 3, 1, 2), rng), kind, colour, parts)


def _family(kind: int) -> str:
    """Wrenches, screwdrivers and pliers are each one family: cut together, two of one family still look like one."""
    return KINDS[kind].split()[-1] if kind < NO_KIND else "none"


def _joined(first: NDArray[np.uint8], second: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A thing that does not exist: one part of a crop from `first`, the rest from `second`."""
    out, cut = first.copy(), int(rng.integers(SIZE * 2 // 5, SIZE * 3 // 5))
    if rng.random() < 0.5:
        out[:, cut:] = second[:, cut:]
    else:
        out[:, :cut] = second[:, :cut]
    return out


def augmented(pixels: Tensor, rng: np.random.Generator) -> Tensor:
    """Flips, half turns, shifts, light, colour cast, blur and small erased patches; normalised, channels last."""
    count = len(pixels)
    image = pixels.float() / 255
    if rng.random() < 0.5:
        image = image.flip(3)
    if rng.random() < 0.5:
        image = image.flip(2)
    if rng.random() < 0.25:
        image = image.rot90(1, (2, 3))
    noise = torch.from_numpy(rng.random((count, 5), np.float32)).view(count, 5, 1, 1)
    image = image * (0.8 + 0.4 * noise[:, :1]) * (0.94 + 0.12 * noise[:, 1:4]) + 0.16 * (noise[:, 4:] - 0.5)
    harsh = torch.from_numpy(np.where(rng.random(count) < HARSH_SHARE, rng.uniform(*HARSH_LIGHT, count), 1.0)).float()
    image = (image * harsh.view(count, 1, 1, 1)).clamp(-0.2, 1.2)
    image = functional.pad(image, (4, 4, 4, 4), mode="replicate")
    across, down = (int(shift) for shift in rng.integers(0, 9, 2))
    image = image[:, :, down : down + SIZE, across : across + SIZE]
    if rng.random() < 0.2:
        some = count // 2
        soft = functional.avg_pool2d(image[:some], 3, 1, 1, count_include_pad=False)
        image = torch.cat([0.4 * image[:some] + 0.6 * soft, image[some:]])
    if rng.random() < 0.2:
        some = count // 8
        soft = functional.avg_pool2d(image[-some:], 5, 1, 2, count_include_pad=False) if some else image[:0]
        image = torch.cat([image[: count - some], soft])
    for row in rng.choice(count, count // 8, replace=False):
        high, wide = (int(side) for side in rng.integers(6, 20, 2))
        top, left = int(rng.integers(SIZE - high)), int(rng.integers(SIZE - wide))
        image[row, :, top : top + high, left : left + wide] = float(rng.random())
    return ((image - MEAN) / SPREAD).contiguous(memory_format=torch.channels_last)


def normalised(pixels: Tensor) -> Tensor:
    """Pictures (N, 3, H, W) uint8 as the model sees them, nothing else done to them."""
    return ((pixels.float() / 255 - MEAN) / SPREAD).contiguous(memory_format=torch.channels_last)
