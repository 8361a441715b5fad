"""Tools that turn things, and screws: wrenches, screwdrivers, the Allen wrench. Drawn in millimetres."""

from __future__ import annotations

import numpy as np
from shapely.geometry import Polygon

from vlm_bt.simulation.outlines import Paint, Sketch, ToolModel, bent, disc, rectangle, ring, turned_by, unary_union
from vlm_bt.simulation.paints import BRIGHT, DARK, HANDLE_COLOURS, SCREW_SHADES, STEEL_SHADES, between, pick_paint


def adjustable_wrench(rng: np.random.Generator, size: float) -> ToolModel:
    sketch, length = Sketch(), between(120, 190, size)
    name, steel = pick_paint(rng, STEEL_SHADES, "steel")
    half, scale, thick = length / 2, length / 155, between(8.5, 11.0, size)
    tail, neck = 11.5 * scale, 8.0 * scale
    handle = Polygon(
        [
            (-half + 4, -tail),
            (-half, -tail + 4),
            (-half, tail - 4),
            (-half + 4, tail),
            (half - 46 * scale, neck),
            (half - 46 * scale, -neck),
        ]
    )
    handle = handle.difference(disc(-half + 12 * scale, 0, 5.0 * scale))
    s = scale
    fixed = Polygon(
        [
            (half - 50 * s, -9 * s),
            (half - 40 * s, -20 * s),
            (half - 22 * s, -21 * s),
            (half - 20 * s, 3 * s),
            (half - 2 * s, 7 * s),
            (half, 15 * s),
            (half - 8 * s, 22 * s),
            (half - 30 * s, 21 * s),
            (half - 50 * s, 9 * s),
        ]
    )
    opening = float(rng.uniform(5, 13)) * s
    jaw_y = 4 * s - opening
    jaw = Polygon(
        [
            (half - 22 * s, jaw_y),
            (half - 1 * s, jaw_y + 2 * s),
            (half - 1 * s, jaw_y - 4 * s),
            (half - 12 * s, jaw_y - 12 * s),
            (half - 26 * s, jaw_y - 13 * s),
            (half - 28 * s, jaw_y),
        ]
    )
    sketch.plate(handle, -thick / 2 + 1, thick / 2 - 1, steel, bevel=0.8)
    sketch.plate(turned_by(unary_union([fixed]), 0.0), -thick / 2, thick / 2, steel, bevel=1.0)
    sketch.plate(jaw, -thick / 2 + 0.8, thick / 2 + 0.6, steel.shaded(1.3 if name == "dark grey" else 0.68), bevel=0.8)
    sketch.turned(
        [(half - 39 * s, 0), (half - 39 * s, 6 * s), (half - 27 * s, 6 * s), (half - 27 * s, 0)],
        DARK,
        12,
        at=(0, -9 * s, 0),
    )
    for step in range(3):
        x = half - (37 - 4 * step) * s
        sketch.turned([(x, 0), (x, 6.3 * s), (x + 1.5 * s, 6.3 * s), (x + 1.5 * s, 0)], BRIGHT, 12, at=(0, -9 * s, 0))
    parts = ["adjustable jaw", "sliding jaw", "thumb wheel", "tapered handle"]
    colour = name
    if rng.uniform() < 0.35:
        colour, grip = pick_paint(rng, HANDLE_COLOURS, "plastic")
        sleeve = rectangle(-half + 20 * s, -tail - 1.2, half - 62 * s, tail + 1.2).buffer(1.5)
        sketch.plate(sleeve, -thick / 2 - 0.3, thick / 2 + 0.3, grip, bevel=1.2)
        parts.append("coloured grip")
    else:
        sketch.plate(
            bent([(-half + 28 * s, 0), (half - 60 * s, 0)], 4.5 * s),
            -thick / 2 + 0.6,
            thick / 2 - 0.6,
            steel.shaded(0.72),
        )
    sketch.solid_box((length - 42 * s, 2 * neck + 4 * s, thick), (-21 * s, 0, 0))
    sketch.solid_box((48 * s, 38 * s, thick), (half - 26 * s, 0, 0))
    return sketch.finish("adjustable wrench", 0.18 * scale**2, thick / 2, colour, parts)


