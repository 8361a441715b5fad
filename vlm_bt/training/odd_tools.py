"""Things that are no kind of tool: handles, shafts and ends put together as no shop sells them.

They teach the model what parts look like on things it has no name for, and to say "something else". These are nearer to
real tools than the simulation's own odd things; what is held out of training is never put together
(`resembles_held_out`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from shapely.geometry import Polygon

from vlm_bt.simulation.odd_tools import resembles_held_out
from vlm_bt.simulation.outlines import Paint, Sketch, ToolModel, bent, disc, rectangle, ring, turned_by, unary_union
from vlm_bt.simulation.paints import BRIGHT, DARK, HANDLE_COLOURS, STEEL_SHADES

ODD_KIND = "odd"


@dataclass
class _Thing:
    """What is being put together, millimetres; `high` is half of its thickest part."""

    rng: np.random.Generator
    sketch: Sketch
    colour: str
    grip: Paint
    steel: Paint
    half: float
    high: float = 4.0
    parts: list[str] = field(default_factory=list)

    def uniform(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def chance(self, share: float) -> bool:
        return bool(self.rng.uniform() < share)


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
    steel = Paint(STEEL_SHADES[str(rng.choice(list(STEEL_SHADES)))], "steel").shaded(float(rng.uniform(0.85, 1.15)))
    thing = _Thing(rng, Sketch(), colour, grip, steel, float(rng.uniform(45, 90)))
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


def _composite(t: _Thing) -> None:
    """A handle at the left, a shaft, an end at the right; combinations that are kinds are avoided."""
    handle = list(_HANDLES)[int(t.rng.integers(len(_HANDLES)))]
    ends = [end for end in _ENDS if (handle, end) not in _REAL]
    end = ends[int(t.rng.integers(len(ends)))]
    start = _HANDLES[handle](t)
    stop = t.half - _ENDS[end][0]
    _shaft(t, start, stop)
    _ENDS[end][1](t)


def _shaft(t: _Thing, start: float, stop: float) -> None:
    form, radius = int(t.rng.integers(5)), t.uniform(2.5, 4.5)
    rod = [(start, 0.0), (start, radius), (stop, radius), (stop, 0.0)]
    if form == 0:
        t.sketch.turned(rod, t.steel, 16)
        t.parts += ["round shaft", "straight shaft"]
    elif form == 1:
        t.sketch.turned(rod, Paint((0.30, 0.31, 0.33), "steel"), 6)
        t.parts += ["hexagonal shaft", "straight shaft"]
    elif form == 2:
        wide = t.uniform(4.5, 9.0)
        t.sketch.plate(rectangle(start, -wide, stop, wide), -2.6, 2.6, t.steel, bevel=0.6)
        t.parts.append("straight flat handle")
    elif form == 3:
        step = t.uniform(9, 18) * (1 if t.chance(0.5) else -1)
        third = (stop - start) / 3
        path = [(start, 0.0), (start + third, 0.0), (start + 1.5 * third, step), (start + 2 * third, 0.0), (stop, 0.0)]
        t.sketch.plate(bent(path, radius), -radius, radius, t.steel, bevel=0.8)
        t.parts.append("bent shaft")
    else:
        apart = t.uniform(4.0, 8.0)
        for side in (1, -1):
            y = side * apart
            t.sketch.turned(rod, t.steel, 10, at=(0.0, y, 0.0))
        t.parts.append("two thin rods")
    t.high = max(t.high, radius)


def _bar_handle(t: _Thing) -> float:
    """A bar across: round, flat, or with balls; never a plain round one on the end of a thin shaft alone."""
    across, x = t.uniform(40, 92), -t.half + t.uniform(6, 12)
    form = int(t.rng.integers(4))
    if form == 0:
        t.sketch.plate(rectangle(x - 7, -across / 2, x + 7, across / 2), -5, 5, t.grip, bevel=1.2)
    elif form == 1:
        t.sketch.turned(
            [(-across / 2, 0), (-across / 2, 4), (across / 2, 4), (across / 2, 0)],
            t.steel,
            12,
            at=(x, 0, 0),
            yaw_deg=90,
        )
        for side in (1, -1):
            t.sketch.plate(disc(x, side * across / 2, 9.0, 20), -7, 7, t.grip, bevel=2.0)
        t.high = max(t.high, 7.0)
    elif form == 2:
        t.sketch.plate(
            bent([(x + 16, -across / 2), (x, -across / 4), (x, across / 4), (x + 16, across / 2)], 6.5),
            -6,
            6,
            t.grip,
            bevel=1.4,
        )
    else:
        t.sketch.plate(disc(x, 0, 8).union(rectangle(x - 5, -across / 2, x + 5, across / 2)), -6, 6, t.grip, bevel=1.5)
        t.sketch.plate(disc(x, 0, 5), 6, 7, BRIGHT)
    t.high = max(t.high, 6.0)
    t.parts += ["T-shaped handle"]
    return x


def _corner_handle(t: _Thing) -> float:
    """A bar to one side only, as of an L."""
    out, x = t.uniform(28, 60) * (1 if t.chance(0.5) else -1), -t.half + 8
    t.sketch.plate(rectangle(x - 6, min(0, out), x + 6, max(0, out)).union(disc(x, 0, 6)), -5.5, 5.5, t.grip, bevel=1.2)
    t.high = max(t.high, 5.5)
    t.parts.append("L-shaped handle")
    return x


def _cross_handle(t: _Thing) -> float:
    """A shaft that goes on beyond its cross bar."""
    across, x = t.uniform(36, 84), -t.half + t.uniform(26, 46)
    radius = t.uniform(5, 8)
    t.sketch.turned(
        [(-across / 2, 0), (-across / 2, radius), (across / 2, radius), (across / 2, 0)],
        t.grip,
        14,
        at=(x, 0, 0),
        yaw_deg=90,
    )
    t.sketch.turned([(-t.half, 0), (-t.half, 4.0), (x, 4.0), (x, 0)], t.steel, 10)
    t.high = max(t.high, radius)
    t.parts.append("cross-shaped handle")
    return x


def _ring_handle(t: _Thing) -> float:
    outer = t.uniform(13, 24)
    t.sketch.plate(
        ring(-t.half + outer, 0, outer, outer * t.uniform(0.55, 0.75)),
        -4,
        4,
        t.grip if t.chance(0.6) else t.steel,
        bevel=1.0,
    )
    t.parts.append("ring handle")
    return -t.half + 2 * outer - 2


def _knob_handle(t: _Thing) -> float:
    radius = t.uniform(11, 19)
    profile = [(radius * np.cos(a) - t.half + radius, radius * np.sin(a)) for a in np.linspace(np.pi, 0, 9)]
    t.sketch.turned([(float(x), max(0.0, float(r))) for x, r in profile], t.grip, 16)
    t.high = max(t.high, radius)
    t.parts.append("round knob")
    return -t.half + 2 * radius - 2


def _round_handle(t: _Thing) -> float:
    long, radius = t.uniform(45, 75), t.uniform(9, 13)
    end = -t.half + long
    t.sketch.turned(
        [
            (-t.half, 0),
            (-t.half, radius * 0.8),
            (-t.half + 5, radius),
            (end - 8, radius),
            (end, radius * 0.5),
            (end, 0),
        ],
        t.grip,
        12,
    )
    t.high = max(t.high, radius)
    t.parts.append("round handle")
    return end


def _block_handle(t: _Thing) -> float:
    long, wide, high = t.uniform(30, 60), t.uniform(9, 19), t.uniform(5, 10)
    t.sketch.plate(rectangle(-t.half, -wide, -t.half + long, wide), -high, high, t.grip, bevel=1.5)
    t.high = max(t.high, high)
    t.parts.append("square block")
    return -t.half + long


def _two_handles(t: _Thing) -> float:
    spread, long = t.uniform(12, 24), t.uniform(50, 75)
    end = -t.half + long
    for side in (1, -1):
        path = [(-t.half + 5, side * (spread - 3)), (-t.half + 22, side * spread), (end - 12, side * 7.0), (end, 0.0)]
        t.sketch.plate(bent(path, 5.2), -5.5, 5.5, t.grip, bevel=1.3)
    t.high = max(t.high, 5.5)
    t.parts.append("two handles")
    return end


def _loop_handle(t: _Thing) -> float:
    wide, long = t.uniform(16, 26), t.uniform(36, 56)
    x = -t.half + long / 2
    outer = rectangle(x - long / 2 + 8, -wide + 8, x + long / 2 - 8, wide - 8).buffer(8)
    t.sketch.plate(outer.difference(outer.buffer(-6.5)), -5, 5, t.grip, bevel=1.2)
    t.high = max(t.high, 5.0)
    t.parts.append("loop handle")
    return -t.half + long - 4


def _no_handle(t: _Thing) -> float:
    return -t.half


_HANDLES: dict[str, Callable[[_Thing], float]] = {
    "bar": _bar_handle,
    "bar again": _bar_handle,
    "corner": _corner_handle,
    "cross": _cross_handle,
    "ring": _ring_handle,
    "knob": _knob_handle,
    "round": _round_handle,
    "block": _block_handle,
    "two": _two_handles,
    "loop": _loop_handle,
    "none": _no_handle,
}


def _end_hook(t: _Thing) -> None:
    turn = 1 if t.chance(0.5) else -1
    path = [
        (t.half - 26, 0.0),
        (t.half - 8, 0.0),
        (t.half - 3, 9.0 * turn),
        (t.half - 10, 17.0 * turn),
        (t.half - 19, 13.0 * turn),
    ]
    t.sketch.plate(bent(path, 3.4), -3, 3, t.steel, bevel=0.7)
    t.parts.append("hook end")


def _end_fork(t: _Thing) -> None:
    wide, long = t.uniform(7, 14), t.uniform(16, 24)
    prongs = [rectangle(t.half - long - 5, -wide - 2, t.half - long, wide + 2)]
    for y in np.linspace(-wide, wide, int(t.rng.integers(2, 4))):
        prongs.append(rectangle(t.half - long - 1, float(y) - 2, t.half, float(y) + 2))
    t.sketch.plate(unary_union(prongs), -2.5, 2.5, t.steel)
    t.parts.append("forked end")


def _end_disc(t: _Thing) -> None:
    radius = t.uniform(9, 14)
    t.sketch.plate(disc(t.half - radius, 0, radius), -3.5, 3.5, t.steel if t.chance(0.5) else t.grip, bevel=0.8)
    t.parts.append("round disc end")


def _end_spade(t: _Thing) -> None:
    wide, long = t.uniform(10, 19), t.uniform(22, 34)
    shape = Polygon(
        [
            (t.half - long, -4),
            (t.half - long + 8, -wide),
            (t.half, -wide),
            (t.half, wide),
            (t.half - long + 8, wide),
            (t.half - long, 4),
        ]
    )
    t.sketch.plate(shape, -1.5, 1.5, t.steel)
    t.parts.append("wide spade end")


def _end_block(t: _Thing) -> None:
    wide, long, high = t.uniform(8, 22), t.uniform(14, 28), t.uniform(5, 10)
    t.sketch.plate(
        rectangle(t.half - long, -wide, t.half, wide), -high, high, DARK if t.chance(0.4) else t.steel, bevel=1.0
    )
    t.high = max(t.high, high)
    t.parts.append("square block")


def _end_jaw(t: _Thing) -> None:
    mouth = t.uniform(12, 17)
    x = t.half - mouth * 0.8
    gap = rectangle(x - 2, -mouth * 0.45, x + 40, mouth * 0.45)
    t.sketch.plate(
        disc(x, 0, mouth).difference(turned_by(gap, t.uniform(-20, 20), (x, 0))), -3.5, 3.5, t.steel, bevel=0.9
    )
    t.parts.append("open jaw")


def _end_eye(t: _Thing) -> None:
    outer = t.uniform(10, 16)
    t.sketch.plate(ring(t.half - outer, 0, outer, outer * 0.6, sides=12), -3.8, 3.8, t.steel, bevel=0.9)
    t.parts.append("ring end")


def _end_pick(t: _Thing) -> None:
    turn, reach = (1 if t.chance(0.5) else -1), t.uniform(10, 24)
    t.sketch.plate(
        bent([(t.half - 24, 0.0), (t.half - 4, 0.0), (t.half - 1, reach * turn)], 2.8, "flat"), -2.5, 2.5, t.steel
    )
    t.parts.append("bent tip")


def _end_tee(t: _Thing) -> None:
    across = t.uniform(22, 56)
    t.sketch.plate(rectangle(t.half - 12, -across / 2, t.half, across / 2), -4, 4, t.steel, bevel=1.0)
    t.parts.append("cross bar end")


def _end_tip(t: _Thing) -> None:
    t.sketch.turned([(t.half - 16, 0), (t.half - 16, 3.5), (t.half - 8, 3.2), (t.half, 0.4), (t.half, 0)], DARK, 8)
    t.parts.append("pointed tip")


def _end_blade(t: _Thing) -> None:
    t.sketch.plate(
        Polygon([(t.half - 18, -3), (t.half - 10, -6), (t.half, -6), (t.half, 6), (t.half - 10, 6), (t.half - 18, 3)]),
        -1.2,
        1.2,
        t.steel,
    )
    t.parts.append("flat blade")


def _end_ball(t: _Thing) -> None:
    radius = t.uniform(6, 10)
    t.sketch.plate(disc(t.half - radius, 0, radius), -radius * 0.8, radius * 0.8, t.grip, bevel=2.0)
    t.high = max(t.high, radius * 0.8)
    t.parts.append("ball end")


_ENDS: dict[str, tuple[float, Callable[[_Thing], None]]] = {
    "hook": (20.0, _end_hook),
    "fork": (20.0, _end_fork),
    "disc": (14.0, _end_disc),
    "spade": (24.0, _end_spade),
    "block": (14.0, _end_block),
    "jaw": (18.0, _end_jaw),
    "eye": (18.0, _end_eye),
    "pick": (20.0, _end_pick),
    "tee": (10.0, _end_tee),
    "tip": (14.0, _end_tip),
    "blade": (16.0, _end_blade),
    "ball": (10.0, _end_ball),
}
_REAL = {
    ("round", "tip"),
    ("round", "blade"),
    ("none", "jaw"),
    ("none", "eye"),
    ("none", "tip"),
    ("round", "block"),
    ("round", "tee"),
}
"""Handle and end that together are, or could pass for, a kind."""


def _folding(t: _Thing) -> None:
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


def _bladeless(t: _Thing) -> None:
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
        ending = (_end_hook, _end_eye, _end_pick, _end_ball, _end_fork)[int(t.rng.integers(5))]
        reach = t.uniform(8, 30)
        t.half = half + reach
        t.sketch.plate(rectangle(half - 8, -2.5, half + reach - 10, 2.5), -2.2, 2.2, t.steel)
        ending(t)
    t.high = max(high, t.high)
    t.parts += ["two side plates", "straight body"]


def _pivots(t: _Thing, half: float, y: float, high: float) -> None:
    for x in (-half + 6, half - 6)[: int(t.rng.integers(3))]:
        t.sketch.plate(disc(x, y, 3.2, 16), high, high + 1.2, BRIGHT if t.chance(0.5) else DARK)
        t.parts.append("round pivots")


def _spool(t: _Thing) -> None:
    radius, high = t.uniform(14, 32), t.uniform(6, 14)
    t.sketch.plate(disc(0, 0, radius), -high, high, t.grip, bevel=1.5)
    t.sketch.plate(disc(0, 0, radius * t.uniform(0.3, 0.6)), high, high + 0.8, t.steel)
    t.high = high
    t.parts += ["round case", "round disc end"]


def _box(t: _Thing) -> None:
    long, wide, high = t.uniform(15, 45), t.uniform(10, 30), t.uniform(6, 16)
    t.sketch.plate(rectangle(-long, -wide, long, wide), -high, high, t.grip, bevel=1.5)
    if t.chance(0.6):
        t.sketch.plate(rectangle(-long * 0.6, -wide * 0.5, long * 0.6, wide * 0.5), high, high + 0.6, DARK)
    t.high = high
    t.parts += ["square block"]


def _bracket(t: _Thing) -> None:
    a, b, wide = t.uniform(35, 80), t.uniform(25, 60), t.uniform(6, 10)
    shape = rectangle(0, -wide, a, wide).union(rectangle(-wide, -wide, wide, b))
    holes = [disc(a * 0.8, 0, 3), disc(a * 0.45, 0, 3), disc(0, b * 0.75, 3)]
    t.sketch.plate(shape.difference(unary_union(holes)), -2.2, 2.2, t.steel, bevel=0.5)
    t.high = 2.2
    t.parts += ["corner bracket", "round holes"]


def _gear(t: _Thing) -> None:
    radius, teeth = t.uniform(12, 26), int(t.rng.integers(6, 13))
    bars = [turned_by(rectangle(-radius * 1.2, -2.5, radius * 1.2, 2.5), 180 * i / teeth) for i in range(teeth)]
    t.sketch.plate(
        unary_union([disc(0, 0, radius), *bars]).difference(disc(0, 0, radius * 0.4)), -4, 4, t.steel, bevel=0.8
    )
    t.parts += ["toothed wheel", "round holes"]


def _strip(t: _Thing) -> None:
    long, wide = t.uniform(50, 105), t.uniform(5, 14)
    body = rectangle(-long, -wide, long, wide)
    if t.chance(0.6):
        body = body.difference(unary_union([disc(x, 0, wide * 0.4) for x in np.linspace(-long * 0.85, long * 0.85, 5)]))
        t.parts.append("round holes")
    t.sketch.plate(body, -2, 2, t.grip if t.chance(0.5) else t.steel, bevel=0.5)
    t.high = 2.0
    t.parts.append("straight flat strip")


def _two_jaws(t: _Thing) -> None:
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


def _peg(t: _Thing) -> None:
    """Small: a pin, plug or bead, never threaded."""
    half, radius = t.uniform(8, 18), t.uniform(3.5, 7)
    t.sketch.turned(
        [(-half, 0), (-half, radius), (half, radius * t.uniform(0.6, 1.0)), (half, 0)],
        t.grip,
        int(t.rng.choice([4, 6, 14])),
    )
    t.high = radius
    t.parts += ["small part"]


def _nut(t: _Thing) -> None:
    radius, high = t.uniform(7, 14), t.uniform(3, 6)
    t.sketch.plate(ring(0, 0, radius, radius * 0.5, sides=6 if t.chance(0.5) else 24), -high, high, t.steel, bevel=0.6)
    t.high = high
    t.parts += ["small part", "round holes"]


_FORMS: tuple[Callable[[_Thing], None], ...] = (_spool, _box, _bracket, _gear, _strip, _two_jaws, _peg, _nut)
