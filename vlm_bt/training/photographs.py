"""Pictures of staged benches in the form in which a user's own are read: PNG files and a CSV with boxes."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from PIL import Image

from vlm_bt.training.staged import Order
from vlm_bt.training.staging import Studio
from vlm_bt.vision.vocabulary import KINDS

LEAST_VISIBLE = 0.7


def photograph(out: Path, count: int, seed: int, camera: Literal["bench", "cell"], say: Callable[[str], None]) -> int:
    """Write pictures and `labels.csv`: every thing of a known kind of which most is seen, with its box.

    Returns:
        How many things are labelled. The same seed gives the same bytes.
    """
    out.mkdir(parents=True, exist_ok=True)
    rows: list[tuple[object, ...]] = []
    with Studio(seed, Order(camera=camera)) as studio:
        for number in range(count):
            staged = studio.stage(number)
            name = f"{number:04d}.png"
            Image.fromarray(staged.frames[0].rgb).save(out / name)
            for truth in staged.truths[0]:
                if truth.kind in KINDS and truth.box is not None and truth.visible >= LEAST_VISIBLE:
                    rows.append((name, truth.kind, truth.box.x0, truth.box.y0, truth.box.x1, truth.box.y1))
            if (number + 1) % 10 == 0:
                say(f"picture {number + 1} of {count}")
    with (out / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "label", "x0", "y0", "x1", "y1"))
        writer.writerows(rows)
    return len(rows)
