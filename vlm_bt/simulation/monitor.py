"""Watches for a person in reach of the arm: a low-resolution depth image from above, ten times a second.

It sees depth alone and knows nothing of the simulated person. Whatever stands out of the bench inside the guarded
volume and is not the arm itself counts as somebody.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from vlm_bt.simulation.cameras import Renderer, believed_pose, intrinsics_of
from vlm_bt.simulation.scene import ITEM_GROUP
from vlm_bt.types import Reading

import mujoco  # isort: skip  (after `scene`, which chooses the drawing library)

PERIOD_S = 0.1
CAMERA = "monitor"
ABOVE_BENCH_M = 0.15
CEILING_M = 2.0
GUARDED_X = (-0.60, 1.00)
GUARDED_Y = (-0.95, 0.95)
SELF_MARGIN_M = 0.08
ENOUGH_PIXELS = 3

Segment = tuple[Sequence[float], Sequence[float], float]
Segments = Callable[[], Sequence[Segment]]


class WorkspaceMonitor:
    """The Monitor port over the bench and the arm's reach.

    Args:
        segments: Called at each observation: the arm's links now, each as (from, to, radius) in metres, base frame.
        renderer: To share one of the same model; a small one of its own is quicker. Used in the caller's thread.

    Attributes:
        lost: Set to stop looking, as if the camera were unplugged: the reading grows old.
    """

    def __init__(
        self, model: mujoco.MjModel, data: mujoco.MjData, segments: Segments = tuple, renderer: Renderer | None = None
    ) -> None:
        self._renderer = renderer or Renderer(model, coarse=True)
        self._owns_renderer = renderer is None
        self._data = data
        self._segments = segments
        self._eye, self._rays = _rays(model, data)
        self._next_s = 0.0
        self._reading = Reading(False, 0.0, "nothing observed yet")
        self.lost = False

    def observe(self, now_s: float) -> bool:
        """Look if a look is due; called between ticks. Returns whether it looked."""
        if self.lost or now_s < self._next_s - 1e-9:
            return False
        self._next_s = now_s + PERIOD_S
        seen = self.intruders()
        if len(seen) < ENOUGH_PIXELS:
            self._reading = Reading(True, now_s, "nobody in reach")
        else:
            x, y, _ = seen.mean(axis=0)
            self._reading = Reading(False, now_s, f"somebody is in reach, near ({x:.1f}, {y:.1f})")
        return True

    def read(self) -> Reading:
        """The latest reading; its stamp says how old it is."""
        return self._reading

    def close(self) -> None:
        """Idempotent."""
        if self._owns_renderer:
            self._renderer.close()

    def intruders(self) -> NDArray[np.float64]:
        """(N, 3) points in the base frame that are in the guarded volume and not on the arm."""
        depth = self._renderer.depth(self._data, CAMERA, hidden_groups=(ITEM_GROUP,))
        points = self._eye + self._rays * depth.reshape(-1, 1)
        inside = (
            (points[:, 2] > ABOVE_BENCH_M)
            & (points[:, 2] < CEILING_M)
            & (points[:, 0] > GUARDED_X[0])
            & (points[:, 0] < GUARDED_X[1])
            & (points[:, 1] > GUARDED_Y[0])
            & (points[:, 1] < GUARDED_Y[1])
            & (depth.reshape(-1) > 0.0)
        )
        points = points[inside]
        for start, end, radius in self._segments():
            if not len(points):
                break
            points = points[_distance(points, start, end) > radius + SELF_MARGIN_M]
        return points


def _rays(model: mujoco.MjModel, data: mujoco.MjData) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The camera's place (3,) and, for each pixel, what one metre of depth adds to it (H * W, 3); base frame."""
    lens, pose = intrinsics_of(model, CAMERA), believed_pose(model, data, CAMERA)
    columns, rows = np.meshgrid(np.arange(lens.width), np.arange(lens.height))
    optical = np.stack(
        [(columns - lens.cx) / lens.fx, (rows - lens.cy) / lens.fy, np.ones(columns.shape)], axis=-1
    ).reshape(-1, 3)
    rotation = np.zeros(9)
    mujoco.mju_quat2Mat(rotation, np.array(pose.quaternion))
    return np.array(pose.position), optical @ rotation.reshape(3, 3).T


def _distance(points: NDArray[np.float64], start: Sequence[float], end: Sequence[float]) -> NDArray[np.float64]:
    """From each point (N, 3) to the nearest point of the segment."""
    first = np.asarray(start, float)
    along = np.asarray(end, float) - first
    length2 = float(along @ along)
    share = ((points - first) @ along / length2).clip(0.0, 1.0) if length2 > 0 else np.zeros(len(points))
    gaps: NDArray[np.float64] = np.linalg.norm(points - (first + share[:, None] * along), axis=1)
    return gaps
