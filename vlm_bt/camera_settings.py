"""Through which cameras a mission sees without ROS, read from `camera:` in `config/`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from vlm_bt.ros_settings import ExtrinsicsSettings
from vlm_bt.vision_settings import Strict


class StreamSettings(Strict):
    """Size in pixels and rate of one of a device's streams; the device must have that mode."""

    width: int = Field(640, gt=0)
    height: int = Field(480, gt=0)
    fps: int = Field(30, gt=0)


class SpatialSettings(Strict):
    """Smooths depth along rows and columns up to edges. It also rounds off things a few millimetres high."""

    alpha: float = Field(0.5, ge=0.25, le=1)
    delta: float = Field(20.0, ge=1, le=50)
    magnitude: int = Field(2, ge=1, le=5)


class TemporalSettings(Strict):
    """Averages depth over frames; for cameras that stand still, or shortly after they moved it mixes two views.

    `persistence`: the SDK's control, 0 (never keep a lost pixel) to 8 (keep it for ever).
    """

    alpha: float = Field(0.4, ge=0, le=1)
    delta: float = Field(20.0, ge=1, le=100)
    persistence: int = Field(0, ge=0, le=8)


class FilterSettings(Strict):
    """The SDK's filters, in the order it recommends: before depth is aligned to colour.

    Attributes:
        decimation: Depth is shrunk by this factor first; 1 leaves it as it is.
        hole_filling: Invents depth where the sensor had none, from the left, the farthest or the nearest neighbour.
        disparity: Filter in the space in which a stereo camera's noise is even; plain depth is shifted by the spatial
            filter, by 4 mm at 0.9 m.
    """

    decimation: int = Field(1, ge=1, le=8)
    spatial: SpatialSettings | None = None
    temporal: TemporalSettings | None = None
    hole_filling: Literal["left", "farthest", "nearest"] | None = None
    disparity: bool = True


class RealSenseSettings(Strict):
    """One RealSense camera, live or recorded.

    Attributes:
        serial: Which device; may be left out where only one is connected.
        recording: A file of the SDK (`.db3`, `.bag`) instead of a device.
        real_time: A recording runs by itself; otherwise each request takes its next frame.
        loop: A recording begins again when it has ended; otherwise the camera is lost then.
        options, colour_options: By the SDK's names, such as {emitter_enabled: 1, laser_power: 150}, for the depth and
            for the colour sensor.
        extrinsics: Where the colour camera hangs. None: whoever builds the camera says so for each frame.
        stale_s: A picture that is older than this when it arrives is no answer to a request.
        lost_s: No picture for so long: `camera_lost`.
        start_within_s: Wall time until the device must have started.
        retry_s: How often a lost device is looked for. reset: whether one that is silent is reset first.
    """

    serial: str | None = None
    recording: Path | None = None
    real_time: bool = True
    loop: bool = False
    colour: StreamSettings = StreamSettings()  # type: ignore[call-arg]
    depth: StreamSettings = StreamSettings()  # type: ignore[call-arg]
    filters: FilterSettings = FilterSettings()  # type: ignore[call-arg]
    options: dict[str, float] = {}
    colour_options: dict[str, float] = {}
    extrinsics: ExtrinsicsSettings | None = None
    stale_s: float = Field(0.5, gt=0)
    lost_s: float = Field(2.0, gt=0)
    start_within_s: float = Field(15.0, gt=0)
    retry_s: float = Field(1.0, gt=0)
    reset: bool = True

    @model_validator(mode="after")
    def _one_source(self) -> RealSenseSettings:
        if self.serial is not None and self.recording is not None:
            raise ValueError("serial, recording: a camera is one or the other")
        return self


class CameraSettings(Strict):
    """Which cameras a simulated mission sees through.

    Attributes:
        kind: `simulation`: its own pictures. `realsense-software`: the same scene through the RealSense SDK, with its
            alignment and filters.
        realsense: By the names that leaves use ("overhead", "wrist").
    """

    kind: Literal["simulation", "realsense-software"] = "simulation"
    realsense: dict[str, RealSenseSettings] = {}
