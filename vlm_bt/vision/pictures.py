"""What a model is shown: the pixels of one look."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import xxhash
from numpy.typing import NDArray
from PIL import Image

from vlm_bt.questions import Look
from vlm_bt.types import Box, Frame

if TYPE_CHECKING:
    from vlm_bt.scene.tabletop import Region

CUT_OUT_PX = 96
"""Side of a thing's cut-out where the model does not say what it wants."""


@dataclass(frozen=True, eq=False)
class Picture:
    """One look with the frame behind it.

    Attributes:
        frame: The whole frame, with its depth where the camera has one.
        thing: The thing that `look.part` names, from the frame's segmentation.
    """

    frame: Frame
    look: Look
    thing: Region | None = None

    @cached_property
    def at(self) -> Box:
        """Where the shown part lies in the whole frame, cut at its edges; a thing's own box for a cut-out."""
        width, height = self.frame.intrinsics.width, self.frame.intrinsics.height
        if self.thing is not None:
            return self.thing.box
        if not isinstance(self.look.part, Box):
            return Box(0, 0, width, height)
        box = self.look.part
        return Box(max(0, box.x0), max(0, box.y0), min(width, box.x1), min(height, box.y1))

    def pixels(self, size: int | None = None) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 as they are; with `size`, (size, size, 3): a thing is drawn at that size, and anything else
        is shrunk to fit and padded with grey, so that nothing is stretched."""
        if self.thing is not None:
            from vlm_bt.scene.crops import crop

            return crop(self.frame, self.thing, size or CUT_OUT_PX, self.look.variant)
        shown = self.frame.rgb[self.at.y0 : self.at.y1, self.at.x0 : self.at.x1]
        return np.ascontiguousarray(shown) if size is None else letterbox(shown, size)


def letterbox(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """(size, size, 3) of (H, W, 3): scaled to fit, centred on grey."""
    from vlm_bt.scene.crops import FILL

    height, width = pixels.shape[:2]
    scale = size / max(height, width, 1)
    inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    whole = Image.new("RGB", (size, size), (FILL, FILL, FILL))
    whole.paste(
        Image.fromarray(pixels).resize(inner, Image.Resampling.BILINEAR),
        ((size - inner[0]) // 2, (size - inner[1]) // 2),
    )
    return np.asarray(whole)


def digest_of(pixels: NDArray[np.uint8]) -> bytes:
    """What tells a picture (H, W, 3) from others: its pixels, because ids of frames may come again."""
    digest = xxhash.xxh3_128(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.digest()
