"""What a container of known place says of the camera's x, y and heading, which the bench plane cannot tell."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from vlm_bt.scene.geometry import Array, matrix_of, pose_of
from vlm_bt.types import Pose, Zone

SHIFT_LIMIT_M = 0.012
TURN_LIMIT_RAD = math.radians(1.0)
WALL_M = (0.022, 0.060)
THICK_M = 0.005
TURN_TRUST = 0.7
"""How much of the measured turn is believed: walls 0.13 m long give it to 0.06 degrees, cameras are off by 0.1."""


def align(points: NDArray[np.float32], height_m: NDArray[np.float32], zone: Zone, pose: Pose) -> Pose | None:
    """The camera pose under which a container's walls stand where the configuration puts them.

    Args:
        points, height_m: (h, w, 2) and (h, w) around the container, computed with `pose`.
        zone: Its rectangle is the outer edge of the walls.

    Returns:
        None where the walls are not seen all around or stand too far away to be believed.
    """
    tall = (height_m > WALL_M[0]) & (height_m < WALL_M[1])
    middle = np.array([sum(zone.x) / 2, sum(zone.y) / 2])
    half = np.array([zone.x[1] - zone.x[0], zone.y[1] - zone.y[0]]) / 2
    found = points[tall].astype(float) - middle
    found = found[(np.abs(found) < half + 0.02).all(1)]
    if len(found) < 100:
        return None
    shift, turn = np.zeros(2), 0.0
    for _ in range(2):
        walls = _walls(found @ _turn(turn).T + shift, half)
        if walls is None:
            return None
        turn += TURN_TRUST * float(np.mean([slope for slope, _ in walls])) if not turn else 0.0
        edges = [edge for _, edge in walls]
        shift = shift - np.array([edges[0] - edges[1], edges[2] - edges[3]]) / 2
    if np.abs(shift).max() > SHIFT_LIMIT_M or abs(turn) > TURN_LIMIT_RAD:
        return None
    move = np.eye(4)
    move[:2, :2] = _turn(turn)
    move[:2, 3] = middle + shift - _turn(turn) @ middle
    return pose_of(move @ matrix_of(pose))


def _turn(angle_rad: float) -> Array:
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    return np.array([[c, -s], [s, c]])


def _walls(points: Array, half: Array) -> list[tuple[float, float]] | None:
    """For the walls at +x, -x, +y, -y: how far it is turned clockwise, and how far out its outer edge lies."""
    walls = []
    for axis in (0, 1):
        along = points[:, 1 - axis]
        for side in (1.0, -1.0):
            out = side * points[:, axis]
            near = (np.abs(out - half[axis] + THICK_M / 2) < 0.012) & (np.abs(along) < 0.7 * half[1 - axis])
            if near.sum() < 40 or np.ptp(along[near]) < half[1 - axis]:
                return None
            edge = np.sort(out[near])[int(0.9 * near.sum())]
            core = near & (np.abs(out - edge + THICK_M / 2) < 0.006)
            slope = float(np.polyfit(along[core], points[core, axis], 1)[0])
            walls.append((slope if axis == 0 else -slope, float(edge)))
    return walls
