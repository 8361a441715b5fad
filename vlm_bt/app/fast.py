"""Missions in fast fidelity: the same trees, leaves, vision service, ledger and executive on a bench without physics.

One mission, as `vlm-bt run --fidelity fast` has it:

    with app.build(changed_settings, tree, seed=7, human="scripted", out=folder) as mission:  # fidelity: fast
        result = mission.run()

Many missions in one process; what they share (frames, the vision service) is kept in a `FastCell`:

    with FastCell(settings, service=MyVisionService) as cell:      # any subclass of VisionService
        for seed in seeds:
            site = cell.site(seed, lay_out=None)                    # a SimulatedSite: world, truth, arm ...
            with cell.mission(tree, site, seed=seed, out=folder, human="scripted") as mission:
                result = mission.run()

Where faults go in:
- a model's answers: `FastCell(settings, eyes=wrap)`; `wrap` gets the `VisionModel` that answers and gives another one.
  What it raises loses its batch (`model_lost`). What an answer costs on the clock: `vision.models.NAME.latency_s`.
- or at the service's port: `FastCell(settings, service=...)`.
- the arm: `site.world.arm.slip_next()`, `.stall()`, `.recover()`; the driver that a mission sees is `site.arm`.
- cameras: `site.world.cameras.lost`, `.frozen`; the Camera port that a mission sees is `site.camera`.
- people: `site.world.person_comes()`, `.person_goes()`; `lay_out` may change `Scenario.person_visits`.
What really happened: `site.truth`, `site.arm.picks` and `site.judge(zones)`, as on the full bench.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vlm_bt.app.mission import Mission
from vlm_bt.app.simulated import LayOut, SimulatedSite
from vlm_bt.app.site import Site
from vlm_bt.clocks import LockstepClock
from vlm_bt.executive import Subscriber
from vlm_bt.frames import FrameStore
from vlm_bt.settings import Settings
from vlm_bt.simulation.fast_lanes import FastLanes, Wrap
from vlm_bt.vision.service import VisionService

TICK_S = 0.1
"""A tick is at least so long: as often as the monitor looks. Half of a fast mission is the executive's own ticks."""


def fast(settings: Settings) -> Settings:
    """The settings for fast fidelity."""
    simulation = settings.simulation.model_copy(update={"fidelity": "fast"})
    mission = settings.mission.model_copy(update={"tick_s": max(settings.mission.tick_s, TICK_S)})
    return settings.model_copy(update={"simulation": simulation, "mission": mission})


class FastCell:
    """What missions in fast fidelity share. Belongs to one thread; `close` it or use it as a context manager.

    Args:
        settings: As `fast` has them.
        service: The vision service's class, for one that injects faults.
        eyes: Puts something between the service and the model that answers.
    """

    def __init__(
        self, settings: Settings, *, service: type[VisionService] = VisionService, eyes: Wrap | None = None
    ) -> None:
        self.settings = fast(settings)
        self.frames = FrameStore()
        self.lanes = FastLanes(eyes)
        self.vision = service(
            settings.vision,
            tuple(settings.zones().values()),
            self.frames,
            LockstepClock(self.settings.mission.tick_s),
            _Nobody(),
            lockstep=True,
            open_lane=self.lanes.open,
        )

    def site(self, seed: int, *, lay_out: LayOut | None = None) -> SimulatedSite:
        """The bench of a seed; the models see it from now on. The mission that is given it closes it."""
        self.frames.clear()
        site = SimulatedSite(self.settings, self.frames, seed, lay_out=lay_out)
        self.lanes.show(site.world)
        return site

    def mission(
        self,
        tree: Path,
        site: Site,
        *,
        seed: int,
        out: Path,
        human: str = "scripted",
        inputs: Mapping[str, str] | None = None,
        subscribers: tuple[Subscriber, ...] = (),
        onlooker: Callable[[str, Mapping[str, Any]], None] | None = None,
        report: bool = False,
    ) -> Mission:
        """A mission on a site of this cell, or on what wraps one; its report takes a third of its time.

        Raises: TreeError, ConfigError.
        """
        return Mission(
            self.settings,
            tree,
            site,
            self.frames,
            human=human,
            inputs=inputs or {},
            out=out,
            seed=seed,
            subscribers=subscribers,
            onlooker=onlooker,
            vision=self.vision,
            report=report,
        )

    def close(self) -> None:
        """Idempotent."""
        self.vision.close()
        self.frames.close()

    def __enter__(self) -> FastCell:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Nobody:
    """A recorder between missions."""

    def write(self, channel: str, data: Mapping[str, Any]) -> None: ...

    def keep_frame(self, frame_id: str, why: str) -> None: ...
