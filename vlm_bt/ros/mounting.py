"""Where a camera is when it takes an image: hung up once, carried by the hand, or asked of tf2."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

import numpy as np
from rclpy.node import Node

from vlm_bt.errors import ConfigError
from vlm_bt.ros.transforms import Transforms
from vlm_bt.ros_settings import RosCameraSettings
from vlm_bt.types import Pose

HAND_APART_S = 0.06
"""The arm says ten times a second or more where the hand is; an older word is none for an image."""

Quaternion = tuple[float, float, float, float]


class Mounting(Protocol):
    def pose(self, frame: str, stamp_s: float) -> Pose | str:
        """The optical frame in the base frame at a time on the ROS clock; or why that is not known (yet)."""
        ...


class Hung:
    """A camera that stays where it is."""

    def __init__(self, pose: Pose) -> None:
        self._pose = pose

    def pose(self, frame: str, stamp_s: float) -> Pose | str:
        return self._pose


class HandPoses:
    """Where the hand was lately, by time on the ROS clock. `add` and `near` may be called by different threads."""

    def __init__(self) -> None:
        self._known: deque[tuple[float, Pose]] = deque(maxlen=200)

    def add(self, stamp_s: float, pose: Pose) -> None:
        self._known.append((stamp_s, pose))

    def near(self, stamp_s: float) -> Pose | None:
        nearest = min(tuple(self._known), key=lambda known: abs(known[0] - stamp_s), default=None)
        return nearest[1] if nearest is not None and abs(nearest[0] - stamp_s) <= HAND_APART_S else None


class OnHand:
    """A camera that the arm carries: `pose_on_hand` is its optical frame in that of the tool centre point."""

    def __init__(self, pose_on_hand: Pose, hand: Callable[[float], Pose | None]) -> None:
        self._pose = pose_on_hand
        self._hand = hand

    def pose(self, frame: str, stamp_s: float) -> Pose | str:
        hand = self._hand(stamp_s)
        return "the arm did not say where its hand was then" if hand is None else composed(hand, self._pose)


class FromTf:
    """A camera whose pose tf2 knows.

    Raises:
        ConfigError: tf2 is not installed.
    """

    def __init__(self, node: Node, camera: str, base_frame: str, frame: str | None) -> None:
        try:
            self._transforms = Transforms(node)
        except ConfigError as missing:
            raise ConfigError(
                f"ros.cameras.{camera} has no extrinsics, so tf2 would be asked where the camera is: {missing}; "
                f"or give ros.cameras.{camera}.extrinsics"
            ) from missing
        self._base_frame = base_frame
        self._frame = frame

    def pose(self, frame: str, stamp_s: float) -> Pose | str:
        return self._transforms.pose(self._base_frame, self._frame or frame, stamp_s)


def mounting(
    node: Node, camera: str, settings: RosCameraSettings, base_frame: str, hand: Callable[[float], Pose | None]
) -> Mounting:
    """What the settings say of a camera. Raises: ConfigError: tf2 is needed and not installed."""
    given = settings.extrinsics
    if given is None:
        return FromTf(node, camera, base_frame, settings.frame)
    length = float(np.linalg.norm(given.quaternion))
    if not 0.99 < length < 1.01:
        raise ConfigError(f"ros.cameras.{camera}.extrinsics.quaternion has the length {length:.3f}, not 1")
    w, x, y, z = (value / length for value in given.quaternion)
    pose = Pose(given.position, (w, x, y, z))
    return Hung(pose) if given.mounted_on == "base" else OnHand(pose, hand)


def composed(outer: Pose, inner: Pose) -> Pose:
    """`inner`, which is given in `outer`'s frame, in the frame that `outer` is given in."""
    turned = times(times(outer.quaternion, (0.0, *inner.position)), _back(outer.quaternion))
    x, y, z = (a + b for a, b in zip(outer.position, turned[1:], strict=True))
    return Pose((x, y, z), times(outer.quaternion, inner.quaternion))


def times(a: Quaternion, b: Quaternion) -> Quaternion:
    """The turn `b`, and then `a`; (w, x, y, z)."""
    aw, ax, ay, az = a
    bw, bx, by, bz = b
    return (
        aw * bw - ax * bx - ay * by - az * bz,
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
    )


def _back(q: Quaternion) -> Quaternion:
    return (q[0], -q[1], -q[2], -q[3])
