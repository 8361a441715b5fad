"""Where a held thing can be put down: rows in its zone, the middle of a container, or a free patch elsewhere."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vlm_bt.scene.geometry import Array, half_turn
from vlm_bt.scene.tabletop import Segmentation
from vlm_bt.scene.topview import TopView
from vlm_bt.types import Footprint, HeldObject, PlaceSpot, Slot, Zone

FREE_M = 0.003
"""What is lower is bench."""
GAP_M = 0.010
"""Room between things that lie side by side; end to end a little more, because things slide along the jaws."""
JAW_M = 0.017
"""How far an opened finger reaches out from the side of what it held: opening 8, finger 9 mm; and some room."""
FINGER_HALF_M = 0.010
REACH_M = (0.30, 0.74)
DROP_M = 0.06
_STEP_M = 0.005
_ANY_M = 1.0
_TIERS = (
    (False, 0.0, GAP_M, 0.016),
    (False, 0.030, GAP_M, 0.016),
    (False, 0.0, 0.004, 0.014),
    (False, 0.060, 0.004, 0.014),
    (True, 0.0, GAP_M, 0.016),
    (False, _ANY_M, 0.004, 0.012),
    (True, _ANY_M, 0.004, 0.012),
)
"""Turned across the row; how far it may stick out of the zone on a side; room to the neighbours; how far inside the
zone its middle must lie. Best first."""
_TRIED_M = 0.015


@dataclass(frozen=True)
class _Order:
    """Candidates in the order in which they are tried: (N, 2) centres, all with one yaw."""

    centres: Array
    yaw_rad: float
    gap_m: float = GAP_M


def find_spot(
    found: Segmentation,
    zone: Zone,
    held: HeldObject,
    *,
    without: int | None = None,
    avoid: Sequence[tuple[float, float]] = (),
    slot: Slot | None = None,
) -> PlaceSpot | None:
    """A free place in a zone, next to what lies there already.

    Things lie side by side with their long axes across the zone's longer side. The whole rectangle inside the zone is
    best; a place where only its middle is inside comes last.

    Args:
        without: A region that is not there any more: the thing in the hand.
        avoid: Centres that were tried and did not work.
        slot: Where in the zone's row it belongs; where there is no room between its neighbours, any place will do.

    Returns:
        None where the zone is full.
    """
    if zone.container:
        return _in_container(found, zone, held, avoid)
    blocked = _blocked(found, without)
    shape = held.tool.object.footprint
    for wanted in (slot, None) if slot is not None else (None,):
        for order in _rows(zone, shape):
            placed = order if wanted is None else _between(order, zone, wanted)
            spot = _first_free(found.top_view, blocked, placed, held, avoid)
            if spot is not None:
                return PlaceSpot(spot, half_turn(order.yaw_rad), zone.name)
    return None


def find_free(
    found: Segmentation,
    zones: Sequence[Zone],
    held: HeldObject,
    *,
    without: int | None = None,
    avoid: Sequence[tuple[float, float]] = (),
) -> PlaceSpot | None:
    """A free place outside every zone, as near as possible to where the thing was picked up; its zone is ""."""
    blocked = _blocked(found, without)
    shape = held.tool.object.footprint
    x = np.arange(found.area.x[0] + 0.06, found.area.x[1] - 0.06, 0.012)
    y = np.arange(found.area.y[0] + 0.08, found.area.y[1] - 0.08, 0.012)
    grid = np.stack(np.meshgrid(x, y, indexing="ij"), -1).reshape(-1, 2)
    far = np.hypot(*(grid - np.asarray(shape.centre)).T)
    for yaw in (shape.yaw_rad, 0.0, math.pi / 2):
        half = _half_extent(shape, yaw)
        outside = np.ones(len(grid), bool)
        for zone in zones:
            outside &= ~_in_rectangle(grid, zone, half + 0.02)
        order = np.argsort(np.round(far[outside], 4), kind="stable")
        spot = _first_free(found.top_view, blocked, _Order(grid[outside][order], yaw), held, avoid)
        if spot is not None:
            return PlaceSpot(spot, half_turn(yaw), "")
    return None


def _in_container(
    found: Segmentation, zone: Zone, held: HeldObject, avoid: Sequence[tuple[float, float]]
) -> PlaceSpot | None:
    """Over the lowest part of the heap near the middle, the long axis along the container's longer side."""
    middle = np.array([sum(zone.x) / 2, sum(zone.y) / 2])
    step = min(zone.x[1] - zone.x[0], zone.y[1] - zone.y[0]) / 6
    offsets = np.array([(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, -1), (1, -1), (-1, 1)])
    centres = middle + offsets * step
    angles = np.arange(8) * math.pi / 4
    disc = np.array([(r * math.cos(a), r * math.sin(a)) for r in (0.0, 0.006, 0.012) for a in angles.tolist()])
    heap = found.top_view.height_at(centres[:, None] + disc).max(1)
    yaw = 0.0 if zone.x[1] - zone.x[0] >= zone.y[1] - zone.y[0] else math.pi / 2
    for n in np.argsort(np.round(heap / 0.004), kind="stable"):
        x, y = centres[n].tolist()
        if _in_reach(_tools(centres[n : n + 1], yaw, held)).any() and not _tried(centres[n : n + 1], avoid)[0]:
            return PlaceSpot((x, y), yaw, zone.name, DROP_M)
    return None


