"""Boxes that a model proposes: cut at the edges of what it was shown, moved into the whole frame, freed of doubles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vlm_bt.types import Box

OVERLAP_AT_MOST = 0.5
"""Share of their union that two boxes of the same phrase may have in common."""
LAST_BITS_PX = 1e-2
"""Detectors put many edges on whole pixels, give or take the last bits, which differ from batch to batch."""


def best_of_each(
    corners: NDArray[np.floating], scores: NDArray[np.floating], overlap: float = OVERLAP_AT_MOST
) -> list[int]:
    """Greedy non-maximum suppression; torchvision's own does not run where torch was built for another device.

    Args:
        corners: (N, 4) x0, y0, x1, y1. scores: (N,).

    Returns:
        Indices of the boxes that stay, the best first; of equal scores the earlier one.
    """
    boxes = np.asarray(corners, np.float64).reshape(-1, 4)
    sizes = np.maximum(boxes[:, 2:] - boxes[:, :2], 0.0)
    areas = sizes[:, 0] * sizes[:, 1]
    waiting = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    kept: list[int] = []
    while len(waiting):
        best, waiting = int(waiting[0]), waiting[1:]
        kept.append(best)
        low = np.maximum(boxes[waiting, :2], boxes[best, :2])
        high = np.minimum(boxes[waiting, 2:], boxes[best, 2:])
        shared = np.prod(np.maximum(high - low, 0.0), axis=1)
        union = np.maximum(areas[waiting] + areas[best] - shared, 1e-9)
        waiting = waiting[shared / union <= overlap]
    return kept


def in_frame(corners: NDArray[np.floating], shown: Box) -> Box | None:
    """A box in the pixels of the whole frame.

    Args:
        corners: x0, y0, x1, y1 in pixels of the part that was shown. shown: where that part lies in the frame.

    Returns:
        Rounded outwards and cut at the edges of what was shown; None where nothing is left.
    """
    if not np.all(np.isfinite(corners)):
        return None
    corner = np.array([shown.x0, shown.y0])
    x0, y0 = np.floor(corners[:2] + LAST_BITS_PX) + corner
    x1, y1 = np.ceil(corners[2:] - LAST_BITS_PX) + corner
    box = Box(
        int(np.clip(x0, shown.x0, shown.x1)),
        int(np.clip(y0, shown.y0, shown.y1)),
        int(np.clip(x1, shown.x0, shown.x1)),
        int(np.clip(y1, shown.y0, shown.y1)),
    )
    return box if box.x1 > box.x0 and box.y1 > box.y0 else None
