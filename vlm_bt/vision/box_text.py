"""Boxes that a model wrote down in words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from vlm_bt.vision.prompts import WHOLE

LOC_STEPS = 1024
_NUMBER = r"\s*(\d+(?:\.\d+)?)\s*"
_QUAD = re.compile(r"\[" + ",".join([_NUMBER] * 4) + r"\]")
_LOC = re.compile(r"<loc(\d{4})>" * 4)


@dataclass(frozen=True)
class WrittenBox:
    """Shares of the picture's width and height, 0 to 1, and where in the text they stand."""

    x0: float
    y0: float
    x1: float
    y1: float
    start: int
    end: int


def written_boxes(text: str, width: float = WHOLE, height: float = WHOLE) -> Iterator[WrittenBox]:
    """Every `[x0, y0, x1, y1]` in the text, whatever stands around it: JSON that was cut off in its middle too.

    Args:
        width, height: What stands for the whole picture in the text.
    """
    for match in _QUAD.finditer(text):
        x0, y0, x1, y1 = (float(number) for number in match.groups())
        yield from _sound(x0 / width, y0 / height, x1 / width, y1 / height, match.span())


def loc_boxes(text: str) -> Iterator[WrittenBox]:
    """Every `<locYYYY><locXXXX><locYYYY><locXXXX>`, as PaliGemma writes them."""
    for match in _LOC.finditer(text):
        y0, x0, y1, x1 = (int(number) / LOC_STEPS for number in match.groups())
        yield from _sound(x0, y0, x1, y1, match.span())


def _sound(x0: float, y0: float, x1: float, y1: float, span: tuple[int, int]) -> Iterator[WrittenBox]:
    x0, x1 = min(x0, 1.0), min(x1, 1.0)
    y0, y1 = min(y0, 1.0), min(y1, 1.0)
    if x0 < x1 and y0 < y1:
        yield WrittenBox(x0, y0, x1, y1, *span)
