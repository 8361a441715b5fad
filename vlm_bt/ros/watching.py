"""Looks at a running tree as py_trees_ros' viewers do: asks for a stream of snapshots and listens to it."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile

SERVES_WITHIN_S = 10.0
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Watching:
    """One viewer. Its node is spun by others.

    Args:
        tree: Full name of the node that shows the tree.

    Raises:
        ImportError: There is no py_trees_ros_interfaces.
    """

    def __init__(self, node: Node, tree: str = "/tree", *, blackboard: bool = True, period_s: float = 0.0) -> None:
        from py_trees_ros_interfaces.msg import BehaviourTree
        from py_trees_ros_interfaces.srv import OpenSnapshotStream

        self.seen: list[Any] = []
        self._node = node
        self._kind = BehaviourTree
        client = node.create_client(OpenSnapshotStream, f"{tree}/snapshot_streams/open")
        request = OpenSnapshotStream.Request()
        request.parameters.blackboard_data = blackboard
        request.parameters.snapshot_period = period_s
        self.served = bool(client.wait_for_service(SERVES_WITHIN_S))
        if self.served:
            client.call_async(request).add_done_callback(self._opened)

    def _opened(self, done: Any) -> None:
        self._node.create_subscription(self._kind, done.result().topic_name, self.seen.append, LATCHED)
