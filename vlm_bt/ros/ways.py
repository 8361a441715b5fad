"""The way that a MoveArm goal asks for, as joints over time; for arms that follow joint trajectories."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vlm_bt.ros.asked import no_posture, pose_asked, refused
from vlm_bt.simulation.kinematics import Joints, Kinematics, Unreachable
from vlm_bt.simulation.motion import PHYSICS_STEP_S, Trajectory, joint_move, straight_line
from vlm_bt.simulation.planning import HOVER_Z_M, LOWEST_TCP_Z_M
from vlm_bt.types import Outcome, Pose

DOWN_M_S, UP_M_S = 0.32, 0.40
LOW_M = 0.10
"""From lower than this the hand goes straight up before it travels."""
CHECKED = 24


class Ways:
    """Plans with an arm's kinematics; knows nothing of what lies around, but goes over things.

    Args:
        named: Postures by name, radians.
        base_frame: The only frame that poses may be in.
    """

    def __init__(self, kinematics: Kinematics, named: Mapping[str, Sequence[float]], base_frame: str) -> None:
        self._kinematics = kinematics
        self._named = named
        self._base_frame = base_frame

    def plan(self, goal: Any, start: Joints) -> list[Trajectory] | Outcome:
        """One trajectory after the other from these joints, or why there is no way."""
        end = self.end(goal, start)
        if isinstance(end, Outcome):
            return end
        scale = float(goal.speed_scale)
        if isinstance(end, list):
            return [self.straight(end, scale)]
        return self.over(start, end, scale)

    def end(self, goal: Any, start: Joints) -> Joints | list[Joints] | Outcome:
        """The joints that a goal leads to; all on the way for a straight line; or why there are none."""
        wrong = refused(goal)
        if wrong is not None:
            return wrong
        if goal.named:
            known = self._named.get(goal.named)
            return no_posture(goal.named, self._named) if known is None else np.array(known)
        asked = pose_asked(goal, self._base_frame)
        if isinstance(asked, Outcome):
            return asked
        pose = _lifted(asked)
        found: list[Joints] | Joints | Unreachable
        if goal.path.straight:
            found = self._kinematics.line_pose(start, pose)
        else:
            found = self._kinematics.solve_pose(pose, start)
        if isinstance(found, Unreachable):
            return Outcome("unreachable", str(found))
        way = found if isinstance(found, list) else list(np.linspace(start, found, CHECKED))
        return self._broken(goal, way) or found

    def straight(self, line: list[Joints], scale: float) -> Trajectory:
        first, last = (np.array(self._kinematics.tcp(joints)) for joints in (line[0], line[-1]))
        top_m_s = DOWN_M_S if last[2] < first[2] else UP_M_S
        return straight_line(self._kinematics, line, top_m_s * scale, float(np.linalg.norm(last - first)))

    def over(self, start: Joints, end: Joints, scale: float) -> list[Trajectory]:
        """To a posture, over things: straight up first where the hand is low."""
        ways: list[Trajectory] = []
        pose = self._kinematics.pose(start)
        x, y, z = pose.position
        if z < LOW_M:
            line = self._kinematics.line_pose(start, Pose((x, y, HOVER_Z_M), pose.quaternion))
            if not isinstance(line, Unreachable):
                ways.append(self.straight(line, scale))
                start = line[-1]
        return [*ways, slowed(joint_move(self._kinematics, start, end, HOVER_Z_M - 0.02), scale)]

    def _broken(self, goal: Any, way: list[Joints]) -> Outcome | None:
        """The constraint of the path that does not hold at some of these joints."""
        poses = [self._kinematics.pose(joints) for joints in way]
        if goal.path.use_floor and min(pose.position[2] for pose in poses[1:]) < goal.path.floor_m - 1e-3:
            return Outcome("unreachable", f"the way leads below {goal.path.floor_m:.3f} m")
        if goal.path.tilt_rad > 0:
            first = _pointing(poses[0])
            tilt = max(math.acos(max(-1.0, min(1.0, float(first @ _pointing(pose))))) for pose in poses)
            if tilt > goal.path.tilt_rad + 1e-3:
                return Outcome("unreachable", f"the hand would tilt by {math.degrees(tilt):.0f} degrees on the way")
        return None


def slowed(path: Trajectory, scale: float) -> Trajectory:
    """The same path, at a share of its speed."""
    if scale >= 1.0:
        return path
    before = np.arange(len(path.joints)) * PHYSICS_STEP_S
    steps = math.ceil(before[-1] / scale / PHYSICS_STEP_S) + 1
    after = np.minimum(np.arange(steps) * PHYSICS_STEP_S * scale, before[-1])

    def at(table: Any) -> Any:
        return np.stack([np.interp(after, before, column) for column in np.atleast_2d(table.T)], axis=-1)

    return Trajectory(at(path.joints), at(path.speeds) * scale, at(path.progress)[:, 0], path.begin_z_m, path.end_z_m)


def _lifted(pose: Pose) -> Pose:
    """The fingertips not below the bench top."""
    x, y, z = pose.position
    return Pose((x, y, max(z, LOWEST_TCP_Z_M)), pose.quaternion)


def _pointing(pose: Pose) -> Any:
    """The hand's z axis in the base frame."""
    w, x, y, z = pose.quaternion
    return np.array([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)])
