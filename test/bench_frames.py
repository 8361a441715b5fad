"""Made-up overhead frames for the tests of `vlm_bt.scene`: boxes on a bench, traced ray by ray, with sensor noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from vlm_bt.scene.geometry import matrix_of, pose_of, project, rays, rectangle, rotation_of
from vlm_bt.types import Frame, Intrinsics, Pose, Zone

LENS = Intrinsics(1280, 720, 937.8, 937.8, 639.5, 359.5)
BIN = Zone("parts_bin", (0.395, 0.525), (-0.525, -0.395), container=True)
LOOKING_DOWN = pose_of([[0, -1, 0, 0.33], [-1, 0, 0, 0.0], [0, 0, -1, 1.15], [0, 0, 0, 1]])


@dataclass(frozen=True)
class Block:
    """A box on the bench: middle, length along yaw, width, from `bottom_m` to `top_m`."""

    x: float
    y: float
    length_m: float
    width_m: float
    top_m: float
    yaw_rad: float = 0.0
    bottom_m: float = 0.0
    colour: tuple[int, int, int] = (200, 40, 40)


def walls_of(zone: Zone, height_m: float = 0.04, thick_m: float = 0.004) -> list[Block]:
    (x0, x1), (y0, y1) = zone.x, zone.y
    cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
    return [
        Block(cx, y0, x1 - x0, thick_m, height_m),
        Block(cx, y1, x1 - x0, thick_m, height_m),
        Block(x0, cy, thick_m, y1 - y0, height_m),
        Block(x1, cy, thick_m, y1 - y0, height_m),
    ]


def screwdriver(x: float, y: float, yaw_rad: float) -> list[Block]:
    """A handle 27 mm thick and a shaft of 6 mm that hangs 9 mm over the bench; x, y: the middle of its 200 mm."""
    way = np.array([math.cos(yaw_rad), math.sin(yaw_rad)])
    hx, hy = np.array([x, y]) - 0.0525 * way
    sx, sy = np.array([x, y]) + 0.0475 * way
    return [
        Block(hx, hy, 0.095, 0.027, 0.027, yaw_rad),
        Block(sx, sy, 0.105, 0.006, 0.015, yaw_rad, 0.009, (150, 150, 155)),
    ]


def moved(pose: Pose, shift_m: Sequence[float] = (0, 0, 0), turn_deg: Sequence[float] = (0, 0, 0)) -> Pose:
    """A pose shifted in the base frame and turned about its own axes."""
    matrix = matrix_of(pose)
    half = np.radians(turn_deg) / 2
    matrix[:3, :3] = matrix[:3, :3] @ rotation_of([1.0, *half])
    matrix[:3, 3] += shift_m
    return pose_of(matrix)


def bench_frame(
    blocks: Sequence[Block] = (),
    seed: int = 0,
    noise_m: float = 0.001,
    holes: float = 0.005,
    true_pose: Pose = LOOKING_DOWN,
    said_pose: Pose = LOOKING_DOWN,
    lens: Intrinsics = LENS,
    id: str = "overhead-1",
) -> Frame:
    """Trace the blocks from `true_pose`; the frame claims `said_pose`."""
    rng = np.random.default_rng(seed)
    turn, eye = rotation_of(true_pose.quaternion), np.asarray(true_pose.position)
    v, u = np.mgrid[0 : lens.height, 0 : lens.width]
    way = rays(lens, u, v) @ turn.T
    depth = -eye[2] / way[..., 2]
    rgb = np.full((lens.height, lens.width, 3), (190, 150, 105), np.uint8)
    for block in blocks:
        foot = rectangle((block.x, block.y), block.length_m, block.width_m, block.yaw_rad)
        corners = [(*p, z) for p in foot.tolist() for z in (block.bottom_m, block.top_m)]
        pixels = project(corners, lens, true_pose)
        (x0, y0), (x1, y1) = np.floor(pixels.min(0)).astype(int) - 1, np.ceil(pixels.max(0)).astype(int) + 2
        part = (slice(max(y0, 0), max(y1, 0)), slice(max(x0, 0), max(x1, 0)))
        hit = _trace(block, eye, way[part])
        nearer = hit < depth[part]
        depth[part][nearer] = hit[nearer]
        rgb[part][nearer] = block.colour
    jump = ndimage.maximum_filter(depth, 3) - ndimage.minimum_filter(depth, 3) > 0.004
    white = rng.standard_normal(depth.shape)
    rough = ndimage.gaussian_filter(white, 0.6)
    depth = depth + noise_m * rough / rough.std()
    depth[(rng.random(depth.shape) < holes) | (jump & (rng.random(depth.shape) < 0.3))] = 0
    rgb = np.clip(rgb + rng.normal(0, 4, rgb.shape), 0, 255).astype(np.uint8)
    return Frame(id, "overhead", rgb, depth.astype(np.float32), lens, said_pose, 0.0)


def _trace(block: Block, eye: np.ndarray, way: np.ndarray) -> np.ndarray:
    """Depth at which rays meet a box; infinite where they miss it."""
    c, s = math.cos(block.yaw_rad), math.sin(block.yaw_rad)
    turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
    middle = np.array([block.x, block.y, (block.bottom_m + block.top_m) / 2])
    half = np.array([block.length_m, block.width_m, block.top_m - block.bottom_m]) / 2
    start, step = turn @ (eye - middle), way @ turn.T
    step = np.where(np.abs(step) < 1e-9, 1e-9, step)
    a, b = (-half - start) / step, (half - start) / step
    near, far = np.minimum(a, b).max(-1), np.maximum(a, b).min(-1)
    return np.where((near <= far) & (near > 0), near, np.inf)
