"""Pixels, rays and poses: from a frame's depth to points on the bench and back."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vlm_bt.errors import DepthMissing
from vlm_bt.types import Box, Frame, Intrinsics, Pose

Array = NDArray[np.float64]


def rotation_of(quaternion: Sequence[float]) -> Array:
    """(3, 3) rotation matrix of a quaternion (w, x, y, z); it need not be of unit length."""
    w, x, y, z = np.asarray(quaternion, float) / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def quaternion_of(rotation: ArrayLike) -> tuple[float, float, float, float]:
    """Unit quaternion (w, x, y, z) with w >= 0 of a (3, 3) rotation matrix."""
    m = np.asarray(rotation, float)
    # Bar-Itzhack (2000): the quaternion is the leading eigenvector of this matrix; it has no singular case.
    k = np.array(
        [
            [m[0, 0] + m[1, 1] + m[2, 2], m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]],
            [m[2, 1] - m[1, 2], m[0, 0] - m[1, 1] - m[2, 2], m[0, 1] + m[1, 0], m[0, 2] + m[2, 0]],
            [m[0, 2] - m[2, 0], m[0, 1] + m[1, 0], m[1, 1] - m[0, 0] - m[2, 2], m[1, 2] + m[2, 1]],
            [m[1, 0] - m[0, 1], m[0, 2] + m[2, 0], m[1, 2] + m[2, 1], m[2, 2] - m[0, 0] - m[1, 1]],
        ]
    )
    q = np.linalg.eigh(k)[1][:, -1]
    w, x, y, z = (q if q[0] >= 0 else -q).tolist()
    return (w, x, y, z)


def matrix_of(pose: Pose) -> Array:
    """(4, 4) homogeneous transform of a pose."""
    out = np.eye(4)
    out[:3, :3] = rotation_of(pose.quaternion)
    out[:3, 3] = pose.position
    return out


def pose_of(matrix: ArrayLike) -> Pose:
    """The pose of a (4, 4) homogeneous transform."""
    m = np.asarray(matrix, float)
    x, y, z = m[:3, 3].tolist()
    return Pose((x, y, z), quaternion_of(m[:3, :3]))


def yaw_of(pose: Pose) -> float:
    """Rotation about the base's z axis, radians in (-pi, pi]."""
    rotation = rotation_of(pose.quaternion)
    return math.atan2(rotation[1, 0], rotation[0, 0])


def half_turn(angle_rad: float) -> float:
    """The same direction of a line, in [-pi/2, pi/2): what has no front looks the same after half a turn."""
    return (angle_rad + math.pi / 2) % math.pi - math.pi / 2


def line_angle(a_rad: float, b_rad: float) -> float:
    """Angle between two lines, radians in [0, pi/2]."""
    return abs(half_turn(a_rad - b_rad))


def rays(lens: Intrinsics, u: ArrayLike, v: ArrayLike) -> Array:
    """(..., 3) directions in the optical frame, z = 1, through pixel positions (pixel centres are whole numbers)."""
    x = (np.asarray(u, float) - lens.cx) / lens.fx
    y = (np.asarray(v, float) - lens.cy) / lens.fy
    x, y = np.broadcast_arrays(x, y)
    return np.stack([x, y, np.ones_like(x)], -1)


def deproject(frame: Frame, u: ArrayLike, v: ArrayLike) -> Array:
    """Place pixels in the base frame.

    Args:
        u, v: Columns and rows, any equal shape; rounded to whole pixels.

    Returns:
        (..., 3) metres, base frame; NaN where the pixel has no depth or lies outside the picture.

    Raises:
        DepthMissing: None of the pixels has a depth.
    """
    lens = frame.intrinsics
    column, row = np.broadcast_arrays(np.rint(np.asarray(u, float)), np.rint(np.asarray(v, float)))
    inside = (column >= 0) & (column < lens.width) & (row >= 0) & (row < lens.height)
    depth = np.zeros(column.shape)
    depth[inside] = frame.depth_m[row[inside].astype(int), column[inside].astype(int)]
    if not (depth > 0).any():
        raise DepthMissing(f"none of {depth.size} pixels of frame {frame.id!r} has a depth")
    depth[depth <= 0] = np.nan
    points = rays(lens, column, row) * depth[..., None]
    pose = frame.pose_camera_in_base
    return np.asarray(points @ rotation_of(pose.quaternion).T + np.asarray(pose.position))


def deproject_box(box: Box, frame: Frame) -> Array:
    """(3,) median of the points inside a box, metres, base frame.

    Raises:
        DepthMissing: No pixel inside the box has a depth.
    """
    v, u = np.mgrid[box.y0 : box.y1, box.x0 : box.x1]
    return np.asarray(np.nanmedian(deproject(frame, u, v).reshape(-1, 3), axis=0))


def project(points: ArrayLike, lens: Intrinsics, pose_camera_in_base: Pose) -> Array:
    """(..., 2) pixel positions (column, row) of (..., 3) base frame points; NaN for points behind the camera."""
    rotation = rotation_of(pose_camera_in_base.quaternion)
    seen = (np.asarray(points, float) - np.asarray(pose_camera_in_base.position)) @ rotation
    z = np.where(seen[..., 2] > 1e-6, seen[..., 2], np.nan)
    return np.stack([seen[..., 0] / z * lens.fx + lens.cx, seen[..., 1] / z * lens.fy + lens.cy], -1)


def rectangle(centre: tuple[float, float], length_m: float, width_m: float, yaw_rad: float) -> Array:
    """(4, 2) corners, counter-clockwise, metres, base frame."""
    along = np.array([math.cos(yaw_rad), math.sin(yaw_rad)]) * length_m / 2
    across = np.array([-math.sin(yaw_rad), math.cos(yaw_rad)]) * width_m / 2
    corners = np.array([along + across, across - along, -along - across, along - across])
    return np.asarray(corners + np.asarray(centre))
