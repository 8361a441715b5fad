"""What carries out a program of motion segments: setpoints for every physics step, braking, and the fingers."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import mujoco
import numpy as np

from vlm_bt.simulation.kinematics import Joints, Point3
from vlm_bt.simulation.motion import PHYSICS_STEP_S, Trajectory
from vlm_bt.simulation.robot import (
    ACTUATORS,
    DAMPING,
    FINGER_JOINTS,
    GRIP_FORCE_N,
    GRIP_STIFFNESS_N_M,
    GRIPPER,
    JOINTS,
    MAX_OPENING_M,
    NAMED_POSES_RAD,
    STIFFNESS,
)
from vlm_bt.types import Pose

FINGER_SPEED_M_S = 0.16
_BRAKING_S = 0.05
_GRIP_SETTLES_S = 0.08
_HELD_UP_M = 0.006
_STILL_RAD_S = 0.02
_SQUEEZE_M = GRIP_FORCE_N / GRIP_STIFFNESS_N_M
# A position drive trails by damping / stiffness seconds; asking that far ahead cancels it.
_LAG_S = np.array(DAMPING) / np.array(STIFFNESS)


@dataclass(frozen=True)
class Follow:
    """Move along a trajectory; `guarded`: end early when the hand is held up on its way down."""

    phase: str
    trajectory: Trajectory
    guarded: bool = False


@dataclass(frozen=True)
class Fingers:
    """Bring the fingers to an opening, metres; 0 closes until something resists."""

    phase: str
    opening_m: float
    speed_m_s: float = FINGER_SPEED_M_S


@dataclass(frozen=True)
class Wait:
    """Stand still for a while."""

    phase: str
    duration_s: float


Segment = Follow | Fingers | Wait
Program = Generator[Segment, None, None]


class Drive:
    """Follows one program at a time. `step` before every physics step.

    Attributes:
        command: (7,) rad, where the joints are asked to be.
        held_up: Whether the last guarded descent was stopped by something.
        paused: Brakes while it is set and keeps the program.
    """

    def __init__(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        self._data = data
        self._actuators = np.array([model.actuator(name).id for name in ACTUATORS])
        self._gripper = model.actuator(GRIPPER).id
        self._qpos = np.array([model.joint(name).qposadr[0] for name in JOINTS])
        self._dofs = np.array([model.joint(name).dofadr[0] for name in JOINTS])
        self._fingers = np.array([model.joint(name).qposadr[0] for name in FINGER_JOINTS])
        self._site = model.site("tcp").id
        self.command: Joints = np.array(NAMED_POSES_RAD["home"])
        self.held_up = False
        self.paused = False
        self._opening_m = self._opening_goal_m = MAX_OPENING_M
        self._finger_speed_m_s = FINGER_SPEED_M_S
        self._program: Program | None = None
        self._segment: Segment | None = None
        self._dropping = False
        self._elapsed_s = self._settled_s = 0.0
        self._rate = 1.0

    @property
    def busy(self) -> bool:
        return self._program is not None

    @property
    def phase(self) -> str:
        return self._segment.phase if self._segment is not None else "idle"

    @property
    def moving(self) -> bool:
        under_way = self._segment is not None and self._rate > 0.0
        return under_way or bool(np.abs(self._data.qvel[self._dofs]).max() > _STILL_RAD_S)

    @property
    def joints(self) -> Joints:
        """(7,) rad, measured."""
        return np.array(self._data.qpos[self._qpos])

    @property
    def width_m(self) -> float:
        return float(self._data.qpos[self._fingers].sum())

    @property
    def closing(self) -> bool:
        """Whether the fingers are told to close."""
        return self._opening_goal_m < 0.0

    @property
    def tcp(self) -> Point3:
        x, y, z = self._data.site_xpos[self._site]
        return float(x), float(y), float(z)

    @property
    def tcp_pose(self) -> Pose:
        quaternion = np.zeros(4)
        mujoco.mju_mat2Quat(quaternion, self._data.site_xmat[self._site])
        w, x, y, z = (float(v) for v in quaternion)
        return Pose(self.tcp, (w, x, y, z))

    def run(self, program: Program) -> None:
        """Begin a program; the one before must have ended."""
        self._program, self._dropping = program, False
        self._next_segment()

    def drop(self) -> None:
        """Brake and forget the program; the fingers stay as they are."""
        self._dropping = self.busy
        if not self.closing:
            self._opening_goal_m = self._opening_m

    def reset(self) -> None:
        """At home at once, hand open."""
        self.command = np.array(NAMED_POSES_RAD["home"])
        self._opening_m = self._opening_goal_m = MAX_OPENING_M
        self._data.qpos[self._qpos] = self.command
        self._data.qpos[self._fingers] = MAX_OPENING_M / 2
        self._data.ctrl[self._actuators] = self.command
        self._data.ctrl[self._gripper] = MAX_OPENING_M

    def aim_fingers(self, opening_m: float, speed_m_s: float = FINGER_SPEED_M_S) -> None:
        """Let the fingers go to an opening while other things happen; 0 closes with the full force."""
        self._finger_speed_m_s = speed_m_s
        if opening_m <= 0.0:
            self._opening_goal_m = -_SQUEEZE_M
            return
        # After a grip the command lies inside the object: begin from where the fingers are.
        self._opening_m = max(self._opening_m, self.width_m)
        self._opening_goal_m = min(opening_m, MAX_OPENING_M)

    def rest_here(self) -> None:
        """Take the measured joints for the command: what pressed against something lets go of it."""
        self.command = self.joints

    def step(self) -> None:
        """Set the drives for the coming physics step."""
        change = PHYSICS_STEP_S / _BRAKING_S
        halt = self.paused or self._dropping
        self._rate = max(0.0, self._rate - change) if halt else min(1.0, self._rate + change)
        if self._dropping and (self._rate == 0.0 or not isinstance(self._segment, Follow)):
            self._forget()
        if self._rate > 0.0:
            dt = PHYSICS_STEP_S * self._rate
            self._move_fingers(dt)
            if self._segment is not None:
                self._advance(self._segment, dt)
        else:
            self._data.ctrl[self._actuators] = self.command

    def _advance(self, segment: Segment, dt: float) -> None:
        self._elapsed_s += dt
        if isinstance(segment, Follow):
            self._follow(segment)
        elif isinstance(segment, Wait):
            if self._elapsed_s >= segment.duration_s:
                self._next_segment()
        elif self._opening_m == self._opening_goal_m or self._squeezing():
            self._settled_s += dt
            if self._settled_s >= _GRIP_SETTLES_S:
                self._next_segment()

    def _follow(self, segment: Follow) -> None:
        path = segment.trajectory
        joints, speeds = path.at(self._elapsed_s)
        self.command = joints
        self._data.ctrl[self._actuators] = joints + _LAG_S * speeds * self._rate
        if segment.guarded:
            above = self._data.site_xpos[self._site][2] - path.height_m(self._elapsed_s)
            self.held_up = bool(above > _HELD_UP_M)
        if (segment.guarded and self.held_up) or self._elapsed_s >= path.duration_s:
            self._next_segment()

    def _squeezing(self) -> bool:
        """Whether the fingers press with full force. They go on closing then: should the object escape, they shut."""
        return self.closing and self.width_m - self._opening_m >= _SQUEEZE_M

    def _move_fingers(self, dt: float) -> None:
        if self._opening_m != self._opening_goal_m:
            reach = self._finger_speed_m_s * dt
            self._opening_m += min(max(self._opening_goal_m - self._opening_m, -reach), reach)
            self._data.ctrl[self._gripper] = self._opening_m

    def _next_segment(self) -> None:
        assert self._program is not None
        self._elapsed_s = self._settled_s = 0.0
        self._segment = next(self._program, None)
        if self._segment is None:
            self._program = None
        elif isinstance(self._segment, Fingers):
            self.aim_fingers(self._segment.opening_m, self._segment.speed_m_s)

    def _forget(self) -> None:
        if self._program is not None:
            self._program.close()
        self._program = self._segment = None
        self._dropping = False
        self._data.ctrl[self._actuators] = self.command
