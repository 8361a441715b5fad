"""Where a RealSense's frames come from: what every source has in common, and a live device."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from vlm_bt.camera_settings import RealSenseSettings, StreamSettings
from vlm_bt.devices.realsense_sdk import DeviceLost, choose, sdk, seen_devices, set_options
from vlm_bt.errors import ConfigError
from vlm_bt.types import Pose

NOT_OLDER_S = 5.0
"""A time stamp further from the host's clock than this is of another clock."""
WINDOW = 300


@dataclass(frozen=True, eq=False)
class Shot:
    """A pair of colour and depth as it came from the SDK.

    Attributes:
        frames: pyrealsense2's composite frame. number: of the colour frame, as the device counts.
        stamp_s: When it was taken, on the mission's clock; rather too early than too late.
        pose: Where the colour camera was then; None: where the configuration says.
    """

    frames: Any
    number: int
    stamp_s: float
    pose: Pose | None = None


class Feed(Protocol):
    """A source of shots. All of it is called from one thread; `open` and `close` any number of times.

    Attributes:
        on_demand: Frames are taken out only when somebody wants one.
        steady: Frames come by themselves, so that silence means that the camera is lost.
    """

    on_demand: bool
    steady: bool

    def open(self) -> None:
        """Raises: DeviceLost: it is not there now. ConfigError: what is wanted of it, it does not have."""
        ...

    def wait(self, limit_s: float) -> Shot | None:
        """The next pair; None: none came in time. Raises: DeviceLost, EOFError: a recording has ended."""
        ...

    def reset(self) -> None:
        """Restart a device that is silent; nothing where that makes no sense."""
        ...

    def close(self) -> None:
        """Idempotent."""
        ...


class FrameTimes:
    """When frames were taken, on the mission's clock.

    A device that shares the host's clock (the SDK's global time) says it itself. Of any other clock the smallest delay
    seen lately is taken for the way to the host, and one frame's period on top of it for what even that one took.
    """

    def __init__(self, now: Callable[[], float], period_s: float) -> None:
        self._now = now
        self._period_s = period_s
        self._offsets: deque[float] = deque(maxlen=WINDOW)
        self._last_s = 0.0

    def stamp(self, timestamp_ms: float, shared: bool, host_s: float | None = None) -> float:
        """Seconds on the mission's clock. `shared`: the stamp is the host's time of day, `host_s` if given."""
        now_s, taken_s = self._now(), timestamp_ms / 1e3
        age_s = (time.time() if host_s is None else host_s) - taken_s
        if shared and 0.0 <= age_s < NOT_OLDER_S:
            return now_s - age_s
        if taken_s < self._last_s:
            self._offsets.clear()
        self._last_s = taken_s
        self._offsets.append(now_s - taken_s)
        return min(now_s, taken_s + min(self._offsets)) - self._period_s


class LiveFeed:
    """A connected device."""

    on_demand = False
    steady = True

    def __init__(self, settings: RealSenseSettings, now: Callable[[], float]) -> None:
        self._settings = settings
        self._times = FrameTimes(now, 1 / settings.colour.fps)
        self._pipeline: Any = None
        self._device: Any = None

    def open(self) -> None:
        rs, wanted = sdk(), self._settings
        try:
            serial = choose(seen_devices(), wanted.serial).serial
        except ConfigError as error:
            raise DeviceLost(str(error)) from error
        config = rs.config()
        config.enable_device(serial)
        for stream, mode, pixel in (
            (rs.stream.depth, wanted.depth, rs.format.z16),
            (rs.stream.color, wanted.colour, rs.format.rgb8),
        ):
            config.enable_stream(stream, mode.width, mode.height, pixel, mode.fps)
        pipeline = rs.pipeline()
        if not config.can_resolve(pipeline):
            raise ConfigError(self._no_such_mode(serial))
        try:
            self._device = pipeline.start(config).get_device()
        except RuntimeError as error:
            raise DeviceLost(f"RealSense {serial} does not start: {error}") from error
        self._pipeline = pipeline
        set_options(self._device.first_depth_sensor(), wanted.options)
        if wanted.colour_options:
            set_options(self._device.first_color_sensor(), wanted.colour_options)

    def wait(self, limit_s: float) -> Shot | None:
        rs = sdk()
        try:
            came, frames = self._pipeline.try_wait_for_frames(int(limit_s * 1e3))
        except RuntimeError as error:
            raise DeviceLost(str(error)) from error
        if not came or not is_pair(frames):
            return None
        colour = frames.get_color_frame()
        shared = colour.get_frame_timestamp_domain() == rs.timestamp_domain.global_time
        stamp_s = self._times.stamp(colour.get_timestamp(), shared)
        return Shot(frames, colour.get_frame_number(), stamp_s)

    def reset(self) -> None:
        if self._device is not None:
            with contextlib.suppress(RuntimeError):
                self._device.hardware_reset()

    def close(self) -> None:
        if self._pipeline is not None:
            with contextlib.suppress(RuntimeError):
                self._pipeline.stop()
        self._pipeline = self._device = None

    def _no_such_mode(self, serial: str) -> str:
        rs, wanted = sdk(), self._settings
        device = next(
            device for device in rs.context().query_devices() if device.get_info(rs.camera_info.serial_number) == serial
        )
        lines = [f"RealSense {serial} has not these two modes together:"]
        for name, stream, mode in (
            ("depth", rs.stream.depth, wanted.depth),
            ("colour", rs.stream.color, wanted.colour),
        ):
            lines.append(f"  {name} {_shown(mode)}; it has {', '.join(modes(device, stream)) or 'none'}")
        return "\n".join([*lines, "On a USB 2 port most modes are missing."])


def is_pair(frames: Any) -> bool:
    """Whether both streams are in it: the first set of a stream may hold one alone."""
    return bool(frames.size() >= 2 and frames.get_depth_frame() and frames.get_color_frame())


def modes(device: Any, stream: Any) -> list[str]:
    """ "640x480@30"... that a device has for a stream, each once."""
    profiles = [
        profile.as_video_stream_profile()
        for sensor in device.query_sensors()
        for profile in sensor.get_stream_profiles()
        if profile.stream_type() == stream and profile.is_video_stream_profile()
    ]
    found = sorted({(profile.width(), profile.height(), profile.fps()) for profile in profiles})
    return [f"{width}x{height}@{fps}" for width, height, fps in found]


def _shown(mode: StreamSettings) -> str:
    return f"{mode.width}x{mode.height}@{mode.fps}"
