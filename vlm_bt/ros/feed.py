"""A topic of somebody else's, listened to with the quality of service that its publishers offer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

DEPTH = 4
"""Messages that may wait to be taken: enough for colour to wait for its depth, few enough to stay fresh."""

_RELIABLE, _BEST_EFFORT = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT
_KEPT, _VOLATILE = DurabilityPolicy.TRANSIENT_LOCAL, DurabilityPolicy.VOLATILE


class Feed:
    """Subscribes once somebody publishes, and anew where the publishers come back as others. `adapt` now and then.

    Reliable only where every publisher is, for a best-effort publisher never reaches a reliable subscriber; what was
    published before counts only where every publisher keeps it.

    Args:
        kinds: Message types that can be read, by their names in the graph, such as "sensor_msgs/msg/Image".
        take: Called with each message in a thread of ROS.

    Attributes:
        published: Whether anybody publishes it now.
    """

    def __init__(
        self,
        node: Node,
        topic: str,
        kinds: Mapping[str, type],
        take: Callable[[Any], None],
        group: CallbackGroup,
    ) -> None:
        self.topic = node.resolve_topic_name(topic)
        self.published = False
        self._node = node
        self._kinds = kinds
        self._take = take
        self._group = group
        self._offered: tuple[str, bool, bool] | None = None
        self._wrong = ""
        self._subscription: Any = None

    @property
    def trouble(self) -> str:
        """Why nothing can come; empty where nothing is known against it."""
        return self._wrong if self.published else f"nobody publishes {self.topic}"

    @property
    def reliable(self) -> bool | None:
        """How it is listened to; None before anybody publishes."""
        return self._offered[1] if self._offered is not None else None

    def sleep(self) -> None:
        """Listen to nothing until `adapt` is called again: what nobody looks at need not be carried here."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = self._offered = None

    def adapt(self) -> None:
        """Look at the publishers; called in a thread of ROS."""
        offers = self._node.get_publishers_info_by_topic(self.topic)
        self.published = bool(offers)
        known = [offer for offer in offers if offer.topic_type in self._kinds]
        if not known:
            self._wrong = f"{self.topic} carries {offers[0].topic_type}" if offers else ""
            return
        self._wrong = ""
        kind = known[0].topic_type
        reliable = all(offer.qos_profile.reliability == _RELIABLE for offer in known)
        kept = all(offer.qos_profile.durability == _KEPT for offer in known)
        if self._offered != (kind, reliable, kept):
            self._listen(kind, reliable, kept)

    def _listen(self, kind: str, reliable: bool, kept: bool) -> None:
        before = self._subscription
        quality = QoSProfile(
            depth=DEPTH,
            reliability=_RELIABLE if reliable else _BEST_EFFORT,
            durability=_KEPT if kept else _VOLATILE,
        )
        self._subscription = self._node.create_subscription(
            self._kinds[kind], self.topic, self._take, quality, callback_group=self._group
        )
        self._offered = (kind, reliable, kept)
        if before is not None:
            self._node.destroy_subscription(before)
