"""Opens the lanes of a vision service in the process that runs the mission."""

from __future__ import annotations

import threading
from collections.abc import Callable

from vlm_bt.simulation.world import World
from vlm_bt.vision.desk import OpenDesk
from vlm_bt.vision.inline import InlineLane
from vlm_bt.vision.messages import Worker
from vlm_bt.vision.model import VisionModel

Wrap = Callable[[VisionModel], VisionModel]


class FastLanes:
    """Lanes without processes for one service.

    Args:
        wrap: Puts something between the service and a model.
    """

    def __init__(self, wrap: Wrap | None = None) -> None:
        self._wrap = wrap
        self._world: World | None = None

    def show(self, world: World) -> None:
        """What the models look at from now on."""
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
        if not isinstance(open_worker, OpenDesk):
            return InlineLane(name, open_worker)
        return InlineLane(name, lambda: open_worker(self._wrap))
