"""The simulated workbench as a site, with the scorer and the person who acts."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from vlm_bt.app.site import Judged, People, Picture
from vlm_bt.clocks import LockstepClock
from vlm_bt.devices.people import (
    Channel,
    DistantHuman,
    ScriptedHuman,
    SilentHuman,
    TerminalHuman,
    load_script,
    script_path,
)
from vlm_bt.errors import ConfigError
from vlm_bt.frames import FrameStore
from vlm_bt.leaves.handing import HAND_OVER
from vlm_bt.ports import Camera, Monitor, Recorder
from vlm_bt.settings import Settings
from vlm_bt.simulation.fast_world import FastWorld
from vlm_bt.simulation.realsense import SimulatedRealSense
from vlm_bt.simulation.scenario import Scenario
from vlm_bt.simulation.truth import Truth
from vlm_bt.simulation.witness import WitnessedArm
from vlm_bt.simulation.world import World
from vlm_bt.types import Question, Reply, Zone

LayOut = Callable[[Scenario], Scenario]


class SimulatedSite:
    """A bench laid out from a seed.

    Args:
        lay_out: Changes what the seed laid out.
        realtime: Simulated time does not run ahead of the wall.
        people: More channels to people, by the name that asks for them.
    """

    lockstep = True

    def __init__(
        self,
        settings: Settings,
        frames: FrameStore,
        seed: int,
        *,
        realtime: bool = False,
        lay_out: LayOut | None = None,
        people: Mapping[str, People] | None = None,
    ) -> None:
        self._people = people or {}
        simulation = settings.simulation
        scenario = Scenario.from_seed(seed, simulation.items, kinds=simulation.kinds)
        scenario = scenario.with_late_screws(simulation.late_screws) if simulation.late_screws else scenario
        self._settings = settings
        self.clock = LockstepClock(settings.mission.tick_s, realtime=realtime)
        make = FastWorld if simulation.fidelity == "fast" else World
        self.world = make(
            lay_out(scenario) if lay_out is not None else scenario,
            frames,
            robot=settings.arm.robot,
            staged=simulation.staged_events,
        )
        through_sdk = settings.camera.kind == "realsense-software"
        self._realsense = SimulatedRealSense(self.world, frames, settings.camera.realsense) if through_sdk else None
        self.truth = Truth(self.world)
        self.arm = WitnessedArm(self.world.arm, lambda place: self.truth.kind_at(*place))

    @property
    def camera(self) -> Camera:
        return self._realsense or self.world.cameras

    @property
    def monitors(self) -> Mapping[str, Monitor]:
        return {"workspace": self.world.monitor}

    def step(self, tick: int) -> None:
        self.world.advance(self.clock.period_s)
        if self._realsense is not None:
            self._realsense.serve(tick)

    def person(self, how: str, recorder: Recorder, picture: Picture) -> Channel:
        channel, _, script = how.partition(":")
        person: Channel
        if channel == "silent":
            return SilentHuman(self.clock, recorder)
        if channel == "scripted":
            path = script_path(script or self._settings.human.script, shipped=not script)
            person = ScriptedHuman(self.clock, recorder, load_script(path), lambda place: self.truth.kind_at(*place))
        elif channel == "browser":
            person = DistantHuman(self.clock, recorder)
        elif channel == "terminal":
            person = TerminalHuman(self.clock, recorder, picture)
        elif channel in self._people:
            person = self._people[channel](self.clock, recorder, picture)
        else:
            raise ConfigError(
                f"nobody answers by {how!r}; there are: terminal, browser, scripted, scripted:FILE, silent"
            )
        person.onlooker = self._acts
        return person

    def judge(self, zones: Mapping[str, Zone]) -> Judged:
        score = self.truth.score(dict(zones))
        counts = {
            "items": score.items,
            "sorted": score.sorted,
            "wrong_zone": score.wrong_zone,
            "on_floor": score.on_floor,
            "unsorted": score.unsorted,
        }
        false = tuple((pick.label, pick.real) for pick in self.arm.picks if pick.false)
        return Judged(counts, score.handed_over, false)

    def close(self) -> None:
        if self._realsense is not None:
            self._realsense.close()
        self.world.close()

    def _acts(self, question: Question, reply: Reply | None) -> None:
        """The simulated person does what the answers say: comes to take a thing, takes it, and goes away again."""
        if question.topic != HAND_OVER:
            return
        if reply is None:
            self.world.person_comes()
            return
        if not reply.silent and reply.text != question.default:
            self.world.person_takes()
        self.world.person_goes()
