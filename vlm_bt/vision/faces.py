"""Where faces are, by the cascades that ship inside OpenCV 4; nothing is downloaded and nothing leaves the machine.

They find most faces that look towards or past the camera, upright or turned by quarter turns, from about 24 pixels.
They miss faces that are small, blurred, dark, half covered or tilted between the quarter turns: a mask is a help, not
a promise.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlm_bt.errors import ConfigError
from vlm_bt.types import Box

FRONT, SIDE, UPPER_BODY = "haarcascade_frontalface_alt2", "haarcascade_profileface", "haarcascade_upperbody"
LONGEST_PX = 640
"""Larger pictures are shrunk to it for the search."""
SMALLEST_PX = 24
_WIDER = 0.3
"""Share of a face's side that is added all around it: a cascade's box ends at brow and chin."""
_AGREE = 3
"""Neighbouring windows that must agree; fewer would find faces in every texture."""


class Faces:
    """The detector. Raises: ConfigError: OpenCV is missing, or a version that ships no cascades (5.0 does not)."""

    def __init__(self, threads: int = 1) -> None:
        self._cv2 = opencv()
        self._cv2.setNumThreads(threads)
        self._front, self._side = (cascade(self._cv2, name) for name in (FRONT, SIDE))

    def find(self, rgb: NDArray[np.uint8]) -> tuple[Box, ...]:
        """Boxes around the faces in (H, W, 3), widened by 30% on each side and cut at the picture's edges."""
        height, width = rgb.shape[:2]
        scale = min(1.0, LONGEST_PX / max(height, width))
        grey = self._cv2.cvtColor(np.ascontiguousarray(rgb), self._cv2.COLOR_RGB2GRAY)
        if scale < 1.0:
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            grey = self._cv2.resize(grey, size, interpolation=self._cv2.INTER_AREA)
        # A camera above the bench sees who stands across it upside down.
        found = [
            _turned_back(box, grey.shape[1], grey.shape[0], turns)
            for turns in range(4)
            for box in self._upright(np.ascontiguousarray(np.rot90(grey, turns)))
        ]
        return tuple(_widened(box, scale, width, height) for box in sorted(found))

    def _upright(self, grey: NDArray[np.uint8]) -> list[tuple[int, int, int, int]]:
        """(x, y, width, height) of upright faces, seen from the front and from both sides."""
        width = grey.shape[1]
        mirrored = np.ascontiguousarray(grey[:, ::-1])
        front, left, right = (
            found.detectMultiScale(picture, scaleFactor=1.2, minNeighbors=_AGREE, minSize=(SMALLEST_PX, SMALLEST_PX))
            for found, picture in ((self._front, grey), (self._side, grey), (self._side, mirrored))
        )
        boxes = [(int(x), int(y), int(w), int(h)) for x, y, w, h in (*front, *left)]
        return boxes + [(width - int(x) - int(w), int(y), int(w), int(h)) for x, y, w, h in right]


def opencv() -> Any:
    """The module. Raises: ConfigError: It is not installed, or has no cascades."""
    try:
        cv2: Any = importlib.import_module("cv2")
    except ImportError as error:
        raise ConfigError(f"people and faces cannot be masked without OpenCV ({error}); {_REMEDY}") from None
    if not hasattr(cv2, "CascadeClassifier"):
        raise ConfigError(f"OpenCV {cv2.__version__} no longer has the cascades that find faces; {_REMEDY}")
    return cv2


_REMEDY = (
    "install them: pip install 'vlm_bt[privacy]' (OpenCV 4). Only where nobody can come into the picture: "
    "set privacy.mask_faces and privacy.mask_people to false"
)


def cascade(cv2: Any, name: str) -> Any:
    """One of the cascades that ship with OpenCV. Raises: ConfigError: It is not there."""
    path = Path(cv2.data.haarcascades) / f"{name}.xml"
    found = cv2.CascadeClassifier(str(path))
    if found.empty():
        raise ConfigError(f"{path.name} is missing from the installed OpenCV {cv2.__version__}; {_REMEDY}")
    return found


def _turned_back(box: tuple[int, int, int, int], width: int, height: int, turns: int) -> tuple[int, int, int, int]:
    """A box of `np.rot90(picture, turns)` in the picture itself, which is `width` x `height`."""
    x, y, w, h = box
    return {
        0: (x, y, w, h),
        1: (width - y - h, x, h, w),
        2: (width - x - w, height - y - h, w, h),
        3: (y, height - x - w, h, w),
    }[turns]


def _widened(box: tuple[int, int, int, int], scale: float, width: int, height: int) -> Box:
    x, y, w, h = (side / scale for side in box)
    return Box(
        max(0, int(x - _WIDER * w)),
        max(0, int(y - _WIDER * h)),
        min(width, int(np.ceil(x + w + _WIDER * w))),
        min(height, int(np.ceil(y + h + _WIDER * h))),
    )
