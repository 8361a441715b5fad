"""People over the bench: an arm with a hand, and somebody who leans over it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

Rgb = tuple[float, float, float]

SKINS: tuple[Rgb, ...] = (
    (0.92, 0.75, 0.63),
    (0.86, 0.66, 0.52),
    (0.72, 0.51, 0.37),
    (0.53, 0.35, 0.24),
    (0.34, 0.22, 0.16),
)
GLOVES: tuple[Rgb, ...] = ((0.16, 0.38, 0.72), (0.10, 0.10, 0.11), (0.85, 0.80, 0.70))
SLEEVES: tuple[Rgb, ...] = (
    (0.16, 0.33, 0.58),
    (0.55, 0.12, 0.12),
    (0.20, 0.22, 0.24),
    (0.88, 0.88, 0.86),
    (0.90, 0.45, 0.08),
    (0.22, 0.40, 0.26),
)
HAIRS: tuple[Rgb, ...] = ((0.10, 0.08, 0.07), (0.25, 0.16, 0.10), (0.55, 0.42, 0.24), (0.60, 0.60, 0.60))

_GLOVED_SHARE = 0.3


def add_hand(body: Any, rng: np.random.Generator) -> None:
    """An arm that reaches along the body's x, its palm downwards at the origin: seven joints of bare or gloved hand."""
    skin, sleeve = _pick(SKINS, rng), _pick(SLEEVES, rng)
    hand = _pick(GLOVES, rng) if rng.random() < _GLOVED_SHARE else skin
    bare = float(rng.uniform(0.02, 0.22))
    _arm(body, (0.0, 0.0, 0.0), 0.0, 1 if rng.random() < 0.5 else -1, hand, skin, sleeve, bare, rng)


def add_leaning_person(body: Any, rng: np.random.Generator) -> None:
    """Head, shoulders and both arms of somebody who stands at the body's origin, at the bench's edge, facing its x.

    The head hangs over the bench, where an overhead camera sees it.
    """
    skin, sleeve, hair = _pick(SKINS, rng), _pick(SLEEVES, rng), _pick(HAIRS, rng)
    lean = float(rng.uniform(0.16, 0.26))
    _capsule(body, (-0.12, 0, 0.10), (lean - 0.06, 0, 0.40), 0.14, sleeve)
    _capsule(body, (lean - 0.06, -0.17, 0.43), (lean - 0.06, 0.17, 0.43), 0.075, sleeve)
    _capsule(body, (lean - 0.03, 0, 0.46), (lean + 0.04, 0, 0.52), 0.05, skin)
    _ellipsoid(body, (lean + 0.09, 0, 0.56), (0.10, 0.078, 0.10), skin)
    _ellipsoid(body, (lean + 0.075, 0, 0.585), (0.10, 0.082, 0.092), hair)
    for side in (1, -1):
        elbow = (lean + 0.05, 0.25 * side, 0.22)
        _capsule(body, (lean - 0.06, 0.21 * side, 0.42), elbow, 0.048, sleeve)
        wrist = (lean + float(rng.uniform(0.12, 0.24)), 0.15 * side, 0.06)
        _capsule(body, elbow, wrist, 0.036, sleeve if rng.random() < 0.5 else skin)
        way = math.atan2(wrist[1] - elbow[1], wrist[0] - elbow[0])
        palm = (wrist[0] + 0.05 * math.cos(way), wrist[1] + 0.05 * math.sin(way), 0.05)
        _hand(body, palm, way, side, skin, rng)


def _arm(
    body: Any,
    palm: Sequence[float],
    way: float,
    thumb: int,
    hand: Rgb,
    skin: Rgb,
    sleeve: Rgb,
    bare: float,
    rng: np.random.Generator,
) -> None:
    _hand(body, palm, way, thumb, hand, rng)
    rise = float(rng.uniform(0.15, 0.35))

    def along(distance: float) -> tuple[float, float, float]:
        return (palm[0] - distance, palm[1], palm[2] + rise * max(0.0, distance - 0.05))

    _capsule(body, along(0.045), along(0.075), 0.027, hand)
    _capsule(body, along(0.07), along(0.07 + bare), 0.029, skin)
    _capsule(body, along(0.08 + bare), along(0.33), 0.043, sleeve)
    _capsule(body, along(0.33), along(0.75), 0.052, sleeve)


def _hand(body: Any, palm: Sequence[float], way: float, thumb: int, colour: Rgb, rng: np.random.Generator) -> None:
    """A palm at `palm` with four fingers along `way` and the thumb to its left (1) or right (-1)."""
    c, s = math.cos(way), math.sin(way)

    def at(x: float, y: float, z: float) -> tuple[float, float, float]:
        return (palm[0] + c * x - s * y, palm[1] + s * x + c * y, palm[2] + z)

    turn = (math.cos(way / 2), 0.0, 0.0, math.sin(way / 2))
    _ellipsoid(body, at(0.0, 0.0, 0.0), (0.050, 0.042, 0.016), colour, turn)
    spread, bend = float(rng.uniform(0.03, 0.16)), float(rng.uniform(0.10, 0.45))
    for number, long in enumerate((0.031, 0.037, 0.034, 0.026)):
        y = 0.030 - 0.020 * number
        aside = y / 0.03 * spread
        first = (0.042, y * thumb, 0.0)
        second = (0.042 + long, (y + aside * long) * thumb, -0.2 * bend * long)
        reach = long * math.cos(bend)
        third = (second[0] + reach, second[1] + aside * reach * thumb, second[2] - long * math.sin(bend))
        _capsule(body, at(*first), at(*second), 0.0092, colour)
        _capsule(body, at(*second), at(*third), 0.0082, colour)
    _capsule(body, at(-0.015, 0.032 * thumb, -0.004), at(0.018, 0.062 * thumb, -0.008), 0.0115, colour)
    _capsule(body, at(0.018, 0.062 * thumb, -0.008), at(0.046, 0.068 * thumb, -0.012), 0.0095, colour)


def _capsule(body: Any, start: Sequence[float], end: Sequence[float], radius: float, colour: Rgb) -> None:
    import mujoco

    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_CAPSULE,
        fromto=(*start, *end),
        size=(radius, 0, 0),
        rgba=(*colour, 1.0),
        material="skin",
        contype=0,
        conaffinity=0,
        mass=0,
    )


def _ellipsoid(
    body: Any,
    centre: Sequence[float],
    radii: Sequence[float],
    colour: Rgb,
    turn: Sequence[float] = (1.0, 0.0, 0.0, 0.0),
) -> None:
    import mujoco

    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_ELLIPSOID,
        pos=centre,
        quat=turn,
        size=radii,
        rgba=(*colour, 1.0),
        material="skin",
        contype=0,
        conaffinity=0,
        mass=0,
    )


def _pick(choices: Sequence[Rgb], rng: np.random.Generator) -> Rgb:
    return choices[int(rng.integers(len(choices)))]
