"""Top-down grasps for parallel jaws, from the height map alone: no model of the thing, no name."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlm_bt.scene.geometry import Array, half_turn
from vlm_bt.scene.tabletop import Segmentation
from vlm_bt.types import Footprint, Grasp

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class GraspLimits:
    """The gripper and how much room it wants, metres.

    Attributes:
        widest_m: Widest thing that is gripped. opening_m: how far the jaws open.
        finger_thick_m: Finger along the closing direction. finger_wide_m: across it.
        margins_m: Room between thing and finger on each side, best first.
        clearance_m: Room between fingers and what else lies around. free_m: what is lower is bench.
        lowest_z_m: Lowest tool centre point: keeps the fingertips over the bench.
        palm_m: Above this nothing may stand under the hand, 0.2 by 0.07 m.
        thinnest_m: Least height that fingers can hold.
    """

    widest_m: float = 0.070
    opening_m: float = 0.078
    finger_thick_m: float = 0.009
    finger_wide_m: float = 0.020
    margins_m: tuple[float, ...] = (0.008, 0.006, 0.004)
    clearance_m: float = 0.004
    free_m: float = 0.003
    lowest_z_m: float = 0.0105
    palm_m: float = 0.055
    thinnest_m: float = 0.0035


LIMITS = GraspLimits()
NUDGING = -1.0
"""Taken off the score of a grasp whose fingers pass a neighbour without clearance: any other comes first."""

_BIN_M = 0.002
_SPAN_M = 0.044
_GAP_BINS = 3
_TURNS_RAD = tuple(math.radians(d) for d in (0, -15, 15, -30, 30))


@dataclass(frozen=True, eq=False)
class _Jaws:
    """K candidates and what the jaws would find there. `centre`: (K, 2), the other arrays (K,), metres and radians.

    `astride`: a finger comes down between two parts of the thing.
    """

    centre: Array
    yaw: Array
    width: Array
    height: Array
    ragged: Array
    covered: Array
    astride: Flags


def plan_grasps(found: Segmentation, region: int, limits: GraspLimits = LIMITS, count: int = 12) -> list[Grasp]:
    """Ranked grasps of one thing, best first; empty where the jaws fit nowhere.

    The fingers land on free bench on both sides, the jaws close at right angles to the thing's own direction there,
    near its middle, where it is tall and its sides are straight. Grasps that pass a neighbour without clearance
    come last, with a score below zero.
    """
    thing = found.region(region)
    points, heights = _points(found, region)
    shape = thing.footprint
    middle = (points * heights[:, None]).sum(0) / heights.sum()
    centres, yaws = _candidates(points, shape, middle)
    jaws = _measure(points, heights, centres, yaws, limits)
    fits = (jaws.width <= limits.widest_m) & (jaws.height >= limits.thinnest_m)
    jaws = _chosen(jaws, fits)
    if not len(jaws.yaw):
        return []
    margin, nudging = _room(found, region, jaws, limits)
    score = _score(jaws, shape, middle, margin, limits) + np.where(nudging, NUDGING, 0.0)
    possible = margin > 0
    order = [int(k) for k in np.argsort(-np.round(score, 6), kind="stable") if possible[k]]
    out: list[Grasp] = []
    for k in order:
        x, y = jaws.centre[k].tolist()
        z = max(limits.lowest_z_m, float(jaws.height[k]) / 2)
        opening = min(float(jaws.width[k] + 2 * margin[k]), limits.opening_m)
        grasp = Grasp((x, y, z), half_turn(float(jaws.yaw[k])), opening, float(score[k]))
        if not any(_alike(grasp, other) for other in out):
            out.append(grasp)
        if len(out) == count:
            break
    return out


def _points(found: Segmentation, region: int) -> tuple[Array, Array]:
    """(N, 2) base frame points of a thing and their heights, thinned to about one per 2 mm where there are many."""
    thing, view = found.region(region), found.view
    part = (
        slice(thing.box.y0 - view.y0, thing.box.y1 - view.y0),
        slice(thing.box.x0 - view.x0, thing.box.x1 - view.x0),
    )
    mask = thing.core
    if thing.pixels > 900:
        thin = np.zeros_like(mask)
        thin[::2, ::2] = thin[1::2, 1::2] = True
        mask = mask & thin
    return found.points[part][mask].astype(float), np.maximum(found.height_m[part][mask], 1e-4).astype(float)


def _candidates(points: Array, shape: Footprint, middle: Array) -> tuple[Array, Array]:
    """(K, 2) points on the thing, in stations along it, and (K,) yaws of the hand's x axis there."""
    along = np.array([math.cos(shape.yaw_rad), math.sin(shape.yaw_rad)])
    across = np.array([-along[1], along[0]])
    a, b = (points - shape.centre) @ along, (points - shape.centre) @ across
    reach = max(shape.length_m / 2 - 0.006, 0.0)
    stations = np.linspace(-reach, reach, int(np.clip(2 * reach / 0.007, 2, 24)) + 1)
    stations = np.append(stations, np.clip((middle - shape.centre) @ along, -reach, reach))
    compact = shape.length_m < 0.068 and shape.length_m < 2.2 * shape.width_m
    spots: list[tuple[float, float, float]] = []
    for station in stations.tolist():
        near = np.abs(a - station) < 0.010
        for low, high in _runs(np.sort(b[np.abs(a - station) < 0.004])):
            own = near & (b >= low - 0.003) & (b <= high + 0.003)
            lean = _lean(a[own], b[own]) if own.sum() >= 8 else 0.0
            turns = [shape.yaw_rad + turn for turn in _TURNS_RAD]
            if abs(lean) > math.radians(4):
                turns += [shape.yaw_rad + lean]
            if compact:
                turns += [shape.yaw_rad + math.pi / 2 + turn for turn in _TURNS_RAD[:3]]
            spots += [(station, (low + high) / 2, turn) for turn in turns]
    grid = np.array(spots).reshape(-1, 3)
    return shape.centre + grid[:, :1] * along + grid[:, 1:2] * across, grid[:, 2]


