"""Colours by the name a person gives them, for handles, steel and screws."""

from __future__ import annotations

import numpy as np

from vlm_bt.simulation.outlines import Paint

HANDLE_COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.74, 0.07, 0.06),
    "blue": (0.06, 0.20, 0.68),
    "green": (0.06, 0.46, 0.17),
    "yellow": (0.93, 0.76, 0.06),
    "orange": (0.92, 0.40, 0.04),
    "black": (0.06, 0.06, 0.07),
    "purple": (0.42, 0.12, 0.55),
}
STEEL_SHADES: dict[str, tuple[float, float, float]] = {
    "silver": (0.76, 0.78, 0.81),
    "grey": (0.52, 0.54, 0.57),
    "dark grey": (0.27, 0.28, 0.30),
}
SCREW_SHADES: dict[str, tuple[float, float, float]] = {
    "silver": (0.74, 0.76, 0.79),
    "brass": (0.78, 0.60, 0.20),
    "black": (0.09, 0.09, 0.10),
}
DARK = Paint((0.07, 0.07, 0.08), "rubber")
BRIGHT = Paint((0.70, 0.72, 0.75), "steel")


def pick_paint(
    rng: np.random.Generator, shades: dict[str, tuple[float, float, float]], shine: str
) -> tuple[str, Paint]:
    """A named colour, a little lighter or darker than its name's."""
    name = str(rng.choice(list(shades)))
    finish = "steel" if shine == "steel" else "plastic"
    paint = Paint(shades[name], "steel" if finish == "steel" else "plastic")
    return name, paint.shaded(float(rng.uniform(0.85, 1.15)))


def between(low: float, high: float, share: float) -> float:
    return low + (high - low) * share
