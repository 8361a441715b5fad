"""What a seed decides: which items lie where, the light, the bench, and what happens during a mission."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from shapely import affinity
from shapely.geometry import Point, Polygon
from shapely.geometry.base import BaseGeometry

from vlm_bt.errors import ConfigError
from vlm_bt.simulation.tools import KINDS, make_tool
from vlm_bt.types import Zone

ZONES: tuple[Zone, ...] = (
    Zone("left", (0.06, 0.38), (0.34, 0.58)),
    Zone("centre", (0.26, 0.46), (-0.17, 0.17)),
    Zone("right", (0.06, 0.38), (-0.58, -0.34)),
    Zone("rear", (0.60, 0.72), (-0.13, 0.13)),
    Zone("parts_bin", (0.395, 0.525), (-0.525, -0.395), container=True),
)
BENCH_X = (-0.25, 0.80)
BENCH_Y = (-0.75, 0.75)
REACH_M = (0.33, 0.72)
SCATTER_X = (0.20, 0.70)
SCATTER_Y = (-0.50, 0.50)
RIGHT_ZONE: dict[str, str] = {
    "adjustable wrench": "left",
    "combination wrench": "left",
    "Phillips screwdriver": "centre",
    "flat screwdriver": "centre",
    "pliers": "right",
    "needle-nose pliers": "right",
    "tape measure": "rear",
    "screw": "parts_bin",
    "T-handle Allen wrench": "left",
    "multi-tool": "centre",
}
BENCHES = ("pine", "oak", "walnut", "grey mat", "green mat", "pale board")
PARKED = (6.0, 0.0, -0.75)
Clutter = Literal["mission", "training"]
LATE_S = (45.0, 75.0)
"""When screws turn up that nobody waits for: a mission has made its plan by then, and is not done."""

_GAP_M = 0.012
_SCREW_GAP_M = 0.010
_OWN_ZONE_MARGIN_M = 0.03
_ROOM_M2 = 0.25


@dataclass(frozen=True)
class Item:
    """One thing of a scenario; its origin lies at (x, y), its length along `yaw_rad`, in the base frame.

    Attributes:
        size: Share between the smallest and the largest of its kind; None where its seed draws it.
        appears_s: When it turns up on the bench, in simulated time; 0 where it lies there from the start.
    """

    name: str
    kind: str
    x: float
    y: float
    yaw_rad: float
    tool_seed: int
    size: float | None = None
    appears_s: float = 0.0

    @property
    def right_zone(self) -> str | None:
        return RIGHT_ZONE.get(self.kind)


@dataclass(frozen=True)
class Light:
    """Where the lamp hangs (metres, base frame) and how bright it and the room are (0..1, red, green, blue)."""

    position: tuple[float, float, float]
    lamp: tuple[float, float, float]
    room: float


@dataclass(frozen=True)
class CameraOffset:
    """How the real overhead camera hangs off its nominal pose, which the mission does not know.

    Metres along, and radians about, the base frame's axes.
    """

    position: tuple[float, float, float]
    rotation: tuple[float, float, float]


@dataclass(frozen=True)
class Scenario:
    """Everything about a simulated bench; the same for the same seed and arguments.

    Attributes:
        late: Names of the items that turn up late (they count as items).
        slip: Index of the item that once slips out of the gripper, or None.
        person_visits: When a person stands at the bench, (from_s, to_s) in simulated time.
    """

    seed: int
    items: tuple[Item, ...]
    light: Light
    bench: str
    camera_offset: CameraOffset
    slip: int | None = None
    person_visits: tuple[tuple[float, float], ...] = ()

    @property
    def late(self) -> tuple[str, ...]:
        return tuple(item.name for item in self.items if item.appears_s > 0.0)

    def item(self, name: str) -> Item:
        return next(item for item in self.items if item.name == name)

    @classmethod
    def from_seed(
        cls, seed: int, items: int = 25, *, kinds: Sequence[str] | None = None, clutter: Clutter = "mission"
    ) -> Scenario:
        """Draw a scenario.

        Args:
            items: How many things there are, late ones included; 0 is an empty bench.
            kinds: Exactly these kinds instead of the mix of a mission.
            clutter: "training" draws any mix, lets things lie in any zone, and stages nothing.

        Raises:
            ConfigError: An unknown kind, or more things than the bench can hold apart.
        """
        rng = np.random.default_rng([seed, 1])
        if kinds is not None:
            unknown = [kind for kind in kinds if kind not in KINDS]
            if unknown:
                raise ConfigError(f"unknown kind of tool {unknown[0]!r}; known: {', '.join(KINDS)}")
            chosen: list[tuple[str, float | None]] = [(kind, None) for kind in kinds]
        elif clutter == "training":
            chosen = [(str(rng.choice(KINDS)), None) for _ in range(items)]
        else:
            chosen = _mission_mix(rng, items)
        placed = _place_all(seed, _named(chosen, rng), clutter)
        staged = clutter == "mission" and kinds is None
        return cls(
            seed,
            _with_late_screws(placed, rng) if staged and items >= 20 else placed,
            _light(rng),
            str(rng.choice(BENCHES)),
            _camera_offset(rng),
            _slipping(placed, rng) if staged and items >= 8 else None,
            _visits(rng) if staged and items >= 20 else (),
        )

    def with_late_screws(self, count: int, between_s: tuple[float, float] = LATE_S) -> Scenario:
        """The same scenario with loose screws that turn up at drawn moments, simulated seconds, at free places.

        Raises:
            ConfigError: There is no room for them.
        """
        rng = np.random.default_rng([self.seed, 5])
        taken = [outline_at(item) for item in self.items]
        first = 1 + sum(item.kind == "screw" for item in self.items)
        late: list[Item] = []
        for number, at_s in enumerate(sorted(float(t) for t in rng.uniform(*between_s, count)), first):
            drawn = Item(
                f"screw_{number}", "screw", 0.0, 0.0, 0.0, int(rng.integers(1 << 30)), appears_s=round(at_s, 2)
            )
            placed = _find_place(drawn, taken, rng, "mission", False)
            if placed is None:
                raise ConfigError(f"{count} late screws do not fit on the bench; ask for fewer things")
            late.append(placed)
            taken.append(outline_at(placed))
        return replace(self, items=(*self.items, *late))

    def with_item_at(self, name: str, x: float, y: float, yaw_rad: float = 0.0) -> Scenario:
        """The same scenario with one item elsewhere, within reach or not; nothing checks what else lies there."""
        moved = tuple(replace(item, x=x, y=y, yaw_rad=yaw_rad) if item.name == name else item for item in self.items)
        return replace(self, items=moved)


def _mission_mix(rng: np.random.Generator, count: int) -> list[tuple[str, float | None]]:
    """Kinds and sizes of a mission's bench; a small one takes the first of an order with all groups early."""
    hammer = rng.uniform() < 1 / 3
    phillips, flat = (int(n) for n in rng.integers(2, 4, 2))
    order: list[tuple[str, float | None]] = [
        ("combination wrench", 0.9),
        ("Phillips screwdriver", None),
        ("pliers", None),
        ("screw", None),
        ("tape measure", None),
        ("flat screwdriver", None),
        ("adjustable wrench", float(rng.uniform(0.8, 1.0))),
        ("needle-nose pliers", None),
        ("screw", None),
        ("T-handle Allen wrench", None),
        ("multi-tool", None),
        ("adjustable wrench", float(rng.uniform(0.0, 0.2))),
        ("combination wrench", 0.5),
        ("combination wrench", 0.1),
        ("pliers", None),
        ("needle-nose pliers", None),
    ]
    order += [("Phillips screwdriver", None)] * (phillips - 1) + [("flat screwdriver", None)] * (flat - 1)
    if hammer:
        order.append(("hammer", None))
    order += [("screw", None)] * max(0, count - len(order))
    return order[:count]


