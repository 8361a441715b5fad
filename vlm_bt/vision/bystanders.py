"""Which pixels may show a person: by depth where the frame has it, else by what people look like."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vlm_bt.errors import DepthMissing
from vlm_bt.scene.geometry import rotation_of
from vlm_bt.scene.plane import find_bench
from vlm_bt.scene.tabletop import TALLEST_M
from vlm_bt.types import Frame, Pose
from vlm_bt.vision.faces import UPPER_BODY, cascade, opencv

Mask = NDArray[np.bool_]

BELOW_M = -0.03
"""What lies lower is off the bench: the floor, and whoever stands on it."""
STANDING_M = 0.012
_STEP_M = 0.03
"""Neighbouring pixels that differ by more belong to different things."""
_HOLE = 0.04
"""Patches without depth that are wider than this share of the picture's width could be anything."""
_MARGIN = 0.02
_LEAST_SKIN = 0.004
"""Smallest patch of skin that counts, as a share of the picture."""


def bystanders(frame: Frame) -> Mask:
    """(H, W) True where somebody may be seen.

    With depth that is everything taller than 0.12 m above the bench or lower than it, whatever is joined to that or
    reaches in over the picture's edge (a hand flat on the bench), and wide patches without depth; so the robot's own
    arm is masked too. A hand that lies alone in the picture, lower than 0.12 m, is not noticed.
    Without depth it is what OpenCV takes for a standing person or an upper body, and patches of skin's colour: that
    misses people who bend, wear gloves or are cut off, and takes bare wood for skin.

    Raises:
        DepthMissing: There is depth, but the bench is not found in it: heights would be guesses.
        ConfigError: There is no depth, and OpenCV is missing.
    """
    if not (frame.depth_m > 0).any():
        return _by_looks(frame.rgb)
    bench = find_bench(frame)
    if not bench.ok:
        raise DepthMissing(f"people cannot be told from the bench ({bench})")
    return _by_depth(frame, bench.pose_camera_in_base)


def _by_depth(frame: Frame, pose: Pose) -> Mask:
    seen: Mask = frame.depth_m > 0
    height = _height(frame, pose)
    off = seen & ((height > TALLEST_M) | (height < BELOW_M))
    standing = seen & (height > STANDING_M)
    for axis in (0, 1):
        edge = np.abs(np.diff(height, axis=axis)) > _STEP_M
        before, after = _sides(standing, axis)
        before &= ~edge
        after &= ~edge
    off |= _joined(standing | off, off | _frame_of(off.shape))
    off |= _joined(~seen, _grown(off, 1) | _wide(~seen))
    return _grown(off, round(_MARGIN * frame.depth_m.shape[1]))


def _height(frame: Frame, pose: Pose) -> NDArray[np.float32]:
    """(H, W) metres above the bench; of no meaning where there is no depth."""
    lens = frame.intrinsics
    turn = rotation_of(pose.quaternion).astype(np.float32)
    x = ((np.arange(lens.width) - lens.cx) / lens.fx).astype(np.float32)
    y = ((np.arange(lens.height) - lens.cy) / lens.fy).astype(np.float32)
    lean = (turn[2, 0] * x)[None] + (turn[2, 1] * y + turn[2, 2])[:, None]
    height: NDArray[np.float32] = frame.depth_m * lean + np.float32(pose.position[2])
    return height


def _sides(mask: Mask, axis: int) -> tuple[Mask, Mask]:
    """The pixels before and after each edge along an axis, as views."""
    return (mask[:-1], mask[1:]) if axis == 0 else (mask[:, :-1], mask[:, 1:])


def _frame_of(shape: tuple[int, ...]) -> Mask:
    edge = np.ones(shape, bool)
    edge[2:-2, 2:-2] = False
    return edge


def _joined(mask: Mask, seeds: Mask) -> Mask:
    """The connected parts of a mask that hold a seed."""
    labels, count = ndimage.label(mask)
    wanted = np.zeros(count + 1, bool)
    wanted[labels[seeds]] = True
    wanted[0] = False
    return np.asarray(wanted[labels])


def _wide(mask: Mask) -> Mask:
    """Where a square of 4% of the picture's width is True all over."""
    size = max(3, round(_HOLE * mask.shape[1]))
    return np.asarray(ndimage.minimum_filter(mask.view(np.uint8), size, mode="nearest").view(bool))


def _grown(mask: Mask, margin_px: int) -> Mask:
    if not mask.any():
        return mask
    grown = ndimage.maximum_filter(mask.view(np.uint8), 2 * margin_px + 1, mode="nearest")
    return np.asarray(grown.view(bool))


def _by_looks(rgb: NDArray[np.uint8]) -> Mask:
    cv2 = opencv()
    picture = np.ascontiguousarray(rgb)
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    hog = cv2.HOGDescriptor()
    hog.setSVMDetector(cv2.HOGDescriptor_getDefaultPeopleDetector())
    boxes = [*cascade(cv2, UPPER_BODY).detectMultiScale(grey, scaleFactor=1.15, minNeighbors=3)]
    # The detector's window is 64 x 128 pixels; OpenCV refuses smaller pictures.
    if grey.shape[0] >= 128 and grey.shape[1] >= 64:
        boxes += [*hog.detectMultiScale(grey, winStride=(8, 8), scale=1.1)[0]]
    mask = _skin(cv2, picture)
    for x, y, w, h in boxes:
        mask[max(0, y) : y + h, max(0, x) : x + w] = True
    return _grown(mask, round(_MARGIN * rgb.shape[1]))


def _skin(cv2: object, rgb: NDArray[np.uint8]) -> Mask:
    """Patches of skin's colour, light to dark, by its narrow range of chroma (Chai and Ngan 1999, widened)."""
    luma, red, blue = np.moveaxis(cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb), -1, 0)  # type: ignore[attr-defined]
    skin = (luma > 40) & (red > 135) & (red < 178) & (blue > 77) & (blue < 128)
    labels, count = ndimage.label(ndimage.binary_opening(skin, np.ones((3, 3), bool)))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    sizes[0] = 0
    return np.asarray((sizes >= _LEAST_SKIN * skin.size)[labels])
