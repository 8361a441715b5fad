"""The simulated cameras as RealSense devices: drawn by two eyes each, taken through the SDK's software device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlm_bt.camera_settings import RealSenseSettings
from vlm_bt.devices.realsense import RealSense
from vlm_bt.devices.software_camera import SoftwareCamera
from vlm_bt.devices.software_device import SoftwareLenses
from vlm_bt.frames import FrameStore
from vlm_bt.ports import Ticket
from vlm_bt.simulation.cameras import MISSION_CAMERAS, believed_pose, intrinsics_of
from vlm_bt.simulation.noise import noisy_colour, noisy_depth
from vlm_bt.simulation.world import World

import mujoco  # isort: skip  (after `cameras`, which chooses the drawing library)

DEPTH_SEES_WIDER = 1.44
"""Tangent of half the depth eye's angle over the colour eye's: 58 and 42 degrees of height in a D435's data sheet."""
BASELINE_M = 0.015
"""From a D435's colour eye to the one that depth is measured from."""
ANSWER_WITHIN_S = 10.0
RETRY_S = 0.02
SHOTS_FOR_TEMPORAL = 4
"""A camera at 30 Hz gives the temporal filter its frames while the arm stands still; here they are taken at once."""
EARLIER_S = float("-inf")


class SimulatedRealSense:
    """The Camera port over a world's cameras. `serve` is called between ticks, after the world has moved on.

    The world's own cameras say which of these are `lost` (unplugged) or `frozen` (their picture stands still).

    Args:
        settings: By camera. Filters, options and limits count; where a camera hangs, the world says.

    Raises:
        ConfigError: No SDK, or an option that the software device does not have.
    """

    def __init__(self, world: World, frames: FrameStore, settings: Mapping[str, RealSenseSettings]) -> None:
        self._world = world
        there = {world.model.camera(index).name for index in range(world.model.ncam)}
        names = [name for name in MISSION_CAMERAS if name in there]
        self._settings = {
            name: settings.get(name, RealSenseSettings()).model_copy(update={"retry_s": RETRY_S})  # type: ignore[call-arg]
            for name in names
        }
        self._lenses = {name: lenses_of(world.model, name) for name in names}
        self._asked: set[str] = set()
        self.devices = {name: SoftwareCamera(self._lenses[name], f"SIM-{name}") for name in names}
        self.cameras = RealSense(self._settings, frames, lambda: world.now_s, feeds=self.devices)

    def request(self, camera: str) -> Ticket[str]:
        """A frame of `camera`, newer than this call."""
        self._asked.add(camera)
        return self.cameras.request(camera)

    def serve(self, tick: int) -> None:
        """Take the pictures that were asked for and wait until they have come through the SDK, 10 s of wall time at
        most: a request is answered at the tick after it, however loaded the machine is."""
        for camera in [name for name in self.devices if name in self._asked]:
            self._plug(camera)
            if camera not in self._world.cameras.lost:
                number = self._show(camera, tick)
                self.cameras.streams[camera].wait_for(number, ANSWER_WITHIN_S)
        self.cameras.step(tick)
        self._asked = {camera for camera in self._asked if self.cameras.waits(camera)}

    def close(self) -> None:
        """Idempotent."""
        self.cameras.close()

    def _plug(self, camera: str) -> None:
        device, stream = self.devices[camera], self.cameras.streams[camera]
        if camera in self._world.cameras.lost:
            device.unplug()
            stream.wait_state("lost", ANSWER_WITHIN_S)
        elif not device.plugged:
            device.plug()
            stream.wait_state("live", ANSWER_WITHIN_S)

    def _show(self, camera: str, tick: int) -> int:
        device, world = self.devices[camera], self._world
        if camera in world.cameras.frozen:
            return device.show_again()
        rgb = world.cameras.renderer.colour(world.data, camera)
        with depth_eye(world.model, world.data, camera, self._lenses[camera]):
            depth_m = world.cameras.renderer.depth(world.data, camera)
        pose = believed_pose(world.model, world.data, camera)
        shots = SHOTS_FOR_TEMPORAL if self._settings[camera].filters.temporal is not None else 1
        for shot in range(shots):
            key = (world.seed, camera, tick * SHOTS_FOR_TEMPORAL + shot)
            stamp_s = world.now_s if shot == shots - 1 else EARLIER_S
            number = device.show(noisy_colour(rgb, key), noisy_depth(depth_m, key), stamp_s, pose)
        return number


def lenses_of(model: mujoco.MjModel, camera: str) -> SoftwareLenses:
    """The colour eye is the simulated camera; the depth eye beside it sees wider with as many pixels."""
    colour = intrinsics_of(model, camera)
    depth = replace(colour, fx=colour.fx / DEPTH_SEES_WIDER, fy=colour.fy / DEPTH_SEES_WIDER)
    return SoftwareLenses(colour, depth, (BASELINE_M, 0.0, 0.0))


@contextmanager
def depth_eye(model: mujoco.MjModel, data: mujoco.MjData, camera: str, lenses: SoftwareLenses) -> Iterator[None]:
    """Meanwhile the model's camera stands where the depth eye is and sees as wide as that."""
    index = model.camera(camera).id
    place: NDArray[Any] = data.cam_xpos[index].copy()
    angle = float(model.cam_fovy[index])
    right, up, back = data.cam_xmat[index].reshape(3, 3).T
    x, y, z = lenses.depth_in_colour
    data.cam_xpos[index] = place + x * right - y * up - z * back
    model.cam_fovy[index] = 2 * np.degrees(np.arctan(lenses.depth.height / 2 / lenses.depth.fy))
    try:
        yield
    finally:
        data.cam_xpos[index] = place
        model.cam_fovy[index] = angle
