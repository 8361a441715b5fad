"""Recordings of the RealSense SDK as a camera, and writing one from a device.

The SDK 2.59 writes `.db3` and plays both that and the `.bag` of its predecessors (up to 2.56).
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vlm_bt.camera_settings import RealSenseSettings
from vlm_bt.devices.realsense_feed import Shot, is_pair
from vlm_bt.devices.realsense_sdk import sdk
from vlm_bt.errors import ConfigError

ENDINGS = (".db3", ".bag")
OVER_AFTER_S = 1.0
"""The SDK does not say that a recording has ended where it is not played in real time: no frame for so long does."""


class RecordingFeed:
    """A recording. In real time it runs by itself, otherwise each request takes the next pair out of it.

    A frame's stamp is the time at which it is handed out: to the mission the recording happens now.
    """

    def __init__(self, settings: RealSenseSettings, now: Callable[[], float]) -> None:
        assert settings.recording is not None
        self._path = settings.recording
        self._settings = settings
        self._now = now
        self.on_demand = not settings.real_time
        self.steady = False
        self._pipeline: Any = None
        self._playback: Any = None
        self._silent_s = 0.0
        self._number = 0

    def open(self) -> None:
        rs, path = sdk(), self._path
        if path.suffix not in ENDINGS:
            raise ConfigError(f"recording {path}: it must end in {' or '.join(ENDINGS)}")
        if not path.is_file():
            raise ConfigError(f"recording {path}: there is no such file")
        if is_of_ros(path):
            raise ConfigError(f"recording {path}: is one of ros2 bag; play it with ros2 bag play into the ROS camera")
        config, pipeline = rs.config(), rs.pipeline()
        try:
            config.enable_device_from_file(str(path), repeat_playback=False)
            # Before it starts: the SDK would skip the first frames of what is not to be played in real time.
            device = config.resolve(rs.pipeline_wrapper(pipeline)).get_device()
            device.as_playback().set_real_time(self._settings.real_time)
            profile = pipeline.start(config)
        except RuntimeError as error:
            raise ConfigError(f"recording {path}: the RealSense SDK cannot play it: {error}") from error
        self._pipeline = pipeline
        streams = {stream.stream_type() for stream in profile.get_streams()}
        if not {rs.stream.color, rs.stream.depth} <= streams:
            names = ", ".join(sorted(stream.name for stream in streams))
            raise ConfigError(f"recording {path}: colour and depth are needed; it holds {names}")
        self._playback = profile.get_device().as_playback()
        self._silent_s = 0.0

    def wait(self, limit_s: float) -> Shot | None:
        came, frames = self._pipeline.try_wait_for_frames(int(limit_s * 1e3))
        if came and is_pair(frames):
            self._silent_s = 0.0
            self._number += 1
            return Shot(frames, self._number, self._now())
        if not came:
            self._silent_s += limit_s
            if self._silent_s >= OVER_AFTER_S or self._stopped():
                self._end()
        return None

    def reset(self) -> None:
        pass

    def close(self) -> None:
        if self._pipeline is not None:
            with contextlib.suppress(RuntimeError):
                self._pipeline.stop()
        self._pipeline = self._playback = None

    def _stopped(self) -> bool:
        return bool(self._playback.current_status() == sdk().playback_status.stopped)

    def _end(self) -> None:
        """Raises: EOFError: it is not to be looped."""
        if not self._settings.loop:
            raise EOFError(f"the recording {self._path.name} has ended")
        self.close()
        self.open()


def is_of_ros(path: Path) -> bool:
    """Whether a file is a bag of ROS 2: the same kind of database as the SDK's, with other topics."""
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as bag,
    ):
        topics = {name for (name,) in bag.execute("SELECT name FROM topics")}
        return bool(topics) and "/file_version" not in topics
    return False


class Recorder:
    """Records everything that a device's sensors give, while it is open, to a `.db3` file.

    Args:
        device: A software device before its sensors are opened; use `sensors` instead of its own then. A live one is
            recorded with realsense-viewer or rs-record.

    Raises:
        ConfigError: The file's name does not end in .db3.
    """

    def __init__(self, path: Path, device: Any) -> None:
        if path.suffix != ".db3":
            raise ConfigError(f"recording {path}: the RealSense SDK writes .db3")
        path.unlink(missing_ok=True)
        self._recorder = sdk().recorder(str(path), device)
        self.sensors = self._recorder.query_sensors()

    def close(self) -> None:
        """Write the file out. Idempotent."""
        self._recorder = None
        self.sensors = []
