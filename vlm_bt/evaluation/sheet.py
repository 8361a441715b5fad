"""The worst failures of a suite as one picture: what was asked, what is true, what was answered, how surely."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from vlm_bt.evaluation.answered import Answered

MOST = 12
_COLUMNS, _TILE_PX, _TEXT_PX, _GAP_PX = 3, 400, 118, 12
_CONTEXT, _LEAST_PX = 2.6, 150
_TRUE, _SAID = (0, 126, 84), (200, 84, 0)
_LETTERS = 52


def worst(answers: Sequence[Answered], most: int = MOST) -> list[Answered]:
    """Wrong answers: those that the model is sure of first, then by its probability; few of each question's kind, so
    that one fault does not hide the others, and what is not answered at all last."""
    wrong = sorted(
        (one for one in answers if not one.right),
        key=lambda one: (bool(one.failed), not one.wrong_and_sure, -(one.confidence or 0.0)),
    )
    of_kind: dict[tuple[str, ...], int] = {}
    ranks = []
    for one in wrong:
        alike = (one.kind, one.tags.get("kind", ""), one.tags.get("asked", ""), one.tags.get("claim", ""), one.failed)
        ranks.append((of_kind.get(alike, 0), one))
        of_kind[alike] = of_kind.get(alike, 0) + 1
    return [one for _, one in sorted(ranks, key=lambda row: row[0])][:most]


def draw_sheet(path: Path, answers: Sequence[Answered], picture: Callable[[str], Path]) -> bool:
    """Draw the worst failures whose scenes' pictures are kept; False where there are none.

    Args:
        picture: Where the picture of a scene is.
    """
    shown = worst([one for one in answers if picture(one.scene).is_file()])
    if not shown:
        return False
    columns = min(_COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    step_x, step_y = _TILE_PX + _GAP_PX, _TILE_PX * 3 // 4 + _TEXT_PX + _GAP_PX
    sheet = Image.new("RGB", (columns * step_x + _GAP_PX, rows * step_y + _GAP_PX), "white")
    for number, one in enumerate(shown):
        at = (_GAP_PX + number % columns * step_x, _GAP_PX + number // columns * step_y)
        sheet.paste(_tile(one, picture(one.scene)), at)
    sheet.save(path)
    return True


def _tile(one: Answered, picture: Path) -> Image.Image:
    high = _TILE_PX * 3 // 4
    tile = Image.new("RGB", (_TILE_PX, high + _TEXT_PX), "white")
    with Image.open(picture) as opened:
        whole = opened.convert("RGB")
    draw = ImageDraw.Draw(whole)
    line = max(2, whole.width // 500)
    for box, colour in ((one.box, _TRUE), (one.said_box, _SAID)):
        if box is not None:
            # A thing's box is in the last of the frames, which stand one above the other.
            shift = whole.height - whole.height // _views(one)
            draw.rectangle((box[0] - line, box[1] + shift - line, box[2] + line, box[3] + shift + line),
                           outline=colour, width=line)  # fmt: skip
    shown = whole.crop(_around(one, whole.size))
    shown.thumbnail((_TILE_PX, high), Image.Resampling.LANCZOS)
    if shown.width < _TILE_PX and shown.height < high:
        scale = min(_TILE_PX / shown.width, high / shown.height)
        shown = shown.resize((round(shown.width * scale), round(shown.height * scale)), Image.Resampling.LANCZOS)
    tile.paste(shown, ((_TILE_PX - shown.width) // 2, (high - shown.height) // 2))
    _write(tile, one, high)
    return tile


def _views(one: Answered) -> int:
    return 2 if "event" in one.tags else 1


def _around(one: Answered, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """What of the picture is shown: around the boxes where a single thing is asked about, else all of it."""
    boxes = [box for box in (one.box, one.said_box) if box is not None]
    if not boxes or _views(one) > 1 or one.kind == "how_many":
        return (0, 0, *size)
    x0, y0 = min(box[0] for box in boxes), min(box[1] for box in boxes)
    x1, y1 = max(box[2] for box in boxes), max(box[3] for box in boxes)
    half = max(_LEAST_PX, _CONTEXT * max(x1 - x0, (y1 - y0) * 4 / 3)) / 2
    wide, high = min(round(2 * half), size[0]), min(round(1.5 * half), size[1])
    left = min(max(0, round((x0 + x1) / 2 - wide / 2)), size[0] - wide)
    top = min(max(0, round((y0 + y1) / 2 - high / 2)), size[1] - high)
    return left, top, left + wide, top + high


def _write(tile: Image.Image, one: Answered, top: int) -> None:
    draw, font = ImageDraw.Draw(tile), ImageFont.load_default(15)
    small = ImageFont.load_default(12)
    asked = textwrap.shorten(one.asked, 2 * _LETTERS, placeholder=" ...")
    draw.multiline_text((2, top + 4), textwrap.fill(asked, _LETTERS), fill=(40, 42, 46), font=font, spacing=2)
    draw.text((2, top + 46), textwrap.shorten(f"true: {one.truth}", _LETTERS), fill=_TRUE, font=font)
    sure = f" ({one.confidence:.2f}{', sure' if one.wrong_and_sure else ''})" if one.confidence is not None else ""
    said = one.failed if one.failed else f"said: {one.said}{sure}"
    draw.text((2, top + 66), textwrap.shorten(said, _LETTERS, placeholder=" ..."), fill=_SAID, font=font)
    draw.text((2, top + 90), f"{one.scene} #{one.index}", fill=(120, 122, 126), font=small)
