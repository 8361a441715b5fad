"""The cameras that scenes are seen with: the bench's own, and one of another cell; their light, optics and noise.

The cell stands in for a user's robot cell that no model was trained on: a wider lens that looks at a slant, a bench of
steel or blue rubber with taped zones, warm light from the side with shadows, worn paint, vignetting, noise that grows
with light, a colour cast, JPEG.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from vlm_bt.simulation.noise import SIGMA_AT_1M_M, Key, generator, noisy_colour, noisy_depth
from vlm_bt.simulation.scenario import BENCH_X, BENCH_Y, ZONES
from vlm_bt.simulation.scene import ITEM_GROUP, LOOKING_DOWN, OVERHEAD_FOVY_DEG, OVERHEAD_POSITION
from vlm_bt.training.staged import Order

Rgb = NDArray[np.uint8]
DepthM = NDArray[np.float32]


@dataclass(frozen=True)
class Viewpoint:
    """Where a camera hangs, as the mission believes: position (metres) and MuJoCo quaternion, base frame.

    Attributes:
        size: (width, height) of its own picture, pixels. name: What its frames say they are from.
    """

    name: str
    position: tuple[float, float, float]
    quaternion: tuple[float, float, float, float]
    fovy_deg: float
    size: tuple[int, int]


def _slanted(tilt_deg: float) -> tuple[float, float, float, float]:
    """Looking down, the picture's top tilted towards the far edge of the bench."""
    w, z, half = math.sqrt(0.5), -math.sqrt(0.5), math.radians(tilt_deg) / 2
    c, s = math.cos(half), math.sin(half)
    # A turn about the camera's own x axis (image right) after LOOKING_DOWN.
    return (w * c, w * s, z * s, z * c)


BENCH = Viewpoint("overhead", OVERHEAD_POSITION, LOOKING_DOWN, OVERHEAD_FOVY_DEG, (1280, 720))
CELL = Viewpoint("cell", (0.20, 0.05, 1.02), _slanted(8.0), 51.0, (1152, 720))

BRIGHTER, DARKER = 2.6, 0.10
"""What a pixel is multiplied with at light 1 and at -1; what is brighter than white stays white."""
BLUR_SHARE = 0.0045
"""Standard deviation of the blur at 1, in picture widths."""
NOISE_LEVELS, NOISE_DEPTH = 32.0, 5.0
"""At 1: standard deviation that comes on top, in grey levels; and times the depth sensor's own."""


def viewpoint_of(order: Order) -> Viewpoint:
    return CELL if order.camera == "cell" else BENCH


def furnish_cell(spec: Any, seed: int) -> None:
    """Give a scene the bench tops of the cell; `dress_cell` chooses one."""
    import mujoco

    for name, picture in cell_tops(seed).items():
        texture = spec.add_texture(
            name=name, type=mujoco.mjtTexture.mjTEXTURE_2D, width=picture.shape[1], height=picture.shape[0], nchannel=3
        )
        texture.data = picture.tobytes()
        material = spec.add_material(name=name, specular=0.35, shininess=0.5, texrepeat=(1, 1))
        material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name


def cell_tops(seed: int) -> dict[str, Rgb]:
    """The cell's two bench tops: brushed steel and blue rubber, zones marked by tape."""
    rng = np.random.default_rng([seed, 19])
    per_m = 500
    rows, columns = round((BENCH_Y[1] - BENCH_Y[0]) * per_m), round((BENCH_X[1] - BENCH_X[0]) * per_m)
    brushed = rng.normal(0.0, 5.0, (rows, 1)) + rng.normal(0.0, 2.5, (rows, columns))
    steel = np.array([150, 154, 158]) + brushed[..., None]
    speckle = rng.normal(0.0, 3.0, (rows, columns)) - 22.0 * (rng.random((rows, columns)) < 0.012)
    rubber = np.array([52, 82, 126]) + speckle[..., None]
    return {"cell steel": _taped(steel, per_m), "cell rubber": _taped(rubber, per_m)}


