"""Where things are, for tf2 and RViz; only where the messages of tf2 are installed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from geometry_msgs.msg import Transform, TransformStamped, Vector3
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from vlm_bt.ros.messages import pose_message
from vlm_bt.ros.pictures import header
from vlm_bt.types import Pose

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL, reliability=ReliabilityPolicy.RELIABLE)


class SimTf:
    """Publishes /tf, and once /tf_static, with frames in the base frame."""

    def __init__(self, node: Node, base_frame: str, fixed: Mapping[str, Pose], kind: type) -> None:
        self._kind = kind
        self._base_frame = base_frame
        self._moving = node.create_publisher(kind, "/tf", 20)
        self._static = node.create_publisher(kind, "/tf_static", LATCHED)
        self._static.publish(self._message(node.get_clock().now().to_msg(), fixed))

    @classmethod
    def made(cls, node: Node, base_frame: str, cameras: Mapping[str, Pose]) -> SimTf | None:
        """None where tf2's messages are not installed."""
        try:
            from tf2_msgs.msg import TFMessage
        except ImportError:
            return None
        fixed = {f"{name}_optical": pose for name, pose in cameras.items() if name != "wrist"}
        return cls(node, base_frame, fixed, TFMessage)

    def say(self, stamp: Any, poses: Mapping[str, Pose]) -> None:
        self._moving.publish(self._message(stamp, poses))

    def _message(self, stamp: Any, poses: Mapping[str, Pose]) -> Any:
        transforms = []
        for frame, pose in poses.items():
            turn = pose_message(pose).orientation
            x, y, z = pose.position
            moved = Transform(translation=Vector3(x=x, y=y, z=z), rotation=turn)
            head = header(stamp, self._base_frame)
            transforms.append(TransformStamped(header=head, child_frame_id=frame, transform=moved))
        return self._kind(transforms=transforms)
