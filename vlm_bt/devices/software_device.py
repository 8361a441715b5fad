"""The RealSense SDK's software device, told to be a stereo camera with a depth and a colour eye."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlm_bt.devices.realsense_feed import is_pair
from vlm_bt.devices.realsense_recording import Recorder
from vlm_bt.devices.realsense_sdk import DeviceLost, sdk
from vlm_bt.types import Intrinsics

FPS = 30
STEREO_BASELINE_MM = 50.0
PAIR_WITHIN_MS = 1000
TRIES = 3
"""The SDK's syncer gives the very first frames one by one, and pairs from then on."""


@dataclass(frozen=True)
class SoftwareLenses:
    """The two eyes.

    Attributes:
        depth_in_colour: Where the depth camera stands in the colour camera's optical frame, metres; both look the same
            way.
        distortion: The colour lens' five coefficients by `model`, a name of the SDK's `distortion`.
    """

    colour: Intrinsics
    depth: Intrinsics
    depth_in_colour: tuple[float, float, float] = (0.015, 0.0, 0.0)
    distortion: tuple[float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0)
    model: str = "inverse_brown_conrady"
    depth_unit_m: float = 0.001


class SoftwareDevice:
    """Open from when it is made until `close`. Belongs to one thread.

    Frames count and are stamped by themselves, 30 a second: the SDK's syncer pairs no others.

    Args:
        record: Also write everything to this `.db3` file.
    """

    def __init__(self, lenses: SoftwareLenses, serial: str, record: Path | None = None) -> None:
        rs = sdk()
        self._lenses = lenses
        self._count = 0
        self._device = rs.software_device()
        for field, text in (("name", "vlm_bt software camera"), ("serial_number", serial), ("product_line", "D400")):
            self._device.register_info(getattr(rs.camera_info, field), text)
        depth, colour = self._device.add_sensor("Stereo Module"), self._device.add_sensor("RGB Camera")
        streams = (
            _stream(rs, rs.stream.depth, 1, rs.format.z16, 2, _lens(rs, lenses.depth)),
            _stream(rs, rs.stream.color, 2, rs.format.rgb8, 3, _lens(rs, lenses.colour, lenses)),
        )
        self._profiles = [
            sensor.add_video_stream(stream) for sensor, stream in zip((depth, colour), streams, strict=True)
        ]
        _options(rs, depth, lenses)
        offset = rs.extrinsics()
        offset.rotation = [1, 0, 0, 0, 1, 0, 0, 0, 1]
        offset.translation = list(lenses.depth_in_colour)
        self._profiles[0].register_extrinsics_to(self._profiles[1], offset)
        self._device.create_matcher(rs.matchers.default)
        self.sensors = (depth, colour)
        self._recorder = Recorder(record, self._device) if record is not None else None
        self._open = self._recorder.sensors if self._recorder is not None else [depth, colour]
        self._syncer = rs.syncer(4)
        for sensor, profile in zip(self._open, self._profiles, strict=True):
            sensor.open(sensor.get_stream_profiles()[0] if self._recorder else profile.as_video_stream_profile())
            sensor.start(self._syncer)

    def pair(self, rgb: NDArray[np.uint8], depth: NDArray[np.uint16]) -> Any:
        """The two as one frameset of the SDK. Raises: DeviceLost: the SDK did not pair them."""
        for _ in range(TRIES):
            self._count += 1
            self.sensors[0].on_video_frame(self._frame(self._profiles[0], depth))
            self.sensors[1].on_video_frame(self._frame(self._profiles[1], rgb))
            came, frames = self._syncer.try_wait_for_frames(PAIR_WITHIN_MS)
            while came:
                if is_pair(frames) and frames.get_color_frame().get_frame_number() == self._count:
                    return frames
                came, frames = self._syncer.try_wait_for_frames(1)
        raise DeviceLost("the SDK gave no pair of colour and depth")

    def close(self) -> None:
        """Idempotent."""
        for sensor in self._open:
            with contextlib.suppress(RuntimeError):
                sensor.stop()
                sensor.close()
        self._open = []
        if self._recorder is not None:
            self._recorder.close()
            self._recorder = None

    def _frame(self, profile: Any, pixels: NDArray[Any]) -> Any:
        rs = sdk()
        frame = rs.software_video_frame()
        frame.pixels = pixels
        frame.bpp = pixels.itemsize * (pixels.shape[2] if pixels.ndim == 3 else 1)
        frame.stride = pixels.shape[1] * frame.bpp
        frame.timestamp = self._count * 1000 / FPS
        frame.domain = rs.timestamp_domain.hardware_clock
        frame.frame_number = self._count
        frame.profile = profile.as_video_stream_profile()
        if pixels.ndim == 2:
            frame.depth_units = self._lenses.depth_unit_m
        return frame


def _options(rs: Any, depth: Any, lenses: SoftwareLenses) -> None:
    """What filters read, and a few that a configuration may set."""
    depth.add_read_only_option(rs.option.depth_units, lenses.depth_unit_m)
    depth.add_read_only_option(rs.option.stereo_baseline, STEREO_BASELINE_MM)
    for name, least, most, usual in (
        ("emitter_enabled", 0, 1, 1),
        ("laser_power", 0, 360, 150),
        ("enable_auto_exposure", 0, 1, 1),
        ("exposure", 1, 165000, 8500),
    ):
        limits = rs.option_range()
        limits.min, limits.max, limits.default, limits.step = least, most, usual, 1
        depth.add_option(getattr(rs.option, name), limits, True)


def _lens(rs: Any, pinhole: Intrinsics, lenses: SoftwareLenses | None = None) -> Any:
    lens = rs.intrinsics()
    lens.width, lens.height = pinhole.width, pinhole.height
    lens.fx, lens.fy, lens.ppx, lens.ppy = pinhole.fx, pinhole.fy, pinhole.cx, pinhole.cy
    lens.model = getattr(rs.distortion, lenses.model) if lenses is not None else rs.distortion.brown_conrady
    lens.coeffs = list(lenses.distortion) if lenses is not None else [0.0] * 5
    return lens


def _stream(rs: Any, kind: Any, number: int, layout: Any, bytes_per_pixel: int, lens: Any) -> Any:
    stream = rs.video_stream()
    stream.type, stream.index, stream.uid = kind, 0, number
    stream.width, stream.height, stream.fps, stream.bpp = lens.width, lens.height, FPS, bytes_per_pixel
    stream.fmt, stream.intrinsics = layout, lens
    return stream