def along_row(zone: Zone) -> int:
    """The axis, 0 for x and 1 for y, along which the things of a zone lie side by side: its longer side."""
    return 0 if zone.x[1] - zone.x[0] >= zone.y[1] - zone.y[0] else 1


def _between(order: _Order, zone: Zone, slot: Slot) -> _Order:
    """The candidates between the neighbours in the row's order, the nearest to the slot first."""
    along = order.centres[:, along_row(zone)]
    inside = (along > slot.nearest) & (along < slot.farthest)
    nearest = np.argsort(np.round(np.abs(along[inside] - slot.at), 5), kind="stable")
    return _Order(order.centres[inside][nearest], order.yaw_rad, order.gap_m)


def _rows(zone: Zone, shape: Footprint) -> Iterator[_Order]:
    """Side by side along the zone's longer side from its far end, then as `_TIERS` says."""
    size = np.array([zone.x[1] - zone.x[0], zone.y[1] - zone.y[0]])
    middle = np.array([sum(zone.x), sum(zone.y)]) / 2
    along = along_row(zone)
    across = 1 - along
    steps = [np.arange(-half, half + 1e-9, _STEP_M) for half in size / 2]
    grid = np.stack(np.meshgrid(*steps, indexing="ij"), -1).reshape(-1, 2)
    straight = math.pi / 2 if along == 0 else 0.0
    for turned, sticks_out_m, gap_m, inset_m in _TIERS:
        yaw = straight + (math.pi / 2 if turned else 0.0)
        half = _half_extent(shape, yaw)
        out = np.maximum(np.abs(grid) + half - size / 2 - 0.004, 0.0)
        fits = (out <= sticks_out_m).all(1) & (np.abs(grid) <= size / 2 - inset_m).all(1)
        # Short things go to the near edge so that two rows fit; long ones lie in the middle.
        row = half[across] - size[across] / 2 if 2 * half[across] < 0.42 * size[across] else 0.0
        cost = (size[along] / 2 - grid[:, along]) + 0.25 * np.abs(grid[:, across] - row) + out.sum(1)
        order = np.argsort(np.round(cost[fits], 5), kind="stable")
        yield _Order(grid[fits][order] + middle, yaw, gap_m)


def _half_extent(shape: Footprint, yaw_rad: float) -> Array:
    """Half the size along x and y of a footprint that lies with this yaw."""
    c, s = abs(math.cos(yaw_rad)), abs(math.sin(yaw_rad))
    return np.array([c * shape.length_m + s * shape.width_m, s * shape.length_m + c * shape.width_m]) / 2


def _blocked(found: Segmentation, without: int | None) -> NDArray[np.bool_]:
    """Cells of the top view where something stands, widened by one cell."""
    top = found.top_view
    stands = top.height_m > FREE_M
    if without is not None:
        stands &= top.labels != without + 1
    return np.asarray(ndimage.binary_dilation(stands, np.ones((3, 3), bool)))


