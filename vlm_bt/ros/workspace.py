"""Whether somebody is in reach, as a topic says it; silence counts as somebody."""

from __future__ import annotations

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from std_msgs.msg import Bool

from vlm_bt.ros.runtime import Inbox
from vlm_bt.ros.stamps import Stamps
from vlm_bt.ros_settings import WorkspaceSettings
from vlm_bt.types import Reading


class RosWorkspace:
    """The Monitor port: true on the topic means that nobody is there."""

    def __init__(self, node: Node, settings: WorkspaceSettings, stamps: Stamps, inbox: Inbox) -> None:
        self._settings = settings
        self._stamps = stamps
        self._said: tuple[bool, float] | None = None
        node.create_subscription(
            Bool,
            settings.topic,
            lambda said: inbox.post(lambda: self._hear(bool(said.data))),
            qos_profile_sensor_data,
            callback_group=MutuallyExclusiveCallbackGroup(),
        )

    @property
    def heard(self) -> bool:
        return self._said is not None and self._stamps.now_s - self._said[1] <= self._settings.lost_s

    def read(self) -> Reading:
        """The latest reading. Until something was heard, and while nothing is, somebody may be there."""
        if self._said is None:
            return Reading(False, 0.0, f"nothing heard on {self._settings.topic} yet")
        clear, said_s = self._said
        stamp_s = self._stamps.mission_s(said_s)
        if not self.heard:
            return Reading(False, stamp_s, f"nothing heard on {self._settings.topic} for {self._settings.lost_s:g} s")
        return Reading(clear, stamp_s, "nobody in reach" if clear else "somebody is in reach")

    def _hear(self, clear: bool) -> None:
        self._said = (clear, self._stamps.now_s)
