"""Images to messages and back: every encoding, both byte orders, padded rows, and what is refused."""

from __future__ import annotations

import array
import io
import struct
import time

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("vlm_bt_interfaces")

from PIL import Image as Picture
from sensor_msgs.msg import CompressedImage, Image

from vlm_bt.errors import PictureError
from vlm_bt.ros import pictures
from vlm_bt.types import Intrinsics

pytestmark = pytest.mark.ros

SIZE = (6, 5)


def colours(height: int = SIZE[0], width: int = SIZE[1]) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)


def depths(height: int = SIZE[0], width: int = SIZE[1]) -> np.ndarray:
    """Whole millimetres up to four metres, some without a return."""
    millimetres = np.random.default_rng(2).integers(0, 4000, (height, width))
    return (millimetres * np.float32(1e-3)).astype(np.float32)


def padded(message: Image, by: int) -> Image:
    """The same with `by` bytes of rubbish behind every row, as cameras with aligned rows send it."""
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
    wider = np.concatenate([rows, np.full((message.height, by), 0xEE, np.uint8)], axis=1)
    message.step += by
    message.data = array.array("B", wider.tobytes())
    return message


@pytest.mark.parametrize("padding", [0, 3, 8])
@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "rgba8", "bgra8"])
def test_colour_is_read_red_first_from_every_order_and_any_row_length(encoding: str, padding: int) -> None:
    rgb = colours()
    sent = rgb[:, :, ::-1] if encoding.startswith("bgr") else rgb
    if encoding.endswith("a8"):
        sent = np.dstack([sent, np.full(SIZE, 9, np.uint8)])
    message = padded(pictures.image_message(np.ascontiguousarray(sent), encoding), padding)
    assert np.array_equal(pictures.colour_of(message), rgb)


def test_grey_is_read_as_colour() -> None:
    grey = colours()[:, :, 0].copy()
    assert np.array_equal(pictures.colour_of(pictures.image_message(grey, "mono8")), np.dstack([grey] * 3))


@pytest.mark.parametrize("padding", [0, 2, 7])
@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
def test_depth_is_read_in_metres_from_both_byte_orders(encoding: str, big_endian: bool, padding: int) -> None:
    depth_m = depths()
    message = pictures.depth_message(depth_m, encoding=encoding)
    if big_endian:
        size = 2 if encoding == "16UC1" else 4
        message.data = array.array("B", np.frombuffer(message.data, f"<u{size}").byteswap().tobytes())
        message.is_bigendian = 1
    read = pictures.depth_of(padded(message, padding))
    assert read.dtype == np.float32 and read.flags.c_contiguous
    assert np.array_equal(read, depth_m)


def test_what_is_no_distance_is_no_return() -> None:
    depth_m = np.array([[np.nan, np.inf, -1.0, 0.0, 0.5]], np.float32)
    assert pictures.depth_of(pictures.depth_message(depth_m)).tolist() == [[0.0, 0.0, 0.0, 0.0, 0.5]]
    assert pictures.pixels_of(pictures.depth_message(depth_m, encoding="16UC1")).tolist() == [[0, 0, 0, 0, 500]]


def test_a_picture_keeps_its_header_and_says_its_size() -> None:
    head = pictures.header(frame="camera_color_optical_frame")
    message = pictures.colour_message(colours(), head)
    assert (message.height, message.width, message.step, message.encoding) == (6, 5, 15, "rgb8")
    assert message.header.frame_id == "camera_color_optical_frame"


@pytest.mark.parametrize("form", ["png", "rgb8; png compressed bgr8"])
def test_colour_in_a_png_comes_back_as_it_was(form: str) -> None:
    message = pictures.compressed_colour(colours(), form="png")
    message.format = form
    assert np.array_equal(pictures.compressed_colour_of(message), colours())


def test_colour_in_a_jpeg_comes_back_nearly_as_it_was() -> None:
    smooth = np.dstack([np.tile(np.arange(64, dtype=np.uint8) * step, (48, 1)) for step in (1, 2, 3)])
    message = pictures.compressed_colour(smooth)
    message.format = "bgr8; jpeg compressed bgr8"
    assert np.abs(pictures.compressed_colour_of(message).astype(int) - smooth).mean() < 4


def test_a_png_that_was_written_with_red_and_blue_exchanged_is_put_right() -> None:
    message = pictures.compressed_colour(np.ascontiguousarray(colours()[:, :, ::-1]), form="png")
    message.format = "rgb8; png compressed rgb8"
    assert np.array_equal(pictures.compressed_colour_of(message), colours())


