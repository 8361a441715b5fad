"""The simulated arm behind MoveArm and Grip: goals as programs for its drive, in the world's thread."""

from __future__ import annotations

import math
import threading
from typing import Any, Protocol

import numpy as np

from vlm_bt.ports import Ticket
from vlm_bt.ros.messages import pose_of
from vlm_bt.simulation.arm import EMPTY_WIDTH_M, SimulatedArm
from vlm_bt.simulation.drive import Fingers, Follow, Program, Wait
from vlm_bt.simulation.kinematics import Joints, Unreachable
from vlm_bt.simulation.motion import PHYSICS_STEP_S, Trajectory, joint_move, straight_line
from vlm_bt.simulation.planning import HOVER_Z_M, LOWEST_TCP_Z_M
from vlm_bt.simulation.robot import MAX_OPENING_M, NAMED_POSES_RAD
from vlm_bt.types import Outcome, Pose

DOWN_M_S, UP_M_S = 0.32, 0.40
OPENING_M_S, CLOSING_M_S = 0.08, 0.16
LOW_M = 0.10
"""From lower than this the hand goes straight up before it travels."""
HELD_UP_M, HELD_UP_WITH_M = 0.0035, 0.006
"""So far above the end of a way down, with an empty hand and with something in it, something is in the way."""
PUSHED_RAD, PUSHED_S = 0.10, 0.10
"""Joints that lag so far behind for so long press against something."""
STANDS_WITHIN_S = 1.0
LONGEST_S = 60.0
CHECKED = 24


class Job(Protocol):
    """A goal as the servers hold it.

    Attributes:
        cancelled: Somebody wants it to end. done: set when `outcome` holds, and the arm stands still (`standstill`).
    """

    request: Any
    cancelled: threading.Event
    done: threading.Event
    outcome: Outcome
    standstill: bool


