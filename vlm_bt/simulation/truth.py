"""What is really on the bench: for the scorer and the simulated person's eyes, never for a leaf."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import mujoco
import numpy as np
from shapely.geometry import MultiPoint, Point, Polygon
from shapely.geometry.base import BaseGeometry
from shapely.ops import unary_union

from vlm_bt.simulation.scenario import BENCH_X, BENCH_Y, Item
from vlm_bt.simulation.tools import make_tool
from vlm_bt.simulation.world import World
from vlm_bt.types import Zone

Judgement = Literal["sorted", "wrong_zone", "on_floor", "unsorted"]
NEAR_M = 0.040
_LEFT_ALONE_M = 0.030


@dataclass(frozen=True)
class ItemPosition:
    """Where an item is: the middle of its outline, metres, base frame."""

    name: str
    kind: str
    x: float
    y: float
    z: float
    on_bench: bool


@dataclass(frozen=True)
class ItemScore:
    """How one item ended. `zone` is "" outside all; `moved_m` from where it lay (or was to appear) at first."""

    name: str
    kind: str
    judgement: Judgement
    zone: str
    right_zone: str
    x: float
    y: float
    moved_m: float
    handed_over: bool = False


@dataclass(frozen=True)
class Score:
    """How a bench ended; `sorted`, `wrong_zone`, `on_floor` and `unsorted` add up to `items`.

    What a person took out of the gripper lies in no zone: it counts as unsorted, and apart from that in `handed_over`.
    """

    items: int
    sorted: int
    wrong_zone: int
    on_floor: int
    unsorted: int
    details: tuple[ItemScore, ...] = ()

    @property
    def handed_over(self) -> int:
        return sum(one.handed_over for one in self.details)


class Truth:
    """Reads the simulation's state. The world does not know it, and no port leads to it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._bodies = {item.name: int(world.model.body(item.name).id) for item in world.scenario.items}
        self._middle = {item.name: _middle(item) for item in world.scenario.items}
        self._began = {position.name: position for position in self.positions()}

    def positions(self) -> tuple[ItemPosition, ...]:
        """All items, also those that have not turned up yet (far away, not on the bench)."""
        return tuple(self._position(item) for item in self._world.scenario.items)

    def kind_at(self, x: float, y: float) -> str:
        """Kind of the item that covers (x, y) or comes within 40 mm of it; "" where there is none."""
        best, found = NEAR_M, ""
        point = Point(x, y)
        for item in self._world.scenario.items:
            place = self._position(item)
            if not place.on_bench or abs(place.x - x) > 0.3 or abs(place.y - y) > 0.3:
                continue
            distance = min(self._shape(item).distance(point), float(np.hypot(place.x - x, place.y - y)))
            # What covers the point wins over what only reaches near to it; between two, the nearer middle.
            if distance <= best - 1e-9 or (not found and distance <= best):
                best, found = distance, item.kind
        return found

    def score(self, zones: Mapping[str, Zone]) -> Score:
        """Judge every item by the middle of its outline.

        An item that no group names is sorted where it was left alone or lies outside all zones; one that lies in a
        wrong zone counts as that whoever put it there; one that has not turned up counts as unsorted.
        """
        details = tuple(self._judge(item, zones) for item in self._world.scenario.items)
        count = {judgement: sum(one.judgement == judgement for one in details) for judgement in _JUDGEMENTS}
        return Score(len(details), count["sorted"], count["wrong_zone"], count["on_floor"], count["unsorted"], details)

    def _judge(self, item: Item, zones: Mapping[str, Zone]) -> ItemScore:
        place, began = self._position(item), self._began[item.name]
        start = (item.x, item.y) if item.appears_s > 0 else (began.x, began.y)
        moved_m = float(np.hypot(place.x - start[0], place.y - start[1]))
        zone = next((zone.name for zone in zones.values() if zone.holds((place.x, place.y))), "")
        right = item.right_zone or ""
        judgement: Judgement = "unsorted"
        taken = item.name in self._world.taken
        if taken or item.name in self._world.waiting:
            pass
        elif not place.on_bench:
            judgement = "on_floor"
        elif right:
            judgement = "sorted" if zone == right else "wrong_zone" if zone else "unsorted"
        else:
            judgement = "sorted" if not zone or moved_m < _LEFT_ALONE_M else "wrong_zone"
        return ItemScore(item.name, item.kind, judgement, zone, right, place.x, place.y, moved_m, taken)

    def _position(self, item: Item) -> ItemPosition:
        data, body = self._world.data, self._bodies[item.name]
        x, y, z = data.xpos[body] + data.xmat[body].reshape(3, 3) @ self._middle[item.name]
        inside = BENCH_X[0] <= x <= BENCH_X[1] and BENCH_Y[0] <= y <= BENCH_Y[1]
        return ItemPosition(item.name, item.kind, float(x), float(y), float(z), bool(inside and z > -0.03))

    def _shape(self, item: Item) -> BaseGeometry:
        """What the item covers now, seen from above, base frame."""
        data, body = self._world.data, self._bodies[item.name]
        position, rotation = data.xpos[body], data.xmat[body].reshape(3, 3)
        hulls = [MultiPoint((corners @ rotation.T + position)[:, :2]).convex_hull for corners in corners_of(item)]
        return unary_union(hulls)


_JUDGEMENTS: tuple[Judgement, ...] = ("sorted", "wrong_zone", "on_floor", "unsorted")


def _middle(item: Item) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Middle of the rectangle around the outline, in the item's own frame."""
    outline = Polygon(make_tool(item.kind, item.tool_seed, item.size).outline)
    centre = outline.minimum_rotated_rectangle.centroid
    return np.array([centre.x, centre.y, 0.0])


def corners_of(item: Item) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    """Corner points (N, 3) of each thing that touches, in the item's own frame."""
    found = []
    for collider in make_tool(item.kind, item.tool_seed, item.size).colliders:
        if collider.shape == "box":
            points = np.array([(a, b, c) for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)]) * collider.size
        else:
            radius, half = collider.size[0], collider.size[1]
            turns = np.arange(12) * (np.pi / 6)
            ring = np.stack([radius * np.cos(turns), radius * np.sin(turns)], axis=-1)
            points = np.vstack([np.column_stack([ring, np.full(12, side * half)]) for side in (-1, 1)])
        rotation = np.zeros(9)
        mujoco.mju_quat2Mat(rotation, np.array(collider.quaternion, dtype=np.float64))
        found.append(points @ rotation.reshape(3, 3).T + np.array(collider.position))
    return found
