"""Outlines seen from above: the rectangle around a set of points."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from vlm_bt.scene.geometry import Array, half_turn
from vlm_bt.types import Footprint


def rim(mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    """(N, 2) rows and columns of the outermost pixels of every row and column: they span the same hull."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    across, down = mask[rows], mask[:, columns]
    left, right = across.argmax(1), mask.shape[1] - 1 - across[:, ::-1].argmax(1)
    top, bottom = down.argmax(0), mask.shape[0] - 1 - down[::-1].argmax(0)
    return np.concatenate(
        [
            np.column_stack([rows, left]),
            np.column_stack([rows, right]),
            np.column_stack([top, columns]),
            np.column_stack([bottom, columns]),
        ]
    )


def fit_rectangle(points: Array, pad_m: float = 0.0) -> tuple[tuple[float, float], float, float, float]:
    """The smallest rectangle around (N, 2) points.

    Args:
        pad_m: Added on every side: half a pixel, where the points are pixel centres.

    Returns:
        Centre (x, y), length, width, yaw of the long side in [-pi/2, pi/2).
    """
    best = _tightest(points, np.arange(0.0, 90.0, 3.0), pad_m)
    for reach, step in ((2.5, 0.5), (0.4, 0.1)):
        best = _tightest(points, best + np.arange(-reach, reach + step / 2, step), pad_m)
    turn = math.radians(best)
    along, across = np.array([math.cos(turn), math.sin(turn)]), np.array([-math.sin(turn), math.cos(turn)])
    a, b = points @ along, points @ across
    centre = along * (a.min() + a.max()) / 2 + across * (b.min() + b.max()) / 2
    length, width = float(np.ptp(a)) + 2 * pad_m, float(np.ptp(b)) + 2 * pad_m
    if width > length:
        length, width, turn = width, length, turn + math.pi / 2
    return (float(centre[0]), float(centre[1])), length, width, half_turn(turn)


def _tightest(points: Array, degrees: Array, pad_m: float) -> float:
    turn = np.radians(degrees)
    a = points @ np.stack([np.cos(turn), np.sin(turn)])
    b = points @ np.stack([-np.sin(turn), np.cos(turn)])
    size = (np.ptp(a, axis=0) + 2 * pad_m) * (np.ptp(b, axis=0) + 2 * pad_m)
    return float(degrees[int(size.argmin())])


def footprint_of(edge: Array, heights: NDArray[np.floating], pixel_m: float, area_m2: float) -> Footprint:
    """Footprint from (N, 2) base frame points of the outline's rim and the heights (metres) of all its pixels."""
    centre, length, width, yaw = fit_rectangle(edge, pixel_m / 2)
    return Footprint(centre, length, width, yaw, float(np.percentile(heights, 95)), area_m2)
