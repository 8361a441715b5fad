"""Tools that hold, measure and strike: pliers, the multi-tool, the tape measure, the hammer. Drawn in millimetres."""

from __future__ import annotations

import numpy as np
from shapely.geometry import Polygon

from vlm_bt.simulation.outlines import Paint, Sketch, ToolModel, bent, disc, rectangle, ring, turned_by, unary_union
from vlm_bt.simulation.paints import BRIGHT, DARK, HANDLE_COLOURS, STEEL_SHADES, between, pick_paint


def pliers(rng: np.random.Generator, size: float) -> ToolModel:
    sketch, length = Sketch(), between(130, 165, size)
    colour, grip = pick_paint(rng, HANDLE_COLOURS, "plastic")
    steel = Paint(STEEL_SHADES["grey"], "steel").shaded(float(rng.uniform(0.75, 1.3)))
    half = length / 2
    pivot = half - 40
    spread = float(rng.uniform(14, 18))
    head = Polygon(
        [
            (half, -6.5),
            (half, 6.5),
            (half - 12, 11.5),
            (half - 26, 13.5),
            (pivot - 2, 14.5),
            (pivot - 13, 10),
            (pivot - 13, -10),
            (pivot - 2, -14.5),
            (half - 26, -13.5),
            (half - 12, -11.5),
        ]
    )
    slot = unary_union(
        [rectangle(half - 26, -0.9, half + 1, 0.9), turned_by(disc(0, 0, 1), 0), disc(half - 21, 0, 4.4, 16)]
    )
    sketch.plate(head.difference(slot), -5.0, 5.0, steel, bevel=1.0)
    sketch.plate(rectangle(half - 25, -1.0, half - 0.5, 1.0), -4.2, 2.4, DARK)
    sketch.plate(disc(half - 21, 0, 4.5, 16), -4.2, 1.5, DARK)
    for tooth in range(3):
        x = half - 2.5 - 3.6 * tooth
        for side in (1, -1):
            sketch.plate(
                rectangle(x - 0.6, min(side * 0.8, side * 5), x + 0.6, max(side * 0.8, side * 5)), 4.6, 5.15, DARK
            )
    sketch.plate(disc(pivot, 0, 7.2, 24), 5.0, 6.6, BRIGHT)
    sketch.plate(turned_by(rectangle(pivot - 5.5, -0.9, pivot + 5.5, 0.9), 35, (pivot, 0)), 6.5, 6.8, DARK)
    two_handles(sketch, half, pivot, spread, grip, steel)
    sketch.solid_box((38, 25, 10), (half - 20, 0, 0))
    sketch.solid_box((16, 24, 10), (pivot - 5, 0, 0))
    return sketch.finish("pliers", 0.16, 6.0, colour, ["two handles", "wide blunt jaws", "round pivot", "pipe grip"])


def needle_nose(rng: np.random.Generator, size: float) -> ToolModel:
    sketch, length = Sketch(), between(130, 165, size)
    colour, grip = pick_paint(rng, HANDLE_COLOURS, "plastic")
    steel = Paint(STEEL_SHADES["grey"], "steel").shaded(float(rng.uniform(0.75, 1.3)))
    half = length / 2
    pivot = half - between(60, 74, size)
    spread = float(rng.uniform(13, 17))
    nose = Polygon(
        [
            (half, -1.8),
            (half, 1.8),
            (pivot + 20, 6.2),
            (pivot + 10, 9.5),
            (pivot - 10, 9),
            (pivot - 10, -9),
            (pivot + 10, -9.5),
            (pivot + 20, -6.2),
        ]
    )
    sketch.plate(nose.difference(rectangle(pivot + 12, -0.6, half + 1, 0.6)), -4.5, 4.5, steel, bevel=0.8)
    sketch.plate(rectangle(pivot + 12, -0.7, half - 0.4, 0.7), -3.8, 3.0, DARK)
    sketch.plate(disc(pivot, 0, 5.6, 20), 4.5, 6.0, BRIGHT)
    sketch.plate(disc(pivot, 0, 2.0, 12), 5.9, 6.3, DARK)
    two_handles(sketch, half, pivot, spread, grip, steel)
    sketch.solid_box((half - pivot - 12, 9, 9), ((half + pivot + 12) / 2, 0, 0))
    sketch.solid_box((26, 18, 9), (pivot + 1, 0, 0))
    return sketch.finish(
        "needle-nose pliers", 0.13, 6.0, colour, ["two handles", "long thin jaws", "pointed jaws", "round pivot"]
    )


def two_handles(sketch: Sketch, half: float, pivot: float, spread: float, grip: Paint, steel: Paint) -> None:
    for side in (1, -1):
        path = [
            (pivot, -2.0 * side),
            (pivot - 16, 6.0 * side),
            (pivot - 34, spread * side),
            (-half + 26, (spread + 1.5) * side),
            (-half + 4, (spread - 3) * side),
        ]
        sketch.plate(bent(path[:3], 4.6), -4.6, 4.6, steel, bevel=0.8)
        sketch.plate(bent(path[2:], 5.6), -6.0, 6.0, grip, bevel=1.4)
        middle = (pivot - 34 - half + 4) / 2
        reach = pivot - 34 + half - 4
        sketch.solid_box((reach, 11, 12), (middle, spread * side, 0), yaw_deg=-1.0 * side)
        sketch.solid_box((20, 9, 10), (pivot - 24, (spread + 5) / 2 * side, 0), yaw_deg=-32.0 * side)


