"""Missions as somebody asks for them over ROS: by name or sentence, with the models already loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from vlm_bt.app.mission import Mission
from vlm_bt.app.simulated import SimulatedSite
from vlm_bt.app.site import People, Site
from vlm_bt.clocks import LockstepClock
from vlm_bt.frames import FrameStore
from vlm_bt.settings import Settings
from vlm_bt.vision.service import VisionService

if TYPE_CHECKING:
    from vlm_bt.ros.request import Attachments, Request

SitePeople = Mapping[str, People]
MakeSite = Callable[[Settings, FrameStore, "Request", SitePeople], Site]
"""Opens the site that a mission takes place on; `people` are the channels that it knows besides its own."""
OVER_ROS = "ros"


class Meant(Protocol):
    """The tree that somebody means, and the inputs that their sentence filled."""

    @property
    def path(self) -> Path: ...

    @property
    def inputs(self) -> Mapping[str, str]: ...


class Requested:
    """Builds what is asked for. One thread only: the one that runs the missions.

    Args:
        settings: What is in force now; asked before every mission.
        understand: The tree that a request means. Raises ConfigError.
        change: The settings with a request's overrides. Raises ConfigError.
        human: Who answers: "ros", or as the site knows them.
        out: Each mission gets a folder of its own under it.
    """

    def __init__(
        self,
        settings: Callable[[], Settings],
        site: MakeSite,
        understand: Callable[[str, str], Meant],
        change: Callable[[Settings, Sequence[str]], Settings],
        *,
        human: str,
        out: Path,
    ) -> None:
        self._settings = settings
        self._site = site
        self._understand = understand
        self._change = change
        self._human = human
        self._out = out
        self._frames: FrameStore | None = None
        self._vision: VisionService | None = None
        self._kept_for: tuple[Any, ...] = ()

    def prepare(self, *, lockstep: bool) -> Callable[[], None]:
        """Load the models and wait for them; gives what frees them. Raises: ModelError."""
        try:
            self._vision_for(self._settings(), lockstep).wait_ready()
        except BaseException:
            self.free()
            raise
        return self.free

    def start(self, request: Request, attached: Attachments) -> Mission:
        """Raises: TreeError, ConfigError, ModelError, DrawingError."""
        meant = self._understand(request.tree, request.sentence)
        settings = self._change(self._settings(), request.overrides)
        if self._frames is None:
            self._frames = FrameStore()
        self._frames.clear()
        site = self._site(settings, self._frames, request, {OVER_ROS: attached.people})
        try:
            return Mission(
                settings,
                meant.path,
                site,
                self._frames,
                human=self._human,
                inputs={**meant.inputs, **request.inputs},
                out=self._out / request.mission,
                seed=request.seed,
                subscribers=attached.subscribers,
                onlooker=attached.onlooker,
                vision=self._vision_for(settings, site.lockstep),
            )
        except BaseException:
            site.close()
            raise

    def free(self) -> None:
        """End the models' processes. Idempotent."""
        if self._vision is not None:
            self._vision.close()
        if self._frames is not None:
            self._frames.close()
        self._vision, self._frames, self._kept_for = None, None, ()

    def _vision_for(self, settings: Settings, lockstep: bool) -> VisionService:
        """The one that is there already where nothing that it depends on has changed."""
        depends = (settings.vision, settings.bench, lockstep)
        if self._vision is not None and depends == self._kept_for:
            return self._vision
        if self._vision is not None:
            self._vision.close()
        if self._frames is None:
            self._frames = FrameStore()
        clock = LockstepClock(settings.mission.tick_s)
        zones = tuple(settings.zones().values())
        self._vision = VisionService(settings.vision, zones, self._frames, clock, _Nobody(), lockstep=lockstep)
        self._kept_for = depends
        return self._vision


def simulated(realtime: bool) -> MakeSite:
    """The embedded simulation as the place of requested missions."""

    def open_site(settings: Settings, frames: FrameStore, request: Request, people: SitePeople) -> Site:
        return SimulatedSite(settings, frames, request.seed, realtime=realtime, people=people)

    return open_site


class _Nobody:
    """A recorder between missions."""

    def write(self, channel: str, data: Mapping[str, Any]) -> None: ...

    def keep_frame(self, frame_id: str, why: str) -> None: ...
