"""What a MoveArm goal asks for, read and checked: the same for every arm."""

from __future__ import annotations

import math
from typing import Any

from vlm_bt.ros.messages import pose_of
from vlm_bt.types import Outcome, Pose


def refused(goal: Any) -> Outcome | None:
    """Why no arm would do it. None: some arm may."""
    if 0.0 < goal.speed_scale <= 1.0:
        return None
    return Outcome("unreachable", f"speed_scale is in (0, 1], not {goal.speed_scale:g}")


def pose_asked(goal: Any, base_frame: str) -> Pose | Outcome:
    """The pose that it leads to, in the base frame, its quaternion of length 1; or why it has none."""
    if goal.pose.header.frame_id not in ("", base_frame):
        return Outcome("unreachable", f"poses are in {base_frame!r}, not {goal.pose.header.frame_id!r}")
    pose = pose_of(goal.pose.pose)
    length = math.sqrt(sum(value * value for value in pose.quaternion))
    if not 1e-6 < length < math.inf or not all(math.isfinite(value) for value in pose.position):
        return Outcome("unreachable", "the pose has a quaternion without length, or no position")
    w, i, j, k = (value / length for value in pose.quaternion)
    return Pose(pose.position, (w, i, j, k))


def no_posture(name: str, known: Any) -> Outcome:
    return Outcome("unreachable", f"there is no pose {name!r}; there are: {', '.join(known)}")
