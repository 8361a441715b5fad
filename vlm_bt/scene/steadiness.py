"""Has the camera been pushed between two looks? What the bench, a container's walls and the things themselves say."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from vlm_bt.scene.geometry import rotation_of
from vlm_bt.types import Pose

MOVED_M = 0.005
MOUNTED_M = 0.005
TURNED_RAD = math.radians(0.5)
TOGETHER_M = 0.003
TOGETHER_SHARE = 0.75
ENOUGH_THINGS = 4
LOST_SHARE = 1 / 3


@dataclass(frozen=True)
class Sighting:
    """What one look says of where the camera is.

    Attributes:
        pose: Camera in base, as the bench and, where `aligned`, the walls of a container correct it.
        places: (x, y) of things by their id, metres, base frame.
    """

    pose: Pose
    aligned: bool = False
    places: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def moved(before: Sighting, after: Sighting) -> str:
    """Why the camera is taken to have moved; empty where it has not.

    One thing that moves was moved by somebody; the bench, the walls, or most things moving together were not.
    """
    lift = after.pose.position[2] - before.pose.position[2]
    turn = _tilt(before.pose, after.pose)
    if abs(lift) > MOVED_M:
        return f"the bench is seen {abs(lift) * 1e3:.0f} mm {'lower' if lift > 0 else 'higher'} than before"
    if turn > TURNED_RAD:
        return f"the bench is seen tilted by {math.degrees(turn):.1f} degrees"
    if before.aligned and after.aligned:
        if (turned := _heading(before.pose, after.pose)) > TURNED_RAD:
            return f"the container's walls are seen turned by {math.degrees(turned):.1f} degrees"
        shift = math.dist(before.pose.position[:2], after.pose.position[:2])
        if shift > MOVED_M:
            return f"the container's walls are seen {shift * 1e3:.0f} mm from where they were"
    return _together(before, after)


def _tilt(before: Pose, after: Pose) -> float:
    """Angle between the vertical as one camera and as the other has it; the heading does not come into it."""
    up_before, up_after = rotation_of(before.quaternion)[2], rotation_of(after.quaternion)[2]
    return math.acos(float(np.clip(up_before @ up_after, -1, 1)))


def _heading(before: Pose, after: Pose) -> float:
    """Angle between two orientations, tilt and heading together."""
    between = rotation_of(before.quaternion).T @ rotation_of(after.quaternion)
    return math.acos(float(np.clip((np.trace(between) - 1) / 2, -1, 1)))


def _together(before: Sighting, after: Sighting) -> str:
    names = [name for name in before.places if name in after.places]
    if len(before.places) >= ENOUGH_THINGS and len(names) < LOST_SHARE * len(before.places):
        return f"of {len(before.places)} things {len(names)} are seen where they were"
    if len(names) < ENOUGH_THINGS:
        return ""
    # Where only one of two pictures was aligned by the walls, the camera's own error of mounting is between them.
    limit_m = MOVED_M if before.aligned == after.aligned else MOVED_M + MOUNTED_M
    steps = np.array([np.subtract(after.places[name], before.places[name]) for name in names])
    common = np.median(steps, axis=0)
    far = float(np.hypot(*common))
    together = float((np.hypot(*(steps - common).T) < TOGETHER_M).mean())
    if far > limit_m and together >= TOGETHER_SHARE:
        return f"{together:.0%} of the things are seen {far * 1e3:.0f} mm to the same side"
    return ""
