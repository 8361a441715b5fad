"""Looking through the cameras of a simulated bench, drawn in a process of its own so that no tick waits for it."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any

from vlm_bt.simulation.cameras import Drawable
from vlm_bt.simulation.live import LiveDrawing, State, cameras_of, state_of
from vlm_bt.vision.lane import CHILDREN
from vlm_bt.web.pictures import compressed

NICE = 10
"""The drawing gives way to the mission where there are few cores."""
STARTS_WITHIN_S = 60.0
DRAWS_WITHIN_S = 5.0

log = logging.getLogger(__name__)


class LiveSimulation:
    """The `LiveCamera` of a simulated world. The process starts when somebody looks."""

    def __init__(self, world: Drawable) -> None:
        self._world = world
        self.sizes: Mapping[str, tuple[int, int]] = cameras_of(world)
        self.names = tuple(self.sizes)
        self._lock = threading.Lock()
        self._state = state_of(world)
        self._process: multiprocessing.process.BaseProcess | None = None
        self._link: Connection[Any, Any] | None = None
        self._lost = False

    def open(self) -> None:
        if self._link is not None or self._lost:
            return
        try:
            self._link = self._start()
            if not self._link.poll(STARTS_WITHIN_S):
                raise TimeoutError(f"not ready within {STARTS_WITHIN_S:g} s")
            self._link.recv()
        except (OSError, EOFError) as error:
            self._give_up(error)

    def hold(self) -> None:
        state = state_of(self._world)
        with self._lock:
            self._state = state

    def draw(self, camera: str, depth: bool) -> Mapping[str, bytes]:
        if self._link is None or self._lost:
            return {}
        with self._lock:
            state = self._state
        try:
            self._link.send((state, camera, depth))
            if not self._link.poll(DRAWS_WITHIN_S):
                raise TimeoutError(f"no picture within {DRAWS_WITHIN_S:g} s")
            drawn: Mapping[str, bytes] = self._link.recv()
        except (OSError, EOFError) as error:
            self._give_up(error)
            return {}
        return drawn

    def close(self) -> None:
        link, process, self._link, self._process = self._link, self._process, None, None
        self._lost = True
        if link is not None:
            link.close()
        if process is not None:
            with CHILDREN:
                process.join(1.0)
                process.kill()
                process.join(1.0)

    def _give_up(self, error: Exception) -> None:
        log.warning("browsers see no live pictures any more: the process that draws them is lost (%s)", error)
        self.close()

    def _start(self) -> Connection[Any, Any]:
        spawning = multiprocessing.get_context("spawn")
        here, there = spawning.Pipe()
        self._process = spawning.Process(target=_draw_on, args=(there, self._world.model), daemon=True, name="view")
        with CHILDREN:
            self._process.start()
        there.close()
        return here


def _draw_on(link: Connection[Any, Any], model: Any) -> None:
    """In the process: draw whatever is asked for, until the other side is gone."""
    # Ctrl-C is for the mission, which closes the link in the end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.nice(NICE)
    drawing = LiveDrawing(model)
    with contextlib.suppress(EOFError, OSError):
        link.send("ready")
        while True:
            asked: tuple[State, str, bool] = link.recv()
            link.send(compressed(*drawing.draw(*asked)))
    drawing.close()
