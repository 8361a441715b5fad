"""Shapes of procedural things: a sketch in millimetres becomes meshes, colliders and an outline in metres.

A thing lies along its x axis on a bench below it: z = 0 is the height of its axis, `half_height_m` above the bench.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import numpy as np
import trimesh
from numpy.typing import NDArray
from shapely import affinity
from shapely.geometry import LineString, MultiPoint, MultiPolygon, Polygon
from shapely.geometry import box as rectangle
from shapely.ops import unary_union

__all__ = [
    "Collider",
    "Paint",
    "Sketch",
    "ToolModel",
    "Visual",
    "bent",
    "disc",
    "rectangle",
    "ring",
    "turned_by",
    "unary_union",
]

Finish = Literal["steel", "plastic", "rubber"]
Shape: TypeAlias = Any  # a shapely Polygon or MultiPolygon; shapely carries no types
Vector = tuple[float, float, float]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Paint:
    """Colour (red, green, blue in 0..1) and how the surface shines."""

    rgb: Vector
    finish: Finish = "plastic"

    def shaded(self, factor: float) -> Paint:
        red, green, blue = (min(1.0, max(0.0, channel * factor)) for channel in self.rgb)
        return Paint((red, green, blue), self.finish)


@dataclass(frozen=True, eq=False)
class Visual:
    """What is seen: vertices (N, 3) metres in the thing's frame, faces (M, 3)."""

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    paint: Paint


@dataclass(frozen=True)
class Collider:
    """What touches: half sizes of a box, or (radius, half length) of an upright cylinder, metres."""

    shape: Literal["box", "cylinder"]
    size: tuple[float, ...]
    position: Vector
    quaternion: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)

    @property
    def volume_m3(self) -> float:
        if self.shape == "box":
            return 8.0 * math.prod(self.size)
        return 2.0 * math.pi * self.size[0] ** 2 * self.size[1]


@dataclass(frozen=True, eq=False)
class ToolModel:
    """A thing that can lie on the bench.

    Attributes:
        outline: Corners (x, y) of its convex outline seen from above, metres, in its own frame.
        parts: What a person would say it is made of, in phrases.
        colour: Name of its main colour.
    """

    kind: str
    visuals: tuple[Visual, ...]
    colliders: tuple[Collider, ...]
    mass_kg: float
    half_height_m: float
    length_m: float
    width_m: float
    colour: str
    parts: tuple[str, ...]
    outline: tuple[tuple[float, float], ...]


def disc(x: float, y: float, radius: float, sides: int = 32) -> Polygon:
    """A regular polygon around (x, y), mm."""
    angles = np.arange(sides) * 2 * math.pi / sides + math.pi / sides
    return Polygon(np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], -1))


def ring(x: float, y: float, outer: float, inner: float, sides: int = 32) -> Shape:
    return disc(x, y, outer).difference(disc(x, y, inner, sides))


def bent(points: Sequence[tuple[float, float]], half_width: float, cap: Literal["round", "flat"] = "round") -> Shape:
    """A band of constant width along points, mm."""
    return LineString(points).buffer(half_width, cap_style=cap, quad_segs=5)


def turned_by(shape: Shape, angle_deg: float, about: tuple[float, float] = (0.0, 0.0)) -> Shape:
    return affinity.rotate(shape, angle_deg, origin=about)


class Sketch:
    """Collects what one thing looks like and where it is solid, all in millimetres."""

    def __init__(self) -> None:
        self._meshes: dict[Paint, list[tuple[Floats, NDArray[np.int64]]]] = {}
        self._colliders: list[Collider] = []

    def plate(self, shape: Shape, low: float, high: float, paint: Paint, bevel: float = 0.0) -> None:
        """An outline extruded from height `low` to `high`; `bevel` takes the sharpness off its upper and lower edge."""
        if bevel > 0.0:
            inner = shape.buffer(-bevel, join_style="mitre")
            if not inner.is_empty:
                self.plate(inner, low, high, paint)
                low, high = low + bevel, high - bevel
        for polygon in shape.geoms if isinstance(shape, MultiPolygon) else (shape,):
            if isinstance(polygon, Polygon) and polygon.area > 0.05:
                self._add(_extruded(polygon, low, high), paint)

    def turned(
        self,
        profile: Sequence[tuple[float, float]],
        paint: Paint,
        sides: int = 20,
        at: Vector = (0.0, 0.0, 0.0),
        yaw_deg: float = 0.0,
        upright: bool = False,
    ) -> None:
        """A profile of (along, radius) turned around the x axis, or around the z axis where `upright`."""
        vertices, faces = _turned(profile, sides)
        if upright:
            vertices = vertices[:, [1, 2, 0]]
        c, s = math.cos(math.radians(yaw_deg)), math.sin(math.radians(yaw_deg))
        vertices = vertices @ np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]]) + np.array(at)
        self._add((vertices, faces), paint)

    def block(self, size: Vector, centre: Vector, paint: Paint, yaw_deg: float = 0.0) -> None:
        """A box of full sizes."""
        half_x, half_y, half_z = (length / 2 for length in size)
        base = turned_by(rectangle(-half_x, -half_y, half_x, half_y), yaw_deg)
        self.plate(affinity.translate(base, centre[0], centre[1]), centre[2] - half_z, centre[2] + half_z, paint)

    def solid_box(self, size: Vector, centre: Vector, yaw_deg: float = 0.0, roll_deg: float = 0.0) -> None:
        """A collider of full sizes, turned about z (`yaw_deg`) or about x (`roll_deg`)."""
        yaw, roll = math.radians(yaw_deg) / 2, math.radians(roll_deg) / 2
        quaternion = (math.cos(yaw), 0.0, 0.0, math.sin(yaw)) if yaw_deg else (math.cos(roll), math.sin(roll), 0.0, 0.0)
        self._colliders.append(Collider("box", tuple(length / 2000 for length in size), _metres(centre), quaternion))

    def solid_cylinder(self, radius: float, height: float, centre: Vector) -> None:
        """An upright cylinder as collider."""
        self._colliders.append(Collider("cylinder", (radius / 1000, height / 2000), _metres(centre)))

    def solid_hull(self) -> None:
        """One box around everything drawn so far: enough for things that are only looked at."""
        corners = np.concatenate([vertices for meshes in self._meshes.values() for vertices, _ in meshes])
        low, high = corners.min(axis=0), corners.max(axis=0)
        size, centre = high - low, (high + low) / 2
        self.solid_box((size[0], size[1], size[2]), (centre[0], centre[1], centre[2]))

    def finish(self, kind: str, mass_kg: float, half_height_mm: float, colour: str, parts: Sequence[str]) -> ToolModel:
        visuals = tuple(_joined(meshes, paint) for paint, meshes in self._meshes.items())
        corners = np.concatenate([visual.vertices[:, :2] for visual in visuals])
        size = np.ptp(corners, axis=0)
        outline = MultiPoint(corners.astype(np.float64)).convex_hull.exterior.coords[:-1]
        return ToolModel(
            kind,
            visuals,
            tuple(self._colliders),
            mass_kg,
            half_height_mm / 1000,
            float(size[0]),
            float(size[1]),
            colour,
            tuple(parts),
            tuple((float(x), float(y)) for x, y in outline),
        )

    def _add(self, mesh: tuple[Floats, NDArray[np.int64]], paint: Paint) -> None:
        self._meshes.setdefault(paint, []).append(mesh)


