"""What an arm's joints do, as joint_states tells it: where they are, whether they stand, how wide the fingers are."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from sensor_msgs.msg import JointState

from vlm_bt.errors import ConfigError
from vlm_bt.ros_settings import JointArmSettings

STANDS_WITHIN_S = 1.5
WATCHED_S = 0.2
"""How fast the joints are is told over so long: single messages come too unevenly for that."""
NEWER_S = 0.02
LOOKS_EVERY_S = 0.005

Joints = NDArray[np.float64]


class JointWatch:
    """Hears joint_states in threads of ROS; safe to ask from any thread.

    Attributes:
        moved: When a joint last moved, on the node's clock.

    Raises:
        ConfigError: A named posture has another number of angles than the arm has joints.
    """

    def __init__(self, node: Node, settings: JointArmSettings) -> None:
        for name, posture in settings.named.items():
            if len(posture) != len(settings.joints):
                raise ConfigError(f"named.{name}: {len(posture)} angles for {len(settings.joints)} joints")
        self._settings = settings
        self._clock = node.get_clock()
        self._lock = threading.Lock()
        self._joints: Joints | None = None
        self._past: deque[tuple[float, Joints]] = deque()
        self._speed = 0.0
        self._width_m = 0.0
        self._heard_s = float("-inf")
        self.moved: Any = self._clock.now().to_msg()
        group = MutuallyExclusiveCallbackGroup()
        node.create_subscription(JointState, settings.joint_states, self._hear, 10, callback_group=group)

    @property
    def joints(self) -> Joints | None:
        """Radians, in the order of the settings; None until something came."""
        with self._lock:
            return None if self._joints is None else self._joints.copy()

    @property
    def width_m(self) -> float:
        """Opening between the fingertips."""
        return self._width_m

    @property
    def moving(self) -> bool:
        return self._speed >= self._settings.still_rad_s

    @property
    def fault(self) -> str:
        """Why nothing is known of the arm; empty where all is well."""
        if not self.silent:
            return ""
        return f"nothing has come on {self._settings.joint_states} for {self._settings.lost_s:g} s"

    @property
    def silent(self) -> bool:
        return time.monotonic() - self._heard_s > self._settings.lost_s

    def hear_on(self) -> None:
        """Wait for a message from after now: what the fingers did must stand in what is said of them."""
        now_s = time.monotonic()
        while self._heard_s <= now_s + NEWER_S and not self.silent:
            time.sleep(LOOKS_EVERY_S)

    def stand(self, *, strictly: bool) -> bool:
        """Wait until no joint moves any more; False where that does not come to be.

        Args:
            strictly: Look for a while, beginning now: a motion that was broken off may be anywhere in its course.
        """
        began_s = time.monotonic()
        while time.monotonic() < began_s + STANDS_WITHIN_S:
            with self._lock:
                looked = bool(self._past) and (self._past[0][0] >= began_s or not strictly)
                still = looked and not self.moving
            if still and not self.silent:
                return True
            time.sleep(LOOKS_EVERY_S)
        return False

    def _hear(self, said: JointState) -> None:
        at = dict(zip(said.name, said.position, strict=False))
        if not all(name in at for name in self._settings.joints):
            return
        joints, now_s = np.array([at[name] for name in self._settings.joints]), time.monotonic()
        with self._lock:
            self._past.append((now_s, joints))
            while now_s - self._past[0][0] > WATCHED_S:
                self._past.popleft()
            before_s, before = self._past[0]
            if now_s - before_s > WATCHED_S / 2:
                self._speed = float(np.abs(joints - before).max()) / (now_s - before_s)
            self._joints, self._heard_s = joints, now_s
            if all(name in at for name in self._settings.finger_joints):
                self._width_m = float(sum(at[name] for name in self._settings.finger_joints))
        if self.moving:
            self.moved = self._clock.now().to_msg()
