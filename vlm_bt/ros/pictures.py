"""Images between numpy and ROS: sensor_msgs/Image and CompressedImage, colour and depth.

Colour is (H, W, 3) uint8, red first. Depth is (H, W) float32 in metres along the optical axis, 0 where there is none.
Everything here raises `PictureError` for what it cannot read: a message comes from somebody else's program.
"""

from __future__ import annotations

import array
import io
import struct
import sys
from typing import Any, Literal

import numpy as np
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from PIL import Image as Picture
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from vlm_bt.errors import PictureError
from vlm_bt.types import Intrinsics

Colour = NDArray[np.uint8]
Depth = NDArray[np.float32]

ENCODINGS: dict[str, tuple[type[np.generic], int]] = {
    "rgb8": (np.uint8, 3),
    "bgr8": (np.uint8, 3),
    "rgba8": (np.uint8, 4),
    "bgra8": (np.uint8, 4),
    "mono8": (np.uint8, 1),
    "8UC1": (np.uint8, 1),
    "8UC3": (np.uint8, 3),
    "mono16": (np.uint16, 1),
    "16UC1": (np.uint16, 1),
    "32FC1": (np.float32, 1),
}
"""What can be read: the type of a value, and how many a pixel has."""
COLOURS = {"rgb8": (0, 1, 2), "bgr8": (2, 1, 0), "rgba8": (0, 1, 2), "bgra8": (2, 1, 0), "mono8": (0, 0, 0)}
DEPTHS = ("16UC1", "mono16", "32FC1")
MOST_PIXELS = 64_000_000
_DEPTH_HEADER = struct.Struct("<iff")
"""In front of a compressedDepth picture (compressed_depth_image_transport): format, then two numbers of its curve."""


def header(stamp: Time | None = None, frame: str = "") -> Header:
    """`frame` is the name of a coordinate frame, as tf2 knows it."""
    return Header(stamp=stamp or Time(), frame_id=frame)


def image_message(pixels: NDArray[Any], encoding: str, head: Header | None = None) -> Image:
    """An image as it is: the array's type and shape must be those of the encoding. Raises: PictureError."""
    kind, channels = _known(encoding)
    shape = (*pixels.shape[:2], channels) if channels > 1 else pixels.shape[:2]
    if pixels.dtype != kind or pixels.shape != shape or pixels.ndim < 2:
        raise PictureError(f"{encoding} holds {_words(kind, channels)}, this is {pixels.dtype} of shape {pixels.shape}")
    message = Image(
        header=head or Header(),
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=int(sys.byteorder == "big"),
        step=pixels.shape[1] * channels * pixels.dtype.itemsize,
    )
    message.data = _bytes(pixels.tobytes())
    return message


def colour_message(rgb: Colour, head: Header | None = None) -> Image:
    return image_message(rgb, "rgb8", head)


def depth_message(depth_m: Depth, head: Header | None = None, encoding: Literal["32FC1", "16UC1"] = "32FC1") -> Image:
    """In metres as they are, or in whole millimetres up to 65.5 m, as a RealSense has them."""
    return image_message(depth_m if encoding == "32FC1" else _millimetres(depth_m), encoding, head)


def pixels_of(message: Image) -> NDArray[Any]:
    """The values as they are: (H, W) or (H, W, channels), a view into the message where its layout allows it.

    Raises: PictureError.
    """
    kind, channels = _known(message.encoding)
    value = np.dtype(kind).newbyteorder(">" if message.is_bigendian else "<")
    width, height, step = message.width, message.height, message.step
    row = width * channels * value.itemsize
    if width * height > MOST_PIXELS:
        raise PictureError(f"an image of {width}x{height} is more than {MOST_PIXELS:,} pixels")
    if step < row or len(message.data) < step * height:
        raise PictureError(
            f"{width}x{height} in {message.encoding} takes rows of {row} bytes and {row * height} in all; "
            f"the message has rows of {step} and {len(message.data)} in all"
        )
    rows = np.frombuffer(message.data, np.uint8, step * height).reshape(height, step)[:, :row]
    values = np.ascontiguousarray(rows).view(value).reshape(height, width, channels)
    native = values if value.isnative else values.astype(kind)
    return native[:, :, 0] if channels == 1 else native


def colour_of(message: Image) -> Colour:
    """Raises: PictureError."""
    if message.encoding not in COLOURS:
        raise PictureError(f"{message.encoding!r} is no colour; known: {', '.join(COLOURS)}")
    pixels = pixels_of(message)
    if message.encoding == "rgb8":
        return pixels
    return np.ascontiguousarray(np.atleast_3d(pixels)[:, :, COLOURS[message.encoding]])


def depth_of(message: Image) -> Depth:
    """Raises: PictureError."""
    if message.encoding not in DEPTHS:
        raise PictureError(f"{message.encoding!r} is no depth; known: {', '.join(DEPTHS)}")
    return _metres(pixels_of(message))


def compressed_colour(
    rgb: Colour, head: Header | None = None, form: Literal["jpeg", "png"] = "jpeg", quality: int = 86
) -> CompressedImage:
    """Raises: PictureError."""
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise PictureError(f"colour is (H, W, 3) uint8, this is {rgb.dtype} of shape {rgb.shape}")
    data = io.BytesIO()
    picture = Picture.fromarray(np.ascontiguousarray(rgb))
    if form == "jpeg":
        picture.save(data, "JPEG", quality=quality)
    else:
        picture.save(data, "PNG", compress_level=1)
    message = CompressedImage(header=head or Header(), format=form)
    message.data = _bytes(data.getvalue())
    return message