def _metres(point: Vector) -> Vector:
    return (point[0] / 1000, point[1] / 1000, point[2] / 1000)


def _joined(meshes: list[tuple[Floats, NDArray[np.int64]]], paint: Paint) -> Visual:
    offset, vertices, faces = 0, [], []
    for part_vertices, part_faces in meshes:
        vertices.append(part_vertices)
        faces.append(part_faces + offset)
        offset += len(part_vertices)
    return Visual((np.concatenate(vertices) / 1000).astype(np.float32), np.concatenate(faces).astype(np.int32), paint)


def _extruded(polygon: Polygon, low: float, high: float) -> tuple[Floats, NDArray[np.int64]]:
    """Lids and walls share no vertices, so that the edge between them stays sharp when it is shaded."""
    flat, triangles = trimesh.creation.triangulate_polygon(polygon, engine="earcut")
    triangles = np.asarray(triangles, np.int64)
    a, b, c = (flat[triangles[:, corner]] for corner in range(3))
    clockwise = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) < (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    triangles[clockwise] = triangles[clockwise][:, ::-1]
    count = len(flat)
    vertices = [np.column_stack([flat, np.full(count, high)]), np.column_stack([flat, np.full(count, low)])]
    faces = [triangles, triangles[:, ::-1] + count]
    offset = 2 * count
    for line, outer in [(polygon.exterior, True)] + [(hole, False) for hole in polygon.interiors]:
        corners = np.asarray(line.coords)[:-1]
        if line.is_ccw != outer:
            corners = corners[::-1]
        ahead, n = np.roll(corners, -1, axis=0), len(corners)
        walls = np.empty((n, 4, 3))
        walls[:, 0, :2] = walls[:, 3, :2] = corners
        walls[:, 1, :2] = walls[:, 2, :2] = ahead
        walls[:, :2, 2], walls[:, 2:, 2] = low, high
        first = offset + 4 * np.arange(n)[:, None]
        vertices.append(walls.reshape(-1, 3))
        faces += [first + np.array([0, 1, 2]), first + np.array([0, 2, 3])]
        offset += 4 * n
    return np.concatenate(vertices), np.concatenate(faces)


def _turned(profile: Sequence[tuple[float, float]], sides: int) -> tuple[Floats, NDArray[np.int64]]:
    """Each stretch of the profile has rings of its own: round to the light across, sharp along; flat for few sides."""
    angles = np.arange(sides + 1) * 2 * math.pi / sides
    vertices: list[Floats] = []
    faces: list[NDArray[np.int64]] = []
    offset = 0
    for (x0, r0), (x1, r1) in pairwise(profile):
        if r0 == r1 == 0.0 or (x0 == x1 and r0 == r1):
            continue
        near = np.stack([np.full(sides + 1, x0), r0 * np.cos(angles), r0 * np.sin(angles)], -1)
        far = np.stack([np.full(sides + 1, x1), r1 * np.cos(angles), r1 * np.sin(angles)], -1)
        if sides <= 8:
            quads = np.stack([near[:-1], near[1:], far[1:], far[:-1]], 1).reshape(-1, 3)
            first = 4 * np.arange(sides)[:, None] + offset
            corners = [[0, 3, 2], [0, 2, 1]]
        else:
            quads = np.concatenate([near, far])
            first = np.arange(sides)[:, None] + offset
            corners = [[0, sides + 1, sides + 2], [0, sides + 2, 1]]
        triangles = np.concatenate([first + np.array(corner) for corner in corners])
        keep = np.ones(len(triangles), bool)
        keep[:sides] = r1 > 0.0
        keep[sides:] = r0 > 0.0
        vertices.append(quads)
        faces.append(triangles[keep])
        offset += len(quads)
    return np.concatenate(vertices), np.concatenate(faces)[:, ::-1]