def _runs(values: Array) -> list[tuple[float, float]]:
    """Stretches of sorted values without a gap of 6 mm, and the whole where there are several."""
    if not len(values):
        return []
    cuts = np.flatnonzero(np.diff(values) > _GAP_BINS * _BIN_M)
    starts, ends = np.append(0, cuts + 1), np.append(cuts, len(values) - 1)
    runs = [(float(values[s]), float(values[e])) for s, e in zip(starts, ends, strict=True)]
    return runs + ([(runs[0][0], runs[-1][1])] if len(runs) > 1 else [])


def _lean(a: Array, b: Array) -> float:
    """Direction of a slab of points against the axis they were cut along, radians, at most 40 degrees."""
    a = a - a.mean()
    slope = float((a * b).sum() / max((a * a).sum(), 1e-9))
    return float(np.clip(math.atan(slope), -0.7, 0.7))


def _measure(points: Array, heights: Array, centres: Array, yaws: Array, limits: GraspLimits) -> _Jaws:
    """What lies between the jaws: the stretch of the thing through the candidate, and the hand centred on it."""
    c, s = np.cos(yaws)[:, None], np.sin(yaws)[:, None]
    dx, dy = points[None, :, 0] - centres[:, :1], points[None, :, 1] - centres[:, 1:]
    along, closing = c * dx + s * dy, c * dy - s * dx
    strip = (np.abs(along) <= limits.finger_wide_m / 2) & (np.abs(closing) < _SPAN_M)
    bins = 2 * round(_SPAN_M / _BIN_M) + 1
    number = np.rint(closing / _BIN_M).astype(np.intp) + bins // 2
    rows = np.broadcast_to(np.arange(len(yaws))[:, None], number.shape)
    filled = np.bincount((rows * bins + number)[strip], minlength=len(yaws) * bins).reshape(-1, bins) > 0
    low, high = _extent(filled)
    inside = strip & (number >= low[:, None]) & (number <= high[:, None])
    most = np.where(inside, closing, -np.inf).max(1)
    least = np.where(inside, closing, np.inf).min(1)
    empty = ~inside.any(1)
    most[empty], least[empty] = 1.0, -1.0
    pixel = 0.0012
    width = most - least + pixel
    # A stretch that runs out of the strip is wider than the jaws.
    width[(low == 0) | (high == bins - 1)] = 1.0
    height = np.where(inside, heights[None], 0.0).max(1)
    shift = ((most + least) / 2)[:, None]
    ragged, covered = _sides(along, closing, inside, limits.finger_wide_m)
    astride = np.asarray((strip & ~inside).any(1))
    return _Jaws(centres + shift * np.column_stack([-s, c]), yaws, width, height, ragged, covered, astride)


