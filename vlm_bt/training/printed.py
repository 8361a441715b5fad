"""What is printed: labels on things, notes on paper and warning signs, as pictures and as thin sheets of a scene.

The letters are those that Pillow carries, so that they are the same on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from vlm_bt.simulation.outlines import ToolModel
from vlm_bt.simulation.scene import ITEM_GROUP
from vlm_bt.training.lying import left_end

Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]

PIXELS_PER_M = 4000
CAPITALS_M = (0.0105, 0.009, 0.0075)
"""Heights of the letters on labels, largest first: nine to six pixels of the overhead camera."""
COVERED = 0.55
"""Share of a thing's length that a label may cover."""

_LEAST_ROOM_M = 0.032
_NOTE_CAPITAL_M, _SIGN_CAPITAL_M = 0.0125, 0.022
_SHEET_M = 0.0004
_LABELS: tuple[tuple[Colour, Colour], ...] = (
    ((250, 250, 246), (15, 15, 15)),
    ((250, 226, 60), (15, 15, 15)),
    ((224, 206, 160), (25, 25, 30)),
    ((20, 20, 22), (245, 245, 245)),
)
_PAPERS: tuple[Colour, ...] = ((252, 252, 250), (255, 243, 150), (240, 232, 210), (200, 228, 250))
_WARNINGS = ("CAUTION", "DANGER", "WET FLOOR", "HIGH VOLTAGE", "KEEP OUT", "DO NOT TOUCH", "HOT SURFACE", "STOP")


@dataclass(frozen=True, eq=False)
class Label:
    """Something printed on a thing.

    Attributes:
        size_m: (along the thing, across it). at: Its middle in the thing's frame, metres.
    """

    text: str
    picture: Picture
    size_m: tuple[float, float]
    at: tuple[float, float, float]


def label_for(tool: ToolModel, text: str, rng: np.random.Generator) -> Label | None:
    """A label along the handle's end of a thing (its left one), so that most of the thing can still be seen.

    Returns:
        None where the text does not fit in letters that the overhead camera can read.
    """
    paper, ink = _LABELS[int(rng.integers(len(_LABELS)))]
    shift = float(rng.uniform(0.0, 0.4))
    for capital in CAPITALS_M:
        picture = _text([text], capital, paper, ink)
        long, wide = picture.shape[1] / PIXELS_PER_M, picture.shape[0] / PIXELS_PER_M
        if long <= max(COVERED * tool.length_m, _LEAST_ROOM_M):
            x = left_end(tool) + long / 2 + shift * max(0.0, tool.length_m - long)
            return Label(text, picture, (long, wide), _on_top(tool, x, long))
    return None


def _on_top(tool: ToolModel, x: float, long_m: float) -> tuple[float, float, float]:
    """Where a label of this length rests on the thing when its middle lies at x, in the thing's frame."""
    vertices = np.concatenate([visual.vertices for visual in tool.visuals])
    under = vertices[np.abs(vertices[:, 0] - x) <= long_m / 2]
    under = under if len(under) else vertices
    return x, float((under[:, 1].min() + under[:, 1].max()) / 2), float(under[:, 2].max())


def note_picture(text: str, rng: np.random.Generator) -> Picture:
    """A sheet of paper with a few words on it, by hand or by machine."""
    paper = _PAPERS[int(rng.integers(len(_PAPERS)))]
    ink = ((20, 20, 25), (20, 30, 140), (170, 20, 20))[int(rng.integers(3))]
    return _text(_wrapped(text.upper(), 12), _NOTE_CAPITAL_M, paper, ink, margin_m=0.012)


