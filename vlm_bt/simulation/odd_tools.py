"""Things that are none of the known kinds, put together from parts: what a model learns to call unknown.

They share parts with the kinds that are held out of training (a T-shaped handle, a hexagonal shaft, a folding body, a
blade), never their combination: `resembles_held_out` names the two forbidden ones and `odd_tool` refuses them. A
T-shaped handle always carries a round shaft that ends in something at least twice as wide as the shaft; two side plates
never hold blades.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection

import numpy as np
from shapely import affinity
from shapely.geometry import Polygon

from vlm_bt.simulation.outlines import Paint, Sketch, ToolModel, bent, disc, rectangle, ring, turned_by, unary_union
from vlm_bt.simulation.paints import BRIGHT, DARK, HANDLE_COLOURS, STEEL_SHADES, pick_paint

Parts = list[str]
_WOOD = Paint((0.70, 0.50, 0.29), "plastic")


def odd_tool(rng: np.random.Generator | int) -> ToolModel:
    """A random thing of kind "odd" with the phrases for its parts; one box around it is its collider.

    Args:
        rng: Where to draw from, or a seed.
    """
    if isinstance(rng, int):
        rng = np.random.default_rng([rng, 4])
    recipe = _RECIPES[int(rng.integers(len(_RECIPES)))]
    sketch = Sketch()
    shade, paint = _any_paint(rng)
    parts, half_height_mm = recipe(rng, sketch, paint)
    if resembles_held_out(parts):
        raise AssertionError(f"recipe {recipe.__name__} made a held-out kind: {parts}")
    sketch.solid_hull()
    return sketch.finish("odd", 0.05, half_height_mm, shade, parts)


def resembles_held_out(parts: Collection[str]) -> bool:
    """Whether these parts together make a T-handle Allen wrench or a multi-tool."""
    allen = "T-shaped handle" in parts and "hexagonal shaft" in parts
    folded = "two side plates" in parts and any("blade" in part for part in parts)
    return allen or folded


def _any_paint(rng: np.random.Generator) -> tuple[str, Paint]:
    if rng.uniform() < 0.65:
        return pick_paint(rng, HANDLE_COLOURS, "plastic")
    return pick_paint(rng, STEEL_SHADES, "steel")


def _steel(rng: np.random.Generator) -> Paint:
    return pick_paint(rng, STEEL_SHADES, "steel")[1]


def _rod(sketch: Sketch, start: float, end: float, radius: float, paint: Paint, sides: int = 14) -> None:
    sketch.turned([(start, 0), (start, radius), (end, radius), (end, 0)], paint, sides)


def _working_end(rng: np.random.Generator, sketch: Sketch, x: float, paint: Paint) -> str:
    """Something at least 13 mm wide at the end of a shaft at x."""
    end = str(rng.choice(["ring end", "ball end", "wide paddle", "fork end", "hook end", "square end"]))
    wide = float(rng.uniform(7.0, 13.0))
    if end == "ring end":
        sketch.plate(ring(x + wide - 2, 0, wide, wide * 0.55), -2.5, 2.5, paint, bevel=0.6)
    elif end == "ball end":
        arc = np.linspace(0, math.pi, 9)
        sketch.turned([(x + wide * (1 - math.cos(a)), wide * math.sin(a)) for a in arc], paint, 16)
    elif end == "wide paddle":
        sketch.plate(rectangle(x - 1, -wide, x + 2.2 * wide, wide).buffer(2.0), -1.4, 1.4, paint)
    elif end == "fork end":
        fork = rectangle(x - 2, -wide, x + 22, wide).difference(rectangle(x + 6, -wide * 0.45, x + 30, wide * 0.45))
        sketch.plate(fork, -2.2, 2.2, paint, bevel=0.5)
    elif end == "hook end":
        side = 1 if rng.uniform() < 0.5 else -1
        hook = [
            (x - 2, 0.0),
            (x + 6, 0.0),
            (x + 14, side * wide * 0.6),
            (x + 12, side * wide * 1.5),
            (x, side * wide * 1.7),
        ]
        sketch.plate(bent(hook, 2.6), -2.6, 2.6, paint)
    else:
        sketch.block((2 * wide, 1.6 * wide, 10.0), (x + wide - 1, 0, 0), paint)
    return end


def _t_with_end(rng: np.random.Generator, sketch: Sketch, paint: Paint) -> tuple[Parts, float]:
    across, radius, long = rng.uniform(55, 80) / 2, rng.uniform(6, 9), rng.uniform(60, 110)
    sketch.turned(
        [(-across, 0), (-across, radius), (across, radius), (across, 0)], paint, 14, at=(-long / 2, 0, 0), yaw_deg=90
    )
    steel = _steel(rng)
    _rod(sketch, -long / 2, long / 2, float(rng.uniform(2.6, 4.0)), steel)
    return ["T-shaped handle", "round shaft", _working_end(rng, sketch, long / 2, steel)], radius


def _handle_with_end(rng: np.random.Generator, sketch: Sketch, paint: Paint) -> tuple[Parts, float]:
    handle, radius, shaft = rng.uniform(45, 85), rng.uniform(8, 14), rng.uniform(25, 70)
    start = -(handle + shaft) / 2
    sketch.turned(
        [(start, 0), (start, radius * 0.8), (start + 5, radius), (start + handle, radius * 0.8), (start + handle, 0)],
        paint,
        14,
    )
    name, sides, thick = [("round shaft", 14, 3.2), ("hexagonal shaft", 6, 3.4), ("square shaft", 4, 4.0)][
        int(rng.integers(3))
    ]
    steel = _steel(rng)
    _rod(sketch, start + handle, -start, thick, steel, sides)
    return ["round handle", name, _working_end(rng, sketch, -start, steel)], radius


def _l_key(rng: np.random.Generator, sketch: Sketch, paint: Paint) -> tuple[Parts, float]:
    long, short, thick = rng.uniform(60, 130), rng.uniform(20, 45), rng.uniform(2.2, 4.0)
    path = [(long / 2, 0), (-long / 2 + 6, 0), (-long / 2, 4), (-long / 2, short)]
    sketch.plate(bent(path, thick, "flat"), -thick, thick, paint, bevel=thick * 0.4)
    return ["L-shaped", "hexagonal shaft", "bent shaft"], float(thick)


def _pocket_body(rng: np.random.Generator, sketch: Sketch, paint: Paint) -> tuple[Parts, float]:
    long, wide, high = rng.uniform(70, 105), rng.uniform(16, 26), rng.uniform(10, 16)
    body = rectangle(-long / 2 + 6, -wide / 2 + 6, long / 2 - 6, wide / 2 - 6).buffer(6)
    sketch.plate(body, -high / 2, high / 2, paint, bevel=1.5)
    sketch.plate(disc(long / 2 - 8, 0, 2.6), high / 2, high / 2 + 0.8, BRIGHT)
    parts = ["folding body", "solid body"]
    if rng.uniform() < 0.6:
        sketch.plate(ring(-long / 2 - 4, 0, 8, 5.5), -1.5, 1.5, BRIGHT)
        parts.append("ring end")
    else:
        blade = Polygon(
            [(long / 2 - 8, -5), (long / 2 + 28, -5), (long / 2 + 42, 2), (long / 2 + 36, 5), (long / 2 - 8, 5)]
        )
        sketch.plate(turned_by(blade, float(rng.uniform(-15, 15)), (long / 2 - 8, 0)), -1.2, 1.2, BRIGHT)
        parts.append("one blade")
    return parts, float(high / 2)


def _two_bars(rng: np.random.Generator, sketch: Sketch, paint: Paint) -> tuple[Parts, float]:
    long, gap, high = rng.uniform(60, 110), rng.uniform(10, 20), rng.uniform(8, 16)
    for side in (1, -1):
        sketch.plate(
            rectangle(-long / 2, side * gap - 4, long / 2, side * gap + 4).buffer(1),
            -high / 2,
            high / 2,
            paint,
            bevel=0.8,
        )
    for x in (-long * 0.3, long * 0.3):
        sketch.turned([(-gap, 0), (-gap, 3), (gap, 3), (gap, 0)], _steel(rng), 12, at=(x, 0, 0), yaw_deg=90)
    return ["two side plates", "open gap", "cross bars"], float(high / 2)


def _plain_rod(rng: np.random.Generator, sketch: Sketch, paint: Paint) -> tuple[Parts, float]:
    long, radius = rng.uniform(50, 170), rng.uniform(3.5, 9.0)
    name, sides = [("round rod", 16), ("hexagonal rod", 6), ("square rod", 4)][int(rng.integers(3))]
    _rod(sketch, -long / 2, long / 2, radius, paint, sides)
    return ["plain rod", name], float(radius * math.cos(math.pi / sides))


def _block(rng: np.random.Generator, sketch: Sketch, paint: Paint) -> tuple[Parts, float]:
    long, wide, high = rng.uniform(18, 110), rng.uniform(14, 60), rng.uniform(8, 32)
    if rng.uniform() < 0.4:
        long = wide = high = rng.uniform(16, 32)
    sketch.plate(rectangle(-long / 2, -wide / 2, long / 2, wide / 2), -high / 2, high / 2, paint, bevel=1.0)
    if rng.uniform() < 0.4:
        sketch.plate(rectangle(-long / 4, -wide / 4, long / 4, wide / 4), high / 2, high / 2 + 0.6, _any_paint(rng)[1])
    return ["cube" if long == wide else "block", "square edges"], float(high / 2)


def _disc_or_nut(rng: np.random.Generator, sketch: Sketch, paint: Paint) -> tuple[Parts, float]:
    radius, high = rng.uniform(8, 34), rng.uniform(6, 16)
    shape = str(rng.choice(["disc", "washer", "hexagonal nut"]))
    outer = disc(0, 0, radius, 6 if shape == "hexagonal nut" else 36)
    flat = outer if shape == "disc" else outer.difference(disc(0, 0, radius * rng.uniform(0.4, 0.65), 28))
    sketch.plate(flat, -high / 2, high / 2, paint, bevel=0.8)
    if shape == "disc" and rng.uniform() < 0.5:
        sketch.plate(disc(0, 0, radius * 0.5), high / 2, high / 2 + 0.6, _any_paint(rng)[1])
    return [shape, "round part" if shape != "hexagonal nut" else "hole"], float(high / 2)


def _marker(rng: np.random.Generator, sketch: Sketch, paint: Paint) -> tuple[Parts, float]:
    long, radius = rng.uniform(95, 145), rng.uniform(5.0, 9.0)
    body = Paint((0.86, 0.86, 0.84)) if rng.uniform() < 0.5 else DARK
    cap = long * rng.uniform(0.25, 0.4)
    _rod(sketch, -long / 2, long / 2 - cap, radius * 0.94, body, 16)
    _rod(sketch, long / 2 - cap, long / 2, radius, paint, 16)
    _rod(sketch, -long / 2 - 4, -long / 2, radius * 0.6, paint, 16)
    sketch.block((cap * 0.9, 1.8, 1.5), (long / 2 - cap * 0.5, 0, radius + 0.4), paint)
    return ["pen", "cap", "round body"], float(radius)


def _brush(rng: np.random.Generator, sketch: Sketch, paint: Paint) -> tuple[Parts, float]:
    handle, wide, bristle = rng.uniform(60, 95), rng.uniform(10, 24), rng.uniform(22, 40)
    start = -(handle + bristle + 14) / 2
    grip = Polygon(
        [
            (start, -4),
            (start + handle * 0.4, -6),
            (start + handle, -wide / 2),
            (start + handle, wide / 2),
            (start + handle * 0.4, 6),
            (start, 4),
        ]
    )
    sketch.plate(grip.buffer(1.5), -4, 4, paint if rng.uniform() < 0.5 else _WOOD, bevel=1.2)
    x = start + handle
    sketch.plate(rectangle(x, -wide / 2 - 1, x + 14, wide / 2 + 1), -5, 5, BRIGHT)
    sketch.plate(rectangle(x + 14, -wide / 2, x + 14 + bristle, wide / 2), -4, 4, Paint((0.55, 0.42, 0.26), "rubber"))
    for y in np.arange(-wide / 2 + 1.5, wide / 2, 3.0):
        sketch.plate(rectangle(x + 14, y, x + 14 + bristle, y + 0.9), 3.9, 4.3, DARK)
    return ["brush", "bristles", "flat handle"], 5.0


def _dumbbell(rng: np.random.Generator, sketch: Sketch, paint: Paint) -> tuple[Parts, float]:
    long, radius, end = rng.uniform(60, 130), rng.uniform(3, 6), rng.uniform(8, 16)
    _rod(sketch, -long / 2, long / 2, radius, _steel(rng))
    for side in (1, -1):
        x = side * long / 2
        _rod(sketch, x - 7, x + 7, end, paint, 6 if rng.uniform() < 0.4 else 18)
    return ["two thick ends", "round shaft"], float(end)


def _cross(rng: np.random.Generator, sketch: Sketch, paint: Paint) -> tuple[Parts, float]:
    long, wide, high = rng.uniform(50, 100) / 2, rng.uniform(4, 9), rng.uniform(6, 14)
    arms = unary_union([rectangle(-long, -wide, long, wide), rectangle(-wide, -long * 0.8, wide, long * 0.8)])
    sketch.plate(turned_by(arms, 0.0), -high / 2, high / 2, paint, bevel=1.0)
    return ["four arms", "cross shape"], float(high / 2)


def _key(rng: np.random.Generator, sketch: Sketch, paint: Paint) -> tuple[Parts, float]:
    long, bow = rng.uniform(45, 80), rng.uniform(11, 16)
    sketch.plate(ring(-long / 2, 0, bow, bow * 0.5), -3.5, 3.5, paint, bevel=0.6)
    shaft = rectangle(-long / 2 + bow - 1, -3.5, long / 2, 3.5)
    teeth = [rectangle(x, -8, x + 4, -3) for x in (long / 2 - 6, long / 2 - 14, long / 2 - 24)]
    sketch.plate(unary_union([shaft, *teeth]), -3.2, 3.2, paint)
    return ["ring handle", "flat shaft", "toothed edge"], 3.5


def _scissors(rng: np.random.Generator, sketch: Sketch, paint: Paint) -> tuple[Parts, float]:
    long, spread = rng.uniform(55, 75), float(rng.uniform(6, 20))
    for side in (1, -1):
        blade = Polygon([(-6, -5), (long, -1), (long + 3, 0.5), (-6, 5)])
        handle = unary_union([bent([(-4, 0), (-long * 0.5, 8.0)], 3.5), ring(-long * 0.7, 12.0, 14, 9)])
        if side < 0:
            blade, handle = affinity.scale(blade, 1, -1, origin=(0, 0)), affinity.scale(handle, 1, -1, origin=(0, 0))
        sketch.plate(turned_by(blade, side * spread / 2), -1.8 + side * 0.8, 1.8 + side * 0.8, BRIGHT)
        sketch.plate(turned_by(handle, side * spread / 2), -4, 4, paint, bevel=1.0)
    sketch.plate(disc(0, 0, 3.5), 2.4, 3.6, DARK)
    return ["two ring handles", "two blades", "round pivot"], 4.0


def _bracket(rng: np.random.Generator, sketch: Sketch, paint: Paint) -> tuple[Parts, float]:
    long, other, wide, high = rng.uniform(45, 90), rng.uniform(35, 65), rng.uniform(14, 22), rng.uniform(6, 9)
    holes = [disc(x, wide / 2, wide * 0.22) for x in (long * 0.5, long * 0.85)] + [
        disc(wide / 2, other * 0.75, wide * 0.22)
    ]
    shape = unary_union([rectangle(0, 0, long, wide), rectangle(0, 0, wide, other)]).difference(unary_union(holes))
    sketch.plate(affinity.translate(shape, -long / 2, -other / 2), -high / 2, high / 2, paint, bevel=0.6)
    return ["right-angle bracket", "holes"], float(high / 2)


def _socket(rng: np.random.Generator, sketch: Sketch, paint: Paint) -> tuple[Parts, float]:
    radius, high = rng.uniform(8, 22), rng.uniform(14, 32)
    sketch.plate(ring(0, 0, radius, radius * 0.6), -high / 2, high / 2, paint, bevel=0.8)
    sketch.plate(disc(0, 0, radius * 0.62), -high / 2, -high / 2 + 3, DARK)
    return ["short tube", "round hole"], float(high / 2)


def _ruler(rng: np.random.Generator, sketch: Sketch, paint: Paint) -> tuple[Parts, float]:
    long, wide = rng.uniform(100, 180), rng.uniform(16, 30)
    sketch.plate(rectangle(-long / 2, -wide / 2, long / 2, wide / 2), -3, 3, paint)
    for index, x in enumerate(np.arange(-long / 2 + 5, long / 2 - 2, 6.0)):
        deep = wide * (0.5 if index % 5 == 0 else 0.28)
        sketch.plate(
            rectangle(x, wide / 2 - deep, x + 1.2, wide / 2), 2.9, 3.3, DARK if sum(paint.rgb) > 0.6 else BRIGHT
        )
    return ["flat strip", "marks"], 3.0


def _file(rng: np.random.Generator, sketch: Sketch, paint: Paint) -> tuple[Parts, float]:
    blade, wide, handle = rng.uniform(75, 105), rng.uniform(16, 24), rng.uniform(45, 65)
    start = -(blade + handle) / 2
    sketch.turned(
        [(start, 0), (start, 9), (start + handle * 0.7, 10), (start + handle, 6), (start + handle, 0)], paint, 14
    )
    x = start + handle
    sketch.plate(rectangle(x, -wide / 2, x + blade, wide / 2), -2.6, 2.6, Paint(STEEL_SHADES["dark grey"], "steel"))
    for step in np.arange(x + 4, x + blade - 2, 4.0):
        sketch.plate(turned_by(rectangle(step, -wide / 2, step + 0.8, wide / 2), 25, (step, 0)), 2.5, 2.8, DARK)
    return ["round handle", "long flat plate", "rough surface"], 9.0


def _hook(rng: np.random.Generator, sketch: Sketch, paint: Paint) -> tuple[Parts, float]:
    size, thick = rng.uniform(18, 32), rng.uniform(3, 5)
    turn = np.linspace(-0.3, math.pi, 10)
    upper = [(size + size * math.cos(a), size * math.sin(a)) for a in turn]
    if rng.uniform() < 0.5:
        path, name = [*upper, *[(-x, -y) for x, y in reversed(upper)]], "S-shaped"
    else:
        path, name = [*upper, (0.0, -1.6 * size)], "U-shaped"
    sketch.plate(bent(path, thick), -thick, thick, paint, bevel=1.0)
    return [name, "bent rod"], float(thick)


_RECIPES: tuple[Callable[[np.random.Generator, Sketch, Paint], tuple[Parts, float]], ...] = (
    _t_with_end,
    _t_with_end,
    _handle_with_end,
    _handle_with_end,
    _l_key,
    _pocket_body,
    _two_bars,
    _plain_rod,
    _block,
    _disc_or_nut,
    _marker,
    _brush,
    _dumbbell,
    _cross,
    _key,
    _scissors,
    _bracket,
    _socket,
    _ruler,
    _file,
    _hook,
)
