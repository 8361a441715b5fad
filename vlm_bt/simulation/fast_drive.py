"""The drive of the fast fidelity: joints are where they are asked to be, fingers stop at what lies between them."""

from __future__ import annotations

import math

import mujoco

from vlm_bt.simulation.drive import Drive, Follow, Segment
from vlm_bt.simulation.fast_hand import Between, Hand
from vlm_bt.simulation.kinematics import Point3

STEP_S = 0.01
_HELD_UP_M = 0.006


class FastDrive(Drive):
    """As `Drive`, but `step` lets a whole tick period pass, and braking takes no time."""

    def __init__(self, model: mujoco.MjModel, data: mujoco.MjData, hand: Hand) -> None:
        super().__init__(model, data)
        self._model = model
        self._hand = hand
        self._steps = 1
        self._between = Between()
        self._lowest_m = -math.inf

    @property
    def moving(self) -> bool:
        return self._segment is not None and self._rate > 0.0

    @property
    def tcp(self) -> Point3:
        x, y, z = super().tcp
        return x, y, max(z, self._lowest_m)

    def lasts(self, period_s: float) -> None:
        """How much time passes with one `step`."""
        self._steps = max(1, round(period_s / STEP_S))

    def holds(self, name: str) -> bool:
        return self._hand.held == name

    def aim_fingers(self, opening_m: float, speed_m_s: float = 0.16) -> None:
        super().aim_fingers(opening_m, speed_m_s)
        if self.closing and not self._hand.held:
            self.show()
            self._between = self._hand.between(self._opening_m)

    def step(self) -> None:
        """Let a tick period pass."""
        if self._dropping:
            self._forget()
        self._rate = 0.0 if self.paused else 1.0
        if self.paused or (self._segment is None and self._opening_m == self._opening_goal_m):
            return
        for _ in range(self._steps):
            self._move_fingers(STEP_S)
            self._touch()
            if self._segment is not None:
                self._advance(self._segment, STEP_S)
        self.show()

    def _follow(self, segment: Follow) -> None:
        path = segment.trajectory
        self.command = path.at(self._elapsed_s)[0]
        self.held_up = segment.guarded and self._lowest_m - path.height_m(self._elapsed_s) > _HELD_UP_M
        if self.held_up or self._elapsed_s >= path.duration_s:
            self._next_segment()

    def _next_segment(self) -> None:
        super()._next_segment()
        segment: Segment | None = self._segment
        if isinstance(segment, Follow):
            self.show()
            self._lowest_m = self._hand.lowest_m(self.width_m) if segment.guarded else -math.inf

    def _touch(self) -> None:
        """Fingers that close stop at what is between them; fingers that open let it go."""
        if self._between.name and self._opening_m <= self._between.width_m and not self._hand.held:
            self.show()
            self._hand.grip(self._between)
        elif self._between.name and self._opening_m > self._between.width_m and not self.closing:
            if self._hand.held:
                self.show()
                self._hand.let_go()
            self._between = Between()

    def show(self) -> None:
        """Bring the scene up to date: joints, fingers, and what they hold."""
        apart = max(self._opening_m, self._between.width_m if self._hand.held else 0.0, 0.0)
        self._data.qpos[self._qpos] = self.command
        self._data.qpos[self._fingers] = apart / 2
        mujoco.mj_kinematics(self._model, self._data)
        if self._hand.carry():
            mujoco.mj_kinematics(self._model, self._data)

    def rest_here(self) -> None:
        """Nothing presses: the command stays."""

    def drop(self) -> None:
        super().drop()
        self._rate = 0.0 if self._dropping else self._rate
