"""The simulated arm: the `Arm` port, its motions written as programs that a `Drive` carries out between ticks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from vlm_bt.ports import ArmState, Ticket
from vlm_bt.scene.handling import held_object
from vlm_bt.simulation.drive import Drive, Fingers, Follow, Program, Wait
from vlm_bt.simulation.kinematics import Joints, Kinematics, Point3, Unreachable
from vlm_bt.simulation.motion import joint_move, straight_line
from vlm_bt.simulation.planning import HOVER_Z_M, TRAVEL_Z_M, plan_pick, plan_place
from vlm_bt.simulation.robot import NAMED_POSES_RAD
from vlm_bt.types import Grasp, HeldObject, Outcome, PlaceSpot, Pose, VerifiedObject

EMPTY_WIDTH_M = 0.0022
_HELD_UP_M = {"descend": 0.0035, "lower": 0.006}
_RELEASE_SPEED_M_S = 0.08
_DOWN_M_S = 0.32
_UP_M_S = 0.40
_OPEN_WIDER_M = 0.016
_STOPPED = Outcome("cancelled", "the arm was stopped")


class SimulatedArm:
    """Drives the arm in a MuJoCo scene. Call `step` before every physics step.

    A new motion while another is under way stops that one first. Nothing here is random.

    Args:
        model, data: The scene, with the arm of `vlm_bt.simulation.robot` in it.
        kinematics: Solver with a model of its own.
        drive: What carries out the motions; a `Drive` of the scene if not given.

    Attributes:
        drive, kinematics: For programs of others, see `carry_out`.
        slip_armed: The next lift is to lose its grip half-way up.
    """

    def __init__(
        self, model: mujoco.MjModel, data: mujoco.MjData, kinematics: Kinematics, drive: Drive | None = None
    ) -> None:
        self.drive = drive or Drive(model, data)
        self.kinematics = kinematics
        self._ticket: Ticket[Any] | None = None
        self._next: tuple[Ticket[Any], Program] | None = None
        self._grip_z_m = 0.0
        self.slip_armed = False
        self._fault = ""
        self._held = False
        self._last_motion_s = 0.0

    def pick(self, tool: VerifiedObject, grasps: Sequence[Grasp]) -> Ticket[HeldObject]:
        """Take the first of `grasps` that the arm can reach."""
        ticket: Ticket[HeldObject] = Ticket(f"pick {tool}", self.stop)
        self._start(ticket, self._pick(ticket, tool, tuple(grasps)))
        return ticket

    def place(self, held: HeldObject, spot: PlaceSpot) -> Ticket[None]:
        ticket: Ticket[None] = Ticket(f"place {held.label} in {spot.zone}", self.stop)
        self._start(ticket, self._place(ticket, held, spot))
        return ticket

    def release(self, held: HeldObject) -> Ticket[None]:
        """Open the fingers where they are; fails with `dropped` where nothing is between them."""
        ticket: Ticket[None] = Ticket(f"release {held.label}", self.stop)
        self._start(ticket, self._release(ticket, held))
        return ticket

    def move_to(self, named: str) -> Ticket[None]:
        """Raises: KeyError where there is no such pose."""
        ticket: Ticket[None] = Ticket(f"move to {named}", self.stop)
        self._start(ticket, self._move_to(ticket, np.array(NAMED_POSES_RAD[named])))
        return ticket

    def carry_out(self, label: str, program: Callable[[Ticket[None]], Program]) -> Ticket[None]:
        """Run a program of somebody else's, which ends its ticket itself."""
        ticket: Ticket[None] = Ticket(label, self.stop)
        self._start(ticket, program(ticket))
        return ticket

    def hold(self) -> None:
        self._held = True

    def resume(self) -> None:
        self._held = False

    def stop(self) -> None:
        """Brake within 50 ms and drop the motion; its ticket is cancelled and the grip stays."""
        if self._next is not None:
            waiting, self._next = self._next[0], None
            waiting.fail(_STOPPED)
        self.drive.drop()
        if self._ticket is not None:
            ended, self._ticket = self._ticket, None
            ended.fail(_STOPPED)

    @property
    def state(self) -> ArmState:
        drive = self.drive
        return _State(not self._fault, drive.moving, drive.width_m, drive.tcp, self._last_motion_s)

    @property
    def phase(self) -> str:
        """What the arm is about: idle, approach, descend, close, lift, carry, lower, open, give, retreat or move."""
        return self.drive.phase

    @property
    def fault(self) -> str:
        """Why it does not move; empty where it is well."""
        return self._fault

    @property
    def tcp_pose(self) -> Pose:
        """The tool centre point: z out of the hand, y along the closing direction."""
        return self.drive.tcp_pose

    def slip(self) -> Program:
        """The staged loss of a grip, as a part of a lift: the hand rises a little and opens."""
        self.slip_armed = False
        yield from self._rise(0.07, "lift")
        yield Fingers("lift", self.drive.width_m + 0.012)
        yield Fingers("lift", 0.0)

    def link_segments(self) -> list[tuple[Point3, Point3, float]]:
        """Capsules around the arm now (ends in the base frame and radius, metres), from the joint encoders."""
        return self.kinematics.link_segments(self.drive.joints)

    def slip_next(self) -> None:
        """Staged fault: the next lift loses its grip half-way up, once."""
        self.slip_armed = True

    def stall(self, why: str = "a joint does not answer") -> None:
        """Staged fault: the arm freezes where it is; motions fail with `arm_fault` until `recover`."""
        self._fault = why
        if self._ticket is not None:
            self._ticket.fail(Outcome("arm_fault", why))
        self.stop()

    def recover(self) -> None:
        self._fault = ""

    def reset(self) -> None:
        """Put the arm at home at once, hand open; only before a mission begins."""
        self.drive.reset()

    def step(self, now_s: float) -> None:
        """Set the drives for the coming physics step; `now_s` is the Clock's time after it."""
        drive = self.drive
        drive.paused = self._held or bool(self._fault)
        if self._next is not None and not drive.busy:
            (self._ticket, program), self._next = self._next, None
            drive.run(program)
        drive.step()
        if drive.moving:
            self._last_motion_s = now_s

    def _start(self, ticket: Ticket[Any], program: Program) -> None:
        if self._fault:
            ticket.fail(Outcome("arm_fault", self._fault))
            return
        self.stop()
        self._next = (ticket, program)

    def _pick(self, ticket: Ticket[HeldObject], tool: VerifiedObject, grasps: tuple[Grasp, ...]) -> Program:
        yield from self._put_down_leftover()
        found = plan_pick(self.kinematics, grasps, self.drive.command)
        if isinstance(found, Unreachable):
            ticket.fail(Outcome("unreachable", str(found)))
            return
        grasp, column = found
        where = f"({grasp.position[0]:.2f}, {grasp.position[1]:.2f})"
        yield from self._rise(HOVER_Z_M)
        self.drive.aim_fingers(grasp.opening_m)
        yield self._travel("approach", column.hover, HOVER_Z_M)
        yield from self._descend("descend", column.down)
        if self.drive.held_up:
            yield from self._rise(TRAVEL_Z_M)
            ticket.fail(Outcome("blocked", f"something is in the way of the fingers at {where}"))
            return
        yield Fingers("close", 0.0)
        self._grip_z_m = self.drive.tcp[2]
        caught = not self._empty()
        held = held_object(tool, grasp, column.yaw_rad, self.drive.width_m, self._grip_z_m)
        if self.slip_armed and caught:
            yield from self.slip()
        yield from self._rise(TRAVEL_Z_M, "lift")
        if not caught:
            ticket.fail(Outcome("grasp_failed", f"the fingers closed on nothing at {where}"))
        elif self._empty():
            ticket.fail(Outcome("dropped", f"the {tool.label} was lost while it was lifted"))
        else:
            ticket.resolve(held)

    def _place(self, ticket: Ticket[None], held: HeldObject, spot: PlaceSpot) -> Program:
        if self._empty():
            ticket.fail(Outcome("dropped", f"the {held.label} is not in the hand"))
            return
        column = plan_place(self.kinematics, held, spot, self.drive.command)
        if isinstance(column, Unreachable):
            ticket.fail(Outcome("unreachable", str(column)))
            return
        yield from self._rise(TRAVEL_Z_M)
        yield self._travel("carry", column.hover, TRAVEL_Z_M)
        if not self._empty():
            yield from self._descend("lower", column.down)
        if self._empty():
            yield from self._rise(HOVER_Z_M)
            ticket.fail(Outcome("dropped", f"the {held.label} was lost on the way"))
            return
        if self.drive.held_up:
            yield from self._rise(TRAVEL_Z_M)
            x, y = spot.centre
            ticket.fail(Outcome("blocked", f"something lies where the {held.label} should go, ({x:.2f}, {y:.2f})"))
            return
        yield Fingers("open", max(held.width_m, self.drive.width_m) + _OPEN_WIDER_M, _RELEASE_SPEED_M_S)
        yield from self._rise(HOVER_Z_M)
        ticket.resolve(None)

    def _move_to(self, ticket: Ticket[None], goal: Joints) -> Program:
        yield from self._rise(HOVER_Z_M)
        yield self._travel("move", goal, HOVER_Z_M)
        yield Wait("move", 0.04)
        ticket.resolve(None)

    def _release(self, ticket: Ticket[None], held: HeldObject) -> Program:
        if self._empty():
            ticket.fail(Outcome("dropped", f"the {held.label} is not in the hand"))
            return
        yield Fingers("give", max(held.width_m, self.drive.width_m) + _OPEN_WIDER_M, _RELEASE_SPEED_M_S)
        ticket.resolve(None)

    def _put_down_leftover(self) -> Program:
        """What a cancelled motion left between the fingers is lowered where it is, not dropped from above."""
        if not self.drive.closing or self._empty():
            return
        x, y, z = self.kinematics.tcp(self.drive.command)
        yaw = self.kinematics.yaw(self.drive.command)
        line = self.kinematics.line(self.drive.command, (x, y, min(z, self._grip_z_m + 0.004)), yaw)
        if not isinstance(line, Unreachable):
            yield from self._descend("lower", line)
        yield Fingers("open", self.drive.width_m + _OPEN_WIDER_M, _RELEASE_SPEED_M_S)

    def _travel(self, phase: str, goal: Joints, height_m: float) -> Follow:
        return Follow(phase, joint_move(self.kinematics, self.drive.command, goal, height_m - 0.02))

    def _rise(self, to_z_m: float, phase: str = "retreat") -> Program:
        """Straight up, where the hand is lower than that."""
        start = self.drive.command
        x, y, z = self.kinematics.tcp(start)
        if z >= to_z_m - 0.005:
            return
        yaw = self.kinematics.yaw(start)
        line = self.kinematics.line(start, (x, y, to_z_m), yaw)
        if isinstance(line, Unreachable):
            line = [start, self.kinematics.seed((x, y, to_z_m), yaw)]
        yield Follow(phase, straight_line(self.kinematics, line, _UP_M_S, to_z_m - z))

    def _descend(self, phase: str, line: list[Joints]) -> Program:
        """Straight down; `held_up` tells afterwards whether something was in the way."""
        bottom_z = self.kinematics.tcp(line[-1])[2]
        length = self.kinematics.tcp(line[0])[2] - bottom_z
        self.drive.held_up = False
        yield Follow(phase, straight_line(self.kinematics, line, _DOWN_M_S, length), guarded=True)
        if self.drive.held_up:
            self.drive.rest_here()
            return
        yield Wait(phase, 0.04)
        self.drive.held_up = self.drive.tcp[2] - bottom_z > _HELD_UP_M[phase]

    def _empty(self) -> bool:
        return self.drive.width_m < EMPTY_WIDTH_M


@dataclass(frozen=True)
class _State:
    healthy: bool
    moving: bool
    gripper_width_m: float
    tcp: Point3
    last_motion_s: float
