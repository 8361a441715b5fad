"""How much of a thing can be seen: what the renderer drew of it against what it would draw with nothing in the way."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from vlm_bt.simulation.outlines import ToolModel
from vlm_bt.types import Box, Intrinsics

_BORDER_PX = 2


def box_of(seen: NDArray[np.bool_]) -> Box | None:
    """Around the True pixels of (H, W); None without any."""
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    if not len(rows):
        return None
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def visible_share(
    seen: NDArray[np.bool_],
    tool: ToolModel,
    position: NDArray[np.float64],
    turn: NDArray[np.float64],
    lens: Intrinsics,
    camera_position: NDArray[np.float64],
    camera_turn: NDArray[np.float64],
) -> float:
    """Share of the silhouette that shows the thing, 0..1; a pixel within 2 px of one that shows it counts.

    Args:
        seen: (H, W) where the renderer shows the thing.
        position, turn: (3,) and (3, 3) of the thing in the base frame.
        camera_position, camera_turn: (3,) and (3, 3), MuJoCo's camera frame (looking along -z) in the base frame.
    """
    points = np.concatenate([visual.vertices for visual in tool.visuals]) @ turn.T + position
    local = (points - camera_position) @ camera_turn
    pixels = np.column_stack(
        [lens.cx + lens.fx * local[:, 0] / -local[:, 2], lens.cy - lens.fy * local[:, 1] / -local[:, 2]]
    )
    low = np.floor(pixels.min(axis=0)).astype(int) - _BORDER_PX - 1
    width, height = np.ceil(pixels.max(axis=0)).astype(int) + _BORDER_PX + 2 - low
    canvas = Image.new("1", (int(width), int(height)))
    draw = ImageDraw.Draw(canvas)
    offset = 0
    for visual in tool.visuals:
        for triangle in pixels[offset : offset + len(visual.vertices)][visual.faces] - low:
            draw.polygon([(x, y) for x, y in triangle.tolist()], fill=1)
        offset += len(visual.vertices)
    drawn = np.asarray(canvas)
    near = _window(seen, int(low[0]), int(low[1]), int(width), int(height))
    wide = Image.fromarray(near.astype(np.uint8) * 255).filter(ImageFilter.MaxFilter(2 * _BORDER_PX + 1))
    hidden = int((drawn & (np.asarray(wide) == 0)).sum())
    return 1.0 - hidden / max(1, int(drawn.sum()))


def _window(seen: NDArray[np.bool_], x: int, y: int, width: int, height: int) -> NDArray[np.bool_]:
    """A part of (H, W), False where it lies outside."""
    out = np.zeros((height, width), bool)
    rows = slice(max(0, y), max(0, min(seen.shape[0], y + height)))
    columns = slice(max(0, x), max(0, min(seen.shape[1], x + width)))
    part = seen[rows, columns]
    out[rows.start - y : rows.start - y + part.shape[0], columns.start - x : columns.start - x + part.shape[1]] = part
    return out
