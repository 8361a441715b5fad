"""Pictures for people: boxes and labels that can be read, and the one object that a question is about.

Pixels are those of the frame; boxes are (x0, y0, x1, y1) with x1 and y1 exclusive.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Rect = tuple[float, float, float, float]
Colour = tuple[int, int, int]

PALETTE: tuple[Colour, ...] = (
    (0, 114, 178),
    (0, 126, 84),
    (200, 84, 0),
    (166, 72, 140),
    (120, 94, 20),
    (64, 84, 178),
    (176, 42, 48),
    (20, 124, 140),
)
"""After Okabe and Ito's colours for colour-blind readers, darkened so that white text on them has contrast 4:1; the
first four in the order of the embedded bench's own zones."""
MARKED = PALETTE[2]
UNSURE: Colour = (90, 90, 96)
PANEL_PX = 520
LINE_GAP_PX = 2
FOLDED = 4.0
"""Cost of a label in two lines, in places of the order of preference."""
NEXT_TO_ANOTHER = 12.0
"""Cost of a label that touches a box which is not its own, in places of the order of preference."""


@dataclass(frozen=True)
class Mark:
    """A box with its label. `dashed` where the label is no more than a guess."""

    box: tuple[int, int, int, int]
    text: str
    colour: Colour = PALETTE[0]
    dashed: bool = False


def group_colours(groups: Sequence[str]) -> Mapping[str, Colour]:
    """A colour for each group, in the order given, so that the same configuration always looks the same."""
    return {name: PALETTE[index % len(PALETTE)] for index, name in enumerate(dict.fromkeys(groups))}