def combination_wrench(rng: np.random.Generator, size: float) -> ToolModel:
    sketch, length = Sketch(), between(110, 180, size)
    name, steel = pick_paint(rng, STEEL_SHADES, "steel")
    half, scale, thick = length / 2, length / 145, between(6.5, 8.0, size)
    outer, mouth = 12.5 * scale, 15.0 * scale
    shaft_half = 5.6 * scale
    ring_x, jaw_x = half - outer, -half + mouth * 0.86
    shaft = rectangle(jaw_x, -shaft_half, ring_x, shaft_half)
    eye = ring(ring_x, 0, outer, 7.6 * scale, sides=12)
    tilt = 15.0 * (1 if rng.uniform() < 0.5 else -1)
    gap = rectangle(jaw_x - 40 * scale, -6.8 * scale, jaw_x + 3 * scale, 6.8 * scale)
    gap = unary_union([gap, disc(jaw_x + 3 * scale, 0, 6.8 * scale, 12)])
    jaw = disc(jaw_x, 0, mouth).difference(turned_by(gap, tilt, (jaw_x, 0)))
    body = unary_union([shaft.difference(disc(ring_x, 0, outer - 1)).difference(disc(jaw_x, 0, mouth - 2)), jaw])
    sketch.plate(body, -thick / 2, thick / 2, steel, bevel=0.9)
    sketch.plate(eye, -thick / 2 - 0.0, thick / 2 + 0.8, steel, bevel=0.9)
    panel = bent([(jaw_x + mouth + 6, 0), (ring_x - outer - 5, 0)], shaft_half - 2.4, "round")
    sketch.plate(panel, thick / 2 - 0.4, thick / 2 + 0.25, steel.shaded(0.62))
    sketch.solid_box((length - 2 * outer - 1.6 * mouth, 2 * shaft_half, thick), ((jaw_x + ring_x) / 2, 0, 0))
    sketch.solid_cylinder(outer, thick, (ring_x, 0, 0))
    sketch.solid_cylinder(mouth, thick, (jaw_x, 0, 0))
    return sketch.finish(
        "combination wrench", 0.08 * scale**2, thick / 2, name, ["open jaw", "ring end", "straight flat handle"]
    )


def screwdriver(kind: str, rng: np.random.Generator, size: float) -> ToolModel:
    sketch, length = Sketch(), between(110, 185, size)
    colour, grip = pick_paint(rng, HANDLE_COLOURS, "plastic")
    half, radius = length / 2, between(11.5, 14.0, size)
    handle = between(58, 88, size)
    shaft_radius = between(3.0, 4.0, size)
    end = -half + handle
    profile = [
        (-half, 0),
        (-half, radius * 0.72),
        (-half + 5, radius),
        (end - 28, radius),
        (end - 16, radius * 0.66),
        (end - 5, radius * 0.78),
        (end, radius * 0.5),
        (end, 0),
    ]
    sketch.turned(profile, grip, 6 if rng.uniform() < 0.5 else 16)
    band = DARK if colour != "black" else Paint(HANDLE_COLOURS["yellow"])
    if rng.uniform() < 0.6:
        sketch.turned([(end - 34, 0), (end - 34, radius + 0.5), (end - 28.5, radius + 0.5), (end - 28.5, 0)], band, 16)
    if kind == "Phillips screwdriver":
        taper = half - 13
        sketch.turned([(end, 0), (end, shaft_radius), (taper, shaft_radius), (taper, 0)], BRIGHT, 14)
        sketch.turned(
            [(taper, 0), (taper, shaft_radius), (half - 7, shaft_radius * 0.95), (half, 0.4), (half, 0)], DARK, 8
        )
        parts = ["round handle", "round shaft", "cross tip", "pointed tip"]
    else:
        flare = half - 20
        blade = between(10.5, 12.5, size) / 2
        sketch.turned([(end, 0), (end, shaft_radius), (flare + 2, shaft_radius), (flare + 2, 0)], BRIGHT, 14)
        outline = Polygon(
            [
                (flare - 2, -shaft_radius),
                (half - 11, -blade),
                (half, -blade + 0.6),
                (half, blade - 0.6),
                (half - 11, blade),
                (flare - 2, shaft_radius),
            ]
        )
        sketch.plate(outline, -1.1, 1.1, BRIGHT.shaded(1.1))
        sketch.plate(
            rectangle(half - 3.0, -blade + 0.6, half - 0.1, blade - 0.6), -1.2, 1.2, Paint((0.20, 0.20, 0.22), "steel")
        )
        parts = ["round handle", "round shaft", "flat blade"]
    for turn in (0.0, 60.0, 120.0):
        sketch.solid_box((handle - 6, radius, radius * 1.732), (-half + handle / 2, 0, 0), roll_deg=turn)
    sketch.solid_box((length - handle, 2 * shaft_radius, 2 * shaft_radius), (handle / 2, 0, 0))
    return sketch.finish(kind, 0.07 * (length / 150) ** 2, radius * 0.866, colour, [*parts, "straight tool"])


