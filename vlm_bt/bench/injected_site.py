"""The simulated bench as a site on which the faults of a mission happen, watched by somebody who knows the truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vlm_bt.app.simulated import SimulatedSite
from vlm_bt.app.site import Judged, Picture, SteppedClock
from vlm_bt.bench.fault_table import Faults
from vlm_bt.bench.injected_answers import Shown
from vlm_bt.bench.injected_arm import WatchedArm
from vlm_bt.bench.injected_camera import InjectedCamera
from vlm_bt.bench.injected_people import UnreliableHuman
from vlm_bt.bench.injected_vision import middle
from vlm_bt.devices.people import Channel, load_script, script_path
from vlm_bt.errors import FrameGone
from vlm_bt.frames import FrameStore
from vlm_bt.ports import Camera, Monitor, Recorder
from vlm_bt.questions import Look
from vlm_bt.scene.geometry import project
from vlm_bt.settings import Settings
from vlm_bt.simulation.monitor import GUARDED_X, GUARDED_Y
from vlm_bt.types import Box, Zone
from vlm_bt.vision.geometry import Segmented

NEAR_M = 0.06
BODY_M = 0.15
"""Half the depth of a person: so much of them is in reach before their middle is."""
SURELY_M = 0.05
DROPS_AFTER_S = 0.4
MOVED_M = 0.03
"""What lay in a wrong zone from the beginning is nobody's mistake."""
OPENS_M = 0.015


@dataclass
class Stop:
    """Somebody came into reach while the arm was not held.

    Attributes:
        shown: The tick that follows the first observation that shows them.
        held: The tick in which the arm was told to hold or stop; None: it was not, before they had gone.
        still: The tick before which the arm stood still.
        moving: Whether it moved when they were first shown.
    """

    shown: int
    moving: bool
    held: int | None = None
    still: int | None = None

    @property
    def in_time(self) -> bool:
        """The arm was told in the very tick that follows the observation, or stood still all along."""
        return not self.moving or (self.held is not None and self.held <= self.shown)


