"""Where the hand goes for a grasp or a spot: hover, straight way down, and which half turn of the gripper."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vlm_bt.scene.handling import tcp_over
from vlm_bt.simulation.kinematics import Joints, Kinematics, Point3, Unreachable
from vlm_bt.simulation.robot import TIP_BELOW_TCP_M
from vlm_bt.types import Grasp, HeldObject, PlaceSpot

HOVER_Z_M = 0.13
TRAVEL_Z_M = 0.17
LOWEST_TCP_Z_M = TIP_BELOW_TCP_M + 0.0012
_PUT_DOWN_SLACK_M = 0.003


@dataclass(frozen=True, eq=False)
class Column:
    """The straight way down to a place: `down` begins at `hover`. Yaw is that of the hand's x axis."""

    position: Point3
    yaw_rad: float
    hover: Joints
    down: list[Joints]


def plan_pick(kinematics: Kinematics, grasps: Sequence[Grasp], near: Joints) -> tuple[Grasp, Column] | Unreachable:
    """The first grasp that can be reached, and the way to it."""
    missed = Unreachable((0.0, 0.0, 0.0), 0.0)
    for grasp in grasps:
        x, y, z = grasp.position
        found = _column(kinematics, lambda _, at=(x, y): at, max(z, LOWEST_TCP_Z_M), HOVER_Z_M, grasp.yaw_rad, near)  # type: ignore[misc]
        if not isinstance(found, Unreachable):
            return grasp, found
        missed = found
    return missed


def plan_place(kinematics: Kinematics, held: HeldObject, spot: PlaceSpot, near: Joints) -> Column | Unreachable:
    """The way down on which the held object's footprint comes to the spot, either end first."""

    def tcp(yaw: float) -> tuple[float, float]:
        return tcp_over(held, spot.centre, yaw)

    low = max(held.height_m + _PUT_DOWN_SLACK_M, LOWEST_TCP_Z_M) + spot.drop_m
    return _column(kinematics, tcp, min(low, TRAVEL_Z_M - 0.005), TRAVEL_Z_M, spot.yaw_rad - held.yaw_offset_rad, near)


def _column(
    kinematics: Kinematics,
    at: Callable[[float], tuple[float, float]],
    low_z_m: float,
    high_z_m: float,
    yaw_rad: float,
    near: Joints,
) -> Column | Unreachable:
    """Of the two yaws that look alike to the gripper the easier one first; `at` says where for a yaw."""
    missed = Unreachable((0.0, 0.0, 0.0), 0.0)
    for yaw in kinematics.choose_yaw((*at(yaw_rad), high_z_m), yaw_rad, near):
        x, y = at(yaw)
        hover = kinematics.solve((x, y, high_z_m), yaw)
        if isinstance(hover, Unreachable):
            missed = hover
            continue
        down = kinematics.line(hover, (x, y, low_z_m), yaw)
        if isinstance(down, Unreachable):
            missed = down
            continue
        return Column((x, y, low_z_m), yaw, hover, down)
    return missed
