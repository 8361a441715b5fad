"""What the gripper touches, from outlines and heights alone: no contact forces.

Things are convex colliders seen along the hand: fingers are rectangles that come down, close and carry. What is
between them when they close follows the hand; what lies under them holds them up; what is let go falls straight down.
Nothing is pushed aside and nothing tilts or rolls.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray
from shapely.geometry import MultiPoint, Polygon, box
from shapely.geometry.base import BaseGeometry

from vlm_bt.simulation.robot import FINGER_THICKNESS_M, FINGER_WIDTH_M, HAND_ABOVE_TCP_M, TIP_BELOW_TCP_M
from vlm_bt.simulation.scenario import BENCH_X, BENCH_Y, ZONES, Scenario
from vlm_bt.simulation.scene import BIN_WALL_M, FLOOR_Z
from vlm_bt.simulation.truth import corners_of

GRIPS_DEEP_M = 0.0015
"""So far the fingertips reach below the top of what they hold, at least; less slips off."""
GRIPS_LONG_M = 0.003
"""So much of a finger's width lies against it, at least."""
TOUCH_M2 = 4e-6
"""Outlines that share less than this pass each other."""
_NEAR_M = 0.30
_PALM_M = (0.022, 0.098)
_WALL_M = 0.005

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Between:
    """What the fingers would close on: its name, how far it keeps them apart, and how far off their middle it lies."""

    name: str = ""
    width_m: float = 0.0
    off_m: float = 0.0


@dataclass(eq=False)
class _Held:
    name: str
    place: Points
    turn: Points


