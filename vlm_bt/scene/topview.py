"""The bench as a map: heights and things on a grid of the base frame, seen straight from above."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlm_bt.scene.geometry import Array

CELL_M = 0.002


@dataclass(frozen=True, eq=False)
class TopView:
    """Heights on a grid of the base frame.

    Attributes:
        origin: x and y of the middle of cell [0, 0]; x grows with the first index, y with the second.
        height_m: (nx, ny) float32: the highest thing in each cell; infinite where the camera cannot see.
        labels: (nx, ny) int16: 0 bench, i + 1 region i, -1 walls, robot and what is not known.
    """

    origin: tuple[float, float]
    cell_m: float
    height_m: NDArray[np.float32]
    labels: NDArray[np.int16]

    def height_at(self, points: Array) -> NDArray[np.float32]:
        """Heights at (..., 2) points; infinite outside the map."""
        i, j, inside = self._cells(points)
        return np.where(inside, self.height_m[i, j], np.float32(np.inf)).astype(np.float32)

    def label_at(self, points: Array) -> NDArray[np.int16]:
        """Labels at (..., 2) points; -1 outside the map."""
        i, j, inside = self._cells(points)
        return np.where(inside, self.labels[i, j], np.int16(-1)).astype(np.int16)

    def _cells(self, points: Array) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]:
        i = np.rint((points[..., 0] - self.origin[0]) / self.cell_m).astype(np.intp)
        j = np.rint((points[..., 1] - self.origin[1]) / self.cell_m).astype(np.intp)
        nx, ny = self.height_m.shape
        inside = (i >= 0) & (i < nx) & (j >= 0) & (j < ny)
        return np.clip(i, 0, nx - 1), np.clip(j, 0, ny - 1), inside


def map_of(
    points: NDArray[np.float32],
    height_m: NDArray[np.float32],
    labels: NDArray[np.int16],
    x: tuple[float, float],
    y: tuple[float, float],
    floor_m: float = 0.002,
) -> TopView:
    """Drop every pixel that is higher than `floor_m` into its cell; the highest one stays.

    Args:
        points: (h, w, 2) x and y of the pixels. x, y: What the camera sees of the bench; beyond lies infinity.
    """
    shape = (round((x[1] - x[0]) / CELL_M) + 1, round((y[1] - y[0]) / CELL_M) + 1)
    heights, names = np.zeros(shape, np.float32), np.zeros(shape, np.int16)
    stands = (height_m > floor_m) | (labels != 0)
    high, name, where = height_m[stands], labels[stands], points[stands]
    i = np.rint((where[:, 0] - x[0]) / CELL_M).astype(np.intp)
    j = np.rint((where[:, 1] - y[0]) / CELL_M).astype(np.intp)
    inside = (i >= 0) & (i < shape[0]) & (j >= 0) & (j < shape[1])
    order = np.flatnonzero(inside)[np.argsort(high[inside], kind="stable")]
    heights[i[order], j[order]] = high[order]
    names[i[order], j[order]] = name[order]
    return TopView((x[0], y[0]), CELL_M, heights, names)