def sign_picture(rng: np.random.Generator, size_m: tuple[float, float]) -> Picture:
    """A warning sign: a triangle with an exclamation mark over a word of warning."""
    width, height = (round(side * PIXELS_PER_M) for side in size_m)
    word = _WARNINGS[int(rng.integers(len(_WARNINGS)))]
    red = word in ("DANGER", "STOP", "KEEP OUT", "HIGH VOLTAGE")
    ground, ink = ((198, 24, 24), (250, 250, 250)) if red else ((252, 204, 10), (15, 15, 15))
    image = Image.new("RGB", (width, height), ground)
    draw = ImageDraw.Draw(image)
    edge = round(0.03 * width)
    draw.rectangle((edge, edge, width - edge, height - edge), outline=ink, width=edge // 2)
    side = min(0.62 * width, 0.62 * height)
    x, y = width / 2, 0.12 * height
    corners = [(x, y), (x - side / 2, y + 0.88 * side), (x + side / 2, y + 0.88 * side)]
    draw.polygon(corners, fill=(252, 204, 10), outline=(15, 15, 15), width=round(0.07 * side))
    draw.rectangle((x - 0.045 * side, y + 0.33 * side, x + 0.045 * side, y + 0.60 * side), fill=(15, 15, 15))
    draw.ellipse((x - 0.05 * side, y + 0.65 * side, x + 0.05 * side, y + 0.75 * side), fill=(15, 15, 15))
    words = Image.fromarray(_text(_wrapped(word, 9), _SIGN_CAPITAL_M, ground, ink, margin_m=0.0))
    words.thumbnail((round(0.86 * width), round(0.24 * height)))
    image.paste(words, (round((width - words.width) / 2), round(0.72 * height)))
    return np.asarray(image)


def add_label(spec: Any, body_name: str, label: Label) -> None:
    """Stick a label on a thing that is in the scene."""
    add_sheet(spec, spec.body(body_name), f"label {body_name}", label.picture, label.size_m, label.at, ITEM_GROUP)


def add_sheet(
    spec: Any,
    body: Any,
    name: str,
    picture: Picture,
    size_m: tuple[float, float],
    at: tuple[float, float, float] = (0.0, 0.0, 0.0),
    group: int = 0,
    turn: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0),
) -> None:
    """A thin sheet with a picture on its upper side: the picture's right along the body's x, its top along y.

    Args:
        at: Middle of its lower side in the body's frame. turn: quaternion (w, x, y, z) in the body's frame.
    """
    import mujoco

    texture = spec.add_texture(
        name=name, type=mujoco.mjtTexture.mjTEXTURE_2D, width=picture.shape[1], height=picture.shape[0], nchannel=3
    )
    texture.data = np.ascontiguousarray(picture).tobytes()
    material = spec.add_material(name=name, specular=0.1, shininess=0.1)
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name
    mesh = spec.add_mesh(name=name)
    vertices, texcoords, faces = _slab(*size_m)
    mesh.uservert, mesh.usertexcoord, mesh.userface = vertices.ravel(), texcoords.ravel(), faces.ravel()
    mesh.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL
    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_MESH,
        meshname=name,
        material=name,
        pos=at,
        quat=turn,
        rgba=(1.0, 1.0, 1.0, 1.0),
        contype=0,
        conaffinity=0,
        group=group,
        mass=0,
        userdata=(1.0, 1.0, 1.0),
    )


def _slab(width: float, height: float) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int32]]:
    """Vertices (8, 3), picture coordinates (8, 2) and faces (12, 3); the walls repeat the picture's edge."""
    x, y = width / 2, height / 2
    corners = [(-x, -y), (x, -y), (x, y), (-x, y)]
    vertices = np.array([(*c, _SHEET_M) for c in corners] + [(*c, 0.0) for c in corners], np.float32)
    at = np.array([(0, 1), (1, 1), (1, 0), (0, 0)] * 2, np.float32)
    walls = [(a, a + 4, b + 4) for a, b in ((0, 1), (1, 2), (2, 3), (3, 0))]
    walls += [(a, b + 4, b) for a, b in ((0, 1), (1, 2), (2, 3), (3, 0))]
    return vertices, at, np.array([(0, 1, 2), (0, 2, 3), (4, 6, 5), (4, 7, 6), *walls], np.int32)


def _text(lines: list[str], capital_m: float, paper: Colour, ink: Colour, margin_m: float = 0.003) -> Picture:
    """Lines of text, centred, on paper as large as they need."""
    margin, capital = round(margin_m * PIXELS_PER_M), capital_m * PIXELS_PER_M
    font = ImageFont.load_default(size=capital / 0.72)
    widths = [font.getlength(line) for line in lines]
    step = round(1.35 * capital)
    size = (round(max(widths)) + 2 * margin + 4, round(capital) + step * (len(lines) - 1) + 2 * margin + 4)
    image = Image.new("RGB", size, paper)
    draw = ImageDraw.Draw(image)
    for row, (line, width) in enumerate(zip(lines, widths, strict=True)):
        place = ((size[0] - width) / 2, margin + 2 + capital + row * step)
        draw.text(place, line, fill=ink, font=font, anchor="ls", stroke_width=round(0.035 * capital), stroke_fill=ink)
    return np.asarray(image)


def _wrapped(text: str, characters: float) -> list[str]:
    """Words in lines of about so many characters; a longer word has a line of its own."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > characters:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines
