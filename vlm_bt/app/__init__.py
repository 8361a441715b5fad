"""Where everything is put together: the only room that knows concrete classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vlm_bt.app.fast import fast
from vlm_bt.app.mission import Mission
from vlm_bt.app.result import Progress, Result
from vlm_bt.app.simulated import LayOut, SimulatedSite
from vlm_bt.executive import Subscriber
from vlm_bt.frames import FrameStore
from vlm_bt.settings import Settings
from vlm_bt.simulation.fast_lanes import FastLanes
from vlm_bt.vision.lane import Lane, OpenLane

__all__ = ["Mission", "Progress", "Result", "SimulatedSite", "build"]


def build(
    settings: Settings,
    tree: Path,
    *,
    seed: int = 7,
    speed: str = "max",
    human: str = "terminal",
    inputs: Mapping[str, str] | None = None,
    out: Path,
    lay_out: LayOut | None = None,
    subscribers: tuple[Subscriber, ...] = (),
    onlooker: Callable[[str, Mapping[str, Any]], None] | None = None,
) -> Mission:
    """A mission on a simulated bench, ready to run.

    Args:
        human: "terminal", "silent", "scripted" or "scripted:FILE".
        inputs: The tree's inputs as YAML text by name.
        out: Folder for record and report; made if missing.
        lay_out: Changes the bench that the seed laid out.
        subscribers, onlooker: See every tick and every entry of the record; must be quick.

    Raises:
        TreeError, ConfigError, ModelError, DrawingError.
    """
    if settings.simulation.fidelity == "fast":
        settings = fast(settings)
    frames = FrameStore()
    site = SimulatedSite(settings, frames, seed, realtime=speed == "realtime", lay_out=lay_out)
    open_lane: OpenLane = Lane
    if settings.simulation.fidelity == "fast":
        lanes = FastLanes()
        lanes.show(site.world)
        open_lane = lanes.open
    try:
        return Mission(
            settings,
            tree,
            site,
            frames,
            human=human,
            inputs=inputs or {},
            out=out,
            seed=seed,
            subscribers=subscribers,
            onlooker=onlooker,
            open_lane=open_lane,
        )
    except BaseException:
        site.close()
        frames.close()
        raise