def multi_tool(rng: np.random.Generator, size: float) -> ToolModel:
    sketch, length = Sketch(), between(94, 112, size)
    colour, inlay = pick_paint(rng, HANDLE_COLOURS, "plastic")
    steel = Paint(STEEL_SHADES["silver"], "steel").shaded(float(rng.uniform(0.8, 1.1)))
    half, high = length / 2, between(15, 18, size)
    for side in (1, -1):
        y = 11.0 * side
        sketch.plate(
            rectangle(-half + 3, y - 1.5, half - 3, y + 1.5).buffer(3.4), -high / 2, high / 2, steel, bevel=1.2
        )
        sketch.plate(bent([(-half + 20, y), (half - 20, y)], 2.6), high / 2, high / 2 + 0.5, inlay)
        for x in (-half + 6, half - 6):
            sketch.plate(disc(x, y, 3.0, 16), high / 2, high / 2 + 1.2, DARK)
    for index, y in enumerate((-4.6, -1.6, 1.6, 4.6)):
        start = -half + 8 + 5 * (index % 2)
        sketch.block(
            (length - 26 - 8 * (index % 3), 1.5, high * 0.86),
            (start + (length - 26 - 8 * (index % 3)) / 2, y, 0),
            BRIGHT,
        )
    sketch.plate(rectangle(-half + 8, -6.5, half - 8, 6.5), -high / 2 + 1, high / 2 - 6, DARK)
    out = float(rng.uniform(28, 55)) * (1 if rng.uniform() < 0.5 else -1)
    reach = between(30, 40, size)
    blade = Polygon(
        [
            (half - 8, -4.0),
            (half - 8 + reach * 0.75, -4.0),
            (half - 8 + reach, 1.5),
            (half - 8 + reach * 0.9, 4.0),
            (half - 8, 4.0),
        ]
    )
    sketch.plate(turned_by(blade, out, (half - 8, 0)), -1.2, 1.2, BRIGHT)
    sketch.solid_box((length, 30, high), (0, 0, 0))
    parts = ["folding body", "two side plates", "folded blades", "small open blade", "round pivots"]
    return sketch.finish("multi-tool", 0.2, high / 2, colour, parts)


def tape_measure(rng: np.random.Generator, size: float) -> ToolModel:
    sketch, width = Sketch(), between(56, 64, size)
    colour, shell = pick_paint(
        rng, {k: v for k, v in HANDLE_COLOURS.items() if k not in ("black", "purple")}, "plastic"
    )
    r, high = width / 2, between(26, 32, size)
    body = unary_union([disc(0, 0, r, 40), rectangle(-2, -r, r, -r * 0.1)]).buffer(3).buffer(-3)
    sketch.plate(body, -high / 2, high / 2, shell, bevel=2.2)
    sketch.plate(ring(0, 0, r * 0.80, r * 0.70), high / 2, high / 2 + 0.5, DARK)
    sketch.plate(disc(0, 0, r * 0.62), high / 2, high / 2 + 0.6, DARK)
    sketch.plate(disc(0, 0, r * 0.30), high / 2 + 0.5, high / 2 + 1.0, BRIGHT)
    out = float(rng.uniform(9, 16))
    sketch.block((out, 2.4, high * 0.62), (r + out / 2, -r + 4.0, 0), Paint((0.95, 0.85, 0.20)))
    sketch.block((2.0, 9.0, high * 0.66), (r + out, -r + 6.0, 0), BRIGHT)
    sketch.block((r * 0.9, 2.5, high * 0.5), (-r * 0.2, r - 0.6, 0), DARK)
    sketch.solid_cylinder(r, high, (0, 0, 0))
    sketch.solid_box((r, r * 0.9, high), (r / 2, -r * 0.55, 0))
    sketch.solid_box((out, 2.4, high * 0.62), (r + out / 2, -r + 4.0, 0))
    return sketch.finish("tape measure", 0.22, high / 2, colour, ["round case", "tape blade", "thick body", "hook end"])


def hammer(rng: np.random.Generator, size: float) -> ToolModel:
    sketch, length = Sketch(), between(180, 210, size)
    colour, grip = pick_paint(rng, HANDLE_COLOURS, "plastic")
    wood = Paint((0.66, 0.45, 0.24), "plastic").shaded(float(rng.uniform(0.85, 1.15)))
    steel = Paint(STEEL_SHADES["dark grey"], "steel").shaded(float(rng.uniform(0.9, 1.5)))
    half, x = length / 2, length / 2 - 13
    sketch.turned(
        [(-half, 0), (-half, 10), (-half + 6, 12.5), (-half + 70, 11), (-half + 78, 8), (-half + 78, 0)], grip, 14
    )
    sketch.turned([(-half + 76, 0), (-half + 76, 8.5), (x, 8), (x, 0)], wood, 14)
    face = [(-38, 0), (-38, 11.5), (-28, 12.5), (-25, 9.5), (-12, 9.5), (-12, 0)]
    sketch.turned(face, steel, 18, at=(x, 0, 0), yaw_deg=90)
    sketch.block((25, 26, 24), (x, 0, 0), steel)
    claw = Polygon([(-12, 12), (12, 12), (9, 26), (3, 40), (-1, 40), (-9, 26)])
    sketch.plate(moved(claw, x), -9, 9, steel, bevel=1.5)
    sketch.solid_box((78, 20, 20), (-half + 39, 0, 0))
    sketch.solid_box((x + half - 78, 14, 14), ((x - half + 78) / 2, 0, 0))
    sketch.solid_box((25, 64, 22), (x, -5, 0))
    return sketch.finish("hammer", 0.26, 11.0, colour, ["heavy metal head", "long handle", "round face", "claw"])


def moved(shape: Polygon, x: float) -> Polygon:
    return Polygon([(px + x, py) for px, py in shape.exterior.coords])
