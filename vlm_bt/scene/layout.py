"""Where the sections of a bench are laid out: near their usual places, where depth shows room."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vlm_bt.scene.free_space import FREE_M, REACH_M, along_row
from vlm_bt.scene.tabletop import Segmentation
from vlm_bt.scene.topview import TopView
from vlm_bt.types import Zone

SHIFT_M = 0.08
"""A section is laid out at most so far, along each axis, from where it usually lies."""
STEP_M = 0.01
LONGER_M = 0.12
"""A section grows by at most so much along its row."""
PITCH_GAP_M = 0.018
"""What lies between two neighbours of a row, so that an opened finger comes down between them."""
APART_M = 0.01
RIM_CELLS = 5
"""Smoothing smears a thing's height over so many cells around its region."""
WORTH_PER_M = 1.0
"""The share of a section that moving it by a metre has to gain: 5 cm are worth 5% more room."""


@dataclass(frozen=True)
class Section:
    """A section as it is laid out. `room`: the share of it, 0 to 1, that is clear; `usual_room`: at its usual place.
    A container is not moved, and nothing is said of its room."""

    zone: Zone
    room: float = 1.0
    usual_room: float = 1.0


def lay_out_sections(
    found: Segmentation, zones: Sequence[Zone], belong: Mapping[str, Sequence[int]]
) -> tuple[Section, ...]:
    """Slide each section to where it has most room; a farther place has to be worth the way, and no less in reach.

    Args:
        zones: The usual sections; they never overlap, and only one whose things do not fit side by side grows longer.
        belong: By zone, the regions that belong there: they take away no room.

    Returns:
        One for each zone, in their order.
    """
    top = found.top_view
    reach = _summed(_in_reach(top))
    taken = list(zones)
    sections = []
    for index, zone in enumerate(zones):
        if zone.container:
            sections.append(Section(zone))
            continue
        others = [other for place, other in enumerate(taken) if place != index]
        widths = [found.region(region).footprint.width_m + PITCH_GAP_M for region in belong.get(zone.name, ())]
        zone = lengthened(zone, sum(widths), others, (found.area.x, found.area.y)[along_row(zone)])
        summed = _summed(_clear(top, belong.get(zone.name, ())))
        usual, usual_reach = _share(top, summed, zone), _share(top, reach, zone)
        best, most = zone, usual
        for moved, shift_m in _slid(zone):
            room = _share(top, summed, moved)
            gained = room - WORTH_PER_M * shift_m > most + 1e-9 and _share(top, reach, moved) >= usual_reach
            if gained and not any(_overlap(moved, other) for other in others):
                best, most = moved, room - WORTH_PER_M * shift_m
        taken[index] = best
        sections.append(Section(best, _share(top, summed, best), usual))
    return tuple(sections)


def lengthened(
    zone: Zone, needed_m: float, others: Sequence[Zone], limits: tuple[float, float] = (-math.inf, math.inf)
) -> Zone:
    """The section, longer along its row until it has `needed_m`, by at most `LONGER_M`.

    It grows within reach and `limits` (metres, along its row) only, and never onto `others`.
    """
    axis = along_row(zone)
    for _ in range(round(LONGER_M / STEP_M)):
        low, high = (zone.x, zone.y)[axis]
        if high - low >= needed_m:
            break
        across = sum((zone.y, zone.x)[axis]) / 2
        ends = ((low, round(high + STEP_M, 3)), (round(low - STEP_M, 3), high))
        for longer, end in zip(ends, (ends[0][1], ends[1][0]), strict=True):
            grown = replace(zone, x=longer) if axis == 0 else replace(zone, y=longer)
            inside = limits[0] <= longer[0] and longer[1] <= limits[1]
            reached = REACH_M[0] <= math.hypot(end, across) <= REACH_M[1]
            if inside and reached and not any(_overlap(grown, other) for other in others):
                zone = grown
                break
        else:
            break
    return zone


def _slid(zone: Zone) -> list[tuple[Zone, float]]:
    """The section at every place around its usual one, with how far that is in metres; the nearest first."""
    steps = np.arange(-round(SHIFT_M / STEP_M), round(SHIFT_M / STEP_M) + 1) * STEP_M
    places = []
    for dx in steps.tolist():
        for dy in steps.tolist():
            x = (round(zone.x[0] + dx, 3), round(zone.x[1] + dx, 3))
            y = (round(zone.y[0] + dy, 3), round(zone.y[1] + dy, 3))
            places.append((replace(zone, x=x, y=y), float(np.hypot(dx, dy))))
    return sorted(places, key=lambda place: round(place[1], 6))[1:]


def _clear(top: TopView, own: Sequence[int]) -> NDArray[np.bool_]:
    """Cells of bench that nothing covers, or only what belongs there."""
    clear = top.height_m <= FREE_M
    for region in own:
        clear |= ndimage.binary_dilation(top.labels == region + 1, iterations=RIM_CELLS)
    return np.asarray(clear)


def _in_reach(top: TopView) -> NDArray[np.bool_]:
    nx, ny = top.height_m.shape
    x = top.origin[0] + top.cell_m * np.arange(nx)[:, None]
    y = top.origin[1] + top.cell_m * np.arange(ny)[None, :]
    far = np.hypot(x, y)
    return np.asarray((far >= REACH_M[0]) & (far <= REACH_M[1]))


def _summed(cells: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Summed-area table, a row and a column of zeros in front (Crow, 1984)."""
    return np.pad(cells.astype(np.int64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))


def _share(top: TopView, summed: NDArray[np.int64], zone: Zone) -> float:
    """The share of a rectangle's cells that count; what lies beyond the map does not."""
    nx, ny = summed.shape[0] - 1, summed.shape[1] - 1
    i0, i1 = (round((edge - top.origin[0]) / top.cell_m) for edge in zone.x)
    j0, j1 = (round((edge - top.origin[1]) / top.cell_m) for edge in zone.y)
    a, b = min(max(i0, 0), nx), min(max(i1, 0), nx)
    c, d = min(max(j0, 0), ny), min(max(j1, 0), ny)
    inside = summed[b, d] - summed[a, d] - summed[b, c] + summed[a, c]
    return round(float(inside) / max(1, (i1 - i0) * (j1 - j0)), 4)


def _overlap(one: Zone, other: Zone) -> bool:
    return (
        one.x[0] < other.x[1] + APART_M
        and other.x[0] < one.x[1] + APART_M
        and one.y[0] < other.y[1] + APART_M
        and other.y[0] < one.y[1] + APART_M
    )