class InjectedSite:
    """A site whose devices fail on purpose. It owns the site inside.

    Attributes:
        regions: What depth showed in each frame, filled by the vision service.
        stops: Every time that somebody came into reach.
        misplaced: Items that were moved into a wrong zone, once the mission is judged.
    """

    lockstep = True

    def __init__(self, inside: SimulatedSite, settings: Settings, frames: FrameStore, faults: Faults) -> None:
        self._inside = inside
        self._settings = settings
        self._frames = frames
        self._faults = faults
        self.regions: dict[str, Segmented] = {}
        self.stops: list[Stop] = []
        self.misplaced = 0
        self._open: Stop | None = None
        self._opens_again_s: float | None = None
        self._drop_due = False
        self.human: UnreliableHuman | None = None
        self._camera = InjectedCamera(inside.camera, frames, faults)
        self.arm = WatchedArm(inside.arm, inside.clock, lambda place: inside.truth.kind_at(*place), self.in_reach)
        faults.now = lambda: inside.clock.now_s

    @property
    def clock(self) -> SteppedClock:
        return self._inside.clock

    @property
    def camera(self) -> Camera:
        return self._camera

    @property
    def monitors(self) -> Mapping[str, Monitor]:
        return self._inside.monitors

    def step(self, tick: int) -> None:
        self._strike()
        self._inside.step(tick)
        self._watch(tick)

    def person(self, how: str, recorder: Recorder, picture: Picture) -> Channel:
        """The supervisor of the shipped script, whatever is asked for."""
        script = load_script(script_path(self._settings.human.script, shipped=True))
        inside = self._inside
        self.human = UnreliableHuman(
            inside.clock, recorder, script, lambda place: inside.truth.kind_at(*place), self._faults
        )
        return self.human

    def judge(self, zones: Mapping[str, Zone]) -> Judged:
        details = self._inside.truth.score(zones).details
        self.misplaced = sum(one.judgement == "wrong_zone" and one.moved_m > MOVED_M for one in details)
        return self._inside.judge(zones)

    def close(self) -> None:
        self._inside.close()

    def in_reach(self) -> bool:
        """Whether the person's body surely stands in the guarded volume; the truth, not what a monitor says."""
        model, data = self._inside.world.model, self._inside.world.data
        if not model.nmocap:
            return False
        x, y, _ = data.mocap_pos[int(model.body("person").mocapid[0])]
        inside_x = GUARDED_X[0] < x < GUARDED_X[1] + BODY_M - SURELY_M
        return bool(inside_x and GUARDED_Y[0] + SURELY_M < y < GUARDED_Y[1] - SURELY_M)

    def whose(self, look: Look) -> Shown | None:
        """The item that a look is at; None where it shows several, or none."""
        place: tuple[float, float] | None = None
        if isinstance(look.part, int):
            seen = self.regions.get(look.frame_id)
            region = next((one for one in seen.regions if one.index == look.part), None) if seen is not None else None
            place = region.footprint.centre if region is not None else None
        elif isinstance(look.part, Box):
            return self._inside_box(look.frame_id, look.part)
        if place is None:
            return None
        lying = [one for one in self._inside.truth.positions() if one.on_bench]
        near = [(np.hypot(one.x - place[0], one.y - place[1]), one.name, one) for one in lying]
        distance, _, nearest = min(near, default=(np.inf, "", None))
        return Shown(nearest.name, nearest.kind, (nearest.x, nearest.y)) if nearest and distance < NEAR_M else None

    def _inside_box(self, frame_id: str, box: Box) -> Shown | None:
        try:
            handle = self._frames.handle(frame_id)
        except FrameGone:
            return None
        lying = [one for one in self._inside.truth.positions() if one.on_bench]
        pixels = project([(one.x, one.y, one.z) for one in lying], handle.intrinsics, handle.pose_camera_in_base)
        inside = [
            one for one, (u, v) in zip(lying, pixels, strict=True) if box.x0 <= u < box.x1 and box.y0 <= v < box.y1
        ]
        if len(inside) != 1 or np.hypot(*(np.array(middle(box)) - (box.x0, box.y0))) > 120:
            return None
        return Shown(inside[0].name, inside[0].kind, (inside[0].x, inside[0].y))

    def _strike(self) -> None:
        """Let what begins now begin, and end what has lasted long enough."""
        faults, world = self._faults, self._inside.world
        now_s = faults.now()
        if faults.due("grasp_slips"):
            world.arm.slip_next()
        if faults.due("arm_stall"):
            world.arm.stall("a joint does not answer")
        elif world.arm.fault and not faults.active("arm_stall"):
            world.arm.recover()
        if faults.due("person_in_reach"):
            world.person_comes()
        elif not faults.active("person_in_reach"):
            world.person_goes()
        world.monitor.lost = faults.active("monitor_lost") and faults.strikes("monitor_lost")
        self._drop_due = faults.due("drop") or self._drop_due
        if self._drop_due and world.arm.phase == "carry":
            self._drop_due = False
            world.arm.drive.aim_fingers(world.arm.drive.width_m + OPENS_M)
            self._opens_again_s = now_s + DROPS_AFTER_S
        elif self._opens_again_s is not None and now_s >= self._opens_again_s:
            self._opens_again_s = None
            world.arm.drive.aim_fingers(0.0)

    def _watch(self, tick: int) -> None:
        """Follow who comes into reach, from the first observation that shows them."""
        reading, moving = self._inside.world.monitor.read(), self.arm.state.moving
        stop = self._open
        if stop is None and not reading.ok and "somebody" in reading.detail and not self.arm.held:
            self._open = stop = Stop(tick, moving)
            self.stops.append(stop)
            return
        if stop is None:
            return
        if stop.held is None:
            told = [one.tick for one in self.arm.commands if one.tick >= stop.shown and one.verb in ("hold", "stop")]
            stop.held = told[0] if told else None
        if stop.still is None and not moving:
            stop.still = tick
        if reading.ok:
            self._open = None
