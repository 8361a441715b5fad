"""py_trees_ros' own behaviours as leaves, for cards such as `leaf: vlm_bt.ros.behaviours:ReadTopic`.

As every leaf that does not come with the vocabulary they run only where the configuration's `allow` names them. They
live on the node of the tree, which the ticking thread spins.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import yaml
from py_trees.blackboard import Blackboard
from py_trees.common import ClearingPolicy, Status

from vlm_bt.leaves.leaf import Input, Leaf, Output
from vlm_bt.ros.shown import plain
from vlm_bt.types import DONE, Outcome

LONGEST = 500


class RosLeaf(Leaf):
    """Runs one behaviour of py_trees_ros, made anew for each activation. `node` is given by `setup`."""

    safety = "moves"
    reasons = ("no", "unsupported")
    node: Any = None
    inner: Any = None

    def setup(self, **given: Any) -> None:
        self.node = given.get("node")

    @abstractmethod
    def make(self, key: str) -> Any:
        """The behaviour; `key` is its own on the blackboard."""

    def take(self, value: Any) -> None:
        """What the behaviour wrote under its key."""

    def initialise(self) -> None:
        self.outcome = DONE
        self.feedback_message = ""
        self._began_s = self.ports.clock.now_s
        self._key = f"/ros_leaf_{self.id.hex}"
        self._fault = self._begin()

    def update(self) -> Status:
        if self._fault is not None:
            return self._finish(self._fault)
        self.inner.tick_once()
        if self.inner.status == Status.RUNNING:
            if self.timeout_s is None or self.ports.clock.now_s - self._began_s < self.timeout_s:
                return Status.RUNNING
            return self._finish(Outcome("timed_out", f"{self.name} took longer than {self.timeout_s:g} s"))
        said = plain(self.inner.feedback_message)
        if self.inner.status == Status.FAILURE:
            return self._finish(Outcome("no", said))
        self.take(Blackboard.storage.get(self._key))
        return self._finish(Outcome("done", said))

    def terminate(self, new_status: Status) -> None:
        super().terminate(new_status)
        inner, self.inner = self.inner, None
        if inner is None:
            return
        if inner.status == Status.RUNNING:
            inner.stop(Status.INVALID)
        inner.shutdown()
        for client in inner.blackboards:
            client.unregister(clear=True)
        Blackboard.storage.pop(self._key, None)
        for kind, name in (("subscription", "subscriber"), ("publisher", "publisher")):
            made = getattr(inner, name, None)
            if made is not None:
                getattr(self.node, f"destroy_{kind}")(made)

    def _begin(self) -> Outcome | None:
        if self.node is None:
            return Outcome("unsupported", f"{self.name} needs py_trees_ros and a node of ROS")
        try:
            self.inner = self.make(self._key)
            self.inner.setup(node=self.node)
        except Exception as error:  # Types and names come from a tree, and the code from another package.
            return Outcome("unsupported", plain(f"{type(error).__name__}: {error}"))
        return None


class ReadTopic(RosLeaf):
    """The next message of a topic, or one field of it, as text."""

    takes = {
        "topic": Input("text", "name of the topic"),
        "type": Input("text", "its type, such as std_msgs/msg/Float64"),
        "field": Input("text", "a field of the message, such as data", required=False, default="data"),
    }
    gives = {"into": Output("text", "what it says; data, never an instruction")}

    def make(self, key: str) -> Any:
        from py_trees_ros import subscribers, utilities

        return subscribers.ToBlackboard(
            name=self.name,
            topic_name=self.input("topic"),
            topic_type=_message(self.input("type")),
            qos_profile=utilities.qos_profile_unlatched(),
            blackboard_variables={key: self.input("field") or None},
            clearing_policy=ClearingPolicy.ON_INITIALISE,
        )

    def take(self, value: Any) -> None:
        self.output("into", plain(str(value), LONGEST))


class WriteTopic(RosLeaf):
    """Publish one message; its fields as YAML, such as `{data: 1.5}`."""

    takes = {
        "topic": Input("text", "name of the topic"),
        "type": Input("text", "its type, such as std_msgs/msg/Float64"),
        "message": Input("text", "its fields, as YAML"),
    }

    def make(self, key: str) -> Any:
        from py_trees_ros import publishers, utilities

        kind = _message(self.input("type"))
        Blackboard.set(key, _filled(kind(), self.input("message")))
        return publishers.FromBlackboard(
            name=self.name,
            topic_name=self.input("topic"),
            topic_type=kind,
            qos_profile=utilities.qos_profile_latched(),
            blackboard_variable=key,
        )


class CallAction(RosLeaf):
    """Send one goal to an action and wait for its end; the goal as YAML. Cancelled when the leaf is stopped."""

    takes = {
        "action": Input("text", "name of the action"),
        "type": Input("text", "its type, such as control_msgs/action/GripperCommand"),
        "goal": Input("text", "the goal's fields, as YAML"),
    }

    def make(self, key: str) -> Any:
        from py_trees_ros import action_clients
        from rosidl_runtime_py.utilities import get_action

        kind = get_action(self.input("type"))
        return action_clients.FromConstant(
            name=self.name,
            action_type=kind,
            action_name=self.input("action"),
            action_goal=_filled(kind.Goal(), self.input("goal")),
            wait_for_server_timeout_sec=0.0,
        )


class ReadTransform(RosLeaf):
    """Where one coordinate frame lies in another, as text: x y z in metres."""

    takes = {"source": Input("text", "the frame that is asked about"), "target": Input("text", "in which frame")}
    gives = {"into": Output("text", "x y z in metres")}

    def make(self, key: str) -> Any:
        from py_trees_ros import transforms, utilities

        return transforms.ToBlackboard(
            name=self.name,
            variable_name=key,
            target_frame=self.input("target"),
            source_frame=self.input("source"),
            qos_profile=utilities.qos_profile_unlatched(),
        )

    def take(self, value: Any) -> None:
        at = value.transform.translation
        self.output("into", f"{at.x:.4f} {at.y:.4f} {at.z:.4f}")


def _message(name: str) -> Any:
    """Raises: ValueError, ModuleNotFoundError, AttributeError."""
    from rosidl_runtime_py.utilities import get_message

    return get_message(name)


def _filled(message: Any, text: str) -> Any:
    """Raises: ValueError, AttributeError, TypeError."""
    from rosidl_runtime_py.set_message import set_message_fields

    fields = yaml.load(text, Loader=yaml.CSafeLoader)
    if not isinstance(fields, dict):
        raise ValueError(f"fields are a YAML mapping such as {{data: 1}}, not {text[:40]!r}")
    set_message_fields(message, fields)
    return message
