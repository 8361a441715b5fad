"""What a CameraInfo says of a lens: a pinhole, and where each of its pixels lies in the image that was taken."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlm_bt.errors import PictureError
from vlm_bt.ros.pictures import Colour, Depth, intrinsics_of
from vlm_bt.types import Intrinsics

STRAIGHT_PX = 0.25
"""A lens that shifts no pixel further than this counts as a pinhole."""
MODELS = ("plumb_bob", "rational_polynomial")

Flat = NDArray[np.intp]


class Lens:
    """Undistorts colour and depth alike, by taking the nearest pixel, so that no two depths are ever mixed.

    Args:
        info: sensor_msgs/CameraInfo of the images.
        rectified: The images have been undistorted already, with the projection matrix P (topics with "rect").

    Raises:
        PictureError: Not calibrated, or a distortion model that is not known here.
    """

    def __init__(self, info: Any, rectified: bool = False) -> None:
        pinhole = intrinsics_of(info)
        if rectified:
            p = [float(value) for value in info.p]
            pinhole = Intrinsics(pinhole.width, pinhole.height, p[0], p[5], p[2], p[6])
        self.intrinsics = pinhole
        bent = [float(value) for value in info.d]
        self._source = None if rectified or not any(bent) else _source(pinhole, info.distortion_model, bent)

    @property
    def straight(self) -> bool:
        """Whether images are passed on as they are."""
        return self._source is None

    def pinhole(self, rgb: Colour, depth_m: Depth) -> tuple[Colour, Depth]:
        """Both as a pinhole would see them; 0 and no depth where the image has nothing.

        Raises:
            PictureError: The images are not of the size that the calibration is for.
        """
        size = (self.intrinsics.height, self.intrinsics.width)
        if rgb.shape[:2] != size or depth_m.shape != size:
            raise PictureError(
                f"the calibration is for {size[1]}x{size[0]}, colour is {rgb.shape[1]}x{rgb.shape[0]} and depth "
                f"{depth_m.shape[1]}x{depth_m.shape[0]}; is depth aligned to colour?"
            )
        if self._source is None:
            return rgb, depth_m
        inside = self._source >= 0
        taken = np.where(inside, self._source, 0)
        colour = rgb.reshape(-1, 3)[taken] * inside[..., None]
        return colour.astype(np.uint8, copy=False), np.where(inside, depth_m.reshape(-1)[taken], np.float32(0))


def _source(lens: Intrinsics, model: str, d: list[float]) -> Flat | None:
    """(H, W) index of the pixel that shows what the pinhole's pixel would, -1 outside; None where all stay in place.

    Source of the formula: OpenCV, "Camera Calibration and 3D Reconstruction", distortion with 5 or 8 coefficients.
    """
    if model not in MODELS or len(d) not in (4, 5, 8):
        raise PictureError(
            f"distortion {model!r} with {len(d)} coefficients is not known; known: {', '.join(MODELS)}; "
            "publish rectified images instead"
        )
    k1, k2, p1, p2, k3, k4, k5, k6 = [*d, *[0.0] * (8 - len(d))]
    columns, rows = np.meshgrid(np.arange(lens.width), np.arange(lens.height))
    x, y = (columns - lens.cx) / lens.fx, (rows - lens.cy) / lens.fy
    r2 = x * x + y * y
    radial = (1 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))
    u = (x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)) * lens.fx + lens.cx
    v = (y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y) * lens.fy + lens.cy
    if float(np.hypot(u - columns, v - rows).max()) <= STRAIGHT_PX:
        return None
    column, row = np.rint(u).astype(np.intp), np.rint(v).astype(np.intp)
    inside = (column >= 0) & (column < lens.width) & (row >= 0) & (row < lens.height)
    return np.where(inside, row * lens.width + column, -1)
