"""The picture of one thing that a model is shown; the same at training and at run time.

Everything that is not the thing is flat grey, but for a soft border of a few pixels: bench tops, zone paint and
neighbours must not decide the answer, while the border keeps edges, shadows and thin tips that depth has missed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from vlm_bt.scene.geometry import project, rectangle
from vlm_bt.scene.tabletop import Region
from vlm_bt.types import Frame

FILL = 127
BORDER_PX = 6
SMALLEST_WINDOW_M = 0.045
VARIANTS = 3
"""0: long axis level, its heavier half on the left. 1: turned by half a turn, in a wider window. 2: as it lies."""
_STRETCH = (1.15, 1.40, 1.25)


def crop(frame: Frame, region: Region, size: int = 96, variant: int = 0) -> NDArray[np.uint8]:
    """(size, size, 3) picture of one thing, centred on it.

    The window is 1.15 times the thing's length and at least 45 mm wide.

    Raises:
        ValueError: An unknown variant.
    """
    if not 0 <= variant < VARIANTS:
        raise ValueError(f"variant {variant} is unknown; known: 0 to {VARIANTS - 1}")
    centre, along, pixels_per_m = _axis(frame, region)
    window = max(_STRETCH[variant] * region.footprint.length_m, SMALLEST_WINDOW_M * _STRETCH[variant] / _STRETCH[0])
    if variant == 2:
        along = (1.0, 0.0)
    elif (_heavy_half(region, centre, along) > 0) != (variant == 1):
        along = (-along[0], -along[1])
    picture = _alone(frame, region)
    # Bilinear sampling alone drops every other pixel of a long thing: sample it twice as fine and average.
    finer = 2 if window * pixels_per_m > 1.2 * size else 1
    fine = finer * size
    step = window * pixels_per_m / fine
    ax, ay = along[0] * step, along[1] * step
    # Pillow maps output (x, y) to input (a x + b y + c, d x + e y + f); pixel middles lie at half numbers there.
    x0 = centre[0] + 0.5 - region.near_at[0] - (ax - ay) * fine / 2
    y0 = centre[1] + 0.5 - region.near_at[1] - (ay + ax) * fine / 2
    turned = picture.transform(
        (fine, fine),
        Image.Transform.AFFINE,
        (ax, -ay, x0, ay, ax, y0),
        Image.Resampling.BILINEAR,
        fillcolor=(FILL, FILL, FILL),
    )
    return np.asarray(turned.reduce(finer) if finer > 1 else turned)


def crops(frame: Frame, regions: Sequence[Region], size: int = 96, variant: int = 0) -> NDArray[np.uint8]:
    """(N, size, size, 3): `crop` of each region."""
    out = np.empty((len(regions), size, size, 3), np.uint8)
    for n, region in enumerate(regions):
        out[n] = crop(frame, region, size, variant)
    return out


def _axis(frame: Frame, region: Region) -> tuple[tuple[float, float], tuple[float, float], float]:
    """The rectangle's middle and the direction of its long side in the picture, and pixels per metre there."""
    shape = region.footprint
    ends = rectangle(shape.centre, shape.length_m, 0.0, shape.yaw_rad)[[2, 0]]
    points = np.column_stack([ends, np.full(2, shape.height_m / 2)])
    first, last = project(points, frame.intrinsics, frame.pose_camera_in_base)
    way = last - first
    long = max(float(np.hypot(*way)), 1e-6)
    # The frame's own pose may be off by some millimetres; the mask says where the thing really is in the picture.
    along = way / long
    rows, columns = np.nonzero(region.mask)
    pixels = np.column_stack([columns + region.box.x0, rows + region.box.y0])
    a, b = pixels @ along, pixels @ np.array([-along[1], along[0]])
    middle = along * (a.min() + a.max()) / 2 + np.array([-along[1], along[0]]) * (b.min() + b.max()) / 2
    return (float(middle[0]), float(middle[1])), (float(along[0]), float(along[1])), long / shape.length_m


def _heavy_half(region: Region, centre: tuple[float, float], along: tuple[float, float]) -> float:
    """Positive where more of the thing lies ahead of its middle along the axis than behind."""
    x, y = region.centroid
    return (x - centre[0]) * along[0] + (y - centre[1]) * along[1]


def _alone(frame: Frame, region: Region) -> Image.Image:
    """The thing and its soft border on flat grey."""
    height, width = region.near.shape
    x0, y0 = region.near_at
    colour = Image.fromarray(np.ascontiguousarray(frame.rgb[y0 : y0 + height, x0 : x0 + width]))
    own = Image.fromarray(np.where(region.near == 1, np.uint8(255), np.uint8(0)))
    soft = np.asarray(own.filter(ImageFilter.BoxBlur(BORDER_PX)), np.uint16) * 4
    soft[region.near == 2] = 0
    alpha = Image.fromarray(np.minimum(soft, 255).astype(np.uint8))
    return Image.composite(colour, Image.new("RGB", (width, height), (FILL, FILL, FILL)), alpha)
