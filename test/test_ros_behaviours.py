"""py_trees_ros' own behaviours as leaves of a tree."""

from __future__ import annotations

import time

import pytest
from fakes import CrankClock
from py_trees.common import Status
from test_ros_tree_view import StillArm, context, ros_trees, view  # noqa: F401

from vlm_bt.executive import Executive
from vlm_bt.leaves.leaf import Binding
from vlm_bt.ros.behaviours import CallAction, ReadTopic, WriteTopic

pytestmark = pytest.mark.ros


class Ports:
    def __init__(self) -> None:
        self.clock = CrankClock()


def leaf(kind, timeout_s=None, **inputs):
    written: dict[str, str] = {}
    made = kind("try it", Ports(), Binding(lambda name: inputs.get(name), written.__setitem__), timeout_s)
    return made, written


def ended(made, view, between=lambda: None, limit_s: float = 15.0):  # noqa: F811
    """Tick it, on a view's node, until it ends."""
    executive = Executive(made, made.ports.clock, StillArm())
    view.adopt(executive)
    limit = time.monotonic() + limit_s
    while executive.root.status in (Status.INVALID, Status.RUNNING) and time.monotonic() < limit:
        executive.tick()
        view.after_tick(executive._snapshot())
        between()
        made.ports.clock.advance()
        time.sleep(0.01)
    view.release()
    return made.outcome


def test_a_message_is_read_as_plain_text(context, view) -> None:  # noqa: F811
    from std_msgs.msg import String

    said = view.node.create_publisher(String, "/chatter", 10)
    made, written = leaf(ReadTopic, topic="/chatter", type="std_msgs/msg/String", field="data")
    outcome = ended(made, view, lambda: said.publish(String(data="<b>12</b>\n")))
    assert outcome.ok, outcome
    assert written == {"into": "‹b›12‹/b›"}


def test_a_message_is_published(context, view) -> None:  # noqa: F811
    from py_trees_ros import utilities
    from std_msgs.msg import Float64

    heard: list[float] = []
    view.node.create_subscription(Float64, "/wanted", lambda m: heard.append(m.data), utilities.qos_profile_unlatched())
    for _ in range(40):
        made, _ = leaf(WriteTopic, topic="/wanted", type="std_msgs/msg/Float64", message="{data: 1.5}")
        assert ended(made, view).ok
        if heard:
            break
    assert heard[0] == 1.5


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [
        (ReadTopic, {"topic": "/x", "type": "no_such_msgs/msg/String"}),
        (WriteTopic, {"topic": "/x", "type": "std_msgs/msg/Float64", "message": "{nothing: 1}"}),
        (WriteTopic, {"topic": "/x", "type": "std_msgs/msg/Float64", "message": "1"}),
        (CallAction, {"action": "/x", "type": "vlm_bt_interfaces/action/Grip", "goal": "[]"}),
    ],
)
def test_what_cannot_be_done_is_an_outcome(context, view, kind, inputs) -> None:  # noqa: F811
    made, _ = leaf(kind, **inputs)
    assert ended(made, view).reason == "unsupported"


def test_a_topic_that_says_nothing_ends_in_time(context, view) -> None:  # noqa: F811
    made, _ = leaf(ReadTopic, timeout_s=0.3, topic="/silent", type="std_msgs/msg/String")
    assert ended(made, view).reason == "timed_out"


def test_without_ros_such_a_leaf_says_what_it_needs() -> None:
    made, _ = leaf(ReadTopic, topic="/x", type="std_msgs/msg/String")
    made.tick_once()
    assert made.outcome.reason == "unsupported"
