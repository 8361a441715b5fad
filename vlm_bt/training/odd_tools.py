"""Things that are no kind of tool: handles, shafts and ends put together as no shop sells them.

They teach the model what parts look like on things it has no name for, and to say "something else". These are nearer to
real tools than the simulation's own odd things; what is held out of training is never put together
(`resembles_held_out`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from shapely.geometry import Polygon

from vlm_bt.simulation.odd_tools import resembles_held_out
from vlm_bt.simulation.outlines import Paint, Sketch, ToolModel, bent, disc, rectangle, ring, turned_by, unary_union
from vlm_bt.simulation.paints import BRIGHT, DARK, HANDLE_COLOURS, SCREW_SHADES, STEEL_SHADES
from vlm_bt.training.odd_parts import ENDS, HANDLES, REAL, Thing, add_shaft

ODD_KIND = "odd"
_BRASS_SHARE = 0.12


def composite_tool(seed: int) -> ToolModel:
    """A thing of no kind; the same for the same seed."""
    for attempt in range(100):
        tool = _put_together(np.random.default_rng([seed, 5, attempt]))
        if not resembles_held_out(tool.parts):
            return tool
    raise AssertionError(f"seed {seed} makes nothing but what is held out")


def _put_together(rng: np.random.Generator) -> ToolModel:
    colour = str(rng.choice(list(HANDLE_COLOURS)))
    grip = Paint(HANDLE_COLOURS[colour]).shaded(float(rng.uniform(0.85, 1.15)))
    if rng.uniform() < _BRASS_SHARE:
        # Of the known kinds only screws are of brass, and brass screws are held out: the colour is learnt here.
        colour = "brass"
        grip = Paint(SCREW_SHADES[colour], "steel").shaded(float(rng.uniform(0.85, 1.15)))
    steel = Paint(STEEL_SHADES[str(rng.choice(list(STEEL_SHADES)))], "steel").shaded(float(rng.uniform(0.85, 1.15)))
    thing = Thing(rng, Sketch(), colour, grip, steel, float(rng.uniform(45, 90)))
    choice = rng.uniform()
    if choice < 0.55:
        _composite(thing)
    elif choice < 0.68:
        _folding(thing)
    elif choice < 0.80:
        _bladeless(thing)
    else:
        _FORMS[int(rng.integers(len(_FORMS)))](thing)
    thing.sketch.solid_hull()
    return thing.sketch.finish(ODD_KIND, 0.1, thing.high, thing.colour, sorted(set(thing.parts)))


def _composite(t: Thing) -> None:
    """A handle at the left, a shaft, an end at the right; combinations that are kinds are avoided."""
    handle = list(HANDLES)[int(t.rng.integers(len(HANDLES)))]
    ends = [end for end in ENDS if (handle, end) not in REAL]
    end = ends[int(t.rng.integers(len(ends)))]
    start = HANDLES[handle](t)
    stop = t.half - ENDS[end][0]
    add_shaft(t, start, stop)
    ENDS[end][1](t)


def _folding(t: Thing) -> None:
    """A folding body with blades out; one piece, wide or narrow, straight or bowed."""
    long, wide, high = t.uniform(55, 125), t.uniform(7, 20), t.uniform(5, 9.5)
    half = long / 2
    form = int(t.rng.integers(3))
    if form == 0:
        t.sketch.plate(rectangle(-half + wide, -0.1, half - wide, 0.1).buffer(wide), -high, high, t.grip, bevel=2.0)
        t.parts.append("rounded body")
    elif form == 1:
        t.sketch.plate(
            rectangle(-half, -wide, half, wide), -high, high, t.grip if t.chance(0.6) else t.steel, bevel=1.2
        )
        t.parts.append("square block")
    else:
        bow = t.uniform(6, 14)
        path = [(-half + 8, 0.0), (-half / 3, bow), (half / 3, bow), (half - 8, 0.0)]
        t.sketch.plate(bent(path, wide * 0.7), -high, high, t.grip, bevel=1.5)
        t.parts.append("curved body")
    t.high = high
    _pivots(t, half, 0.0, high)
    for index in range(int(t.rng.integers(0, 4))):
        y = (index - 1) * wide * 0.45
        t.sketch.block((long * t.uniform(0.5, 0.8), 1.8, 1.4), (0.0, y, high + 0.3), BRIGHT if t.chance(0.6) else DARK)
        t.parts.append("folded blades")
    for end in (1, -1)[: int(t.rng.integers(1, 3))]:
        reach, thick = t.uniform(24, 62), t.uniform(3, 7)
        x = end * (half - 8)
        blade = Polygon([(x, -thick), (x + end * reach * 0.75, -thick), (x + end * reach, thick * 0.4), (x, thick)])
        t.sketch.plate(turned_by(blade, t.uniform(-80, 80), (x, 0.0)), -1.4, 1.4, BRIGHT)
        t.parts.append("small open blade")
    t.parts.append("folding body")


def _bladeless(t: Thing) -> None:
    """Two side plates or rods beside each other with no blade between them: a case, a buckle, a clip, a frame."""
    long, wide, high = t.uniform(60, 125), t.uniform(8, 20), t.uniform(4, 9)
    half, thick, end = long / 2, t.uniform(2.5, 5.5), t.uniform(-0.12, 0.25)
    paint = t.grip if t.chance(0.5) else t.steel
    for side in (1, -1):
        path = [(-half, side * wide), (half, side * wide * (1 - end))]
        t.sketch.plate(bent(path, thick, "round" if t.chance(0.5) else "flat"), -high, high, paint, bevel=1.0)
        if t.chance(0.4):
            t.sketch.plate(
                bent([(-half * 0.6, side * wide), (half * 0.6, side * wide * (1 - end))], thick * 0.6),
                high,
                high + 0.5,
                t.grip,
            )
        _pivots(t, half, side * wide, high)
    filling = int(t.rng.integers(4))
    if filling == 0:
        t.sketch.plate(rectangle(-half + 5, -wide, half - 5, wide), -high + 1, -high * 0.3, DARK)
    elif filling == 1:
        t.sketch.plate(rectangle(-half * 0.8, -wide, -half * 0.4, wide), -high, high * 0.6, t.steel)
        t.parts.append("square block")
    elif filling == 2:
        for index in range(int(t.rng.integers(2, 6))):
            x = -half * 0.8 + index * long * 0.8 / 5
            t.sketch.plate(rectangle(x - 2.0, -wide, x + 2.0, wide), -2.0, 2.0, DARK if t.chance(0.5) else t.steel)
        t.parts.append("cross bars")
    else:
        t.sketch.turned([(-half, 0), (-half, 3.0), (half, 3.0), (half, 0)], t.steel, 10)
        t.parts.append("middle rod")
    if t.chance(0.45):
        ending = ENDS[("hook", "eye", "pick", "ball", "fork")[int(t.rng.integers(5))]][1]
        reach = t.uniform(8, 30)
        t.half = half + reach
        t.sketch.plate(rectangle(half - 8, -2.5, half + reach - 10, 2.5), -2.2, 2.2, t.steel)
        ending(t)
    t.high = max(high, t.high)
    t.parts += ["two side plates", "straight body"]


def _pivots(t: Thing, half: float, y: float, high: float) -> None:
    for x in (-half + 6, half - 6)[: int(t.rng.integers(3))]:
        t.sketch.plate(disc(x, y, 3.2, 16), high, high + 1.2, BRIGHT if t.chance(0.5) else DARK)
        t.parts.append("round pivots")


def _spool(t: Thing) -> None:
    radius, high = t.uniform(14, 32), t.uniform(6, 14)
    t.sketch.plate(disc(0, 0, radius), -high, high, t.grip, bevel=1.5)
    t.sketch.plate(disc(0, 0, radius * t.uniform(0.3, 0.6)), high, high + 0.8, t.steel)
    t.high = high
    t.parts += ["round case", "round disc end"]


def _box(t: Thing) -> None:
    long, wide, high = t.uniform(15, 45), t.uniform(10, 30), t.uniform(6, 16)
    t.sketch.plate(rectangle(-long, -wide, long, wide), -high, high, t.grip, bevel=1.5)
    if t.chance(0.6):
        t.sketch.plate(rectangle(-long * 0.6, -wide * 0.5, long * 0.6, wide * 0.5), high, high + 0.6, DARK)
    t.high = high
    t.parts += ["square block"]


def _bracket(t: Thing) -> None:
    a, b, wide = t.uniform(35, 80), t.uniform(25, 60), t.uniform(6, 10)
    shape = rectangle(0, -wide, a, wide).union(rectangle(-wide, -wide, wide, b))
    holes = [disc(a * 0.8, 0, 3), disc(a * 0.45, 0, 3), disc(0, b * 0.75, 3)]
    t.sketch.plate(shape.difference(unary_union(holes)), -2.2, 2.2, t.steel, bevel=0.5)
    t.high = 2.2
    t.parts += ["corner bracket", "round holes"]


def _gear(t: Thing) -> None:
    radius, teeth = t.uniform(12, 26), int(t.rng.integers(6, 13))
    bars = [turned_by(rectangle(-radius * 1.2, -2.5, radius * 1.2, 2.5), 180 * i / teeth) for i in range(teeth)]
    t.sketch.plate(
        unary_union([disc(0, 0, radius), *bars]).difference(disc(0, 0, radius * 0.4)), -4, 4, t.steel, bevel=0.8
    )
    t.parts += ["toothed wheel", "round holes"]


def _strip(t: Thing) -> None:
    long, wide = t.uniform(50, 105), t.uniform(5, 14)
    body = rectangle(-long, -wide, long, wide)
    if t.chance(0.6):
        body = body.difference(unary_union([disc(x, 0, wide * 0.4) for x in np.linspace(-long * 0.85, long * 0.85, 5)]))
        t.parts.append("round holes")
    t.sketch.plate(body, -2, 2, t.grip if t.chance(0.5) else t.steel, bevel=0.5)
    t.high = 2.0
    t.parts.append("straight flat strip")


def _two_jaws(t: Thing) -> None:
    """A flat bar with the same end twice: one of each would be a combination wrench."""
    open_ended = t.chance(0.5)
    half, wide, mouth = t.uniform(50, 90), t.uniform(5, 8), t.uniform(12, 16)
    pieces = [rectangle(-half, -wide, half, wide)]
    cuts = []
    for side in (1, -1):
        x = side * (half - mouth * 0.5)
        pieces.append(disc(x, 0, mouth))
        cuts.append(
            rectangle(min(x, x + side * 40), -6, max(x, x + side * 40), 6) if open_ended else disc(x, 0, 7.5, 6)
        )
    t.sketch.plate(unary_union(pieces).difference(unary_union(cuts)), -3.5, 3.5, t.grip, bevel=0.8)
    t.high = 3.5
    t.parts += ["straight flat handle"]


def _peg(t: Thing) -> None:
    """Small: a pin, plug or bead, never threaded."""
    half, radius = t.uniform(8, 18), t.uniform(3.5, 7)
    t.sketch.turned(
        [(-half, 0), (-half, radius), (half, radius * t.uniform(0.6, 1.0)), (half, 0)],
        t.grip,
        int(t.rng.choice([4, 6, 14])),
    )
    t.high = radius
    t.parts += ["small part"]


def _nut(t: Thing) -> None:
    radius, high = t.uniform(7, 14), t.uniform(3, 6)
    t.sketch.plate(ring(0, 0, radius, radius * 0.5, sides=6 if t.chance(0.5) else 24), -high, high, t.steel, bevel=0.6)
    t.high = high
    t.parts += ["small part", "round holes"]


_FORMS: tuple[Callable[[Thing], None], ...] = (_spool, _box, _bracket, _gear, _strip, _two_jaws, _peg, _nut)
