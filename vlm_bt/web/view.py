"""A running mission for browsers: what it does, what its cameras see, and what people say and want."""

from __future__ import annotations

import logging
import queue
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Literal, Protocol

from vlm_bt.conversation.acts import MissionActs
from vlm_bt.conversation.talk import Conversation
from vlm_bt.devices.people import Channel
from vlm_bt.executive import Executive
from vlm_bt.frames import FrameStore
from vlm_bt.leaves.context import Memory
from vlm_bt.ports import Clock
from vlm_bt.recording.recorder import McapRecorder
from vlm_bt.tree.compile import Compiled
from vlm_bt.types import Frame, Zone
from vlm_bt.web.access import Role
from vlm_bt.web.commands import Commands
from vlm_bt.web.live_cameras import LiveCamera, LiveCameras
from vlm_bt.web.log import MissionLog
from vlm_bt.web.nodes import Nodes
from vlm_bt.web.pictures import Shelf
from vlm_bt.web.source import Command, Done, done

NOW_EVERY_S = 0.2
FRAMES_A_TICK = 2
"""So many frames are copied between two ticks at most."""
COMMANDS_AT_ONCE = 32
SWITCH_S = 0.0005
"""While a view is attached the interpreter's threads give way sooner than after its usual 5 ms, so that a tick does not
wait for a picture."""
NOBODY = "no mission runs now"

log = logging.getLogger(__name__)


class Watched(Protocol):
    """What a view needs of a mission; see `vlm_bt.app.Mission`."""

    recorder: McapRecorder
    executive: Executive
    human: Channel
    conversation: Conversation
    acts: MissionActs
    frames: FrameStore
    memory: Memory
    compiled: Compiled

    @property
    def clock(self) -> Clock: ...

    @property
    def name(self) -> str: ...

    @property
    def zones(self) -> Mapping[str, Zone]: ...

    def interrupt(self, why: str = ...) -> None: ...


