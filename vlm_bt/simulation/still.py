"""A simulated world as it was at one moment: for whoever draws it while the world goes on."""

from __future__ import annotations

import mujoco


class Still:
    """Room for one moment of a model's world. Copying takes a tenth of a millisecond.

    Attributes:
        data: The moment that was taken last.
    """

    def __init__(self, model: mujoco.MjModel) -> None:
        self._model = model
        self.data = mujoco.MjData(model)

    def take(self, data: mujoco.MjData) -> None:
        """Nobody may change `data` meanwhile."""
        mujoco.mj_copyData(self.data, self._model, data)
