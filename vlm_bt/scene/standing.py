"""From heights to things: hysteresis, connected parts, and the outline of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vlm_bt.scene.outline import rim
from vlm_bt.types import Box

LOW_M = 0.0020
"""What stands out at least, next to something that surely does. Smoothed depth noise is near 0.4 mm."""
SURE_M = 0.0034
SMALLEST_M2 = 20e-6
SURE_PIXELS = 6
GAP_M = 0.008
"""Parts of one thing may be this far apart; things that are 10 mm apart stay two."""
HOLE_SHARE = 0.78
"""Parts on either side of a patch without depth: how much of `GAP_M` they may be apart without lying in line."""

Mask = NDArray[np.bool_]
_ROUND = np.ones((3, 3), bool)


def standing(height_m: NDArray[np.float32], shut: Mask, pixel_m: float) -> list[tuple[Box, Mask]]:
    """Things that stand out from the bench.

    Args:
        height_m: (h, w) smoothed heights. shut: pixels that belong to no thing.

    Returns:
        Each thing's box in `height_m` and its mask inside the box.
    """
    low = height_m > LOW_M
    low &= ~shut
    labels, count = ndimage.label(low, _ROUND)
    if not count:
        return []
    size = np.bincount(labels.ravel(), minlength=count + 1)
    sure = np.bincount(labels[low & (height_m > SURE_M)], minlength=count + 1)
    parts = [(n, place) for n, place in enumerate(ndimage.find_objects(labels), 1) if size[n] >= 5 and sure[n] >= 1]
    root = _joined(labels, parts, height_m, shut & (height_m == 0.0), pixel_m)
    things: dict[int, list[int]] = {}
    for n, _ in parts:
        things.setdefault(root[n], []).append(n)
    places = dict(parts)
    out = []
    for members in things.values():
        if size[members].sum() * pixel_m**2 < SMALLEST_M2 or sure[members].sum() < SURE_PIXELS:
            continue
        rows = [places[n][0] for n in members]
        columns = [places[n][1] for n in members]
        y0, y1 = min(r.start for r in rows), max(r.stop for r in rows)
        x0, x1 = min(c.start for c in columns), max(c.stop for c in columns)
        out.append((Box(x0, y0, x1, y1), np.isin(labels[y0:y1, x0:x1], members)))
    return out


def tighten(height_m: NDArray[np.float32], loose: Mask) -> tuple[Mask, Mask]:
    """The outline at half of the local height, because smoothing has spread tall things over their rim; and its core.

    On the side away from the camera a smoothed rim of a tall thing hangs in the air beyond it, so its pixels say
    nothing of where it ends: the core leaves them out, and is the outline itself for flat things.
    """
    crest = ndimage.maximum_filter(np.where(loose, height_m, np.float32(0)), 7)
    tight: Mask = loose & (height_m > np.maximum(np.float32(LOW_M), np.float32(0.5) * crest))
    if tight.sum() < 0.3 * loose.sum():
        return loose, loose
    share = np.clip(0.5 + (crest - 0.008) / 0.048, 0.5, 0.75)
    core: Mask = tight & (height_m > share * crest)
    return tight, core if core.sum() > 0.3 * tight.sum() else tight


def _joined(
    labels: NDArray[np.int32],
    parts: list[tuple[int, tuple[slice, slice]]],
    height_m: NDArray[np.float32],
    unseen: Mask,
    pixel_m: float,
) -> dict[int, int]:
    """Which parts are one thing: there is a narrow gap between them, not quite down at the bench or not seen."""
    root = {n: n for n, _ in parts}
    reach = GAP_M / pixel_m
    boxes = np.array([(r.start, r.stop, c.start, c.stop) for _, (r, c) in parts], float).reshape(-1, 4)
    gap_y = np.maximum(boxes[:, None, 0] - boxes[None, :, 1], boxes[None, :, 0] - boxes[:, None, 1]) + 1
    gap_x = np.maximum(boxes[:, None, 2] - boxes[None, :, 3], boxes[None, :, 2] - boxes[:, None, 3]) + 1
    pairs = np.argwhere(np.triu((gap_y <= reach) & (gap_x <= reach), 1))
    pieces = {int(k): _Piece.of(labels, *parts[k]) for k in np.unique(pairs)}
    for a, b in pairs.tolist():
        old, new = root[parts[b][0]], root[parts[a][0]]
        if old != new and _one_thing(pieces[a], pieces[b], height_m, unseen, reach):
            root = {n: new if r == old else r for n, r in root.items()}
    return root


@dataclass(frozen=True, eq=False)
class _Piece:
    """Rim pixels (N, 2) as rows and columns, number of pixels, direction of the long axis, and whether it is slim."""

    rim: NDArray[np.float64]
    size: int
    axis: NDArray[np.float64]
    slim: bool

    @classmethod
    def of(cls, labels: NDArray[np.int32], n: int, place: tuple[slice, slice]) -> _Piece:
        mask = labels[place] == n
        pixels = np.argwhere(mask).astype(float)
        lengths, axes = np.linalg.eigh(np.cov((pixels - pixels.mean(0)).T))
        edge = rim(mask) + np.array([place[0].start, place[1].start])
        return cls(edge.astype(float), len(pixels), axes[:, 1], bool(lengths[1] > 6 * lengths[0]))


def _one_thing(a: _Piece, b: _Piece, height_m: NDArray[np.float32], unseen: Mask, reach: float) -> bool:
    bigger = a if a.size >= b.size else b
    near_a, near_b = _around(a.rim, b.rim, reach), _around(b.rim, a.rim, reach)
    if not len(near_a) or not len(near_b):
        return False
    apart = (near_a[:, :1] - near_b[:, 0]) ** 2 + (near_a[:, 1:] - near_b[:, 1]) ** 2
    i, j = np.unravel_index(int(apart.argmin()), apart.shape)
    gap = float(np.sqrt(apart[i, j]))
    way = near_b[j] - near_a[i]
    if gap > reach:
        return False
    rows, columns = np.rint(near_a[i] + way * np.linspace(0.0, 1.0, 7)[:, None]).astype(int).T
    between = height_m[rows, columns]
    # The pixels around a hole are smoothed from what little was seen there.
    top, left = max(int(rows.min()) - 1, 0), max(int(columns.min()) - 1, 0)
    hole = unseen[top : int(rows.max()) + 2, left : int(columns.max()) + 2]
    holes = ndimage.binary_dilation(hole, _ROUND)[rows - top, columns - left]
    if not (holes | (between > 0.4 * LOW_M)).all():
        return False
    in_line = bigger.slim and abs(float(way @ bigger.axis)) > 0.85 * gap
    return bool(in_line or (holes.any() and gap < HOLE_SHARE * reach))


def _around(points: NDArray[np.float64], others: NDArray[np.float64], reach: float) -> NDArray[np.float64]:
    """Those points that lie in the box of the others, widened by `reach`."""
    low, high = others.min(0) - reach, others.max(0) + reach
    return np.asarray(points[((points >= low) & (points <= high)).all(1)])
