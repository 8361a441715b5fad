"""Parts of a picture that may show what a phrase means, for models that can only say how well a part fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlm_bt.questions import Mask
from vlm_bt.scene.crops import crop
from vlm_bt.scene.tabletop import segment
from vlm_bt.types import Box, Zone
from vlm_bt.vision.model import Unsupported
from vlm_bt.vision.pictures import Picture

SCALES = (1.0, 0.5, 0.25)
"""Sides of the grid's squares, as shares of the picture's short side; neighbours overlap by half."""
SMALLEST_PX = 24


@dataclass(frozen=True, eq=False)
class Proposal:
    """One part. The box is in the pixels of the whole frame; `part` and `outline` only where depth proposed it."""

    box: Box
    pixels: NDArray[np.uint8]
    part: int | None = None
    outline: Mask | None = None


def from_depth(picture: Picture, containers: Sequence[Zone], size: int) -> list[Proposal]:
    """The things that stand out from the bench, each cut out on grey as it is everywhere else.

    Args:
        size: Side of the cut-outs, (size, size, 3).

    Raises:
        Unsupported: The frame has no depth, or no bench is found in it.
    """
    if picture.frame.depth_m.size == 0 or not np.any(picture.frame.depth_m > 0):
        raise Unsupported(
            "this model takes its proposals from depth and the frame has none; set proposals: grid, or ask a detector"
        )
    found = segment(picture.frame, containers)
    if found.error:
        raise Unsupported(f"this model takes its proposals from depth, but {found.error}; set proposals: grid")
    things = [region for region in found.regions + found.contents if _middle_in(region.box, picture.at)]
    if picture.thing is not None:
        things = [region for region in things if region.index == picture.thing.index]
    return [
        Proposal(
            region.box, crop(picture.frame, region, size), region.index, Mask.of(region.box, region.mask.astype(bool))
        )
        for region in things
    ]


def from_grid(picture: Picture) -> list[Proposal]:
    """Squares of several sizes that cover the picture, and the picture as a whole."""
    at = picture.at
    width, height = at.x1 - at.x0, at.y1 - at.y0
    boxes = [at]
    for scale in SCALES:
        side = round(min(width, height) * scale)
        if side < SMALLEST_PX:
            break
        for y in _starts(height, side):
            boxes += [Box(at.x0 + x, at.y0 + y, at.x0 + x + side, at.y0 + y + side) for x in _starts(width, side)]
    return [Proposal(box, picture.frame.rgb[box.y0 : box.y1, box.x0 : box.x1]) for box in dict.fromkeys(boxes)]


def _starts(length: int, side: int) -> list[int]:
    steps = max(0, -(-(length - side) * 2 // side))
    return [round(step * (length - side) / steps) for step in range(steps + 1)] if steps else [0]


def _middle_in(box: Box, part: Box) -> bool:
    x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    return part.x0 <= x < part.x1 and part.y0 <= y < part.y1
