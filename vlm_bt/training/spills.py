"""Liquids spilt on the bench: flat puddles with drops around them, darker at the rim, glossy, some of them clear."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
import trimesh
from shapely import affinity
from shapely.geometry import MultiPolygon, Point, Polygon
from shapely.geometry.base import BaseGeometry


@dataclass(frozen=True)
class Liquid:
    """Colour and how much of the bench shines through (0..1 covers all)."""

    rgb: tuple[float, float, float]
    cover: float


LIQUIDS: dict[str, Liquid] = {
    "oil": Liquid((0.10, 0.07, 0.03), 0.80),
    "coffee": Liquid((0.26, 0.13, 0.06), 0.78),
    "water": Liquid((0.62, 0.74, 0.82), 0.34),
    "coolant": Liquid((0.20, 0.72, 0.42), 0.60),
    "red paint": Liquid((0.66, 0.05, 0.05), 0.95),
    "hydraulic fluid": Liquid((0.72, 0.30, 0.08), 0.62),
}

_THICK_M = 0.0004


def add_spill(spec: Any, body: Any, name: str, rng: np.random.Generator) -> BaseGeometry:
    """Spill some liquid around a body's origin; returns its outline in the body's frame, metres."""
    liquid = list(LIQUIDS.values())[int(rng.integers(len(LIQUIDS)))]
    puddle = _puddle(rng)
    rim, glint = puddle.difference(puddle.buffer(-0.005)), _glints(puddle, rng)
    dark = tuple(0.62 * channel for channel in liquid.rgb)
    if not spec.material("wet"):
        spec.add_material(name="wet", specular=1.0, shininess=0.9)
    _layer(spec, body, f"{name} inside", puddle.buffer(-0.005), 0.0, (*liquid.rgb, liquid.cover))
    _layer(spec, body, f"{name} rim", rim, 0.0, (*dark, min(1.0, liquid.cover + 0.1)))
    _layer(spec, body, f"{name} glint", glint, _THICK_M, (0.97, 0.98, 1.0, 0.72))
    return puddle


def _puddle(rng: np.random.Generator) -> BaseGeometry:
    """A wavy blob of 6 to 14 cm, with a tongue and a few drops."""
    radius = float(rng.uniform(0.035, 0.075))
    turns = np.linspace(0, 2 * math.pi, 72, endpoint=False)
    wave = np.ones_like(turns)
    for order in range(2, 7):
        wave += float(rng.uniform(0.0, 0.30 / order**0.7)) * np.sin(order * turns + float(rng.uniform(0, 2 * math.pi)))
    blob = Polygon(np.column_stack([np.cos(turns), np.sin(turns)]) * (radius * wave)[:, None]).buffer(0)
    blob = affinity.scale(blob, 1.0, float(rng.uniform(0.55, 1.0)), origin=(0, 0))
    way, out = float(rng.uniform(-math.pi, math.pi)), float(rng.uniform(0.9, 1.5)) * radius
    tongue = shapely.LineString([(0, 0), (out * math.cos(way), out * math.sin(way))]).buffer(0.22 * radius)
    shapes = [blob.union(tongue).buffer(0.006).buffer(-0.006)]
    for _ in range(int(rng.integers(3, 8))):
        angle, far = float(rng.uniform(-math.pi, math.pi)), radius * float(rng.uniform(1.3, 2.0))
        shapes.append(Point(far * math.cos(angle), far * math.sin(angle)).buffer(float(rng.uniform(0.006, 0.011))))
    return shapely.union_all(shapes)


def _glints(puddle: BaseGeometry, rng: np.random.Generator) -> BaseGeometry:
    """Where the lamp is mirrored: crescents inside the rim, all on the same side."""
    way = float(rng.uniform(-math.pi, math.pi))
    shift = 0.004
    inner = puddle.buffer(-0.008)
    moved = affinity.translate(inner, shift * math.cos(way), shift * math.sin(way))
    crescent = inner.difference(moved).buffer(-0.0006).buffer(0.0004)
    return crescent if not crescent.is_empty else Point(0, 0).buffer(0.004)


def _layer(spec: Any, body: Any, name: str, shape: BaseGeometry, low: float, rgba: tuple[float, ...]) -> None:
    import mujoco

    polygons = [part for part in (shape.geoms if isinstance(shape, MultiPolygon) else (shape,)) if part.area > 2e-6]
    meshes = [trimesh.creation.extrude_polygon(part, _THICK_M, engine="earcut") for part in polygons]
    whole: Any = trimesh.util.concatenate(meshes)
    mesh = spec.add_mesh(name=name)
    mesh.uservert, mesh.userface = np.asarray(whole.vertices, np.float32).ravel(), whole.faces.astype(np.int32).ravel()
    mesh.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL
    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_MESH,
        meshname=name,
        material="wet",
        pos=(0.0, 0.0, low),
        rgba=rgba,
        contype=0,
        conaffinity=0,
        mass=0,
    )