def compressed_depth(depth_m: Depth, head: Header | None = None) -> CompressedImage:
    """As compressed_depth_image_transport writes 16UC1: whole millimetres in a PNG behind twelve bytes."""
    data = io.BytesIO()
    Picture.fromarray(_millimetres(depth_m)).save(data, "PNG", compress_level=1)
    message = CompressedImage(header=head or Header(), format="16UC1; compressedDepth png")
    message.data = _bytes(_DEPTH_HEADER.pack(0, 0.0, 0.0) + data.getvalue())
    return message


def compressed_colour_of(message: CompressedImage) -> Colour:
    """From jpeg and png, whatever image_transport says around it. Raises: PictureError."""
    if "compressedDepth" in message.format:
        raise PictureError(f"{message.format!r} is depth, not colour")
    rgb = np.asarray(_opened(bytes(message.data), message.format).convert("RGB"))
    # image_transport names the order its encoder was given; it takes blue first, so "rgb8" was written the wrong way.
    return np.ascontiguousarray(rgb[:, :, ::-1]) if message.format.endswith("compressed rgb8") else rgb


def compressed_depth_of(message: CompressedImage) -> Depth:
    """Raises: PictureError."""
    encoding, _, rest = message.format.partition(";")
    if encoding not in DEPTHS or rest.strip() not in ("compressedDepth", "compressedDepth png"):
        raise PictureError(
            f"{message.format!r} cannot be read as depth; known: '16UC1; compressedDepth png', also 32FC1"
        )
    data = bytes(message.data)
    if len(data) < _DEPTH_HEADER.size:
        raise PictureError(f"compressed depth of {len(data)} bytes has no header")
    _, curve_a, curve_b = _DEPTH_HEADER.unpack_from(data)
    raw = np.asarray(_opened(data[_DEPTH_HEADER.size :], "png"))
    if raw.ndim != 2 or raw.dtype not in (np.uint16, np.int32):
        raise PictureError(f"compressed depth holds {raw.dtype} of shape {raw.shape}, not 16 bits a pixel")
    if encoding != "32FC1":
        return _metres(raw.astype(np.uint16))
    with np.errstate(divide="ignore"):
        return _metres(np.where(raw > 0, curve_a / (raw.astype(np.float32) - curve_b), 0.0).astype(np.float32))


def camera_info(lens: Intrinsics, head: Header | None = None) -> CameraInfo:
    """A pinhole without distortion."""
    return CameraInfo(
        header=head or Header(),
        width=lens.width,
        height=lens.height,
        distortion_model="plumb_bob",
        d=[0.0] * 5,
        k=[lens.fx, 0.0, lens.cx, 0.0, lens.fy, lens.cy, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[lens.fx, 0.0, lens.cx, 0.0, 0.0, lens.fy, lens.cy, 0.0, 0.0, 0.0, 1.0, 0.0],
    )


def intrinsics_of(info: CameraInfo) -> Intrinsics:
    """Raises: PictureError, where the camera says that it is not calibrated."""
    k = [float(value) for value in info.k]
    if k[0] <= 0.0 or k[4] <= 0.0 or not info.width or not info.height:
        raise PictureError(
            f"the camera at {info.header.frame_id!r} is not calibrated: {info.width}x{info.height}, k {k}"
        )
    return Intrinsics(info.width, info.height, fx=k[0], fy=k[4], cx=k[2], cy=k[5])


def _known(encoding: str) -> tuple[type[np.generic], int]:
    if encoding not in ENCODINGS:
        raise PictureError(f"encoding {encoding!r} is not known; known: {', '.join(ENCODINGS)}")
    return ENCODINGS[encoding]


def _words(kind: type[np.generic], channels: int) -> str:
    return f"{np.dtype(kind).name} of shape (H, W{f', {channels}' if channels > 1 else ''})"


def _bytes(data: bytes) -> array.array[int]:
    """The one type that a message takes without looking at every value: 0.8 ms for what otherwise takes 110."""
    return array.array("B", data)


def _millimetres(depth_m: Depth) -> NDArray[np.uint16]:
    known = np.nan_to_num(depth_m, nan=0.0, posinf=0.0, neginf=0.0)
    whole: NDArray[np.uint16] = np.rint(np.clip(known * 1e3, 0.0, 65535.0)).astype(np.uint16)
    return whole


def _metres(values: NDArray[Any]) -> Depth:
    if values.dtype == np.uint16:
        return (values * np.float32(1e-3)).astype(np.float32)
    return np.where(np.isfinite(values) & (values > 0.0), values, np.float32(0.0))


def _opened(data: bytes, form: str) -> Picture.Image:
    try:
        picture = Picture.open(io.BytesIO(data), formats=("JPEG", "PNG"))
        if picture.width * picture.height > MOST_PIXELS:
            raise PictureError(f"a picture of {picture.width}x{picture.height} is more than {MOST_PIXELS:,} pixels")
        picture.load()
    except PictureError:
        raise
    except Exception as cause:
        raise PictureError(f"{len(data)} bytes of {form!r} are no picture that can be read: {cause}") from cause
    return picture
