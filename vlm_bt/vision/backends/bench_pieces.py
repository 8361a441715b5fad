"""Taking heaps apart: things that touch are cut where their outline has necks, and the trunk says which cuts are good.

A heap is cut into many small parts; every few parts that hang together might be one thing. Each such candidate is named
by the trunk, and of all ways to make the heap up of candidates the likeliest is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vlm_bt.scene.crops import crop
from vlm_bt.scene.standing import Mask
from vlm_bt.scene.tabletop import NEAR_PX, Region, Segmentation, described
from vlm_bt.types import Box, Frame
from vlm_bt.vision.backends.bench_heaps import chance_of_several
from vlm_bt.vision.backends.embedded_clip import EmbeddedClip

Labels = NDArray[np.int64]

NECKS = (0.85, 0.80, 0.75, 0.70, 0.65, 0.60, 0.50, 0.40, 0.30)
"""A neck is narrower than this share of what lies on both sides; the first that gives few enough parts is taken."""
MOST_PARTS, MOST_TOGETHER, MOST_CANDIDATES = 12, 6, 120
LARGEST_M2, LONGEST_M, SMALLEST_M2 = 68e-4, 0.25, 20e-6
"""A thing covers no more and no less of the bench, and is no longer."""
STRANGE_SHARE = 0.1
"""Weight of a candidate that is no known kind, against one that surely is."""
HEAP_FROM = 0.3
"""How likely a region is several things, by its size, for it to be looked at as a heap."""
TRUSTED = 0.9
"""Share of pieces that are right where no other way to cut comes near (staged scenes)."""
_SHALLOW_PX = 0.5


@dataclass(frozen=True, eq=False)
class Piece:
    """A thing that was cut from a heap. trust: probability that it was cut rightly."""

    region: Region
    trust: float


def pieces_of(frame: Frame, found: Segmentation, region: Region, clip: EmbeddedClip) -> list[Piece]:
    """The things that a region is made of; none where it is better left whole."""
    several = chance_of_several(region, 1.0)
    if several < HEAP_FROM or region.container:
        return []
    strange = float(clip.kinds_of(clip.views(crop(frame, region, clip.size)[None]))[0, -1])
    parts = _parts(region.mask) if strange > 0.5 else np.zeros_like(region.mask, np.int64)
    count = int(parts.max())
    if count < 2:
        return []
    pixel_m = found.bench.pose_camera_in_base.position[2] / frame.intrinsics.fx
    groups, regions = [], []
    for group in _groups(parts, count, pixel_m):
        cut = _cut(frame, found, region, np.isin(parts, list(group)), pixel_m)
        if cut is not None:
            groups.append(group)
            regions.append(cut)
    if not regions:
        return []
    kinds = clip.kinds_of(clip.views(np.stack([crop(frame, one, clip.size) for one in regions]), 1))
    weights = {
        _bits(group): float(row[:-1].max()) ** 2 + STRANGE_SHARE * float(row[-1])
        for group, row in zip(groups, kinds, strict=True)
    }
    for part in range(1, count + 1):
        weights.setdefault(_bits([part]), STRANGE_SHARE)
    whole = _bits(range(1, count + 1))
    weights[whole] = max(weights.get(whole, 0.0), STRANGE_SHARE * (1 - several) / several)
    chosen = _likeliest(weights, whole)
    at = {_bits(group): one for group, one in zip(groups, regions, strict=True)}
    if len(chosen) < 2:
        return []
    return [Piece(at[bits], TRUSTED * share) for bits, share in chosen.items() if bits in at]


def _parts(mask: Mask) -> Labels:
    """(h, w) 1 and up for the parts of a mask between its necks, at most `MOST_PARTS`; all 0 where there are more."""
    for neck in NECKS:
        parts = _basins(mask, neck)
        if parts.max() <= MOST_PARTS:
            return parts
    return np.zeros_like(parts)


def _basins(mask: Mask, neck: float) -> Labels:
    """Flood the distance from the rim from its peaks down; two floods that meet are one where there is no neck."""
    inside = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    depth = ndimage.gaussian_filter(inside, 0.5) * mask
    rows, columns = np.nonzero(mask)
    order = np.argsort(-depth[mask], kind="stable")
    labels = np.zeros((mask.shape[0] + 2, mask.shape[1] + 2), np.int64)
    root, peak = [0], [0.0]

    def top(label: int) -> int:
        while root[label] != label:
            root[label] = root[root[label]]
            label = root[label]
        return label

    for y, x in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        near = {top(label) for label in labels[y : y + 3, x : x + 3].ravel().tolist() if label}
        level = float(depth[y, x])
        if not near:
            root.append(len(root))
            peak.append(level)
            labels[y + 1, x + 1] = len(root) - 1
            continue
        first, *others = sorted(near, key=lambda label: (-peak[label], label))
        labels[y + 1, x + 1] = first
        for other in others:
            if level > neck * peak[other] or peak[other] - level < _SHALLOW_PX:
                root[other] = first
    joined = np.array([top(label) for label in range(len(root))])[labels[1:-1, 1:-1]]
    return np.searchsorted(np.unique(joined[joined > 0]), joined) * mask + mask


def _groups(parts: Labels, count: int, pixel_m: float) -> list[frozenset[int]]:
    """Parts that hang together and are no larger than a thing, small groups first."""
    near: list[set[int]] = [set() for _ in range(count + 1)]
    for one, other in (
        (parts[:-1], parts[1:]),
        (parts[:, :-1], parts[:, 1:]),
        (parts[:-1, :-1], parts[1:, 1:]),
        (parts[:-1, 1:], parts[1:, :-1]),
    ):
        edge = (one != other) & (one > 0) & (other > 0)
        for a, b in zip(one[edge].tolist(), other[edge].tolist(), strict=True):
            near[a].add(b)
            near[b].add(a)
    sizes = np.bincount(parts.ravel(), minlength=count + 1) * pixel_m**2
    level = {frozenset([part]) for part in range(1, count + 1)}
    found: list[frozenset[int]] = []
    for _ in range(MOST_TOGETHER):
        found += sorted((group for group in level if _may_be_one(group, parts, sizes, pixel_m)), key=sorted)
        level = {group | {n} for group in level for part in group for n in near[part] - group}
        level = {group for group in level if sizes[list(group)].sum() <= LARGEST_M2}
    return found[:MOST_CANDIDATES]


def _may_be_one(group: frozenset[int], parts: Labels, sizes: NDArray[np.floating], pixel_m: float) -> bool:
    if not SMALLEST_M2 <= sizes[list(group)].sum() <= LARGEST_M2:
        return False
    rows, columns = np.nonzero(np.isin(parts, list(group)))
    return float(np.hypot(np.ptp(rows), np.ptp(columns))) * pixel_m <= LONGEST_M


def _cut(frame: Frame, found: Segmentation, heap: Region, mask: Mask, pixel_m: float) -> Region | None:
    """A part of a heap as a region of its own; everything else around it is another thing."""
    view = found.view
    box = Box(heap.box.x0 - view.x0, heap.box.y0 - view.y0, heap.box.x1 - view.x0, heap.box.y1 - view.y0)
    core = mask & heap.core
    core = core if core.sum() > 0.3 * mask.sum() else mask
    made = described(frame, found, [(box, mask, core)], pixel_m, heap.index, "")
    if not made:
        return None
    own = made[0].box
    x0, y0 = max(own.x0 - NEAR_PX, view.x0), max(own.y0 - NEAR_PX, view.y0)
    around = found.labels[y0 - view.y0 : own.y1 + NEAR_PX - view.y0, x0 - view.x0 : own.x1 + NEAR_PX - view.x0]
    near = np.where(around > 0, np.uint8(2), np.uint8(0))
    near[own.y0 - y0 : own.y1 - y0, own.x0 - x0 : own.x1 - x0][made[0].mask] = 1
    return replace(made[0], near=near, near_at=(x0, y0))


def _bits(group: Sequence[int] | frozenset[int] | range) -> int:
    return sum(1 << (part - 1) for part in group)


def _likeliest(weights: dict[int, float], whole: int) -> dict[int, float]:
    """The candidates (bits of their parts) of the likeliest way to make up the whole, each with the share that all ways
    with it have of all ways. A way is as likely as the product of its weights."""
    by_first: dict[int, list[int]] = {}
    for bits in weights:
        by_first.setdefault(bits & -bits, []).append(bits)

    @cache
    def ways(left: int) -> tuple[float, float, int]:
        """Of what is left: all ways together, the likeliest one, and its first candidate."""
        if not left:
            return 1.0, 1.0, 0
        total, best, first = 0.0, -1.0, 0
        for bits in by_first[left & -left]:
            if not bits & ~left:
                rest = ways(left & ~bits)
                total += weights[bits] * rest[0]
                if weights[bits] * rest[1] > best:
                    best, first = weights[bits] * rest[1], bits
        return total, best, first

    chosen, left = {}, whole
    while left:
        bits = ways(left)[2]
        chosen[bits] = weights[bits] * ways(whole & ~bits)[0] / ways(whole)[0]
        left &= ~bits
    return chosen