class SimArm:
    """Carries out one job at a time. Everything here is called in the world's thread."""

    def __init__(self, arm: SimulatedArm, base_frame: str) -> None:
        self._arm = arm
        self._base_frame = base_frame
        self._job: Job | None = None
        self._ticket: Ticket[None] = Ticket("nothing")
        self._end_s = self._stand_s = self._pushed_s = 0.0
        self._why: Outcome | None = None

    @property
    def holds(self) -> bool:
        """Whether something is between the fingers, as far as they can tell."""
        return self._arm.drive.closing and self._arm.drive.width_m >= EMPTY_WIDTH_M

    def begin(self, job: Job, now_s: float) -> None:
        """Start a job; the one before must have ended. `now_s`: simulated time."""
        self._job, self._why, self._stand_s, self._pushed_s = job, None, 0.0, 0.0
        limit_s = float(job.request.time_limit_s)
        self._end_s = now_s + (limit_s if limit_s > 0 else LONGEST_S)
        planned = self._planned(job.request)
        self._ticket = Ticket("goal")
        if isinstance(planned, Outcome):
            self._ticket.fail(planned)
        else:
            self._ticket = self._arm.carry_out("goal", planned)

    def step(self, now_s: float, period_s: float) -> None:
        """After the world has moved on by `period_s`."""
        job = self._job
        if job is None:
            return
        if self._ticket.outcome is None:
            self._watch(job, now_s, period_s)
        elif not self._arm.state.moving or self._stand_s > STANDS_WITHIN_S:
            job.outcome = self._why or self._ticket.outcome
            job.standstill = not self._arm.state.moving
            self._job = None
            job.done.set()
        else:
            self._stand_s += period_s

    def _watch(self, job: Job, now_s: float, period_s: float) -> None:
        drive = self._arm.drive
        behind = float(np.abs(drive.joints - drive.command).max())
        self._pushed_s = self._pushed_s + period_s if behind > PUSHED_RAD else 0.0
        if job.cancelled.is_set():
            self._stop(Outcome("cancelled", "the goal was cancelled"))
        elif now_s > self._end_s:
            self._stop(Outcome("timed_out", "the goal's time limit has passed"))
        elif self._pushed_s > PUSHED_S:
            drive.rest_here()
            self._stop(Outcome("blocked", "the arm presses against something"))

    def _stop(self, why: Outcome) -> None:
        self._why = why
        self._arm.stop()

    def _planned(self, goal: Any) -> Any:
        """A maker of a program, or why there is none."""
        if hasattr(goal, "width_m"):
            return lambda ticket: self._fingers(ticket, float(goal.width_m))
        if not 0.0 < goal.speed_scale <= 1.0:
            return Outcome("unreachable", f"speed_scale is in (0, 1], not {goal.speed_scale:g}")
        if goal.named:
            if goal.named not in NAMED_POSES_RAD:
                known = ", ".join(NAMED_POSES_RAD)
                return Outcome("unreachable", f"there is no pose {goal.named!r}; there are: {known}")
            return lambda ticket: self._travel(ticket, np.array(NAMED_POSES_RAD[goal.named]), goal.speed_scale)
        if goal.pose.header.frame_id not in ("", self._base_frame):
            return Outcome("unreachable", f"poses are in {self._base_frame!r}, not {goal.pose.header.frame_id!r}")
        return self._to_pose(goal)

    def _to_pose(self, goal: Any) -> Any:
        pose = _lifted(pose_of(goal.pose.pose))
        if pose is None:
            return Outcome("unreachable", "the pose's quaternion has no length")
        kinematics, start = self._arm.kinematics, self._arm.drive.command
        if goal.path.straight:
            line = kinematics.line_pose(start, pose)
            if isinstance(line, Unreachable):
                return Outcome("unreachable", str(line))
            return self._checked(goal, line) or (
                lambda ticket: self._line(ticket, line, goal.speed_scale, bool(goal.attached))
            )
        joints = kinematics.solve_pose(pose, start)
        if isinstance(joints, Unreachable):
            return Outcome("unreachable", str(joints))
        way = [start + (joints - start) * share for share in np.linspace(0.0, 1.0, CHECKED)]
        return self._checked(goal, way) or (lambda ticket: self._travel(ticket, joints, goal.speed_scale))

    def _checked(self, goal: Any, way: list[Joints]) -> Outcome | None:
        """Whether the path's constraints hold at every one of these joints."""
        poses = [self._arm.kinematics.pose(joints) for joints in way]
        if goal.path.use_floor and min(pose.position[2] for pose in poses[1:]) < goal.path.floor_m - 1e-3:
            return Outcome("unreachable", f"the way leads below {goal.path.floor_m:.3f} m")
        if goal.path.tilt_rad > 0:
            first = _pointing(poses[0])
            tilt = max(math.acos(max(-1.0, min(1.0, float(first @ _pointing(pose))))) for pose in poses)
            if tilt > goal.path.tilt_rad + 1e-3:
                return Outcome("unreachable", f"the hand would tilt by {math.degrees(tilt):.0f} degrees on the way")
        return None

    def _travel(self, ticket: Ticket[None], joints: Joints, scale: float) -> Program:
        """To a posture, over things: straight up first where the hand is low."""
        kinematics, drive = self._arm.kinematics, self._arm.drive
        x, y, z = kinematics.tcp(drive.command)
        if z < LOW_M:
            line = kinematics.line_pose(
                drive.command, Pose((x, y, HOVER_Z_M), kinematics.pose(drive.command).quaternion)
            )
            if not isinstance(line, Unreachable):
                yield Follow("retreat", straight_line(kinematics, line, UP_M_S * scale, HOVER_Z_M - z))
        yield Follow("move", slowed(joint_move(kinematics, drive.command, joints, HOVER_Z_M - 0.02), scale))
        yield Wait("move", 0.04)
        ticket.resolve(None)

    def _line(self, ticket: Ticket[None], line: list[Joints], scale: float, laden: bool) -> Program:
        kinematics, drive = self._arm.kinematics, self._arm.drive
        first, last = (np.array(kinematics.tcp(joints)) for joints in (line[0], line[-1]))
        length_m, down = float(np.linalg.norm(last - first)), bool(last[2] < first[2] - 0.005)
        if not down and self._arm.slip_armed and self.holds:
            yield from self._arm.slip()
        drive.held_up = False
        path = straight_line(kinematics, line, (DOWN_M_S if down else UP_M_S) * scale, length_m)
        yield Follow("descend" if down else "lift", path, guarded=down)
        if not drive.held_up:
            yield Wait("descend" if down else "lift", 0.04)
            above_m = drive.tcp[2] - float(last[2])
            drive.held_up = down and above_m > (HELD_UP_WITH_M if laden else HELD_UP_M)
        if drive.held_up:
            drive.rest_here()
            ticket.fail(Outcome("blocked", f"something holds the hand up at {drive.tcp[2]:.3f} m"))
        else:
            ticket.resolve(None)

    def _fingers(self, ticket: Ticket[None], width_m: float) -> Program:
        closes = width_m < EMPTY_WIDTH_M
        aim_m = 0.0 if closes else min(width_m, MAX_OPENING_M)
        yield Fingers("close" if closes else "open", aim_m, CLOSING_M_S if closes else OPENING_M_S)
        ticket.resolve(None)


def slowed(path: Trajectory, scale: float) -> Trajectory:
    """The same path, at a share of its speed."""
    if scale >= 1.0:
        return path
    before = np.arange(len(path.joints)) * PHYSICS_STEP_S
    after = np.minimum(
        np.arange(math.ceil(before[-1] / scale / PHYSICS_STEP_S) + 1) * PHYSICS_STEP_S * scale, before[-1]
    )

    def at(table: Any) -> Any:
        return np.stack([np.interp(after, before, column) for column in np.atleast_2d(table.T)], axis=-1)

    return Trajectory(at(path.joints), at(path.speeds) * scale, at(path.progress)[:, 0], path.begin_z_m, path.end_z_m)


def _lifted(pose: Pose) -> Pose | None:
    """The pose with a quaternion of length 1, the fingertips not below the bench top."""
    length = math.sqrt(sum(value * value for value in pose.quaternion))
    if not length > 1e-6:
        return None
    w, i, j, k = (value / length for value in pose.quaternion)
    x, y, z = pose.position
    return Pose((x, y, max(z, LOWEST_TCP_Z_M)), (w, i, j, k))


def _pointing(pose: Pose) -> Any:
    """The hand's z axis in the base frame."""
    w, x, y, z = pose.quaternion
    return np.array([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)])