def annotate(picture: Image.Image, marks: Sequence[Mark]) -> Image.Image:
    """A copy with boxes and labels; labels avoid each other, and a line joins those that had to move away."""
    drawn = picture.convert("RGB")
    draw = ImageDraw.Draw(drawn)
    font = _font(max(13, round(drawn.width / 85)))
    for mark in marks:
        _outline(draw, mark.box, mark.colour, mark.dashed, max(2, drawn.width // 420))
    texts = [_folded(mark.text) for mark in marks]
    sizes = [[_size(font, text) for text in folds] for folds in texts]
    spots = _place_labels([mark.box for mark in marks], sizes, (drawn.width, drawn.height))
    for mark, (spot, _) in zip(marks, spots, strict=True):
        _leader(draw, mark, spot)
    for mark, folds, (spot, fold) in zip(marks, texts, spots, strict=True):
        draw.rounded_rectangle(spot, radius=3, fill=mark.colour)
        middle = ((spot[0] + spot[2]) / 2, (spot[1] + spot[3]) / 2)
        draw.text(middle, folds[fold], fill="white", font=font, anchor="mm", align="center", spacing=LINE_GAP_PX)
    return drawn


def question_picture(picture: Image.Image, mark: tuple[int, int, int, int] | None) -> Image.Image:
    """The marked object close up, beside the whole picture with its place marked; unmarked: the whole picture."""
    whole = picture.convert("RGB")
    if mark is None:
        return whole
    side = _square_around(mark, whole.size)
    close = whole.crop(side).resize((PANEL_PX, PANEL_PX), Image.Resampling.LANCZOS)
    scale = PANEL_PX / (side[2] - side[0])
    inner = tuple(round((mark[i] - side[i % 2]) * scale) for i in range(4))
    _outline(ImageDraw.Draw(close), (inner[0], inner[1], inner[2], inner[3]), MARKED, False, 4)
    _outline(ImageDraw.Draw(whole), mark, MARKED, False, max(3, whole.width // 320))
    context = whole.resize((round(whole.width * PANEL_PX / whole.height), PANEL_PX), Image.Resampling.LANCZOS)
    both = Image.new("RGB", (close.width + 8 + context.width, PANEL_PX), "white")
    both.paste(close, (0, 0))
    both.paste(context, (close.width + 8, 0))
    return both


def choice_picture(picture: Image.Image, marks: Sequence[tuple[int, int, int, int]]) -> Image.Image:
    """The whole picture with the things that a question is to tell apart, numbered as its options are."""
    return annotate(
        picture, [Mark(box, str(number), PALETTE[number % len(PALETTE)]) for number, box in enumerate(marks, 1)]
    )


def close_up(picture: Image.Image, mark: tuple[int, int, int, int], side_px: int) -> Image.Image:
    """The mark and little around it, as a square `side_px` wide."""
    square = _square_around(mark, picture.size, least=48, share=1.25)
    return picture.crop(square).resize((side_px, side_px), Image.Resampling.LANCZOS)


def side_by_side(views: Sequence[tuple[str, Image.Image]], width: int = 1800) -> Image.Image:
    """Pictures of one size in a row, each under its title; for a README."""
    gap, title = width // 150, width // 34
    each = (width - gap * (len(views) + 1)) // len(views)
    shrunk = [
        view.resize((each, round(each * view.height / view.width)), Image.Resampling.LANCZOS) for _, view in views
    ]
    row = Image.new("RGB", (width, title + max(view.height for view in shrunk) + gap), "white")
    draw = ImageDraw.Draw(row)
    for index, ((name, _), view) in enumerate(zip(views, shrunk, strict=True)):
        x = gap + index * (each + gap)
        draw.text((x, title // 2), name, fill=(40, 42, 46), font=_font(round(title * 0.52)), anchor="lm")
        row.paste(view, (x, title))
    return row


def from_array(rgb: NDArray[np.uint8]) -> Image.Image:
    """A picture of an (H, W, 3) array."""
    return Image.fromarray(np.ascontiguousarray(rgb))


def from_jpeg(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def save_png(picture: Image.Image, path: Path, colours: int | None = None) -> Path:
    """With `colours`, reduced to as many: a picture with labels stays sharp in a fifth of the bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    (_reduced(picture, colours) if colours else picture).save(path, "PNG", optimize=colours is not None)
    return path


def _reduced(picture: Image.Image, colours: int) -> Image.Image:
    """Median cut spends its colours on the bench; maximum coverage keeps the few pixels of a yellow handle yellow."""
    half = colours // 2
    palettes = [
        picture.quantize(half, method).getpalette() or []
        for method in (Image.Quantize.MEDIANCUT, Image.Quantize.MAXCOVERAGE)
    ]
    both = Image.new("P", (1, 1))
    both.putpalette([value for palette in palettes for value in palette[: 3 * half]])
    return picture.quantize(palette=both, dither=Image.Dither.NONE)


def to_jpeg(picture: Image.Image, quality: int = 86) -> bytes:
    data = io.BytesIO()
    picture.convert("RGB").save(data, "JPEG", quality=quality, optimize=True)
    return data.getvalue()


def _folded(text: str) -> list[str]:
    """The text in one line, and in two where it has a space to break at, as near its middle as can be."""
    spaces = [index for index, sign in enumerate(text) if sign == " "]
    if not spaces:
        return [text]
    at = min(spaces, key=lambda index: abs(index - len(text) / 2))
    return [text, f"{text[:at]}\n{text[at + 1 :]}"]


def _place_labels(
    boxes: Sequence[Rect], sizes: Sequence[Sequence[tuple[int, int]]], canvas: tuple[int, int]
) -> list[tuple[Rect, int]]:
    """A spot for each label, and which of its sizes it has there.

    Chosen from the top of the picture down: near its box, over no label, off other boxes.
    """
    spots: dict[int, tuple[Rect, int]] = {}
    for index in sorted(range(len(boxes)), key=lambda i: (boxes[i][1], boxes[i][0])):
        taken = [spot for spot, _ in spots.values()]
        options = [
            (rank + FOLDED * fold, spot, fold)
            for fold, size in enumerate(sizes[index])
            for rank, spot in enumerate(_candidates(boxes[index], size, canvas))
        ]
        others = [box for i, box in enumerate(boxes) if i != index]

        def cost(option: tuple[float, Rect, int], taken: list[Rect] = taken, others: list[Rect] = others) -> float:
            rank, spot, _ = option
            return (
                rank
                + 40.0 * sum(_overlap(spot, box) for box in boxes) / 100
                + NEXT_TO_ANOTHER * sum(_overlap(_grown(spot, 5), box) > 0 for box in others)
                + 10_000.0 * sum(_overlap(_grown(spot, 2), label) > 0 for label in taken)
            )

        _, spot, fold = min(options, key=cost)
        spots[index] = (spot, fold)
    return [spots[index] for index in range(len(boxes))]


def _candidates(box: Rect, size: tuple[int, int], canvas: tuple[int, int]) -> list[Rect]:
    """Spots above, below and beside a box, then in wider and wider rings; all inside the canvas."""
    width, height = size
    middle_x, middle_y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    found: list[Rect] = []
    for step in range(9):
        gap = 2 + step * (height + 3)
        above, below = box[1] - gap - height, box[3] + gap
        left, right = box[0] - gap - width, box[2] + gap
        for x, y in (
            (middle_x - width / 2, above),
            (middle_x - width / 2, below),
            (box[0], above),
            (box[2] - width, above),
            (box[0], below),
            (box[2] - width, below),
            (right, middle_y - height / 2),
            (left, middle_y - height / 2),
            (right, above),
            (left, above),
            (right, below),
            (left, below),
        ):
            x = min(max(x, 1), canvas[0] - width - 1)
            y = min(max(y, 1), canvas[1] - height - 1)
            found.append((x, y, x + width, y + height))
    return found


def _leader(draw: ImageDraw.ImageDraw, mark: Mark, spot: Rect) -> None:
    box = mark.box
    if _overlap(_grown(spot, 6), box) > 0:
        return
    start = (min(max(box[0], spot[0]), box[2]), min(max(box[1], spot[1]), box[3]))
    end = (min(max(start[0], spot[0]), spot[2]), min(max(start[1], spot[1]), spot[3]))
    draw.line((start, end), fill="white", width=4)
    draw.line((start, end), fill=mark.colour, width=2)


def _outline(draw: ImageDraw.ImageDraw, box: Sequence[int], colour: Colour, dashed: bool, width: int) -> None:
    x0, y0, x1, y1 = box[0], box[1], max(box[0], box[2] - 1), max(box[1], box[3] - 1)
    draw.rectangle((x0 - 1, y0 - 1, x1 + 1, y1 + 1), outline="white", width=1)
    if not dashed:
        draw.rectangle((x0, y0, x1, y1), outline=colour, width=width)
        return
    dash = 6
    for x in range(x0, x1, 2 * dash):
        draw.line(((x, y0), (min(x + dash, x1), y0)), fill=colour, width=width)
        draw.line(((x, y1), (min(x + dash, x1), y1)), fill=colour, width=width)
    for y in range(y0, y1, 2 * dash):
        draw.line(((x0, y), (x0, min(y + dash, y1))), fill=colour, width=width)
        draw.line(((x1, y), (x1, min(y + dash, y1))), fill=colour, width=width)


def _square_around(
    mark: tuple[int, int, int, int], size: tuple[int, int], least: int = 96, share: float = 1.8
) -> tuple[int, int, int, int]:
    """A square with the mark in its middle, `share` times as large, inside the picture."""
    width, height = size
    side = min(max(least, round(share * max(mark[2] - mark[0], mark[3] - mark[1]))), width, height)
    x = min(max(round((mark[0] + mark[2] - side) / 2), 0), width - side)
    y = min(max(round((mark[1] + mark[3] - side) / 2), 0), height - side)
    return x, y, x + side, y + side


def _overlap(a: Sequence[float], b: Sequence[float]) -> float:
    """Shared area in square pixels."""
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _grown(rect: Rect, by: float) -> Rect:
    return rect[0] - by, rect[1] - by, rect[2] + by, rect[3] + by


def _size(font: ImageFont.FreeTypeFont | ImageFont.ImageFont, text: str) -> tuple[int, int]:
    lines = text.split("\n")
    width = max(font.getbbox(line)[2] - font.getbbox(line)[0] for line in lines)
    _, top, _, bottom = font.getbbox("Ágj")
    return int(width) + 8, len(lines) * (int(bottom - top) + LINE_GAP_PX) - LINE_GAP_PX + 4


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
