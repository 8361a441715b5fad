"""The simulated arm: the `Arm` port, carried out between ticks by a program of motion segments."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from vlm_bt.ports import ArmState, Ticket
from vlm_bt.simulation.kinematics import Joints, Kinematics, Point3, Unreachable, nearest_half_turn
from vlm_bt.simulation.motion import PHYSICS_STEP_S, Trajectory, joint_move, straight_line
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
    TIP_BELOW_TCP_M,
)
from vlm_bt.types import Grasp, HeldObject, Outcome, PlaceSpot, VerifiedObject

HOVER_Z_M = 0.13
TRAVEL_Z_M = 0.17
LOWEST_TCP_Z_M = TIP_BELOW_TCP_M + 0.0012
EMPTY_WIDTH_M = 0.0022
_HELD_UP_MOVING_M = 0.006
_HELD_UP_M = {"descend": 0.0035, "lower": 0.006}
_GRIP_SETTLES_S = 0.08
_STOP_S = 0.05
_FINGER_SPEED_M_S = 0.16
_RELEASE_SPEED_M_S = 0.08
_SQUEEZE_M = GRIP_FORCE_N / GRIP_STIFFNESS_N_M
_DOWN_M_S = 0.32
_UP_M_S = 0.40
_CLEARANCE_M = 0.016
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
    speed_m_s: float = _FINGER_SPEED_M_S


@dataclass(frozen=True)
class Wait:
    """Stand still for a while."""

    phase: str
    duration_s: float


Segment = Follow | Fingers | Wait
Program = Generator[Segment, None, None]


class SimulatedArm:
    """Drives the arm in a MuJoCo scene. Call `step` before every physics step.

    Args:
        model, data: The scene, with the arm of `vlm_bt.simulation.robot` in it.
        kinematics: Solver with a model of its own.
    """

    def __init__(self, model: mujoco.MjModel, data: mujoco.MjData, kinematics: Kinematics) -> None:
        self._data = data
        self._kinematics = kinematics
        self._actuators = np.array([model.actuator(name).id for name in ACTUATORS])
        self._gripper = model.actuator(GRIPPER).id
        self._qpos = np.array([model.joint(name).qposadr[0] for name in JOINTS])
        self._dofs = np.array([model.joint(name).dofadr[0] for name in JOINTS])
        self._fingers = np.array([model.joint(name).qposadr[0] for name in FINGER_JOINTS])
        self._site = model.site("tcp").id
        self._command: Joints = np.array(NAMED_POSES_RAD["home"])
        self._opening_m = self._opening_goal_m = MAX_OPENING_M
        self._opening_speed_m_s = _FINGER_SPEED_M_S
        self._program: Program | None = None
        self._ticket: Ticket[Any] | None = None
        self._waiting: tuple[Ticket[Any], Program] | None = None
        self._segment: Segment | None = None
        self._elapsed_s = 0.0
        self._settled_s = 0.0
        self._rate = 1.0
        self._held_up = False
        self._paused = False
        self._braking = False
        self._slip_armed = False
        self._fault = ""
        self._now_s = 0.0
        self._last_motion_s = 0.0

    def pick(self, tool: VerifiedObject, grasps: Sequence[Grasp]) -> Ticket[HeldObject]:
        """Take the first of `grasps` that the arm can reach."""
        ticket: Ticket[HeldObject] = Ticket(f"pick {tool}", self.stop)
        return self._start(ticket, self._pick(ticket, tool, tuple(grasps)))

    def place(self, held: HeldObject, spot: PlaceSpot) -> Ticket[None]:
        ticket: Ticket[None] = Ticket(f"place {held.label} in {spot.zone}", self.stop)
        return self._start(ticket, self._place(ticket, held, spot))

    def move_to(self, named: str) -> Ticket[None]:
        """Raises: KeyError where there is no such pose."""
        ticket: Ticket[None] = Ticket(f"move to {named}", self.stop)
        return self._start(ticket, self._move_to(ticket, named, np.array(NAMED_POSES_RAD[named])))

    def hold(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False

    def stop(self) -> None:
        """Brake within 50 ms and drop the motion; its ticket is cancelled and the grip stays."""
        self._end(self._ticket, Outcome("cancelled", "the arm was stopped"))
        if self._waiting is not None:
            self._end(self._waiting[0], Outcome("cancelled", "the arm was stopped"))
            self._waiting = None
        self._braking = self._program is not None
        self._opening_goal_m = self._opening_m

    @property
    def state(self) -> ArmState:
        return _State(
            healthy=not self._fault,
            moving=self._moving(),
            gripper_width_m=self.width_m,
            tcp=self._tcp(),
            last_motion_s=self._last_motion_s,
        )

    @property
    def phase(self) -> str:
        """What the arm is about: idle, approach, descend, close, lift, carry, lower, open, retreat, move."""
        return self._segment.phase if self._segment is not None else "idle"

    @property
    def width_m(self) -> float:
        """Opening of the fingers by their own encoders."""
        return float(self._data.qpos[self._fingers].sum())

    def link_segments(self) -> list[tuple[Point3, Point3, float]]:
        """Capsules around the arm now (ends in the base frame and radius, metres), from the joint encoders."""
        return self._kinematics.link_segments(self._data.qpos[self._qpos])

    def slip_next(self) -> None:
        """Staged fault: the next lift loses its grip half-way up, once."""
        self._slip_armed = True

    def stall(self, why: str = "a joint does not answer") -> None:
        """Staged fault: the arm freezes where it is; motions fail with `arm_fault` until `recover`."""
        self._fault = why
        self._end(self._ticket, Outcome("arm_fault", why))
        self._braking = self._program is not None

    def recover(self) -> None:
        self._fault = ""

    def reset(self) -> None:
        """Put the arm at home at once, hand open; only before a mission begins."""
        self._command = np.array(NAMED_POSES_RAD["home"])
        self._opening_m = self._opening_goal_m = MAX_OPENING_M
        self._data.qpos[self._qpos] = self._command
        self._data.qpos[self._fingers] = MAX_OPENING_M / 2
        self._data.ctrl[self._actuators] = self._command
        self._data.ctrl[self._gripper] = MAX_OPENING_M

    def step(self, now_s: float) -> None:
        """Set the drives for the coming physics step."""
        self._now_s = now_s
        halt = self._paused or self._braking or bool(self._fault)
        change = PHYSICS_STEP_S / _STOP_S
        self._rate = max(0.0, self._rate - change) if halt else min(1.0, self._rate + change)
        if self._braking and (self._rate == 0.0 or not isinstance(self._segment, Follow)):
            self._drop_program()
        if self._program is None and self._waiting is not None and not self._fault:
            self._ticket, self._program = self._waiting
            self._waiting = None
            self._next_segment()
        if self._segment is not None and self._rate > 0.0:
            self._advance(PHYSICS_STEP_S * self._rate)
        if self._moving():
            self._last_motion_s = now_s

    def _advance(self, dt: float) -> None:
        self._move_fingers(dt)
        self._elapsed_s += dt
        segment = self._segment
        if isinstance(segment, Follow):
            joints, speeds = segment.trajectory.at(self._elapsed_s)
            self._command = joints
            # A position drive trails by damping / stiffness seconds; asking ahead cancels that.
            self._data.ctrl[self._actuators] = joints + _LAG_S * speeds * self._rate
            if segment.guarded:
                short = self._data.site_xpos[self._site][2] - segment.trajectory.height_m(self._elapsed_s)
                self._held_up = bool(short > _HELD_UP_MOVING_M)
            if (segment.guarded and self._held_up) or self._elapsed_s >= segment.trajectory.duration_s:
                self._next_segment()
        elif isinstance(segment, Wait):
            if self._elapsed_s >= segment.duration_s:
                self._next_segment()
        elif self._opening_m == self._opening_goal_m or self._squeezing():
            self._settled_s += dt
            if self._settled_s >= _GRIP_SETTLES_S:
                self._next_segment()

    def _squeezing(self) -> bool:
        """Whether the fingers press with their full force. The command goes on: should the object escape, they close."""
        return self._opening_goal_m <= 0.0 and self.width_m - self._opening_m >= _SQUEEZE_M

    def _move_fingers(self, dt: float) -> None:
        if self._opening_m == self._opening_goal_m:
            return
        reach = self._opening_speed_m_s * dt
        self._opening_m += min(max(self._opening_goal_m - self._opening_m, -reach), reach)
        self._data.ctrl[self._gripper] = self._opening_m

    def _next_segment(self) -> None:
        assert self._program is not None
        self._elapsed_s = self._settled_s = 0.0
        self._segment = next(self._program, None)
        if self._segment is None:
            self._program = self._ticket = None
        elif isinstance(self._segment, Fingers):
            self._aim_fingers(self._segment.opening_m, self._segment.speed_m_s)

    def _aim_fingers(self, opening_m: float, speed_m_s: float = _FINGER_SPEED_M_S) -> None:
        closing = opening_m <= 0.0
        self._opening_goal_m = -_SQUEEZE_M if closing else min(opening_m, MAX_OPENING_M)
        self._opening_speed_m_s = speed_m_s
        # After a grip the command lies inside the object: begin from where the fingers are.
        self._opening_m = max(self._opening_m, self.width_m) if not closing else self._opening_m

    def _start(self, ticket: Ticket[Any], program: Program) -> Any:
        if self._fault:
            ticket.fail(Outcome("arm_fault", self._fault))
            return ticket
        if self._program is not None or self._waiting is not None:
            self.stop()
        self._waiting = (ticket, program)
        return ticket

    def _end(self, ticket: Ticket[Any] | None, outcome: Outcome) -> None:
        if ticket is not None:
            ticket.fail(outcome)

    def _drop_program(self) -> None:
        if self._program is not None:
            self._program.close()
        self._program = self._ticket = self._segment = None
        self._braking = False
        self._data.ctrl[self._actuators] = self._command

    def _moving(self) -> bool:
        under_way = self._segment is not None and self._rate > 0.0
        return under_way or bool(np.abs(self._data.qvel[self._dofs]).max() > 0.02)

    def _tcp(self) -> Point3:
        x, y, z = self._data.site_xpos[self._site]
        return float(x), float(y), float(z)

    def _pick(self, ticket: Ticket[HeldObject], tool: VerifiedObject, grasps: tuple[Grasp, ...]) -> Program:
        plan = self._plan_pick(grasps)
        if isinstance(plan, Unreachable):
            ticket.fail(Outcome("unreachable", str(plan)))
            return
        self._aim_fingers(plan.grasp.opening_m + 0.004)
        yield from self._rise(HOVER_Z_M)
        yield Follow("approach", joint_move(self._kinematics, self._command, plan.hover, HOVER_Z_M - 0.02))
        yield from self._descend(plan.down)
        if self._held_up:
            yield from self._rise(TRAVEL_Z_M)
            ticket.fail(Outcome("blocked", f"something is in the way of the fingers at {_place(plan.grasp.position)}"))
            return
        yield Fingers("close", 0.0)
        caught = self.width_m >= EMPTY_WIDTH_M
        held = self._held(tool, plan)
        if self._slip_armed and caught:
            yield from self._slip()
        yield from self._rise(TRAVEL_Z_M, "lift")
        if not caught:
            ticket.fail(Outcome("grasp_failed", f"the fingers closed on nothing at {_place(plan.grasp.position)}"))
        elif self.width_m < EMPTY_WIDTH_M:
            ticket.fail(Outcome("dropped", f"{tool.label} was lost while it was lifted"))
        else:
            ticket.resolve(held)

    def _slip(self) -> Program:
        self._slip_armed = False
        yield from self._rise(0.07, "lift")
        yield Fingers("lift", self.width_m + 0.012)
        yield Fingers("lift", 0.0)

    def _place(self, ticket: Ticket[None], held: HeldObject, spot: PlaceSpot) -> Program:
        if self.width_m < EMPTY_WIDTH_M:
            ticket.fail(Outcome("dropped", f"{held.label} is not in the hand"))
            return
        plan = self._plan_place(held, spot)
        if isinstance(plan, Unreachable):
            ticket.fail(Outcome("unreachable", str(plan)))
            return
        yield from self._rise(TRAVEL_Z_M)
        yield Follow("carry", joint_move(self._kinematics, self._command, plan.hover, TRAVEL_Z_M - 0.02))
        if self.width_m < EMPTY_WIDTH_M:
            ticket.fail(Outcome("dropped", f"{held.label} was lost on the way"))
            return
        yield from self._descend(plan.down, "lower")
        if self._held_up:
            yield from self._rise(TRAVEL_Z_M)
            ticket.fail(Outcome("blocked", f"something lies where {held.label} should go, {_place(plan.position)}"))
            return
        if self.width_m < EMPTY_WIDTH_M:
            yield from self._rise(HOVER_Z_M)
            ticket.fail(Outcome("dropped", f"{held.label} was lost on the way"))
            return
        yield Fingers("open", max(held.width_m, self.width_m) + _CLEARANCE_M, _RELEASE_SPEED_M_S)
        yield from self._rise(HOVER_Z_M, "retreat")
        ticket.resolve(None)

    def _move_to(self, ticket: Ticket[None], named: str, goal: Joints) -> Program:
        yield from self._rise(HOVER_Z_M)
        yield Follow("move", joint_move(self._kinematics, self._command, goal, HOVER_Z_M - 0.02))
        yield Wait("move", 0.04)
        ticket.resolve(None)

    def _rise(self, to_z_m: float, phase: str = "retreat") -> Program:
        """Straight up, where the hand is lower than that."""
        x, y, z = self._kinematics.tcp(self._command)
        if z >= to_z_m - 0.005:
            return
        line = self._kinematics.line(self._command, (x, y, to_z_m), self._kinematics.yaw(self._command))
        if isinstance(line, Unreachable):
            line = [self._command, self._kinematics.seed((x, y, to_z_m), self._kinematics.yaw(self._command))]
        yield Follow(phase, straight_line(self._kinematics, line, _UP_M_S, to_z_m - z))

    def _descend(self, line: list[Joints], phase: str = "descend") -> Program:
        length = self._kinematics.tcp(line[0])[2] - self._kinematics.tcp(line[-1])[2]
        self._held_up = False
        yield Follow(phase, straight_line(self._kinematics, line, _DOWN_M_S, length), guarded=True)
        if not self._held_up:
            yield Wait(phase, 0.04)
            self._held_up = self._tcp()[2] - self._kinematics.tcp(line[-1])[2] > _HELD_UP_M[phase]
        else:
            self._command = self._data.qpos[self._qpos].copy()

    def _plan_pick(self, grasps: tuple[Grasp, ...]) -> _PickPlan | Unreachable:
        missed = Unreachable((0.0, 0.0, 0.0), 0.0)
        for grasp in grasps:
            x, y, z = grasp.position
            plan = self._plan_column((x, y), max(z, LOWEST_TCP_Z_M), HOVER_Z_M, grasp.yaw_rad)
            if not isinstance(plan, Unreachable):
                return _PickPlan(grasp, plan.yaw_rad, plan.hover, plan.down)
            missed = plan
        return missed

    def _plan_place(self, held: HeldObject, spot: PlaceSpot) -> _Column | Unreachable:
        along, across = held.offset_m
        wanted = spot.yaw_rad - held.yaw_offset_rad

        def tcp(yaw: float) -> tuple[float, float]:
            c, s = math.cos(yaw), math.sin(yaw)
            return spot.centre[0] - (c * along + s * across), spot.centre[1] - (s * along - c * across)

        z = max(held.height_m + 0.003, LOWEST_TCP_Z_M) + spot.drop_m
        return self._plan_column(tcp, min(z, TRAVEL_Z_M - 0.005), TRAVEL_Z_M, wanted)

    def _plan_column(
        self,
        where: tuple[float, float] | Callable[[float], tuple[float, float]],
        low_z_m: float,
        high_z_m: float,
        yaw_rad: float,
    ) -> _Column | Unreachable:
        """Hover and straight way down; of the two yaws that look alike to the gripper the easier one first."""
        at = where if callable(where) else lambda _: where
        missed = Unreachable((0.0, 0.0, 0.0), 0.0)
        for yaw in self._kinematics.choose_yaw((*at(yaw_rad), high_z_m), yaw_rad, self._command):
            x, y = at(yaw)
            hover = self._kinematics.solve((x, y, high_z_m), yaw)
            if isinstance(hover, Unreachable):
                missed = hover
                continue
            down = self._kinematics.line(hover, (x, y, low_z_m), yaw)
            if isinstance(down, Unreachable):
                missed = down
                continue
            return _Column((x, y, low_z_m), yaw, hover, down)
        return missed

    def _held(self, tool: VerifiedObject, plan: _PickPlan) -> HeldObject:
        shape = tool.object.footprint
        dx = shape.centre[0] - plan.grasp.position[0]
        dy = shape.centre[1] - plan.grasp.position[1]
        c, s = math.cos(plan.yaw_rad), math.sin(plan.yaw_rad)
        return HeldObject(
            tool=tool,
            verdict_id=tool.verdict_id,
            width_m=self.width_m,
            height_m=self._tcp()[2],
            offset_m=(c * dx + s * dy, s * dx - c * dy),
            yaw_offset_rad=nearest_half_turn(shape.yaw_rad - plan.yaw_rad),
        )


@dataclass(frozen=True)
class _State:
    healthy: bool
    moving: bool
    gripper_width_m: float
    tcp: Point3
    last_motion_s: float


@dataclass(frozen=True, eq=False)
class _PickPlan:
    grasp: Grasp
    yaw_rad: float
    hover: Joints
    down: list[Joints]


@dataclass(frozen=True, eq=False)
class _Column:
    position: Point3
    yaw_rad: float
    hover: Joints
    down: list[Joints]


def _place(position: Point3) -> str:
    return f"({position[0]:.2f}, {position[1]:.2f})"