def phillips(rng: np.random.Generator, size: float) -> ToolModel:
    return screwdriver("Phillips screwdriver", rng, size)


def flat(rng: np.random.Generator, size: float) -> ToolModel:
    return screwdriver("flat screwdriver", rng, size)


def t_handle(rng: np.random.Generator, size: float) -> ToolModel:
    sketch, length = Sketch(), between(115, 150, size)
    colour, grip = pick_paint(rng, HANDLE_COLOURS, "plastic")
    half, across, radius, shaft = length / 2, between(68, 84, size), between(7.5, 9.0, size), 3.2
    x = -half + radius
    handle = [
        (-across / 2, 0),
        (-across / 2, radius * 0.7),
        (-across / 2 + 4, radius),
        (across / 2 - 4, radius),
        (across / 2, radius * 0.7),
        (across / 2, 0),
    ]
    sketch.turned(handle, grip, 16, at=(x, 0, 0), yaw_deg=90)
    sketch.turned([(x, 0), (x, radius * 0.9), (x + 16, radius * 0.62), (x + 16, 0)], grip, 16)
    sketch.turned([(x + 16, 0), (x + 16, shaft), (half, shaft), (half, 0)], Paint((0.30, 0.31, 0.33), "steel"), 6)
    sketch.solid_box((2 * radius, across, 1.732 * radius), (x, 0, 0))
    sketch.solid_box((length - 2 * radius, 2 * shaft, 2 * shaft), (radius, 0, 0))
    return sketch.finish(
        "T-handle Allen wrench", 0.07, radius * 0.866, colour, ["T-shaped handle", "hexagonal shaft", "straight shaft"]
    )


def screw(rng: np.random.Generator, size: float) -> ToolModel:
    sketch, length = Sketch(), between(20, 30, size)
    name, steel = pick_paint(rng, SCREW_SHADES, "steel")
    half, head = length / 2, between(4.0, 4.9, float(rng.uniform()))
    core = head * 0.56
    sketch.turned(
        [
            (-half, 0),
            (-half, head * 0.9),
            (-half + 1.2, head),
            (-half + 2.6, head),
            (-half + 5.0, core),
            (-half + 5.0, 0),
        ],
        steel,
        16,
    )
    threads = [(-half + 5.0, 0.0)]
    x = -half + 5.0
    while x < half - 6.0:
        threads += [(x, core * 0.86), (x + 1.1, core * 1.18)]
        x += 2.2
    threads += [(half - 5.5, core), (half, 0.2), (half, 0.0)]
    sketch.turned(threads, steel.shaded(0.78), 10)
    sketch.block((0.6, head * 1.3, 1.4), (-half - 0.05, 0, 0), DARK)
    low = head - 0.3
    sketch.solid_box((length, 2 * core, 2 * low), (0, 0, 0))
    sketch.solid_box((3.0, 2 * head, 2 * low), (-half + 1.6, 0, 0))
    return sketch.finish("screw", 0.006, low, name, ["screw head", "threaded shaft", "pointed tip", "small part"])
