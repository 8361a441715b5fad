"""The simulated world in fast fidelity: the same scene, laid out by the same physics, and no contact after that."""

from __future__ import annotations

from typing import cast

import mujoco

from vlm_bt.frames import FrameStore
from vlm_bt.simulation.arm import SimulatedArm
from vlm_bt.simulation.fast_cameras import FastCameras, FastMonitor, Shown
from vlm_bt.simulation.fast_drive import FastDrive
from vlm_bt.simulation.fast_hand import Hand
from vlm_bt.simulation.kinematics import Kinematics
from vlm_bt.simulation.person import move_person
from vlm_bt.simulation.world import World

PHYSICS_STEPS_PER_PERIOD = 25
"""What stamps of pictures count in, as in full at 20 ticks a second."""


class FastWorld(World):
    """As `World`: staged events, person, late items and faults are the same. What differs:

    - What the fingers close on follows the hand (`fast_hand`); nothing is pushed, tilts, rolls or bounces.
    - The arm is where it is asked to be, after every tick period.
    - Pictures are free of noise; the monitor casts rays.
    """

    def advance(self, period_s: float) -> None:
        """Let one tick period pass: the arm, staged events, the monitor, and last the pictures that were asked for."""
        self._ticks += 1
        self._now_s = self._ticks * period_s
        self._drive.lasts(period_s)
        self.arm.step(self._now_s)
        move_person(self.model, self.data, self._now_s, self._visits)
        mujoco.mj_kinematics(self.model, self.data)
        self._stage()
        if self._monitor is not None:
            self._monitor.observe(self._now_s)
        if self._cameras is not None:
            self._cameras.serve(self._now_s, self._ticks * PHYSICS_STEPS_PER_PERIOD)

    def shown(self, frame_id: str) -> tuple[Shown, ...]:
        """What lay where when a picture was taken, see `FastCameras.shown`."""
        return cast(FastCameras, self.cameras).shown(frame_id)

    def settle(self) -> None:
        """As in full, so that a mission begins with the same bench; then everything stands still."""
        super().settle()
        self.data.qvel[:] = 0.0
        self._drive.show()

    @property
    def _drive(self) -> FastDrive:
        return cast(FastDrive, self.arm.drive)

    def _make_arm(self, kinematics: Kinematics) -> SimulatedArm:
        hand = Hand(self.model, self.data, self.scenario)
        return SimulatedArm(self.model, self.data, kinematics, FastDrive(self.model, self.data, hand))

    def _make_cameras(self, frames: FrameStore) -> FastCameras:
        return FastCameras(self, self.scenario, frames)

    def _make_monitor(self) -> FastMonitor | None:
        if self._cameras is None:
            return None
        monitor = FastMonitor(self.model, self.data, self.arm.link_segments)
        monitor.observe(0.0)
        return monitor

    def _between_fingers(self, name: str) -> bool:
        return self._drive.holds(name)
