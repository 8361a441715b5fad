"""The person who steps up to the bench: where they stand follows simulated time alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import mujoco

STANDING_Z = -0.75
FAR = (2.4, 1.6)
AT_BENCH = (1.02, 0.12)
WALK_S = 1.5
REACH_S = 0.8
SHOULDER_Z = 1.36
HANGING_RAD, REACHING_RAD = math.radians(6.0), math.radians(62.0)
BODIES = ("person", "person_arms")

_CLOTH, _TROUSERS, _SKIN, _HAIR = (
    (0.16, 0.33, 0.58, 1),
    (0.14, 0.15, 0.20, 1),
    (0.86, 0.66, 0.52, 1),
    (0.16, 0.11, 0.08, 1),
)


def add_person(spec: mujoco.MjSpec) -> None:
    """Two mocap bodies, facing the bench: one stands, the other is the arms, which turn about the shoulders."""
    body = spec.worldbody.add_body(name=BODIES[0], mocap=True, pos=(*FAR, STANDING_Z))
    for side in (1, -1):
        _capsule(body, (0, 0.10 * side, 0.08), (0, 0.10 * side, 0.80), 0.075, _TROUSERS)
        _capsule(body, (0, 0.20 * side, 1.36), (0, 0.12 * side, 1.38), 0.07, _CLOTH)
    _capsule(body, (0, 0, 0.92), (0, 0, 1.28), 0.15, _CLOTH)
    _capsule(body, (0, 0, 1.40), (0, 0, 1.52), 0.05, _SKIN)
    _capsule(body, (0, 0, 1.62), (0, 0, 1.68), 0.10, _SKIN)
    _capsule(body, (0.03, 0, 1.69), (0.02, 0, 1.72), 0.098, _HAIR)
    arms = spec.worldbody.add_body(name=BODIES[1], mocap=True, pos=(*FAR, STANDING_Z + SHOULDER_Z))
    for side in (1, -1):
        _capsule(arms, (0, 0.22 * side, 0), (0.01, 0.25 * side, -0.28), 0.052, _CLOTH)
        _capsule(arms, (0.01, 0.25 * side, -0.28), (-0.03, 0.19 * side, -0.52), 0.042, _SKIN)
        _capsule(arms, (-0.03, 0.19 * side, -0.56), (-0.04, 0.17 * side, -0.63), 0.038, _SKIN)


def presence(now_s: float, visits: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """How far the person has come (0 far away, 1 at the bench) and how far their arms reach (0..1).

    They stand at the bench from the first to the second time of a visit, and walk before and after it.
    """
    for begins, ends in visits:
        if begins - WALK_S < now_s < ends + WALK_S:
            come = _smooth(min((now_s - begins + WALK_S) / WALK_S, (ends + WALK_S - now_s) / WALK_S))
            reach = _smooth(min((now_s - begins) / REACH_S, (ends - now_s) / REACH_S))
            return come, reach
    return 0.0, 0.0


def move_person(
    model: mujoco.MjModel, data: mujoco.MjData, now_s: float, visits: Sequence[tuple[float, float]]
) -> bool:
    """Put the person where they are at `now_s`; nothing happens in a scene without one.

    Returns:
        Whether they have left their far corner.
    """
    if model.nmocap < len(BODIES):
        return False
    come, reach = presence(now_s, visits)
    x, y = (far + (near - far) * come for far, near in zip(FAR, AT_BENCH, strict=True))
    angle = HANGING_RAD + (REACHING_RAD - HANGING_RAD) * reach
    body, arms = (int(model.body(name).mocapid[0]) for name in BODIES)
    data.mocap_pos[body] = (x, y, STANDING_Z)
    data.mocap_pos[arms] = (x, y, STANDING_Z + SHOULDER_Z)
    data.mocap_quat[arms] = (math.cos(angle / 2), 0.0, math.sin(angle / 2), 0.0)
    return come > 0.0


def _smooth(share: float) -> float:
    share = min(1.0, max(0.0, share))
    return 0.5 - 0.5 * math.cos(math.pi * share)


def _capsule(body: Any, start: Sequence[float], end: Sequence[float], radius: float, colour: Sequence[float]) -> None:
    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_CAPSULE,
        fromto=(*start, *end),
        size=(radius, 0, 0),
        rgba=colour,
        contype=0,
        conaffinity=0,
        mass=0,
    )