def _named(chosen: Sequence[tuple[str, float | None]], rng: np.random.Generator) -> list[Item]:
    seen: dict[str, int] = {}
    items = []
    for kind, size in chosen:
        seen[kind] = seen.get(kind, 0) + 1
        name = f"{kind.lower().replace(' ', '_').replace('-', '_')}_{seen[kind]}"
        items.append(Item(name, kind, 0.0, 0.0, 0.0, int(rng.integers(1 << 30)), size))
    return items


def outline_at(item: Item, margin_m: float = 0.0) -> BaseGeometry:
    """The item's convex outline on the bench, base frame, widened by a margin."""
    outline = Polygon(make_tool(item.kind, item.tool_seed, item.size).outline)
    turned = affinity.rotate(outline, item.yaw_rad, origin=(0, 0), use_radians=True)
    shape = affinity.translate(turned, item.x, item.y)
    return shape.buffer(margin_m, quad_segs=2) if margin_m else shape


def _place_all(seed: int, items: Sequence[Item], clutter: Clutter) -> tuple[Item, ...]:
    """Scatter items without touching; large ones look for a place first. Starts over where one finds none."""
    large_first = sorted(range(len(items)), key=lambda i: -_area(items[i]))
    for attempt in range(40 if sum(map(_area, items)) < _ROOM_M2 else 0):
        rng = np.random.default_rng([seed, 2, attempt])
        placed: dict[int, Item] = {}
        taken: list[BaseGeometry] = []
        in_zones, allowed = 0, len(items) // 3
        for index in large_first:
            found = _find_place(items[index], taken, rng, clutter, in_zones < allowed)
            if found is None:
                break
            placed[index] = found
            taken.append(outline_at(found))
            in_zones += _in_any_zone(found)
        else:
            return tuple(placed[index] for index in range(len(items)))
    raise ConfigError(f"{len(items)} items do not fit on the bench without touching; ask for fewer")


