"""Paths with their timing: what the arm follows between ticks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlm_bt.simulation.kinematics import Joints, Kinematics, Point3
from vlm_bt.simulation.robot import MAX_SPEED_RAD_S

PHYSICS_STEP_S = 0.002
_SPEED = np.array(MAX_SPEED_RAD_S) * 0.8
# Published limits of the Panda, rad/s^2, taken at 0.7.
_ACCELERATION = np.array([15.0, 7.5, 10.0, 12.5, 15.0, 20.0, 20.0]) * 0.7
_RAMP = 0.3
_PEAK_SPEED = 1.0 / (1.0 - _RAMP)
_PEAK_ACCELERATION = 1.5 * _PEAK_SPEED / _RAMP
_SHORTEST_S = 0.06


@dataclass(frozen=True, eq=False)
class Trajectory:
    """A path sampled at the physics step.

    Attributes:
        joints: (N, 7) rad. speeds: (N, 7) rad/s. progress: (N,) fraction of the path's length, 0 to 1.
        begin_z_m, end_z_m: Height of the tool centre point at both ends.
    """

    joints: Joints
    speeds: Joints
    progress: NDArray[np.float64]
    begin_z_m: float
    end_z_m: float

    @property
    def duration_s(self) -> float:
        return (len(self.joints) - 1) * PHYSICS_STEP_S

    @property
    def end(self) -> Joints:
        return np.asarray(self.joints[-1])

    def at(self, time_s: float) -> tuple[Joints, Joints]:
        """Joints and their speeds `time_s` after the beginning."""
        index, rest = self._locate(time_s)
        if rest == 0.0:
            return self.joints[index], self.speeds[index]
        joints = self.joints[index] + (self.joints[index + 1] - self.joints[index]) * rest
        speeds = self.speeds[index] + (self.speeds[index + 1] - self.speeds[index]) * rest
        return joints, speeds

    def height_m(self, time_s: float) -> float:
        """Where the tool centre point of a straight line should be by then."""
        index, _ = self._locate(time_s)
        return self.begin_z_m + (self.end_z_m - self.begin_z_m) * float(self.progress[index])

    def _locate(self, time_s: float) -> tuple[int, float]:
        last = len(self.joints) - 1
        exact = time_s / PHYSICS_STEP_S
        index = int(exact + 1e-6)
        if index >= last:
            return last, 0.0
        rest = exact - index
        return index, rest if rest > 1e-6 else 0.0


def joint_move(kinematics: Kinematics, start: Joints, end: Joints, floor_z_m: float) -> Trajectory:
    """From one posture to another on the shortest way between the joints, lifted where it would dip below a height.

    Args:
        floor_z_m: The tool centre point stays above this between the ends, unless an end lies lower.
    """
    knots = [start, end]
    heights = [kinematics.tcp(start + (end - start) * u)[2] for u in (0.25, 0.5, 0.75)]
    if min(heights) < min(floor_z_m, kinematics.tcp(start)[2], kinematics.tcp(end)[2]) - 0.005:
        knots = [start, _raised(kinematics, start, end, floor_z_m), end]
    return timed(kinematics, knots)


def straight_line(kinematics: Kinematics, knots: Sequence[Joints], top_speed_m_s: float, length_m: float) -> Trajectory:
    """Along `Kinematics.line`, no faster than `top_speed_m_s` at the tool centre point."""
    return timed(kinematics, knots, shortest_s=length_m * _PEAK_SPEED / top_speed_m_s)


def timed(kinematics: Kinematics, knots: Sequence[Joints], shortest_s: float = _SHORTEST_S) -> Trajectory:
    """Give a smooth path through `knots` its timing: at rest at both ends, joint speeds and accelerations in limits."""
    table = np.asarray(knots, dtype=np.float64)
    samples = np.linspace(0.0, 1.0, 4 * len(table) + 1)
    slope = np.abs(_curve(table, samples)[1]).max(axis=0)
    duration = max(
        _SHORTEST_S,
        shortest_s,
        float((slope * _PEAK_SPEED / _SPEED).max()),
        math.sqrt(float((slope * _PEAK_ACCELERATION / _ACCELERATION).max())),
    )
    count = math.ceil(duration / PHYSICS_STEP_S)
    progress, rate = _profile(np.arange(count + 1) / count)
    joints, slopes = _curve(table, progress)
    speeds = slopes * (rate / (count * PHYSICS_STEP_S))[:, None]
    return Trajectory(joints, speeds, progress, kinematics.tcp(table[0])[2], kinematics.tcp(table[-1])[2])


def _profile(u: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Progress and its rate over time 0..1: a trapezoid of speed whose ramps are smoothed cubics (quintic-like)."""

    def ramp(w: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(w**3 - w**4 / 2) * _RAMP

    rising = np.clip(u / _RAMP, 0.0, 1.0)
    falling = np.clip((1.0 - u) / _RAMP, 0.0, 1.0)
    rate = np.minimum(rising**2 * (3 - 2 * rising), falling**2 * (3 - 2 * falling)) * _PEAK_SPEED
    before = np.where(u < 0.5, ramp(rising) + np.clip(u - _RAMP, 0.0, None), 0.0)
    after = np.where(u >= 0.5, ramp(falling) + np.clip(1.0 - u - _RAMP, 0.0, None), 0.0)
    progress = np.where(u < 0.5, before * _PEAK_SPEED, 1.0 - after * _PEAK_SPEED)
    return progress, rate


def _curve(knots: Joints, u: NDArray[np.float64]) -> tuple[Joints, Joints]:
    """Catmull-Rom through evenly spaced knots: points and their derivatives by `u` in 0..1."""
    if len(knots) == 1:
        return np.repeat(knots, len(u), axis=0), np.zeros((len(u), knots.shape[1]))
    spans = len(knots) - 1
    tangents = np.gradient(knots, axis=0)
    index = np.minimum((u * spans).astype(int), spans - 1)
    t = (u * spans - index)[:, None]
    p0, p1, m0, m1 = knots[index], knots[index + 1], tangents[index], tangents[index + 1]
    blend = 3 * t**2 - 2 * t**3
    points = p0 + blend * (p1 - p0) + (t**3 - 2 * t**2 + t) * m0 + (t**3 - t**2) * m1
    slopes = 6 * (t**2 - t) * (p0 - p1) + (3 * t**2 - 4 * t + 1) * m0 + (3 * t**2 - 2 * t) * m1
    return points, slopes * spans


def _raised(kinematics: Kinematics, start: Joints, end: Joints, floor_z_m: float) -> Joints:
    """A posture half-way between two, brought up to `floor_z_m`."""
    middle = (start + end) / 2
    x, y, z = kinematics.tcp(middle)
    target: Point3 = (x, y, max(z, floor_z_m) + 0.04)
    found = kinematics.solve(target, kinematics.yaw(middle), middle)
    return found if isinstance(found, np.ndarray) else middle
