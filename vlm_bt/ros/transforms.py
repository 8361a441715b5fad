"""Where one frame is in another, asked of tf2; only where tf2 is installed."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node
from rclpy.time import Time

from vlm_bt.errors import ConfigError
from vlm_bt.types import Pose


class Transforms:
    """Listens to /tf and /tf_static.

    Raises:
        ConfigError: tf2 is not installed.
    """

    def __init__(self, node: Node) -> None:
        try:
            from tf2_ros import Buffer, TransformException, TransformListener
        except ImportError as missing:
            raise ConfigError(f"tf2 is not installed ({missing}): apt install ros-jazzy-tf2-ros-py") from missing
        self._buffer: Any = Buffer()
        self._listener: Any = TransformListener(self._buffer, node)
        self._unknown: Any = TransformException

    def pose(self, frame: str, of: str, stamp_s: float = 0.0) -> Pose | str:
        """Of the frame `of` in `frame`, or why that is not known.

        Args:
            stamp_s: When, on the ROS clock; 0: the latest that is known.
        """
        try:
            found = self._buffer.lookup_transform(frame, of, Time(nanoseconds=round(stamp_s * 1e9)))
        except self._unknown as why:
            return f"tf2 does not know where {of} is in {frame}: {why}"
        at, turn = found.transform.translation, found.transform.rotation
        return Pose((at.x, at.y, at.z), (turn.w, turn.x, turn.y, turn.z))
