"""One camera's own thread: it opens the feed, takes shots out of it, and looks for it again when it is lost."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Literal

from vlm_bt.camera_settings import RealSenseSettings
from vlm_bt.devices.realsense_feed import Feed, Shot
from vlm_bt.devices.realsense_processing import Picture, Processing
from vlm_bt.devices.realsense_sdk import DeviceLost
from vlm_bt.errors import ConfigError
from vlm_bt.types import Pose

POLL_S = 0.05
"""The SDK's calls and the waiting for a request end at least so often, to see whether the camera is being closed."""
JOIN_WITHIN_S = 5.0

State = Literal["opening", "live", "lost", "ended"]


@dataclass(frozen=True, eq=False)
class Taken:
    """A picture with what its shot said of it."""

    picture: Picture
    number: int
    stamp_s: float
    pose: Pose | None


class Stream:
    """The latest picture of one camera. Nothing here waits for the device except `wait_open`, `wait_for` and `close`.

    Pictures are made only when somebody wants one: filtering and aligning cost more than all the rest. Where the
    temporal filter is on, every shot goes through the filters.
    """

    def __init__(self, name: str, feed: Feed, settings: RealSenseSettings) -> None:
        self._name = name
        self._feed = feed
        self._settings = settings
        self._change = threading.Condition()
        self._state: State = "opening"
        self._detail = "it has not started yet"
        self._error: ConfigError | None = None
        self._wanted_s: float | None = None
        self._latest: Taken | None = None
        self._seen = -1
        self._closing = threading.Event()
        self._opened = 0
        self._thread = threading.Thread(target=self._run, name=f"camera {name}", daemon=True)
        self._thread.start()

    @property
    def state(self) -> State:
        return self._state

    @property
    def detail(self) -> str:
        """Why it is lost, for people."""
        return self._detail

    @property
    def latest(self) -> Taken | None:
        return self._latest

    @property
    def opened(self) -> int:
        """How often the feed has been opened; more than once after it was lost."""
        return self._opened

    def want(self, since_s: float) -> None:
        """Make a picture of a shot that was taken after `since_s`, on the mission's clock."""
        with self._change:
            self._wanted_s = since_s if self._wanted_s is None else max(self._wanted_s, since_s)
            self._change.notify_all()

    def wait_open(self, limit_s: float) -> None:
        """Wait until the feed has been opened once.

        Raises:
            ConfigError: It cannot be, or not in time.
        """
        with self._change:
            done = self._change.wait_for(lambda: self._opened > 0 or self._error is not None, limit_s)
        if self._error is not None:
            raise ConfigError(f"camera {self._name!r}: {self._error}") from self._error
        if not done:
            raise ConfigError(f"camera {self._name!r} did not start within {limit_s:g} s: {self._detail}")

    def wait_for(self, number: int, limit_s: float) -> bool:
        """Wait until the shot `number` has gone through, for lockstep. False: it has not, or the camera is lost."""
        with self._change:
            self._change.wait_for(lambda: self._seen >= number or self._state in ("lost", "ended"), limit_s)
            return self._seen >= number

    def wait_state(self, state: State, limit_s: float) -> bool:
        """Wait until it is lost or live again, for lockstep."""
        with self._change:
            return self._change.wait_for(lambda: self._state == state, limit_s)

    def close(self) -> None:
        """Idempotent."""
        self._closing.set()
        with self._change:
            self._change.notify_all()
        self._thread.join(JOIN_WITHIN_S)

    def _run(self) -> None:
        while not self._closing.is_set():
            lost = "lost"
            try:
                self._feed.open()
                with self._change:
                    self._opened += 1
                    self._enter("live", "")
                self._read()
            except EOFError as error:
                lost = "ended"
                self._lose("ended", str(error))
            except DeviceLost as error:
                self._lose("lost", str(error))
            except ConfigError as error:
                self._lose("lost", str(error), error)
            except Exception as error:  # the thread's end: a camera that fails is lost, whatever it failed of
                self._lose("lost", f"{type(error).__name__}: {error}")
            finally:
                self._feed.close()
            if lost == "ended":
                return
            self._closing.wait(self._settings.retry_s)

    def _read(self) -> None:
        """Raises: DeviceLost, EOFError, ConfigError, RuntimeError."""
        processing = Processing(self._settings.filters)
        last_number, last_s = None, time.monotonic()
        while not self._closing.is_set():
            if self._feed.on_demand and not self._is_wanted():
                last_s = time.monotonic()
                continue
            shot = self._feed.wait(POLL_S)
            if shot is not None and shot.number != last_number:
                last_number, last_s = shot.number, time.monotonic()
                self._take(shot, processing)
            elif self._feed.steady and time.monotonic() - last_s > self._settings.lost_s:
                if self._settings.reset:
                    self._feed.reset()
                stands = "its picture stands still" if shot is not None else "no picture"
                raise DeviceLost(f"{stands} for {self._settings.lost_s:g} s")

    def _take(self, shot: Shot, processing: Processing) -> None:
        wanted_s = self._wanted_s
        needed = wanted_s is not None and shot.stamp_s > wanted_s
        if needed or processing.remembers:
            filtered = processing.filter(shot.frames)
            if needed:
                taken = Taken(processing.picture(filtered), shot.number, shot.stamp_s, shot.pose)
                with self._change:
                    self._latest = taken
                    if self._wanted_s is not None and shot.stamp_s > self._wanted_s:
                        self._wanted_s = None
        with self._change:
            self._seen = shot.number
            self._change.notify_all()

    def _is_wanted(self) -> bool:
        with self._change:
            self._change.wait_for(lambda: self._wanted_s is not None or self._closing.is_set(), POLL_S)
            return self._wanted_s is not None

    def _lose(self, state: State, detail: str, error: ConfigError | None = None) -> None:
        with self._change:
            self._error = error if self._opened == 0 else self._error
            self._enter(state, detail)

    def _enter(self, state: State, detail: str) -> None:
        self._state, self._detail = state, detail
        self._change.notify_all()