@pytest.mark.parametrize("form", ["16UC1; compressedDepth png", "16UC1; compressedDepth"])
def test_compressed_depth_comes_back_as_it_was(form: str) -> None:
    message = pictures.compressed_depth(depths())
    message.format = form
    assert np.array_equal(pictures.compressed_depth_of(message), depths())


def test_compressed_depth_on_a_curve_is_unbent() -> None:
    """32FC1 is sent as a / depth + b, as compressed_depth_image_transport does with its defaults (10 m, 100)."""
    depth_m = np.array([[0.3, 0.7, 2.0, 9.0]], np.float32)
    a = 100.0 * 101.0
    b = 1.0 - a / 10.0
    png = io.BytesIO()
    Picture.fromarray(np.rint(a / depth_m + b).astype(np.uint16)).save(png, "PNG")
    data = array.array("B", struct.pack("<iff", 0, a, b) + png.getvalue())
    read = pictures.compressed_depth_of(CompressedImage(format="32FC1; compressedDepth png", data=data))
    assert np.allclose(read, depth_m, rtol=1e-3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"encoding": "yuv422"}, "encoding 'yuv422' is not known; known: rgb8, bgr8"),
        ({"step": 14}, "5x6 in rgb8 takes rows of 15 bytes and 90 in all; the message has rows of 14 and 90 in all"),
        ({"height": 7}, "105 in all; the message has rows of 15 and 90 in all"),
        ({"height": 2**31, "width": 2**31}, "more than 64,000,000 pixels"),
    ],
)
def test_an_image_that_contradicts_itself_is_refused(change: dict[str, object], words: str) -> None:
    message = pictures.colour_message(colours())
    for name, value in change.items():
        setattr(message, name, value)
    with pytest.raises(PictureError) as told:
        pictures.pixels_of(message)
    assert words in str(told.value)


def test_depth_is_no_colour_and_colour_no_depth() -> None:
    with pytest.raises(PictureError, match="'32FC1' is no colour; known: rgb8, bgr8"):
        pictures.colour_of(pictures.depth_message(depths()))
    with pytest.raises(PictureError, match="'rgb8' is no depth; known: 16UC1, mono16, 32FC1"):
        pictures.depth_of(pictures.colour_message(colours()))
    with pytest.raises(PictureError, match="is depth, not colour"):
        pictures.compressed_colour_of(pictures.compressed_depth(depths()))
    with pytest.raises(PictureError, match=r"rgb8 holds uint8 of shape \(H, W, 3\), this is float32 of shape \(6, 5\)"):
        pictures.image_message(depths(), "rgb8")


@pytest.mark.parametrize("data", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n", b"GIF89a" + bytes(40)])
def test_bytes_that_are_no_picture_are_refused(data: bytes) -> None:
    with pytest.raises(PictureError, match="no picture that can be read"):
        pictures.compressed_colour_of(CompressedImage(format="jpeg", data=array.array("B", data)))
    with pytest.raises(PictureError):
        pictures.compressed_depth_of(CompressedImage(format="16UC1; compressedDepth png", data=array.array("B", data)))


def test_a_depth_codec_that_is_not_known_is_named() -> None:
    message = CompressedImage(format="16UC1; compressedDepth rvl")
    with pytest.raises(PictureError, match="'16UC1; compressedDepth rvl' cannot be read as depth"):
        pictures.compressed_depth_of(message)


def test_a_lens_goes_round_and_an_uncalibrated_one_is_refused() -> None:
    lens = Intrinsics(640, 480, 611.5, 611.25, 319.5, 240.125)
    info = pictures.camera_info(lens)
    assert pictures.intrinsics_of(info) == lens
    info.k = [0.0] * 9
    with pytest.raises(PictureError, match="not calibrated"):
        pictures.intrinsics_of(info)


def test_a_pair_of_pictures_becomes_messages_in_milliseconds() -> None:
    """Assigning numpy arrays or bytes takes about 110 ms a pair, for every value is looked at."""
    rgb, depth_m = colours(480, 640), depths(480, 640)
    took = []
    for _ in range(5):
        began = time.perf_counter()
        pictures.colour_message(rgb)
        pictures.depth_message(depth_m)
        took.append(time.perf_counter() - began)
    assert min(took) < 0.02
