"""Pictures for browsers: compressed outside the executive's thread, a bounded number kept."""

from __future__ import annotations

import io
import os
import tempfile
import threading
from collections import OrderedDict
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vlm_bt.web.log import as_json

JPEG_QUALITY = 75
LIVE_WIDTH = 640
"""Live pictures are at most so wide, pixels."""
FARTHEST_M = 2.0

Rgb = NDArray[np.uint8]
DepthM = NDArray[np.float32]


@dataclass(frozen=True)
class Shot:
    """What a picture is of.

    Attributes:
        frame: Its id where the mission took it, else "".
        t: When it was taken, on the mission's clock. at_ms: The same in milliseconds of the epoch.
        width, height: Of the mission's pictures of this camera, pixels; boxes are in these.
    """

    camera: str
    frame: str
    t: float
    at_ms: float
    width: int
    height: int


@dataclass(frozen=True)
class LivePicture:
    """A compressed picture of a camera; `kind`: "colour" or "depth"."""

    shot: Shot
    kind: str
    seq: int
    image: bytes = field(repr=False)

    def message(self) -> bytes:
        """The binary message: 4 bytes of length, big-endian, then the header in JSON, then the JPEG."""
        about = asdict(self.shot) | {"kind": self.kind, "seq": self.seq, "mime": "image/jpeg"}
        header = as_json(about).encode()
        return len(header).to_bytes(4, "big") + header + self.image


def jpeg(rgb: Rgb, width: int = 0) -> bytes:
    """(H, W, 3) uint8 as JPEG, made smaller by a whole number where it is wider than `width`.

    Pillow lets other threads run only while it writes into a real file.
    """
    image = Image.fromarray(rgb)
    if width and image.width > width:
        image = image.reduce(-(-image.width // width))
    with _file() as stream:
        image.save(stream, "JPEG", quality=JPEG_QUALITY)
        stream.seek(0)
        return bytes(stream.read())


def compressed(rgb: Rgb, depth_m: DepthM | None) -> dict[str, bytes]:
    """JPEGs for a screen: "colour" and, where there is one, "depth"."""
    images = {"colour": jpeg(rgb, LIVE_WIDTH)}
    if depth_m is not None:
        images["depth"] = jpeg(depth_in_grey(depth_m), LIVE_WIDTH)
    return images


def depth_in_grey(depth_m: DepthM) -> Rgb:
    """(H, W) metres as (H, W, 3): near is bright, 0 (nothing measured) dark blue."""
    known = depth_m > 0
    if not known.any():
        return np.zeros((*depth_m.shape, 3), np.uint8)
    near, far = np.percentile(depth_m[known][::16], [1, 99])
    span = max(1e-3, min(far, FARTHEST_M) - near)
    grey = np.clip(255 - (depth_m - near) / span * 215, 40, 255).astype(np.uint8)
    shown = np.repeat(grey[..., None], 3, axis=2)
    shown[~known] = (20, 20, 70)
    return shown


def png(rgb: Rgb) -> bytes:
    written = io.BytesIO()
    Image.fromarray(rgb).save(written, "PNG", compress_level=1)
    return written.getvalue()


class Shelf:
    """The pictures that questions and decisions went by, the oldest of them gone; safe from any thread.

    Args:
        room: How many pictures.
    """

    def __init__(self, room: int = 100) -> None:
        self._lock = threading.Lock()
        self._room = room
        self._held: OrderedDict[str, tuple[bytes, DepthM]] = OrderedDict()

    def put(self, frame: str, image: bytes, depth_m: DepthM) -> None:
        """`image`: JPEG; `depth_m`: metres, in any size."""
        with self._lock:
            self._held[frame] = (image, depth_m)
            while len(self._held) > self._room:
                self._held.popitem(last=False)

    def __contains__(self, frame: str) -> bool:
        with self._lock:
            return frame in self._held

    def picture(self, frame: str) -> bytes | None:
        with self._lock:
            held = self._held.get(frame)
        return held[0] if held is not None else None

    def depth(self, frame: str) -> bytes | None:
        """PNG."""
        with self._lock:
            held = self._held.get(frame)
        return png(depth_in_grey(held[1])) if held is not None else None


def _file() -> Any:
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("picture"), "w+b")
    return tempfile.TemporaryFile()
