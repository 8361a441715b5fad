"""A frame as messages of the record that Foxglove knows: colour, depth, and the camera's calibration and pose."""

from __future__ import annotations

import binascii
import json
import struct
import tempfile
import time
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vlm_bt.recording.entries import Json
from vlm_bt.recording.writer import Message
from vlm_bt.types import Frame

JPEG_QUALITY = 88
DEPTH_LEVEL = 6
"""Of zlib."""
PIECE = 48 * 1024
"""Bytes that are encoded at once, a multiple of 3: 0.05 ms of work."""
ROWS = 48
"""Of depth that are worked on at once; then other threads may run."""
FRAME_TOPIC = "frame/"
DEPTH_TOPIC = "depth/"
CALIBRATION_TOPIC = "calibration/"
TRANSFORM_TOPIC = "transform/"
BASE_FRAME = "base"
"""What Foxglove calls the robot's base; a camera's optical frame has the camera's name."""
_TIME: Json = {
    "type": "object",
    "title": "time",
    "properties": {"sec": {"type": "integer"}, "nsec": {"type": "integer"}},
}
IMAGE_SCHEMA: Json = {
    "type": "object",
    "title": "foxglove.CompressedImage",
    "properties": {
        "timestamp": _TIME,
        "frame_id": {"type": "string"},
        "data": {"type": "string", "contentEncoding": "base64"},
        "format": {"type": "string"},
    },
}
TRANSFORM_SCHEMA: Json = {
    "type": "object",
    "title": "foxglove.FrameTransform",
    "properties": {
        "timestamp": _TIME,
        "parent_frame_id": {"type": "string"},
        "child_frame_id": {"type": "string"},
        "translation": {"type": "object", "properties": {axis: {"type": "number"} for axis in "xyz"}},
        "rotation": {"type": "object", "properties": {axis: {"type": "number"} for axis in "xyzw"}},
    },
}
_NUMBERS: Json = {"type": "array", "items": {"type": "number"}}
CALIBRATION_SCHEMA: Json = {
    "type": "object",
    "title": "foxglove.CameraCalibration",
    "properties": {
        "timestamp": _TIME,
        "frame_id": {"type": "string"},
        "width": {"type": "integer"},
        "height": {"type": "integer"},
        "distortion_model": {"type": "string"},
        "D": _NUMBERS,
        "K": _NUMBERS,
        "R": _NUMBERS,
        "P": _NUMBERS,
    },
}


@dataclass(frozen=True)
class Picture:
    """A frame that waits to be compressed. Its arrays are its own; `now_s`: mission time when it was kept."""

    frame: Frame
    why: str
    now_s: float

    @classmethod
    def copied(cls, frame: Frame, why: str, now_s: float) -> Picture:
        return cls(replace(frame, rgb=frame.rgb.copy(), depth_m=frame.depth_m.copy()), why, now_s)

    @property
    def size(self) -> int:
        return self.frame.rgb.nbytes + self.frame.depth_m.nbytes

    def messages(self) -> Iterator[Message]:
        """Pose, calibration, depth and colour, in this order: a record that is cut off has them with a picture."""
        frame = self.frame
        lens = frame.intrinsics
        yield self._message(TRANSFORM_TOPIC, "foxglove.FrameTransform", TRANSFORM_SCHEMA, self._transform())
        matrix = [lens.fx, 0.0, lens.cx, 0.0, lens.fy, lens.cy, 0.0, 0.0, 1.0]
        calibration: Json = {
            "width": lens.width,
            "height": lens.height,
            "distortion_model": "",
            "D": [],
            "K": matrix,
            "R": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
            "P": [*matrix[:3], 0.0, *matrix[3:6], 0.0, *matrix[6:], 0.0],
        }
        yield self._message(CALIBRATION_TOPIC, "foxglove.CameraCalibration", CALIBRATION_SCHEMA, calibration)
        where: Json = {"intrinsics": asdict(lens), "pose_camera_in_base": asdict(frame.pose_camera_in_base)}
        yield self._image(DEPTH_TOPIC, "png", depth_png(frame.depth_m), where)
        size: Json = {"why": self.why, "width": lens.width, "height": lens.height}
        yield self._image(FRAME_TOPIC, "jpeg", jpeg(frame.rgb), size)

    def _transform(self) -> Json:
        pose = self.frame.pose_camera_in_base
        return {
            "parent_frame_id": BASE_FRAME,
            "child_frame_id": self.frame.camera,
            "translation": dict(zip("xyz", pose.position, strict=True)),
            "rotation": dict(zip("wxyz", pose.quaternion, strict=True)),
        }

    def _image(self, topic: str, form: str, data: bytes, more: Json) -> Message:
        return self._message(topic, "foxglove.CompressedImage", IMAGE_SCHEMA, {"format": form, **more}, data)

    def _message(self, topic: str, name: str, schema: Json, more: Json, image: bytes | None = None) -> Message:
        frame = self.frame
        stamp_ns = round(frame.stamp_s * 1e9)
        message = {
            "timestamp": {"sec": stamp_ns // 10**9, "nsec": stamp_ns % 10**9},
            "frame_id": frame.camera,
            "id": frame.id,
            "camera": frame.camera,
            "stamp_s": frame.stamp_s,
            "t": round(self.now_s, 6),
            **more,
        }
        data = json.dumps(message, separators=(",", ":")).encode()
        if image is not None:
            # Put in by hand: `dumps` of a megabyte keeps every other thread waiting for 3 ms.
            data = b"".join((data[:-1], b',"data":"', *_base64(image), b'"}'))
        return Message(topic + frame.camera, name, schema, data, max(0, round(self.now_s * 1e9)))


def _base64(data: bytes) -> Iterator[bytes]:
    """In pieces that let other threads run in between: the executive's must not wait for a whole picture."""
    for start in range(0, len(data), PIECE):
        yield binascii.b2a_base64(data[start : start + PIECE], newline=False)
        time.sleep(0)


def jpeg(rgb: NDArray[np.uint8]) -> bytes:
    """A picture, (H, W, 3), as JPEG."""
    from PIL import Image

    # Into a real file: Pillow lets other threads run only where it can hand the encoder a file's number.
    with tempfile.TemporaryFile() as file:
        Image.fromarray(rgb).save(file, "JPEG", quality=JPEG_QUALITY)
        file.seek(0)
        return file.read()


def depth_png(depth_m: NDArray[np.float32]) -> bytes:
    """Depth, (H, W) metres, as a greyscale PNG of 16 bits in millimetres; 0 where there is none or it is beyond 65 m.

    After the PNG specification, third edition, with the filter Up in every row. Written here because zlib lets other
    threads run while it works and Pillow's encoder of this format does not.
    """
    height, width = depth_m.shape
    millimetres = np.empty((height, width), ">u2")
    for start in range(0, height, ROWS):
        some = np.rint(np.nan_to_num(depth_m[start : start + ROWS], nan=0.0, posinf=0.0, neginf=0.0) * 1000.0)
        some[(some < 0) | (some > 0xFFFF)] = 0
        millimetres[start : start + ROWS] = some
        time.sleep(0)
    rows = millimetres.view(np.uint8).reshape(height, 2 * width)
    filtered = np.full((height, 2 * width + 1), 2, np.uint8)
    filtered[0, 1:] = rows[0]
    filtered[1:, 1:] = rows[1:] - rows[:-1]
    header = struct.pack(">IIBBBBB", width, height, 16, 0, 0, 0, 0)
    body = zlib.compress(filtered.data, DEPTH_LEVEL)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
