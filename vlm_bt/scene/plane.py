"""Where the bench is: a robust plane through the depth, and what it says of the camera's configured pose."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlm_bt.scene.geometry import Array, project, quaternion_of, rays, rotation_of
from vlm_bt.types import Box, Frame, Pose

OFFSET_LIMIT_M = 0.020
TILT_LIMIT_RAD = math.radians(2.0)
FLAT_SHARE = 0.35
_BAND_M = 0.006


@dataclass(frozen=True)
class Area:
    """A rectangle of the bench, metres, base frame."""

    x: tuple[float, float]
    y: tuple[float, float]


BENCH_AREA = Area((0.0, 0.78), (-0.70, 0.70))


@dataclass(frozen=True)
class Bench:
    """The plane that the depth shows, against the one at z = 0 that the configuration promises.

    Attributes:
        offset_m: Height of the plane over z = 0 in the middle of the picture. tilt_rad: its angle to the horizontal.
        noise_m: Spread of single pixels around it. flat: share of the pixels that lie on it.
        pose_camera_in_base: The configured pose turned and lifted so that the plane lies at z = 0. A plane says
            nothing about x, y and heading: they are the configured ones unless `aligned` names the container
            whose walls corrected them.
        missing: Why this cannot be the bench; empty where it lies within 20 mm and 2 degrees.
    """

    offset_m: float
    tilt_rad: float
    noise_m: float
    flat: float
    pose_camera_in_base: Pose
    missing: str = ""
    aligned: str = ""

    @property
    def ok(self) -> bool:
        return not self.missing

    def __str__(self) -> str:
        where = f"bench {self.offset_m * 1e3:+.1f} mm, tilted {math.degrees(self.tilt_rad):.2f} deg"
        return f"bench_missing: {self.missing}" if self.missing else where


def window(frame: Frame, area: Area) -> Box:
    """The part of the picture that shows an area of the bench, up to things 60 mm tall; may be empty."""
    corners = [(x, y, z) for x in area.x for y in area.y for z in (0.0, 0.06)]
    pixels = project(corners, frame.intrinsics, frame.pose_camera_in_base)
    if np.isnan(pixels).any():
        return Box(0, 0, frame.intrinsics.width, frame.intrinsics.height)
    (x0, y0), (x1, y1) = np.floor(pixels.min(0)).astype(int), np.ceil(pixels.max(0)).astype(int) + 1
    lens = frame.intrinsics
    return Box(
        int(np.clip(x0, 0, lens.width)),
        int(np.clip(y0, 0, lens.height)),
        int(np.clip(x1, 0, lens.width)),
        int(np.clip(y1, 0, lens.height)),
    )


def find_bench(frame: Frame, area: Area = BENCH_AREA, step: int = 7) -> Bench:
    """Fit the bench by RANSAC and trimmed least squares on every `step`-th pixel of the area."""
    view = window(frame, area)
    depth = frame.depth_m[view.y0 : view.y1 : step, view.x0 : view.x1 : step].astype(float)
    seen = depth > 0
    if seen.sum() < 200 or seen.mean() < FLAT_SHARE:
        share = float(seen.mean()) if seen.size else 0.0
        return _lost(frame, f"depth on {share:.0%} of the pixels of the bench; check the camera and where it looks")
    v, u = np.mgrid[view.y0 : view.y1 : step, view.x0 : view.x1 : step]
    pose = frame.pose_camera_in_base
    points = rays(frame.intrinsics, u[seen], v[seen]) * depth[seen][:, None]
    points = points @ rotation_of(pose.quaternion).T + np.asarray(pose.position)
    middle = points.mean(0)
    slope, on_it = _fit(points - middle)
    flat = float(on_it.mean())
    residual = (points - middle)[on_it] @ np.array([-slope[0], -slope[1], 1.0]) - slope[2]
    offset = float(middle[2] + slope[2] - slope[0] * middle[0] - slope[1] * middle[1])
    level = float(middle[2] + slope[2])
    tilt = math.atan(math.hypot(slope[0], slope[1]))
    missing = ""
    if flat < FLAT_SHARE:
        missing = (
            f"only {flat:.0%} of the depth lies on one plane; is something in front of the camera? "
            "go_home folds the arm where that is it"
        )
    elif abs(level) > OFFSET_LIMIT_M or tilt > TILT_LIMIT_RAD:
        missing = (
            f"the plane that is seen lies {level * 1e3:+.0f} mm and {math.degrees(tilt):.1f} deg from where the "
            f"configuration puts the bench (allowed: 20 mm, 2 deg); check the camera's pose"
        )
    noise = float(np.median(np.abs(residual)) * 1.4826)
    return Bench(level, tilt, noise, flat, _level(pose, slope[0], slope[1], offset), missing)


def _fit(points: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Slopes and offset (a, b, c) of z = a x + b y + c, and which points lie on it."""
    rng = np.random.default_rng(0)
    sample = points[rng.permutation(len(points))[:1500]]
    ones = np.ones(len(sample))
    base = np.column_stack([sample[:, :2], ones])
    triples = rng.integers(len(sample), size=(80, 3))
    a = base[triples]
    sound = np.abs(np.linalg.det(a)) > 0.05 * float(np.prod(np.ptp(sample[:, :2], axis=0)))
    models = np.linalg.solve(a[sound], sample[triples[sound], 2][..., None])[..., 0]
    votes = (np.abs(models @ base.T - sample[:, 2]) < _BAND_M).sum(1)
    model = models[int(votes.argmax())]
    full = np.column_stack([points[:, :2], np.ones(len(points))])
    for band in (_BAND_M, 0.6 * _BAND_M, 0.6 * _BAND_M):
        near = np.abs(full @ model - points[:, 2]) < band
        if near.sum() < 50:
            break
        model = np.linalg.solve(full[near].T @ full[near], full[near].T @ points[near, 2])
    return model, np.abs(full @ model - points[:, 2]) < _BAND_M


def _level(pose: Pose, a: float, b: float, c: float) -> Pose:
    """The pose turned about the camera and lifted so that z = a x + b y + c becomes z = 0."""
    normal = np.array([-a, -b, 1.0]) / math.sqrt(a * a + b * b + 1)
    axis = np.cross(normal, [0.0, 0.0, 1.0])
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    turn = np.eye(3) + cross + cross @ cross / (1 + normal[2])
    height = float(normal @ np.asarray(pose.position) - c * normal[2])
    x, y, _ = pose.position
    return Pose((x, y, height), quaternion_of(turn @ rotation_of(pose.quaternion)))


def _lost(frame: Frame, why: str) -> Bench:
    return Bench(0.0, 0.0, 0.0, 0.0, frame.pose_camera_in_base, why)
