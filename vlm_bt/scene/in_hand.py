"""What a camera at the wrist sees between and beside the fingers, by depth alone."""

from __future__ import annotations

import numpy as np

from vlm_bt.scene.geometry import project, rays, rotation_of
from vlm_bt.types import Frame

BESIDE_M = (0.012, 0.060)
"""Nearer than that to the tool centre point are the fingertips themselves, farther off is the arm."""
LEVEL_M = 0.020


def points_beside(frame: Frame, tcp: tuple[float, float, float]) -> int | None:
    """How many pixels show something that sticks out between the fingers, with the hand well above the bench.

    Args:
        frame: Of a camera that looks past the hand at the fingertips; its pose tells where it was.
        tcp: The tool centre point, metres, base frame.

    Returns:
        Pixels whose depth lies 12 to 60 mm beside the tool centre point and within 20 mm of its height; None where
        the picture does not show the fingertips.
    """
    lens = frame.intrinsics
    corners = [
        (tcp[0] + x * BESIDE_M[1], tcp[1] + y * BESIDE_M[1], tcp[2] + z * LEVEL_M)
        for x in (-1, 1)
        for y in (-1, 1)
        for z in (-1, 1)
    ]
    middle = project([tcp], lens, frame.pose_camera_in_base)[0]
    if not np.isfinite(middle).all() or not (0 <= middle[0] < lens.width and 0 <= middle[1] < lens.height):
        return None
    around = project(corners, lens, frame.pose_camera_in_base)
    (x0, y0), (x1, y1) = np.nanmin(around, 0), np.nanmax(around, 0)
    u0, u1 = int(np.clip(x0, 0, lens.width)), int(np.clip(x1 + 1, 0, lens.width))
    v0, v1 = int(np.clip(y0, 0, lens.height)), int(np.clip(y1 + 1, 0, lens.height))
    depth = frame.depth_m[v0:v1, u0:u1].astype(float)
    v, u = np.mgrid[v0:v1, u0:u1]
    seen = depth > 0
    points = rays(lens, u[seen], v[seen]) * depth[seen][:, None]
    points = points @ rotation_of(frame.pose_camera_in_base.quaternion).T + np.asarray(
        frame.pose_camera_in_base.position
    )
    away = np.hypot(points[:, 0] - tcp[0], points[:, 1] - tcp[1])
    level = np.abs(points[:, 2] - tcp[2]) < LEVEL_M
    return int((level & (away >= BESIDE_M[0]) & (away < BESIDE_M[1])).sum())
