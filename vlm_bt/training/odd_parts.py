"""Handles, shafts and ends that odd things are put together from, in millimetres along the x axis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from shapely.geometry import Polygon

from vlm_bt.simulation.outlines import Paint, Sketch, bent, disc, rectangle, ring, turned_by, unary_union
from vlm_bt.simulation.paints import BRIGHT, DARK


@dataclass
class Thing:
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


def add_shaft(t: Thing, start: float, stop: float) -> None:
    """Something between a handle and an end: round, six-sided, flat, bent or double."""
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


def _bar_handle(t: Thing) -> float:
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


def _corner_handle(t: Thing) -> float:
    """A bar to one side only, as of an L."""
    out, x = t.uniform(28, 60) * (1 if t.chance(0.5) else -1), -t.half + 8
    t.sketch.plate(rectangle(x - 6, min(0, out), x + 6, max(0, out)).union(disc(x, 0, 6)), -5.5, 5.5, t.grip, bevel=1.2)
    t.high = max(t.high, 5.5)
    t.parts.append("L-shaped handle")
    return x


def _cross_handle(t: Thing) -> float:
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


def _ring_handle(t: Thing) -> float:
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


def _knob_handle(t: Thing) -> float:
    radius = t.uniform(11, 19)
    profile = [(radius * np.cos(a) - t.half + radius, radius * np.sin(a)) for a in np.linspace(np.pi, 0, 9)]
    t.sketch.turned([(float(x), max(0.0, float(r))) for x, r in profile], t.grip, 16)
    t.high = max(t.high, radius)
    t.parts.append("round knob")
    return -t.half + 2 * radius - 2


def _round_handle(t: Thing) -> float:
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


def _block_handle(t: Thing) -> float:
    long, wide, high = t.uniform(30, 60), t.uniform(9, 19), t.uniform(5, 10)
    t.sketch.plate(rectangle(-t.half, -wide, -t.half + long, wide), -high, high, t.grip, bevel=1.5)
    t.high = max(t.high, high)
    t.parts.append("square block")
    return -t.half + long


def _two_handles(t: Thing) -> float:
    spread, long = t.uniform(12, 24), t.uniform(50, 75)
    end = -t.half + long
    for side in (1, -1):
        path = [(-t.half + 5, side * (spread - 3)), (-t.half + 22, side * spread), (end - 12, side * 7.0), (end, 0.0)]
        t.sketch.plate(bent(path, 5.2), -5.5, 5.5, t.grip, bevel=1.3)
    t.high = max(t.high, 5.5)
    t.parts.append("two handles")
    return end


def _loop_handle(t: Thing) -> float:
    wide, long = t.uniform(16, 26), t.uniform(36, 56)
    x = -t.half + long / 2
    outer = rectangle(x - long / 2 + 8, -wide + 8, x + long / 2 - 8, wide - 8).buffer(8)
    t.sketch.plate(outer.difference(outer.buffer(-6.5)), -5, 5, t.grip, bevel=1.2)
    t.high = max(t.high, 5.0)
    t.parts.append("loop handle")
    return -t.half + long - 4


def _no_handle(t: Thing) -> float:
    return -t.half


HANDLES: dict[str, Callable[[Thing], float]] = {
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


def _end_hook(t: Thing) -> None:
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


def _end_fork(t: Thing) -> None:
    wide, long = t.uniform(7, 14), t.uniform(16, 24)
    prongs = [rectangle(t.half - long - 5, -wide - 2, t.half - long, wide + 2)]
    for y in np.linspace(-wide, wide, int(t.rng.integers(2, 4))):
        prongs.append(rectangle(t.half - long - 1, float(y) - 2, t.half, float(y) + 2))
    t.sketch.plate(unary_union(prongs), -2.5, 2.5, t.steel)
    t.parts.append("forked end")


def _end_disc(t: Thing) -> None:
    radius = t.uniform(9, 14)
    t.sketch.plate(disc(t.half - radius, 0, radius), -3.5, 3.5, t.steel if t.chance(0.5) else t.grip, bevel=0.8)
    t.parts.append("round disc end")


def _end_spade(t: Thing) -> None:
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


def _end_block(t: Thing) -> None:
    wide, long, high = t.uniform(8, 22), t.uniform(14, 28), t.uniform(5, 10)
    t.sketch.plate(
        rectangle(t.half - long, -wide, t.half, wide), -high, high, DARK if t.chance(0.4) else t.steel, bevel=1.0
    )
    t.high = max(t.high, high)
    t.parts.append("square block")


def _end_jaw(t: Thing) -> None:
    mouth = t.uniform(12, 17)
    x = t.half - mouth * 0.8
    gap = rectangle(x - 2, -mouth * 0.45, x + 40, mouth * 0.45)
    t.sketch.plate(
        disc(x, 0, mouth).difference(turned_by(gap, t.uniform(-20, 20), (x, 0))), -3.5, 3.5, t.steel, bevel=0.9
    )
    t.parts.append("open jaw")


def _end_eye(t: Thing) -> None:
    outer = t.uniform(10, 16)
    t.sketch.plate(ring(t.half - outer, 0, outer, outer * 0.6, sides=12), -3.8, 3.8, t.steel, bevel=0.9)
    t.parts.append("ring end")


def _end_pick(t: Thing) -> None:
    turn, reach = (1 if t.chance(0.5) else -1), t.uniform(10, 24)
    t.sketch.plate(
        bent([(t.half - 24, 0.0), (t.half - 4, 0.0), (t.half - 1, reach * turn)], 2.8, "flat"), -2.5, 2.5, t.steel
    )
    t.parts.append("bent tip")


def _end_tee(t: Thing) -> None:
    across = t.uniform(22, 56)
    t.sketch.plate(rectangle(t.half - 12, -across / 2, t.half, across / 2), -4, 4, t.steel, bevel=1.0)
    t.parts.append("cross bar end")


def _end_tip(t: Thing) -> None:
    t.sketch.turned([(t.half - 16, 0), (t.half - 16, 3.5), (t.half - 8, 3.2), (t.half, 0.4), (t.half, 0)], DARK, 8)
    t.parts.append("pointed tip")


def _end_blade(t: Thing) -> None:
    t.sketch.plate(
        Polygon([(t.half - 18, -3), (t.half - 10, -6), (t.half, -6), (t.half, 6), (t.half - 10, 6), (t.half - 18, 3)]),
        -1.2,
        1.2,
        t.steel,
    )
    t.parts.append("flat blade")


def _end_ball(t: Thing) -> None:
    radius = t.uniform(6, 10)
    t.sketch.plate(disc(t.half - radius, 0, radius), -radius * 0.8, radius * 0.8, t.grip, bevel=2.0)
    t.high = max(t.high, radius * 0.8)
    t.parts.append("ball end")


ENDS: dict[str, tuple[float, Callable[[Thing], None]]] = {
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
REAL = {
    ("round", "tip"),
    ("round", "blade"),
    ("none", "jaw"),
    ("none", "eye"),
    ("none", "tip"),
    ("round", "block"),
    ("round", "tee"),
}
"""Handle and end that together are, or could pass for, a kind."""