def _first_free(
    top: TopView, blocked: NDArray[np.bool_], order: _Order, held: HeldObject, avoid: Sequence[tuple[float, float]]
) -> tuple[float, float] | None:
    """The first candidate whose rectangle, with its gap, and whose fingers meet nothing."""
    body, fingers = _stencils(held, order)
    for begin in range(0, len(order.centres), 200):
        centres = order.centres[begin : begin + 200]
        centres = centres[_in_reach(_tools(centres, order.yaw_rad, held)).any(1) & ~_tried(centres, avoid)]
        for stencil in (fingers, body):
            centres = centres[_clear(top, blocked, centres, stencil)]
        if len(centres):
            x, y = centres[0].tolist()
            return x, y
    return None


def _clear(top: TopView, blocked: NDArray[np.bool_], centres: Array, stencil: Array) -> NDArray[np.bool_]:
    """Which of (K, 2) centres have all of their (N, 2) surrounding points on free bench."""
    nx, ny = blocked.shape
    cells = np.rint((centres[:, None] + stencil - np.asarray(top.origin)) / top.cell_m).astype(np.intp)
    i, j = cells[..., 0], cells[..., 1]
    inside = ((i >= 0) & (i < nx) & (j >= 0) & (j < ny)).all(1)
    return np.asarray(inside & ~blocked[np.clip(i, 0, nx - 1), np.clip(j, 0, ny - 1)].any(1))


def _stencils(held: HeldObject, order: _Order) -> tuple[Array, Array]:
    """(N, 2) points around a centre that must be free: of the rectangle with its gap, and of the opened fingers.

    The arm may turn the hand by half a turn, so the fingers may come down at either of two places.
    """
    shape, room = held.tool.object.footprint, 0.3 * order.gap_m
    body = _filled(shape.length_m / 2 + 1.4 * order.gap_m, shape.width_m / 2 + order.gap_m, order.yaw_rad)
    hand = order.yaw_rad - held.yaw_offset_rad
    fingers = _filled(FINGER_HALF_M + room, held.width_m / 2 + JAW_M + room, hand)
    tools = _tools(np.zeros((1, 2)), order.yaw_rad, held)[0]
    return body, np.concatenate([fingers + tools[0], fingers + tools[1]])


def _filled(half_length_m: float, half_width_m: float, yaw_rad: float) -> Array:
    """(N, 2) points that fill a rectangle, as dense as the widened cells of the map need."""
    a = np.linspace(-half_length_m, half_length_m, max(2, math.ceil(2 * half_length_m / 0.0055) + 1))
    b = np.linspace(-half_width_m, half_width_m, max(2, math.ceil(2 * half_width_m / 0.0055) + 1))
    a, b = (v.ravel() for v in np.meshgrid(a, b, indexing="ij"))
    c, s = math.cos(yaw_rad), math.sin(yaw_rad)
    return np.column_stack([c * a - s * b, s * a + c * b])


def _tools(centres: Array, yaw_rad: float, held: HeldObject) -> Array:
    """(N, 2, 2) tool centre points that bring the held thing to (N, 2) centres, for either way round of the hand."""
    along, across = held.offset_m
    out = []
    for hand in (yaw_rad - held.yaw_offset_rad, yaw_rad - held.yaw_offset_rad + math.pi):
        c, s = math.cos(hand), math.sin(hand)
        out.append(centres - np.array([c * along + s * across, s * along - c * across]))
    return np.stack(out, 1)


def _in_reach(points: Array) -> NDArray[np.bool_]:
    far = np.hypot(points[..., 0], points[..., 1])
    return np.asarray((far >= REACH_M[0]) & (far <= REACH_M[1]))


def _tried(centres: Array, avoid: Sequence[tuple[float, float]]) -> NDArray[np.bool_]:
    out = np.zeros(len(centres), bool)
    for place in avoid:
        out |= np.hypot(*(centres - np.asarray(place)).T) < _TRIED_M
    return out


def _in_rectangle(points: Array, zone: Zone, margin: Array) -> NDArray[np.bool_]:
    x, y = points[:, 0], points[:, 1]
    inside_x = (x > zone.x[0] - margin[0]) & (x < zone.x[1] + margin[0])
    return np.asarray(inside_x & (y > zone.y[0] - margin[1]) & (y < zone.y[1] + margin[1]))
