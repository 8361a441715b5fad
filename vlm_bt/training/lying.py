"""Where things lie: outlines seen from above, places that are free, places that touch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import affinity
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from vlm_bt.simulation.outlines import ToolModel
from vlm_bt.simulation.scenario import ZONES
from vlm_bt.types import Zone

TOUCHING_M = 0.001
APART_M = 0.006
STANDING_GAP_M = 0.06
_FLOAT_M = 0.0003
"""As items of a mission lie: a hair above the bench."""


@dataclass(frozen=True)
class Place:
    """How one thing lies: its origin at (x, y) on a surface at height `floor_m`, its length along `yaw_rad`.

    Attributes:
        stands: On its left end, its length upwards; `yaw_rad` is then where it would fall to.
    """

    x: float
    y: float
    yaw_rad: float
    floor_m: float = 0.0
    stands: bool = False

    def pose(self, tool: ToolModel) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Position (3,) metres and quaternion (w, x, y, z) of the thing's origin, base frame."""
        half = self.yaw_rad / 2
        height = self.floor_m + _FLOAT_M + (-left_end(tool) if self.stands else tool.half_height_m)
        turn = np.array([math.cos(half), 0.0, 0.0, math.sin(half)])
        if self.stands:
            # Pitched by -90 degrees: its own x axis points up.
            c, s = math.cos(half) * math.sqrt(0.5), math.sin(half) * math.sqrt(0.5)
            turn = np.array([c, s, -c, s])
        return np.array([self.x, self.y, height]), turn

    def middle(self, tool: ToolModel) -> tuple[float, float, float]:
        """Middle of the thing, metres, base frame: of the rectangle around its outline where it lies."""
        position, turn = self.pose(tool)
        x, y = middle_of(tool)
        point = position + rotation(turn) @ np.array([x, y, 0.0])
        return float(point[0]), float(point[1]), float(point[2])

    def outline(self, tool: ToolModel) -> BaseGeometry:
        """What the thing covers, seen from above, base frame."""
        if self.stands:
            return affinity.translate(_disc(tool), self.x, self.y)
        turned = affinity.rotate(silhouette(tool), self.yaw_rad, origin=(0, 0), use_radians=True)
        return affinity.translate(turned, self.x, self.y)


def rotation(quaternion: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, 3) of (w, x, y, z)."""
    w, x, y, z = quaternion
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


@lru_cache(maxsize=512)
def silhouette(tool: ToolModel) -> BaseGeometry:
    """The thing's true outline from above, holes and gaps included, in its own frame; within 0.3 mm."""
    corners = np.concatenate([visual.vertices[visual.faces][:, :, :2] for visual in tool.visuals]).astype(np.float64)
    triangles = shapely.polygons(corners)
    whole = shapely.union_all(triangles[shapely.area(triangles) > 1e-9].tolist(), grid_size=1e-5)
    return whole.simplify(0.0003)


@lru_cache(maxsize=512)
def middle_of(tool: ToolModel) -> tuple[float, float]:
    centre = Polygon(tool.outline).minimum_rotated_rectangle.centroid
    return float(centre.x), float(centre.y)


def left_end(tool: ToolModel) -> float:
    """Smallest x of the thing in its own frame: what it stands on."""
    return min(x for x, _ in tool.outline)


def _disc(tool: ToolModel) -> BaseGeometry:
    return shapely.Point(0.0, 0.0).buffer(max(tool.width_m / 2, tool.half_height_m), quad_segs=8)


def touching(places: Mapping[str, tuple[ToolModel, Place]]) -> dict[str, tuple[str, ...]]:
    """Per name, the names of what comes within 1 mm of it."""
    shapes = {name: place.outline(tool) for name, (tool, place) in places.items()}
    floors = {name: place.floor_m for name, (_, place) in places.items()}
    return {
        name: tuple(
            other
            for other, near in shapes.items()
            if other != name and floors[other] == floors[name] and shape.distance(near) <= TOUCHING_M
        )
        for name, shape in shapes.items()
    }


def zone_at(x: float, y: float) -> Zone | None:
    return next((zone for zone in ZONES if zone.holds((x, y))), None)
