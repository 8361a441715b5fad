"""Opens the lanes of a vision service in the process that runs the mission."""

from __future__ import annotations

import threading
from collections.abc import Callable

from vlm_bt.errors import ConfigError
from vlm_bt.simulation.fast_eyes import FastEyes
from vlm_bt.simulation.fast_geometer import FastGeometer
from vlm_bt.simulation.fast_world import FastWorld
from vlm_bt.simulation.measured import MeasuredAnswers
from vlm_bt.simulation.world import World
from vlm_bt.vision.calibration import Calibration, Calibrations
from vlm_bt.vision.desk import Desk, OpenDesk
from vlm_bt.vision.geometer import OpenGeometry
from vlm_bt.vision.inline import InlineLane
from vlm_bt.vision.messages import Worker
from vlm_bt.vision.model import VisionModel
from vlm_bt.vision_settings import EmbeddedModel

Wrap = Callable[[VisionModel], VisionModel]


class FastLanes:
    """Lanes without processes for one service. Where the shipped model is configured, `FastEyes` answer for it, and are
    judged by its calibration; any other model is opened as it is.

    Args:
        wrap: Puts something between the service and a model.
        measured: Those of the shipped model if not given.
    """

    def __init__(self, wrap: Wrap | None = None, measured: MeasuredAnswers | None = None) -> None:
        self._wrap = wrap
        self._measured = measured
        self._world: FastWorld | None = None

    def show(self, world: World) -> None:
        """What the models look at from now on. Raises: ConfigError: it is not in fast fidelity."""
        if not isinstance(world, FastWorld):
            raise ConfigError("simulation.fidelity is 'full' here; set it to 'fast'")
        self._world = world

    def open(
        self,
        name: str,
        open_worker: Callable[[], Worker],
        arrived: threading.Condition,
        *,
        threads: int = 1,
        patience_s: float = 60.0,
        start_within_s: float = 300.0,
    ) -> InlineLane:
        """An `OpenLane`; nothing of it needs watching."""
        if isinstance(open_worker, OpenGeometry):
            return InlineLane(name, lambda: FastGeometer(open_worker.containers))
        if not isinstance(open_worker, OpenDesk):
            return InlineLane(name, open_worker)
        settings = open_worker.settings
        if isinstance(settings, EmbeddedModel) and settings.weights is None:
            return InlineLane(name, lambda: self._eyes(open_worker))
        return InlineLane(name, lambda: open_worker(self._wrap))

    def _eyes(self, opened: OpenDesk) -> Desk:
        measured = self._measured = self._measured or MeasuredAnswers.read()
        eyes: VisionModel = FastEyes(measured, lambda: self._world)
        return Desk(opened, eyes if self._wrap is None else self._wrap(eyes), _calibrations(measured))


def _calibrations(measured: MeasuredAnswers) -> Calibrations:
    """The calibration that the answers were given under."""
    stored = measured.calibration
    if stored is None:
        return Calibrations(measured.revision, {}, "the model had no calibration when its answers were measured")
    return Calibrations(measured.revision, {stored.camera.name: Calibration.of(stored)})
