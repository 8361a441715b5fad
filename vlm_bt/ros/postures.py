"""Postures by name: those of the configuration, and the group states of the robot's SRDF."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import String

from vlm_bt.ros_settings import MoveItArmSettings

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL, reliability=ReliabilityPolicy.RELIABLE)


class Postures:
    """Joint angles by joint, radians, by the posture's name. The configuration's come first.

    An SRDF comes on `robot_description_semantic`, where move_group is told to publish it.
    """

    def __init__(self, node: Node, settings: MoveItArmSettings) -> None:
        self._group = settings.group
        self._given = {name: dict(zip(settings.joints, angles, strict=True)) for name, angles in settings.named.items()}
        self._described: Mapping[str, Mapping[str, float]] = {}
        self._log = node.get_logger()
        node.create_subscription(String, "robot_description_semantic", self._hear, LATCHED)

    def __call__(self) -> Mapping[str, Mapping[str, float]]:
        """All that are known now."""
        return {**self._described, **self._given}

    def _hear(self, said: String) -> None:
        try:
            self._described = group_states(said.data, self._group)
        except ValueError as error:
            self._log.warning(f"the SRDF cannot be read, its group states are left out: {error}")


def group_states(srdf: str, group: str) -> dict[str, dict[str, float]]:
    """The states of a group; a joint of several degrees of freedom makes its state none of an arm.

    Raises:
        ValueError: It is no XML, or an angle is no number.
    """
    try:
        states = ElementTree.fromstring(srdf).iterfind("group_state")
    except ElementTree.ParseError as error:
        raise ValueError(str(error)) from error
    return {
        state.get("name", ""): {joint.get("name", ""): float(joint.get("value", "")) for joint in state.iter("joint")}
        for state in states
        if state.get("group") == group
        and all(len(joint.get("value", "").split()) == 1 for joint in state.iter("joint"))
    }
