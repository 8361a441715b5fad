"""The simulated arm behind MoveArm and Grip: goals as programs for its drive, in the world's thread."""

from __future__ import annotations

import threading
from typing import Any, Protocol

import numpy as np

from vlm_bt.ports import Ticket
from vlm_bt.ros.ways import Ways
from vlm_bt.simulation.arm import EMPTY_WIDTH_M, SimulatedArm
from vlm_bt.simulation.drive import Fingers, Follow, Program, Wait
from vlm_bt.simulation.kinematics import Joints
from vlm_bt.simulation.robot import MAX_OPENING_M, NAMED_POSES_RAD
from vlm_bt.types import Outcome

OPENING_M_S, CLOSING_M_S = 0.08, 0.16
HELD_UP_M, HELD_UP_WITH_M = 0.0035, 0.006
"""So far above the end of a way down, with an empty hand and with something in it, something is in the way."""
PUSHED_RAD, PUSHED_S = 0.10, 0.10
"""Joints that lag so far behind for so long press against something."""
STANDS_WITHIN_S = 1.0
LONGEST_S = 60.0


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
        self._ways = Ways(arm.kinematics, NAMED_POSES_RAD, base_frame)
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
            if not goal.width_m >= 0.0:
                return Outcome("unreachable", f"the fingers cannot be {goal.width_m:g} m apart")
            return lambda ticket: self._fingers(ticket, float(goal.width_m))
        end = self._ways.end(goal, self._arm.drive.command)
        if isinstance(end, Outcome):
            return end
        if isinstance(end, list):
            return lambda ticket: self._line(ticket, end, goal.speed_scale, bool(goal.attached))
        return lambda ticket: self._travel(ticket, end, goal.speed_scale)

    def _travel(self, ticket: Ticket[None], joints: Joints, scale: float) -> Program:
        for way in self._ways.over(self._arm.drive.command, joints, scale):
            yield Follow("move", way)
        yield Wait("move", 0.04)
        ticket.resolve(None)

    def _line(self, ticket: Ticket[None], line: list[Joints], scale: float, laden: bool) -> Program:
        kinematics, drive = self._arm.kinematics, self._arm.drive
        bottom_m = kinematics.tcp(line[-1])[2]
        down = bottom_m < kinematics.tcp(line[0])[2] - 0.005
        if not down and self._arm.slip_armed and self.holds:
            yield from self._arm.slip()
            rest = kinematics.line_pose(drive.command, kinematics.pose(line[-1]))
            line = rest if isinstance(rest, list) else [drive.command, line[-1]]
        drive.held_up = False
        yield Follow("descend" if down else "lift", self._ways.straight(line, scale), guarded=down)
        if not drive.held_up:
            yield Wait("descend" if down else "lift", 0.04)
            above_m = drive.tcp[2] - bottom_m
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
