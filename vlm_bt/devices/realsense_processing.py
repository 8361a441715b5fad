"""From a pair of RealSense frames to a picture: the SDK's filters and alignment, metres, a lens without distortion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from vlm_bt.camera_settings import FilterSettings
from vlm_bt.devices.realsense_sdk import sdk
from vlm_bt.errors import ConfigError
from vlm_bt.types import Intrinsics

GRID_STEP = 8
"""Pixels between the points where a lens' distortion is asked of the SDK; between them it is interpolated."""
HOLE_FILLING = {"left": 0, "farthest": 1, "nearest": 2}

Rgb = NDArray[np.uint8]
DepthM = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Picture:
    """(H, W, 3) uint8 colour and (H, W) float32 metres, 0 where there is no return, through one pinhole."""

    rgb: Rgb
    depth_m: DepthM
    intrinsics: Intrinsics


class Processing:
    """Filters, then alignment to colour. Belongs to one thread: the temporal filter remembers frames."""

    def __init__(self, filters: FilterSettings) -> None:
        rs = sdk()
        self.remembers = filters.temporal is not None
        self._filters = _chain(rs, filters)
        self._align = rs.align(rs.stream.color)
        self._lens: Lens | None = None

    def filter(self, frames: Any) -> Any:
        """The same pair with its depth filtered; where the chain remembers, every pair must come through here."""
        for block in self._filters:
            frames = block.process(frames).as_frameset()
        return frames

    def picture(self, filtered: Any) -> Picture:
        """Raises: ConfigError: its colour format or its lens is none that is understood."""
        aligned = self._align.process(filtered)
        colour, depth = aligned.get_color_frame(), aligned.get_depth_frame()
        stated = colour.profile.as_video_stream_profile().get_intrinsics()
        if self._lens is None or not self._lens.is_of(stated):
            self._lens = Lens(stated)
        depth_m = np.asanyarray(depth.get_data()).astype(np.float32) * np.float32(depth.get_units())
        rgb, depth_m = self._lens.straighten(_rgb(colour), depth_m)
        return Picture(rgb, depth_m, self._lens.pinhole)


class Lens:
    """A colour camera's lens as the SDK states it, and the pinhole with the same focal lengths.

    Raises:
        ConfigError: The SDK cannot project through it.
    """

    def __init__(self, stated: Any) -> None:
        self._key = _key(stated)
        self.pinhole = Intrinsics(stated.width, stated.height, stated.fx, stated.fy, stated.ppx, stated.ppy)
        self._sources: NDArray[np.float64] | None = None
        if any(stated.coeffs):
            self._sources = _sources(stated)

    def is_of(self, stated: Any) -> bool:
        return self._key == _key(stated)

    def straighten(self, rgb: Rgb, depth_m: DepthM) -> tuple[Rgb, DepthM]:
        """Colour is interpolated, depth is taken from the nearest pixel; outside the picture is black and no return."""
        if self._sources is None:
            return rgb, depth_m
        colour = np.stack([map_coordinates(rgb[..., c], self._sources, order=1) for c in range(3)], axis=-1)
        return colour, map_coordinates(depth_m, self._sources, order=0)


def _sources(stated: Any) -> NDArray[np.float64]:
    """(2, H, W) row and column in the distorted picture of each pixel of the straight one."""
    rs = sdk()
    if stated.model in (rs.distortion.ftheta, rs.distortion.kannala_brandt4):
        raise ConfigError(
            f"a colour lens of the model {stated.model.name} is not supported: use the camera's other stream"
        )
    columns = np.arange(0, stated.width + GRID_STEP, GRID_STEP)
    rows = np.arange(0, stated.height + GRID_STEP, GRID_STEP)
    bent = np.empty((2, len(rows), len(columns)))
    for i, v in enumerate(rows):
        for j, u in enumerate(columns):
            ray = [(u - stated.ppx) / stated.fx, (v - stated.ppy) / stated.fy, 1.0]
            bent[1, i, j], bent[0, i, j] = rs.rs2_project_point_to_pixel(stated, ray)
    at = np.meshgrid(np.arange(stated.height) / GRID_STEP, np.arange(stated.width) / GRID_STEP, indexing="ij")
    return np.stack([map_coordinates(part, at, order=3, mode="nearest") for part in bent])


def _chain(rs: Any, wanted: FilterSettings) -> list[Any]:
    blocks: list[Any] = []
    if wanted.decimation > 1:
        blocks.append(rs.decimation_filter(float(wanted.decimation)))
    smooth: list[Any] = []
    if (spatial := wanted.spatial) is not None:
        smooth.append(rs.spatial_filter(spatial.alpha, spatial.delta, float(spatial.magnitude), 0.0))
    if (temporal := wanted.temporal) is not None:
        smooth.append(rs.temporal_filter(temporal.alpha, temporal.delta, temporal.persistence))
    if smooth and wanted.disparity:
        smooth = [rs.disparity_transform(True), *smooth, rs.disparity_transform(False)]
    blocks += smooth
    if wanted.hole_filling is not None:
        blocks.append(rs.hole_filling_filter(HOLE_FILLING[wanted.hole_filling]))
    return blocks


def _rgb(colour: Any) -> Rgb:
    """A private copy as RGB. Raises: ConfigError."""
    rs = sdk()
    layout = colour.profile.format()
    if layout == rs.format.yuyv:
        colour, layout = rs.yuy_decoder().process(colour), rs.format.rgb8
    data: Rgb = np.asanyarray(colour.get_data())
    if layout in (rs.format.rgb8, rs.format.rgba8):
        return np.ascontiguousarray(data[..., :3])
    if layout in (rs.format.bgr8, rs.format.bgra8):
        return np.ascontiguousarray(data[..., 2::-1])
    if layout == rs.format.y8:
        return np.repeat(data.reshape(*data.shape[:2], 1), 3, axis=2)
    raise ConfigError(f"colour in the format {layout.name} is not understood; record it as rgb8, bgr8, yuyv or y8")


def _key(stated: Any) -> tuple[object, ...]:
    sizes = (stated.width, stated.height, stated.fx, stated.fy, stated.ppx, stated.ppy)
    return (*sizes, stated.model, tuple(stated.coeffs))
