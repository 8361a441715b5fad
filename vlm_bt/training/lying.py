"""Where things lie: outlines seen from above, places that are free, places that touch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

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
APART_M = (0.006, 0.012)
AREA_X, AREA_Y = (0.05, 0.73), (-0.63, 0.63)
"""Where the middles of things are laid."""
SEEN = (-0.08, -0.75, 0.755, 0.75)
"""What the overhead camera sees whole: least x and y, largest x and y."""

_BASE_M = 0.20
_BIN_FLOOR_M = 0.002
_BIN_WALL_M = 0.006
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
        """Middle of the rectangle around the thing's outline, metres, base frame."""
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

    def hull(self, tool: ToolModel) -> BaseGeometry:
        """The convex hull of `outline`; much cheaper."""
        if self.stands:
            return affinity.translate(_disc(tool), self.x, self.y)
        turned = affinity.rotate(Polygon(tool.outline), self.yaw_rad, origin=(0, 0), use_radians=True)
        return affinity.translate(turned, self.x, self.y)


Accept = Callable[[float, float], bool]


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
    hulls = {name: place.hull(tool) for name, (tool, place) in places.items()}
    near: dict[str, list[str]] = {name: [] for name in places}
    for one, other in combinations(places, 2):
        same_floor = places[one][1].floor_m == places[other][1].floor_m
        if not same_floor or hulls[one].distance(hulls[other]) > TOUCHING_M:
            continue
        shapes = [place.outline(tool) for tool, place in (places[one], places[other])]
        if shapes[0].distance(shapes[1]) <= TOUCHING_M:
            near[one].append(other)
            near[other].append(one)
    return {name: tuple(others) for name, others in near.items()}


def zone_at(x: float, y: float) -> Zone | None:
    return next((zone for zone in ZONES if zone.holds((x, y))), None)


def find_apart(
    tool: ToolModel,
    taken: Sequence[BaseGeometry],
    rng: np.random.Generator,
    accept: Accept | None = None,
    area: tuple[tuple[float, float], tuple[float, float]] = (AREA_X, AREA_Y),
    tries: int = 60,
) -> Place | None:
    """A place 6 to 12 mm clear of everything, or None.

    Args:
        accept: Whether the thing's middle may lie at (x, y). area: ranges of x and y that its middle is drawn from.
    """
    gap = float(rng.uniform(*APART_M))
    for _ in range(tries):
        x, y, yaw = float(rng.uniform(*area[0])), float(rng.uniform(*area[1])), float(rng.uniform(-math.pi, math.pi))
        if math.hypot(x, y) < _BASE_M or (accept is not None and not accept(x, y)):
            continue
        place = centred(tool, x, y, yaw)
        shape = place.hull(tool)
        if is_seen(shape) and all(shape.distance(other) >= gap for other in taken):
            return place
    return None


def is_seen(shape: BaseGeometry) -> bool:
    """Whether the whole of an outline on the bench is in the overhead camera's picture."""
    x0, y0, x1, y1 = shape.bounds
    return bool(x0 >= SEEN[0] and y0 >= SEEN[1] and x1 <= SEEN[2] and y1 <= SEEN[3])


def centred(tool: ToolModel, x: float, y: float, yaw_rad: float) -> Place:
    """The place where the thing's middle lies at (x, y)."""
    mx, my = middle_of(tool)
    c, s = math.cos(yaw_rad), math.sin(yaw_rad)
    return Place(x - c * mx + s * my, y - s * mx - c * my, yaw_rad)


def find_touching(
    tool: ToolModel, neighbour: BaseGeometry, taken: Sequence[BaseGeometry], rng: np.random.Generator
) -> Place | None:
    """A place where the thing just touches a neighbour and overlaps nothing, or None.

    It is pushed towards the neighbour along a straight line, each time by as much as keeps it from overlapping.
    """
    for _ in range(12):
        yaw, way = float(rng.uniform(-math.pi, math.pi)), float(rng.uniform(-math.pi, math.pi))
        aim, far = neighbour.representative_point(), 0.4
        ahead = np.array([math.cos(way), math.sin(way)])
        place = Place(aim.x - far * ahead[0], aim.y - far * ahead[1], yaw)
        shape = place.outline(tool)
        gone, distance = 0.0, shape.distance(neighbour)
        while distance > TOUCHING_M / 2 and gone < 1.5 * far:
            step = distance - TOUCHING_M / 4
            gone += step
            shape = affinity.translate(shape, step * ahead[0], step * ahead[1])
            distance = shape.distance(neighbour)
        if not 0.0 < distance <= TOUCHING_M / 2:
            continue
        place = Place(place.x + gone * ahead[0], place.y + gone * ahead[1], yaw)
        x, y, _ = place.middle(tool)
        inside = AREA_X[0] <= x <= AREA_X[1] and AREA_Y[0] <= y <= AREA_Y[1] and math.hypot(x, y) >= _BASE_M
        if inside and is_seen(shape) and not any(shape.intersects(other) for other in taken):
            return place
    return None


def find_inside(tool: ToolModel, zone: Zone, taken: Sequence[BaseGeometry], rng: np.random.Generator) -> Place | None:
    """A place on the bottom of a container, clear of its walls and of what lies in it; None where there is none."""
    inside = shapely.box(zone.x[0], zone.y[0], zone.x[1], zone.y[1]).buffer(-_BIN_WALL_M)
    for _ in range(60):
        x, y = float(rng.uniform(*zone.x)), float(rng.uniform(*zone.y))
        yaw = float(rng.uniform(-math.pi, math.pi))
        flat = centred(tool, x, y, yaw)
        place = Place(flat.x, flat.y, yaw, _BIN_FLOOR_M)
        shape = place.hull(tool)
        if inside.contains(shape) and all(shape.distance(other) >= APART_M[0] for other in taken):
            return place
    return None