class View:
    """Looks on at one mission after another; safe from any thread.

    In the executive's thread it appends entries to a list, copies frames that a decision or a question went by, and
    carries out what browsers asked for, all of it between ticks. It never waits for a browser.
    """

    kind: Literal["live"] = "live"

    def __init__(self) -> None:
        self.log = MissionLog()
        self.name = ""
        self.cameras: tuple[str, ...] = ()
        self.now: Mapping[str, Any] | None = None
        self.pictures: LiveCameras | None = None
        self._shelf = Shelf()
        self._lock = threading.Lock()
        self._mission: Watched | None = None
        self._commands: Commands | None = None
        self._nodes = Nodes()
        self._to_keep: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._asked: queue.Queue[tuple[Command, Future[Done]]] = queue.Queue(COMMANDS_AT_ONCE)
        self._next_now_s = 0.0
        self._over = False
        self._switch_s = 0.0
        self._last_frames: dict[str, str] = {}

    @property
    def commands(self) -> frozenset[str]:
        return self._commands.known if self._commands is not None else frozenset()

    def attach(self, mission: Watched, live: LiveCamera | None = None) -> None:
        """Look on at this mission from now on; call before it runs, in the thread that runs it.

        Args:
            live: Its cameras, where one can look through them without the mission.
        """
        self.detach()
        told, nodes = MissionLog(), Nodes.of(mission.compiled)
        began_s = mission.clock.now_s
        told.append("nodes", {"t": began_s, "nodes": nodes.shape()})
        zones = [{"name": z.name, "x": z.x, "y": z.y, "container": z.container} for z in mission.zones.values()]
        told.append("bench", {"t": began_s, "zones": zones, "time_limit_s": mission.executive.time_limit_s})
        told.append("tree", {"t": began_s, "text": mission.compiled.source.text, "path": mission.name})
        for fact in mission.memory.facts.all():
            told.append("fact", {"t": began_s, **vars(fact)})
        self._nodes, self._mission, self._commands, self._over = nodes, mission, Commands(mission), False
        self.name = mission.name
        self.cameras = live.names if live is not None else ("overhead", "wrist")
        self.pictures = LiveCameras(self._shelf, live, began_s)
        self.log = told
        self._switch_s = self._switch_s or sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_S)
        before = mission.recorder.onlooker

        def onlooker(channel: str, entry: Mapping[str, Any]) -> None:
            before(channel, entry)
            try:
                self._note(channel, entry)
            except Exception:
                log.exception("an entry is not shown to browsers")

        mission.recorder.onlooker = onlooker

    def detach(self) -> None:
        """The mission is over; what it was stays to be seen. Idempotent."""
        self._mission = self._commands = None
        self.now = None
        if self._switch_s:
            sys.setswitchinterval(self._switch_s)
            self._switch_s = 0.0
        pictures, self.pictures = self.pictures, None
        if pictures is not None:
            pictures.close()
        while not self._asked.empty():
            self._asked.get_nowait()[1].set_result(Done(False, NOBODY))

    def watching(self, show: Callable[[Any], None] | None) -> Callable[[Any], None]:
        """What `Mission.run` is given, so that the view has its turn between ticks; `show` sees progress as before."""

        def each(progress: Any) -> None:
            self.between_ticks(progress)
            if show is not None:
                show(progress)

        return each

    def between_ticks(self, progress: Any) -> None:
        """In the executive's thread. `progress`: an `vlm_bt.app.Progress`."""
        mission, pictures, commands = self._mission, self.pictures, self._commands
        if mission is None or pictures is None or commands is None:
            return
        while not self._asked.empty():
            command, future = self._asked.get_nowait()
            try:
                future.set_result(commands.carry_out(command))
            except Exception:
                # A browser must not end a mission.
                log.exception("a command of a browser went wrong")
                future.set_result(Done(False, "that went wrong"))
        self._copy_frames(mission, pictures)
        pictures.between_ticks(mission.clock.now_s)
        now_s = time.monotonic()
        if now_s >= self._next_now_s:
            self._next_now_s = now_s + NOW_EVERY_S
            self.now = _now(mission, progress)

    def picture(self, frame: str) -> bytes | None:
        return self._shelf.picture(frame)

    def depth(self, frame: str) -> bytes | None:
        return self._shelf.depth(frame)

    def do(self, command: Command, role: Role) -> Future[Done]:
        """Words that only set a word take effect at once; the rest is done between ticks."""
        commands, mission = self._commands, self._mission
        if commands is None or mission is None or self._over:
            return done(False, NOBODY)
        at_once = commands.at_once(command, role)
        if at_once is not None:
            return at_once
        future: Future[Done] = Future()
        try:
            self._asked.put_nowait((command, future))
        except queue.Full:
            return done(False, "too much at once; try again")
        return future

    def _note(self, channel: str, entry: Mapping[str, Any]) -> None:
        """Take in an entry of the record; in the executive's thread, mostly within a tick."""
        mission = self._mission
        if mission is None:
            return
        told = dict(entry)
        if channel == "nodes":
            return
        if channel == "status":
            told |= self._nodes.values(told)
        elif channel == "question":
            asked = next((one for one in mission.human.pending if one.id == told.get("id")), None)
            if asked is not None:
                limit = {"limit_t": mission.clock.now_s + asked.timeout_s}
                told |= {"timeout_s": asked.timeout_s, "free_text": asked.free_text, **limit}
        elif channel == "detections":
            told = self._detections(mission, told)
        elif channel == "result":
            self._over = True
        self.log.append(channel, told)
        frame = str(told.get("frame") or "")
        if channel in ("detections", "question", "verdict") and frame:
            self._to_keep.put(frame)

    def _detections(self, mission: Watched, told: dict[str, Any]) -> dict[str, Any]:
        frame = str(told.get("frame") or "")
        items = [{**one, "belief": "verified" if one.get("verified") else "claimed"} for one in told["items"]]
        about: dict[str, Any] = {"items": items}
        if frame in mission.frames:
            handle = mission.frames.handle(frame)
            lens = handle.intrinsics
            about |= {"camera": handle.camera, "width": lens.width, "height": lens.height}
        return {**told, **about}

    def _copy_frames(self, mission: Watched, pictures: LiveCameras) -> None:
        copied: dict[str, Frame] = {}
        while not self._to_keep.empty() and len(copied) < FRAMES_A_TICK:
            frame = self._to_keep.get_nowait()
            if frame in mission.frames and frame not in self._shelf and frame not in copied:
                copied[frame] = _copy(mission.frames.get(frame))
                pictures.keep(copied[frame])
        for camera in self.cameras:
            if not pictures.wants_frames_of(camera):
                continue
            newest = next((one for one in reversed(mission.frames.ids) if one.rpartition("-")[0] == camera), "")
            if newest and newest != self._last_frames.get(camera):
                self._last_frames[camera] = newest
                pictures.show(copied.get(newest) or _copy(mission.frames.get(newest)))


def _copy(frame: Frame) -> Frame:
    """For another thread; of the depth every other pixel."""
    lens, pose = frame.intrinsics, frame.pose_camera_in_base
    depth_m = frame.depth_m[::2, ::2].copy()
    return Frame(frame.id, frame.camera, frame.rgb.copy(), depth_m, lens, pose, frame.stamp_s)


def _now(mission: Watched, progress: Any) -> dict[str, Any]:
    executive = mission.executive
    return {
        "tick": progress.tick,
        "t": progress.sim_s,
        "wall_s": round(progress.wall_s, 2),
        "node": progress.node,
        "sorted": progress.sorted,
        "seen": progress.items_seen,
        "questions": progress.questions,
        "motions": progress.motions,
        "model_wait_s": round(progress.model_wait_s, 2),
        "paused": executive.paused,
        "speed": getattr(mission.clock, "speed", 1.0) or "max",
        "tick_ms": round(executive.tick_s[-1] * 1e3, 2) if executive.tick_s else 0.0,
        "time_limit_s": executive.time_limit_s,
    }