class Hand:
    """The gripper of a scene. Poses are read from `data`, which must be up to date (`mj_kinematics`)."""

    def __init__(self, model: mujoco.MjModel, data: mujoco.MjData, scenario: Scenario) -> None:
        self._model, self._data = model, data
        self._site = model.site("tcp").id
        self._bodies = {item.name: int(model.body(item.name).id) for item in scenario.items}
        self._address = {item.name: int(model.joint(f"{item.name}_free").qposadr[0]) for item in scenario.items}
        self._corners = {item.name: corners_of(item) for item in scenario.items}
        self._held: _Held | None = None

    @property
    def held(self) -> str:
        """Name of what is between the closed fingers, "" for nothing."""
        return self._held.name if self._held is not None else ""

    def between(self, opening_m: float) -> Between:
        """What lies between the fingers where the hand is now."""
        pads = box(-FINGER_WIDTH_M / 2, -opening_m / 2, FINGER_WIDTH_M / 2, opening_m / 2)
        found, most = Between(), 0.0
        for name in self._near():
            low, high, area = np.inf, -np.inf, 0.0
            for points in self._in_hand(name):
                if points[:, 2].min() > TIP_BELOW_TCP_M - GRIPS_DEEP_M:
                    continue
                part = _outline(points).intersection(pads)
                x0, y0, x1, y1 = part.bounds if not part.is_empty else (0.0, 0.0, 0.0, 0.0)
                if x1 - x0 >= GRIPS_LONG_M:
                    low, high, area = min(low, y0), max(high, y1), area + part.area
            if area > most:
                most, found = area, Between(name, high - low, (high + low) / 2)
        return found

    def grip(self, found: Between) -> None:
        """Close on it: it comes to the middle between the fingers and follows the hand from now on."""
        turn = self._turn()
        self._move(found.name, self._place(found.name) - turn[:, 1] * found.off_m)
        place = turn.T @ (self._place(found.name) - self._tcp())
        self._held = _Held(found.name, place, turn.T @ self._rotation(found.name))

    def carry(self) -> bool:
        """Bring what is held to where the hand is now; False where nothing is."""
        if self._held is None:
            return False
        turn = self._turn()
        self._move(self._held.name, self._tcp() + turn @ self._held.place, turn @ self._held.turn)
        return True

    def let_go(self) -> None:
        """What was held falls straight down onto what is below it."""
        if self._held is None:
            return
        name, self._held = self._held.name, None
        place, rotation = self._place(name), self._rotation(name)
        if self._turn()[2, 2] > -0.996:
            # Held at a slant: it comes to lie flat, its length where it pointed.
            along = np.arctan2(rotation[1, 0], rotation[0, 0])
            rotation = np.array([[np.cos(along), -np.sin(along), 0], [np.sin(along), np.cos(along), 0], [0, 0, 1.0]])
        place = place + np.array([*self._off_the_walls(name, place, rotation), 0.0])
        solids = [points @ rotation.T + place for points in self._corners[name]]
        outline = MultiPoint(np.concatenate(solids)[:, :2]).convex_hull
        bottom = min(float(points[:, 2].min()) for points in solids)
        place[2] += self._support(name, outline, place) - bottom
        self._move(name, place, rotation)

    def lowest_m(self, opening_m: float) -> float:
        """How low the tool centre point can come here before fingers, palm or what is held touch something."""
        half, wide = opening_m / 2, FINGER_WIDTH_M / 2
        parts: list[tuple[Polygon, float]] = [
            (box(-wide, side * half, wide, side * (half + FINGER_THICKNESS_M)), -TIP_BELOW_TCP_M)
            if side > 0
            else (box(-wide, -half - FINGER_THICKNESS_M, wide, -half), -TIP_BELOW_TCP_M)
            for side in (1, -1)
        ]
        parts.append((box(-_PALM_M[0], -_PALM_M[1], _PALM_M[0], _PALM_M[1]), HAND_ABOVE_TCP_M))
        lowest = -np.inf
        if self._held is not None:
            for points in self._in_hand(self._held.name):
                below = -float(points[:, 2].max())
                parts.append((_outline(points), below))
                lowest = max(lowest, -below)
        tcp = self._tcp()
        for outline, top in self._obstacles(tcp):
            for part, bottom in parts:
                if top - bottom > lowest and part.intersects(outline) and part.intersection(outline).area > TOUCH_M2:
                    lowest = top - bottom
        return float(lowest)

    def _obstacles(self, tcp: Points) -> Iterator[tuple[BaseGeometry, float]]:
        """What stands near: outlines in the hand's axes, and heights above the bench."""
        for name in self._near():
            if name != self.held:
                for points in self._in_hand(name):
                    yield _outline(points), float(tcp[2] - points[:, 2].min())
        turn = self._turn()
        for wall in _walls():
            corners = np.array([(*corner, BIN_WALL_M) for corner in wall.exterior.coords[:-1]])
            if np.hypot(*(corners[:, :2] - tcp[:2]).T).min() < _NEAR_M:
                yield _outline((corners - tcp) @ turn), BIN_WALL_M

    def _support(self, name: str, outline: BaseGeometry, place: Points) -> float:
        if not (BENCH_X[0] <= place[0] <= BENCH_X[1] and BENCH_Y[0] <= place[1] <= BENCH_Y[1]):
            return FLOOR_Z
        top = 0.0
        for other in self._near():
            if other == name:
                continue
            for points in self._corners[other]:
                solid = points @ self._rotation(other).T + self._place(other)
                if solid[:, 2].max() > top and _outline(solid).intersection(outline).area > TOUCH_M2:
                    top = float(solid[:, 2].max())
        return top

    def _off_the_walls(self, name: str, place: Points, rotation: Points) -> tuple[float, float]:
        """How far a thing that falls into a container slides off its walls."""
        inside = next((zone for zone in ZONES if zone.container and zone.holds((place[0], place[1]))), None)
        if inside is None:
            return 0.0, 0.0
        solid = np.concatenate([points @ rotation.T + place for points in self._corners[name]])
        x, y = (
            max(0.0, low + _WALL_M - solid[:, axis].min()) + min(0.0, high - _WALL_M - solid[:, axis].max())
            for axis, (low, high) in enumerate((inside.x, inside.y))
        )
        return float(x), float(y)

    def _near(self) -> list[str]:
        x, y, _ = self._tcp()
        places = self._data.xpos
        return [
            n for n, b in self._bodies.items() if abs(places[b][0] - x) < _NEAR_M and abs(places[b][1] - y) < _NEAR_M
        ]

    def _in_hand(self, name: str) -> list[Points]:
        """Corners of each collider in the hand's axes: x, y (the closing direction), and z out of the hand."""
        rotation, turn = self._rotation(name), self._turn()
        place = self._place(name) - self._tcp()
        return [(points @ rotation.T + place) @ turn for points in self._corners[name]]

    def _tcp(self) -> Points:
        return np.array(self._data.site_xpos[self._site])

    def _turn(self) -> Points:
        return np.array(self._data.site_xmat[self._site]).reshape(3, 3)

    def _place(self, name: str) -> Points:
        at = self._address[name]
        return np.array(self._data.qpos[at : at + 3])

    def _rotation(self, name: str) -> Points:
        matrix, at = np.zeros(9), self._address[name]
        mujoco.mju_quat2Mat(matrix, self._data.qpos[at + 3 : at + 7])
        return matrix.reshape(3, 3)

    def _move(self, name: str, place: Points, rotation: Points | None = None) -> None:
        at = self._address[name]
        self._data.qpos[at : at + 3] = place
        if rotation is not None:
            quaternion = np.zeros(4)
            mujoco.mju_mat2Quat(quaternion, np.ascontiguousarray(rotation).ravel())
            self._data.qpos[at + 3 : at + 7] = quaternion


def _outline(points: Points) -> BaseGeometry:
    return MultiPoint(points[:, :2]).convex_hull


def _walls() -> Iterator[Polygon]:
    for zone in ZONES:
        if zone.container:
            (x0, x1), (y0, y1) = zone.x, zone.y
            yield box(x0, y0, x0 + _WALL_M, y1)
            yield box(x1 - _WALL_M, y0, x1, y1)
            yield box(x0, y0, x1, y0 + _WALL_M)
            yield box(x0, y1 - _WALL_M, x1, y1)