def _area(item: Item) -> float:
    return float(Polygon(make_tool(item.kind, item.tool_seed, item.size).outline).area)


def _find_place(
    item: Item, taken: Sequence[BaseGeometry], rng: np.random.Generator, clutter: Clutter, zones_allowed: bool
) -> Item | None:
    gap = _SCREW_GAP_M if item.kind == "screw" else _GAP_M
    reach = 0.5 * make_tool(item.kind, item.tool_seed, item.size).length_m
    for _ in range(300):
        x, y = float(rng.uniform(*SCATTER_X)), float(rng.uniform(*SCATTER_Y))
        yaw = float(rng.uniform(-math.pi, math.pi))
        if not REACH_M[0] <= math.hypot(x, y) <= REACH_M[1]:
            continue
        tried = replace(item, x=x, y=y, yaw_rad=yaw)
        if clutter == "mission" and (_near_own_zone(tried) or (not zones_allowed and _in_any_zone(tried))):
            continue
        if not _within_reach(tried, reach if clutter == "mission" else 0.0):
            continue
        shape = outline_at(tried, gap)
        if any(shape.intersects(other) for other in (_BIN, _BASE)) or any(shape.intersects(other) for other in taken):
            continue
        return tried
    return None


def _within_reach(item: Item, half_length_m: float) -> bool:
    """Whether the middle 60% of its length, where it would be gripped, lies within the arm's reach."""
    for share in (-0.6, 0.6):
        x = item.x + share * half_length_m * math.cos(item.yaw_rad)
        y = item.y + share * half_length_m * math.sin(item.yaw_rad)
        if not REACH_M[0] <= math.hypot(x, y) <= REACH_M[1]:
            return False
    return True


def _near_own_zone(item: Item) -> bool:
    return any(zone.name == item.right_zone and zone.holds((item.x, item.y), _OWN_ZONE_MARGIN_M) for zone in ZONES)


def _in_any_zone(item: Item) -> bool:
    return any(zone.holds((item.x, item.y)) for zone in ZONES)


def _bin_outline() -> BaseGeometry:
    place = next(zone for zone in ZONES if zone.container)
    corners = [(place.x[i], place.y[j]) for i, j in ((0, 0), (1, 0), (1, 1), (0, 1))]
    return Polygon(corners).buffer(0.02)


_BIN = _bin_outline()
_BASE = Point(0.0, 0.0).buffer(0.20)


def _with_late_screws(items: tuple[Item, ...], rng: np.random.Generator) -> tuple[Item, ...]:
    screws = [index for index, item in enumerate(items) if item.kind == "screw"][-2:]
    times = sorted(float(t) for t in rng.uniform(20.0, 70.0, len(screws)))
    late = dict(zip(screws, times, strict=True))
    return tuple(replace(item, appears_s=round(late.get(index, 0.0), 2)) for index, item in enumerate(items))


def _slipping(items: tuple[Item, ...], rng: np.random.Generator) -> int | None:
    solid = [i for i, item in enumerate(items) if item.kind not in ("screw", "hammer")]
    return int(rng.choice(solid)) if solid else None


def _visits(rng: np.random.Generator) -> tuple[tuple[float, float], ...]:
    begins, lasts, comes = rng.uniform(60.0, 140.0), rng.uniform(6.0, 10.0), rng.uniform()
    return ((round(float(begins), 2), round(float(begins + lasts), 2)),) if comes < 0.25 else ()


def _light(rng: np.random.Generator) -> Light:
    position = (float(rng.uniform(-0.2, 0.8)), float(rng.uniform(-0.8, 0.8)), float(rng.uniform(1.5, 2.2)))
    strength, warmth = float(rng.uniform(0.38, 0.60)), float(rng.uniform(-0.05, 0.05))
    lamp = (strength * (1 + warmth), strength, strength * (1 - warmth))
    return Light(position, lamp, float(rng.uniform(0.26, 0.36)))


def _camera_offset(rng: np.random.Generator) -> CameraOffset:
    """At most 5 mm and 0.3 degrees along or about any direction."""
    shift, turn = rng.normal(size=3), rng.normal(size=3)
    shift *= 0.005 * rng.uniform() / np.linalg.norm(shift)
    turn *= math.radians(0.3) * rng.uniform() / np.linalg.norm(turn)
    (sx, sy, sz), (tx, ty, tz) = (tuple(float(v) for v in vector) for vector in (shift, turn))
    return CameraOffset((sx, sy, sz), (tx, ty, tz))
