"""The simulated bench as a person would see it on a screen: drawn beside the mission, which takes no notice."""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import NDArray

from vlm_bt.simulation.cameras import MISSION_CAMERAS, Drawable, Renderer, image_size

SMALLER = 2
"""Drawn for a screen: half as wide and half as high as what the mission sees, in a third of the time."""

State = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
"""Joint positions, and positions and orientations of what is moved by hand, as `MjData` has them."""


def cameras_of(world: Drawable) -> dict[str, tuple[int, int]]:
    """(width, height) of the mission's pictures of each of its cameras, pixels."""
    known = {world.model.camera(index).name for index in range(world.model.ncam)}
    return {name: image_size(world.model, name) for name in MISSION_CAMERAS if name in known}


def state_of(world: Drawable) -> State:
    """A copy of all that has to be known to draw the world; takes some 10 microseconds."""
    data = world.data
    return data.qpos.copy(), data.mocap_pos.copy(), data.mocap_quat.copy()


class LiveDrawing:
    """Draws the mission's cameras from states, without their noise. Belongs to the thread that made it."""

    def __init__(self, model: mujoco.MjModel) -> None:
        self._model = model
        self._data = mujoco.MjData(model)
        self._renderer = Renderer(model, smaller=SMALLER)

    def draw(self, state: State, camera: str, depth: bool) -> tuple[NDArray[np.uint8], NDArray[np.float32] | None]:
        """(H, W, 3) uint8 and, where it is wanted, (H, W) float32 metres."""
        self._data.qpos[:], self._data.mocap_pos[:], self._data.mocap_quat[:] = state
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_comPos(self._model, self._data)
        mujoco.mj_camlight(self._model, self._data)
        if depth:
            return self._renderer.render(self._data, camera)
        return self._renderer.colour(self._data, camera), None

    def close(self) -> None:
        """Idempotent."""
        self._renderer.close()
