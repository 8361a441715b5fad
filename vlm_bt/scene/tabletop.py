"""Tabletop segmentation: what stands out from the bench, from one frame's depth and no model.

The bench plane is found anew in every frame, every pixel gets a height above it, and connected heights are things.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vlm_bt.scene.fixture import align
from vlm_bt.scene.geometry import rotation_of
from vlm_bt.scene.outline import footprint_of, rim
from vlm_bt.scene.plane import BENCH_AREA, Area, Bench, find_bench, window
from vlm_bt.scene.standing import LOW_M, Mask, standing, tighten
from vlm_bt.scene.topview import TopView, map_of
from vlm_bt.types import Box, Footprint, Frame, Zone

ROBOT_AREA = Area((-1.0, 0.10), (-0.12, 0.12))
WALL_MARGIN_M = 0.006
WALL_THICK_M = 0.008
TALLEST_M = 0.12
NEAR_PX = 10
UNSEEN_M = 0.05
"""How tall a patch without depth is taken to be."""


@dataclass(frozen=True, eq=False)
class Region:
    """One thing that stands out from the bench.

    Attributes:
        index: What `Segmentation.region` takes; `Segmentation.labels` holds index + 1.
        box: In the whole picture. mask: the thing's pixels inside the box.
        core: Those of them whose place on the bench is sure.
        near: The box widened by 10 px (cut at the picture's edge): 0 bench, 1 this thing, 2 other things.
        near_at: Column and row of the upper left corner of `near`.
        centroid: Column and row of the middle of its pixels.
        colour: Mean red, green, blue, 0 to 255.
        container: Name of the container it lies in; empty on the open bench.
    """

    index: int
    box: Box
    mask: Mask
    core: Mask
    near: NDArray[np.uint8]
    near_at: tuple[int, int]
    footprint: Footprint
    centroid: tuple[float, float]
    colour: tuple[float, float, float]
    pixels: int
    container: str = ""


@dataclass(frozen=True, eq=False)
class Segmentation:
    """Everything that depth says of the bench in one frame.

    Attributes:
        view: The part of the picture that shows the bench; the arrays cover it.
        height_m: (h, w) float32 metres above the bench, smoothed; 0 on the rims that smoothing smears around things.
        labels: (h, w) int16: 0 bench, i + 1 region i, -1 walls, the robot and patches without depth.
        points: (h, w, 2) float32 x and y of every pixel, metres, base frame.
        regions: Things on the open bench, by row and then column of their middle.
        contents: Things inside containers; their indices continue those of `regions`.
        hidden: Share of the view that is covered by something taller than 0.12 m: an arm or a person.
    """

    frame_id: str
    stamp_s: float
    bench: Bench
    area: Area
    view: Box
    height_m: NDArray[np.float32]
    labels: NDArray[np.int16]
    points: NDArray[np.float32]
    regions: tuple[Region, ...] = ()
    contents: tuple[Region, ...] = ()
    hidden: float = 0.0

    @property
    def error(self) -> str:
        """`bench_missing: ...` where the bench is not found where it should be; else empty."""
        return "" if self.bench.ok else str(self.bench)

    @property
    def bench_offset_m(self) -> float:
        return self.bench.offset_m

    @property
    def bench_tilt_rad(self) -> float:
        return self.bench.tilt_rad

    def region(self, index: int) -> Region:
        return (self.regions + self.contents)[index]

    @cached_property
    def top_view(self) -> TopView:
        """The map of the bench, seen straight from above."""
        corners = self.points[[0, 0, -1, -1], [0, -1, 0, -1]]
        x, y = np.sort(corners[:, 0]), np.sort(corners[:, 1])
        # The picture shows at least the rectangle between the inner two of its corners along each axis.
        seen_x = (max(float(x[1]), self.area.x[0]), min(float(x[2]), self.area.x[1]))
        seen_y = (max(float(y[1]), self.area.y[0]), min(float(y[2]), self.area.y[1]))
        return map_of(self.points, _guarded(self.height_m, self.labels), self.labels, seen_x, seen_y)


def segment(frame: Frame, zones_with_walls: Sequence[Zone] = (), area: Area = BENCH_AREA) -> Segmentation:
    """Find the things on the bench.

    Args:
        zones_with_walls: Containers: their walls are no things, and what lies inside is listed apart.

    Returns:
        Where the bench is not found, a segmentation without regions whose `error` says why.
    """
    bench = find_bench(frame, area)
    if bench.ok:
        bench = _aligned(frame, bench, zones_with_walls)
    view = window(frame, area)
    height, unseen, points = _heights(frame, bench, view)
    blank = np.where(unseen, np.int16(-1), np.int16(0))
    found = Segmentation(frame.id, frame.stamp_s, bench, area, view, height, blank, points)
    if not bench.ok:
        return found
    pixel = bench.pose_camera_in_base.position[2] / frame.intrinsics.fx
    tall = height > TALLEST_M
    shut = tall | unseen
    part = _around(frame, view, ROBOT_AREA)
    shut[part] |= _within(points[part], ROBOT_AREA.x, ROBOT_AREA.y, 0.0)
    inner = []
    for zone in zones_with_walls:
        part = _around(frame, view, Area(zone.x, zone.y))
        walls = _walls(height[part], points[part], zone)
        shut[part] |= walls | _within(points[part], zone.x, zone.y, WALL_MARGIN_M)
        inner.append((zone.name, part, *_inside(height[part], points[part], walls, zone)))
    labels = blank.copy()
    labels[shut & (height > LOW_M)] = -1
    loose = standing(height, shut, pixel)
    tight = [(box, *tighten(height[box.y0 : box.y1, box.x0 : box.x1], mask)) for box, mask in loose]
    regions = described(frame, found, tight, pixel, 0, "")
    contents: tuple[Region, ...] = ()
    for name, part, above, closed in inner:
        masks = [(_placed(box, part), mask, mask) for box, mask in standing(above, closed, pixel)]
        contents += described(frame, found, masks, pixel, len(regions) + len(contents), name)
    _flatten_rims(height, loose, tight)
    for region in regions + contents:
        box = _shifted(region.box, view)
        labels[box][region.mask] = region.index + 1
    return replace(
        found,
        labels=labels,
        regions=tuple(_with_neighbours(r, labels, view) for r in regions),
        contents=tuple(_with_neighbours(r, labels, view) for r in contents),
        hidden=float(tall.mean()),
    )


def _heights(frame: Frame, bench: Bench, view: Box) -> tuple[NDArray[np.float32], Mask, NDArray[np.float32]]:
    """Smoothed heights, patches without depth, and the base frame x and y of every pixel of the view."""
    lens, pose = frame.intrinsics, bench.pose_camera_in_base
    turn = rotation_of(pose.quaternion).astype(np.float32)
    x = ((np.arange(view.x0, view.x1) - lens.cx) / lens.fx).astype(np.float32)
    y = ((np.arange(view.y0, view.y1) - lens.cy) / lens.fy).astype(np.float32)
    depth = frame.depth_m[view.y0 : view.y1, view.x0 : view.x1]
    lean = (turn[2, 0] * x)[None] + (turn[2, 1] * y + turn[2, 2])[:, None]
    top = np.float32(pose.position[2])
    seen = (depth > 0).astype(np.float32)
    height = depth * lean
    height += top
    np.clip(height, -0.02, 0.3, out=height)
    height *= seen
    height, weight = _smooth(height), _smooth(seen)
    unseen = weight < 0.08
    np.maximum(weight, np.float32(1e-3), out=weight)
    height /= weight
    height[unseen] = 0.0
    reach = height - top
    reach /= lean
    planes = np.empty((2, *depth.shape), np.float32)
    for axis in (0, 1):
        way = (turn[axis, 0] * x)[None] + (turn[axis, 1] * y + turn[axis, 2])[:, None]
        way *= reach
        np.add(way, np.float32(pose.position[axis]), out=planes[axis])
    return height, unseen, np.moveaxis(planes, 0, -1)


def _smooth(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """[1 4 6 4 1] / 16 along both axes, as two passes of [1 2 1] / 4; borders repeat."""
    for _ in range(2):
        for axis in (0, 1):
            here = image if axis == 0 else image.T
            out = np.empty_like(image)
            there = out if axis == 0 else out.T
            np.add(here[:-2], here[2:], out=there[1:-1])
            there[0], there[-1] = here[0] + here[1], here[-1] + here[-2]
            there *= np.float32(0.5)
            out += image
            out *= np.float32(0.5)
            image = out
    return image


def _within(points: NDArray[np.float32], x: tuple[float, float], y: tuple[float, float], margin_m: float) -> Mask:
    px, py = points[..., 0], points[..., 1]
    inside: Mask = px >= x[0] - margin_m
    inside &= px <= x[1] + margin_m
    inside &= py >= y[0] - margin_m
    inside &= py <= y[1] + margin_m
    return inside


def _around(frame: Frame, view: Box, area: Area) -> tuple[slice, slice]:
    """The part of the view that shows an area and what stands 30 mm around it."""
    wide = Area((area.x[0] - 0.03, area.x[1] + 0.03), (area.y[0] - 0.03, area.y[1] + 0.03))
    box = window(frame, wide)
    rows = slice(max(box.y0, view.y0) - view.y0, max(min(box.y1, view.y1) - view.y0, 0))
    return rows, slice(max(box.x0, view.x0) - view.x0, max(min(box.x1, view.x1) - view.x0, 0))


def _placed(box: Box, part: tuple[slice, slice]) -> Box:
    y, x = part[0].start, part[1].start
    return Box(box.x0 + x, box.y0 + y, box.x1 + x, box.y1 + y)


def _inside(
    height: NDArray[np.float32], points: NDArray[np.float32], walls: Mask, zone: Zone
) -> tuple[NDArray[np.float32], Mask]:
    """Heights above a container's floor, and what does not belong to its inside."""
    inside = _within(points, zone.x, zone.y, -WALL_THICK_M)
    inside &= ~walls
    floor = float(np.percentile(height[inside], 30)) if inside.any() else 0.0
    return height - np.float32(np.clip(floor, 0.0, 0.01)), ~inside


def _walls(height: NDArray[np.float32], points: NDArray[np.float32], zone: Zone) -> Mask:
    """A container's walls, with the rim of pixels whose smoothed height is part wall and part bench."""
    walls = _within(points, zone.x, zone.y, WALL_MARGIN_M)
    walls &= ~_within(points, zone.x, zone.y, -WALL_THICK_M)
    walls &= height > 0.012
    return ndimage.binary_dilation(walls, np.ones((3, 3), bool), 3) if walls.any() else walls


def _aligned(frame: Frame, bench: Bench, containers: Sequence[Zone]) -> Bench:
    for zone in containers:
        pose = bench.pose_camera_in_base
        around = Area((zone.x[0] - 0.03, zone.x[1] + 0.03), (zone.y[0] - 0.03, zone.y[1] + 0.03))
        view = window(frame, around)
        height, _, points = _heights(frame, bench, view)
        better = align(points, height, zone, pose)
        if better is not None:
            return replace(bench, pose_camera_in_base=better, aligned=zone.name)
    return bench


def described(
    frame: Frame, found: Segmentation, masks: list[tuple[Box, Mask, Mask]], pixel_m: float, first: int, container: str
) -> tuple[Region, ...]:
    """Regions of masks (boxes in the view), in order of their middles, without neighbours as yet."""
    regions = []
    for box, mask, core in masks:
        rows, columns = np.nonzero(mask)
        r0, r1, c0, c1 = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
        mask, core = mask[r0:r1, c0:c1], core[r0:r1, c0:c1]
        inner = (slice(box.y0 + r0, box.y0 + r1), slice(box.x0 + c0, box.x0 + c1))
        edge = rim(core)
        points = found.points[inner]
        pixels = int(mask.sum())
        footprint = footprint_of(
            points[edge[:, 0], edge[:, 1]].astype(float), found.height_m[inner][mask], pixel_m, pixels * pixel_m**2
        )
        mean_x, mean_y = points[mask].mean(0).tolist()
        footprint = replace(footprint, mean=(mean_x, mean_y))
        x0, y0 = int(found.view.x0 + box.x0 + c0), int(found.view.y0 + box.y0 + r0)
        if not container and not _on(footprint.centre, found.area):
            continue
        whole = Box(x0, y0, x0 + mask.shape[1], y0 + mask.shape[0])
        red, green, blue = frame.rgb[whole.y0 : whole.y1, whole.x0 : whole.x1][mask].mean(0).tolist()
        middle = (float(columns.mean() - c0 + x0), float(rows.mean() - r0 + y0))
        colour = (red, green, blue)
        regions.append(
            Region(0, whole, mask, core, mask.view(np.uint8), (x0, y0), footprint, middle, colour, pixels, container)
        )
    regions.sort(key=lambda r: (round(r.centroid[1]), round(r.centroid[0]), r.box.y0, r.box.x0))
    return tuple(replace(region, index=first + n) for n, region in enumerate(regions))


def _guarded(height: NDArray[np.float32], labels: NDArray[np.int16]) -> NDArray[np.float32]:
    """Heights in which a wide patch without depth counts as an obstacle: something black or shiny may stand there."""
    size = 8
    rows, columns = height.shape[0] // size, height.shape[1] // size
    blind = (labels == -1) & (height == 0.0)
    blocks = blind[: rows * size, : columns * size].reshape(rows, size, columns, size).sum((1, 3), dtype=np.uint8)
    if blocks.max(initial=0) < size * size:
        return height
    height = height.copy()
    for row, column in np.argwhere(blocks == size * size).tolist():
        height[row * size : (row + 1) * size, column * size : (column + 1) * size] = UNSEEN_M
    return height


def _flatten_rims(
    height: NDArray[np.float32], loose: Sequence[tuple[Box, Mask]], tight: Sequence[tuple[Box, Mask, Mask]]
) -> None:
    """Put down what stood only because smoothing smeared a thing over its rim: no finger would touch it."""
    for (box, smeared), (_, mask, _) in zip(loose, tight, strict=True):
        height[box.y0 : box.y1, box.x0 : box.x1][smeared & ~mask] = 0.0


def _on(point: tuple[float, float], area: Area) -> bool:
    return area.x[0] <= point[0] <= area.x[1] and area.y[0] <= point[1] <= area.y[1]


def _shifted(box: Box, view: Box) -> tuple[slice, slice]:
    """A box of the picture as slices of the view."""
    return slice(box.y0 - view.y0, box.y1 - view.y0), slice(box.x0 - view.x0, box.x1 - view.x0)


def _with_neighbours(region: Region, labels: NDArray[np.int16], view: Box) -> Region:
    box = region.box
    x0, y0 = max(box.x0 - NEAR_PX, view.x0), max(box.y0 - NEAR_PX, view.y0)
    part = labels[_shifted(Box(x0, y0, box.x1 + NEAR_PX, box.y1 + NEAR_PX), view)]
    near = np.where(part == region.index + 1, np.uint8(1), np.where(part > 0, np.uint8(2), np.uint8(0)))
    return replace(region, near=near, near_at=(x0, y0))