def _extent(filled: Flags) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First and last filled bin reachable from the middle one without crossing `_GAP_BINS` empty ones."""
    count, bins = filled.shape
    ends = []
    for step in (-1, 1):
        end = np.full(count, bins // 2)
        idle = np.zeros(count, int)
        for n in range(1, bins // 2 + 1):
            here = filled[:, bins // 2 + step * n]
            idle = np.where(here & (idle < _GAP_BINS), 0, idle + 1)
            end = np.where(here & (idle == 0), bins // 2 + step * n, end)
        ends.append(end)
    return ends[0], ends[1]


def _sides(along: Array, closing: Array, inside: Flags, wide_m: float) -> tuple[Array, Array]:
    """How far the sides stray from straight over the width of a finger, and the share of it that they cover."""
    left, right, there = [], [], []
    for n in range(3):
        piece = inside & (np.floor((along / wide_m + 0.5) * 3) == n)
        there.append(piece.any(1))
        left.append(np.where(piece, closing, np.inf).min(1))
        right.append(np.where(piece, closing, -np.inf).max(1))
    some = np.stack(there)
    stray = np.zeros(along.shape[0])
    for side in (np.stack(left), np.stack(right)):
        side = np.where(some, side, np.nan)
        known = some.sum(0) > 1
        stray[known] += np.nanmax(side[:, known], 0) - np.nanmin(side[:, known], 0)
    return stray, some.mean(0)


def _chosen(jaws: _Jaws, which: Flags) -> _Jaws:
    return _Jaws(
        jaws.centre[which],
        jaws.yaw[which],
        jaws.width[which],
        jaws.height[which],
        jaws.ragged[which],
        jaws.covered[which],
        jaws.astride[which],
    )


def _room(found: Segmentation, region: int, jaws: _Jaws, limits: GraspLimits) -> tuple[Array, Flags]:
    """(K,) room on each side of the thing that the fingers find free, 0 where there is none; and who nudges."""
    top = found.top_view
    reach = limits.widest_m / 2 + limits.margins_m[0] + limits.finger_thick_m + limits.clearance_m
    side = limits.finger_wide_m / 2 + limits.clearance_m
    w = np.arange(-reach, reach + 1e-9, 0.002)
    u = np.linspace(-side, side, 13)
    c, s = np.cos(jaws.yaw)[:, None, None], np.sin(jaws.yaw)[:, None, None]
    x = jaws.centre[:, :1, None] + c * u[None, None] - s * w[None, :, None]
    y = jaws.centre[:, 1:, None] + s * u[None, None] + c * w[None, :, None]
    where = np.stack([x, y], -1)
    high = top.height_at(where) > limits.free_m
    own = top.label_at(where) == region + 1
    under_finger = (np.abs(u) <= limits.finger_wide_m / 2)[None, None]
    foreign_wide = (high & ~own).any(2)
    foreign_tight = (high & ~own & under_finger).any(2)
    mine = (high & own & (np.abs(u) <= limits.finger_wide_m / 2 + 0.002)[None, None]).any(2)
    out = np.abs(w)[None]
    half = jaws.width[:, None] / 2
    margin, nudging = np.zeros(len(jaws.yaw)), np.zeros(len(jaws.yaw), bool)
    for room in limits.margins_m:
        inner, outer = half + room, half + room + limits.finger_thick_m
        fits = jaws.width + 2 * room <= limits.opening_m
        landing = (mine & (out >= inner) & (out <= outer)).any(1)
        crowded = (foreign_wide & (out <= outer + limits.clearance_m)).any(1)
        free = fits & ~landing & ~crowded
        margin = np.where((margin == 0) & free, room, margin)
    for room in limits.margins_m[1:]:
        inner, outer = half + room, half + room + limits.finger_thick_m
        fits = jaws.width + 2 * room <= limits.opening_m
        landing = (mine & (out >= inner) & (out <= outer)).any(1)
        passing = fits & ~landing & ~(foreign_tight & (out <= outer + 0.001)).any(1) & (margin == 0)
        margin, nudging = np.where(passing, room, margin), nudging | passing
    margin[_under_palm(found, jaws, limits)] = 0.0
    return margin, nudging


def _under_palm(found: Segmentation, jaws: _Jaws, limits: GraspLimits) -> Flags:
    """Where something tall would meet the hand's body."""
    top = found.top_view
    i, j = np.nonzero(top.height_m > limits.palm_m)
    if not len(i):
        return np.zeros(len(jaws.yaw), bool)
    tall = np.column_stack([i, j]) * top.cell_m + np.asarray(top.origin)
    d = tall[None] - jaws.centre[:, None]
    c, s = np.cos(jaws.yaw)[:, None], np.sin(jaws.yaw)[:, None]
    along, closing = c * d[..., 0] + s * d[..., 1], c * d[..., 1] - s * d[..., 0]
    return np.asarray(((np.abs(along) < 0.035) & (np.abs(closing) < 0.105)).any(1))


def _score(jaws: _Jaws, shape: Footprint, middle: Array, margin: Array, limits: GraspLimits) -> Array:
    """1 for a perfect grasp; every weakness takes something off."""
    arm = np.hypot(*(jaws.centre - middle).T)
    slant = np.abs((jaws.yaw - shape.yaw_rad + math.pi / 4) % (math.pi / 2) - math.pi / 4)
    slender = float(np.clip(shape.length_m / max(shape.width_m, 1e-3) - 1.2, 0.0, 1.0))
    score = 1.0 - 0.5 * np.minimum(arm / 0.08, 1.0)
    score -= 0.25 * slender * slant / math.radians(45)
    score -= 0.35 * np.clip(jaws.ragged / 0.008, 0.0, 1.0)
    score -= 0.25 * (1.0 - jaws.covered) * (shape.length_m > 0.03)
    score -= 0.30 * (1.0 - np.clip((jaws.height - 0.003) / 0.009, 0.0, 1.0))
    score -= 0.10 * (limits.margins_m[0] - margin) / limits.margins_m[0]
    score -= 0.20 * np.clip((jaws.width - 0.055) / 0.015, 0.0, 1.0)
    score -= 0.20 * jaws.astride
    return np.asarray(score)


def _alike(a: Grasp, b: Grasp) -> bool:
    near = math.hypot(a.position[0] - b.position[0], a.position[1] - b.position[1]) < 0.007
    return near and abs(half_turn(a.yaw_rad - b.yaw_rad)) < math.radians(11)
