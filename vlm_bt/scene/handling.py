"""Where a hand goes to put down what it holds, and what is known of an object between its fingers; for any arm."""

from __future__ import annotations

import math

from vlm_bt.types import Grasp, HeldObject, Pose, VerifiedObject


def nearest_half_turn(yaw_rad: float, to_rad: float = 0.0) -> float:
    """The yaw among `yaw_rad` + k pi that lies within a quarter turn of `to_rad`."""
    return to_rad + (yaw_rad - to_rad + math.pi / 2) % math.pi - math.pi / 2


def held_object(tool: VerifiedObject, grasp: Grasp, hand_yaw_rad: float, width_m: float, height_m: float) -> HeldObject:
    """What is known of an object between the fingers: where its footprint lies in the gripper's own axes.

    Args:
        hand_yaw_rad: Direction of the hand's x axis, seen from above, when the fingers closed.
        width_m: Opening between the fingertips. height_m: of the tool centre point above the bench at the grasp.
    """
    shape = tool.object.footprint
    dx, dy = shape.centre[0] - grasp.position[0], shape.centre[1] - grasp.position[1]
    c, s = math.cos(hand_yaw_rad), math.sin(hand_yaw_rad)
    return HeldObject(
        tool=tool,
        verdict_id=tool.verdict_id,
        width_m=width_m,
        height_m=height_m,
        offset_m=(c * dx + s * dy, s * dx - c * dy),
        yaw_offset_rad=nearest_half_turn(shape.yaw_rad - hand_yaw_rad),
    )


def tcp_over(held: HeldObject, centre: tuple[float, float], hand_yaw_rad: float) -> tuple[float, float]:
    """(x, y) of the tool centre point at which the held object's footprint has its centre at `centre`."""
    along, across = held.offset_m
    c, s = math.cos(hand_yaw_rad), math.sin(hand_yaw_rad)
    return centre[0] - (c * along + s * across), centre[1] - (s * along - c * across)


def pointing_down(position: tuple[float, float, float], yaw_rad: float) -> Pose:
    """The pose of a tool centre point whose z axis points straight down and whose x axis points to `yaw_rad`.

    The fingers close along its y axis.
    """
    return Pose(position, (0.0, math.cos(yaw_rad / 2), math.sin(yaw_rad / 2), 0.0))