def _taped(picture: NDArray[np.float64], per_m: int) -> Rgb:
    image = Image.fromarray(picture.clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for zone in ZONES:
        x = [round((value - BENCH_X[0]) * per_m) for value in zone.x]
        y = [round((value - BENCH_Y[0]) * per_m) for value in zone.y]
        draw.rectangle((x[0], y[0], x[1], y[1]), outline=(225, 222, 210), width=round(0.012 * per_m))
    return np.ascontiguousarray(np.asarray(image)[::-1])


def dress_cell(model: Any, rng: np.random.Generator) -> None:
    """Light, bench top and worn paint of the cell, over what `apply_look` has set."""
    top = ("cell steel", "cell rubber")[int(rng.integers(2))]
    model.geom_matid[model.geom("bench_top").id] = model.material(top).id
    lamp = model.light("lamp").id
    side = 1.0 if rng.random() < 0.5 else -1.0
    model.light_pos[lamp] = (rng.uniform(0.0, 0.5), side * rng.uniform(0.9, 1.3), rng.uniform(1.0, 1.5))
    way = np.array([0.35, 0.0, 0.0]) - model.light_pos[lamp]
    model.light_dir[lamp] = way / np.linalg.norm(way)
    model.light_diffuse[lamp] = rng.uniform(0.55, 0.80) * np.array([1.0, 0.90, 0.76])
    model.vis.headlight.ambient[:] = rng.uniform(0.18, 0.28) * np.array([0.94, 0.98, 1.06])
    model.vis.headlight.diffuse[:] = rng.uniform(0.05, 0.12)
    painted = np.flatnonzero(model.geom_group == ITEM_GROUP)
    colour = model.geom_rgba[painted, :3]
    worn, dirt = rng.uniform(0.05, 0.22, (len(painted), 1)), rng.uniform(0.78, 1.05, (len(painted), 1))
    model.geom_rgba[painted, :3] = ((1 - worn) * colour + worn * np.array([0.42, 0.40, 0.37])) * dirt


def sensed(rgb: Rgb, depth_m: DepthM, key: Key, order: Order) -> tuple[Rgb, DepthM]:
    """What the order's camera makes of a clean picture (H, W, 3) and clean depth (H, W) in metres."""
    if order.camera == "cell":
        rgb = _through_cell_lens(rgb, key)
    if order.light:
        rgb = _exposed(rgb, order.light)
    if order.blur > 0:
        rgb = _blurred(rgb, order.blur * BLUR_SHARE * rgb.shape[1])
    rgb, depth = noisy_colour(rgb, key), noisy_depth(depth_m, key)
    extra = order.noise * (NOISE_DEPTH - 1) + (1.0 if order.camera == "cell" else 0.0)
    if extra > 0:
        depth = _noisier_depth(depth, extra, key)
    if order.noise > 0:
        rng = generator(key, "more noise")
        grain = rng.standard_normal(rgb.shape, np.float32) * np.float32(order.noise * NOISE_LEVELS)
        rgb = (rgb + grain).clip(0, 255).astype(np.uint8)
    if order.camera == "cell":
        rgb = _jpeg(rgb)
    return rgb, depth


def _exposed(rgb: Rgb, light: float) -> Rgb:
    gain = BRIGHTER**light if light > 0 else DARKER**-light
    exposed: Rgb = (rgb * np.float32(gain)).clip(0, 255).astype(np.uint8)
    return exposed


def _blurred(rgb: Rgb, sigma_px: float) -> Rgb:
    soft: Rgb = np.asarray(Image.fromarray(rgb).filter(ImageFilter.GaussianBlur(sigma_px)))
    return soft


def _through_cell_lens(rgb: Rgb, key: Key) -> Rgb:
    """Slightly soft, darker towards the corners, warmer or cooler, with shot noise."""
    rng = generator(key, "cell lens")
    height, width = rgb.shape[:2]
    across = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    down = np.linspace(-1, 1, height, dtype=np.float32)[:, None] * (height / width)
    falloff = 1.0 - 0.24 * (across**2 + down**2)
    cast = np.array([1.03, 1.0, 0.95], np.float32) * rng.uniform(0.97, 1.03, 3).astype(np.float32)
    picture = _blurred(rgb, 0.0008 * width).astype(np.float32) * falloff[..., None] * cast
    picture += rng.standard_normal(picture.shape, np.float32) * np.sqrt(2.0 + 0.10 * picture.clip(0, 255))
    taken: Rgb = picture.clip(0, 255).astype(np.uint8)
    return taken


def _noisier_depth(depth_m: DepthM, times: float, key: Key) -> DepthM:
    """More of the error that grows with the square of the distance; where there was no return, there is none."""
    grain = generator(key, "more depth noise").standard_normal(depth_m.shape, np.float32)
    noisier = depth_m + np.float32(times * SIGMA_AT_1M_M / math.sqrt(2)) * depth_m**2 * grain
    out: DepthM = np.where(depth_m > 0, noisier, np.float32(0.0)).astype(np.float32)
    return out


def _jpeg(rgb: Rgb) -> Rgb:
    stored = io.BytesIO()
    Image.fromarray(rgb).save(stored, "JPEG", quality=82)
    read: Rgb = np.asarray(Image.open(stored).convert("RGB"))
    return read
