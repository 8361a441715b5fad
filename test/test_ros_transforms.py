"""Where things are by tf2: what the simulation says there, and what cameras without extrinsics are told."""

from __future__ import annotations

import math
import sys
import time

import pytest

pytest.importorskip("rclpy", reason="no rclpy: scripts/ros_interfaces")
pytest.importorskip("vlm_bt_interfaces", reason="vlm_bt_interfaces is not built: see interfaces/")

import ros_puppets  # noqa: F401  (sets what Fast DDS goes by)
from rclpy.time import Time

from vlm_bt.errors import ConfigError
from vlm_bt.ros.mounting import mounting
from vlm_bt.ros.runtime import Runtime
from vlm_bt.ros.sim_tf import SimTf
from vlm_bt.ros.transforms import Transforms
from vlm_bt.ros_settings import RosCameraSettings
from vlm_bt.types import Pose

pytestmark = pytest.mark.ros

HALF = math.sqrt(0.5)
HUNG = Pose((0.33, 0.05, 1.15), (0.0, HALF, -HALF, 0.0))


@pytest.fixture
def nodes():
    """One that says where things are, and one that asks."""
    with Runtime() as one, Runtime() as other:
        yield one.node("says"), other.node("asks")


@pytest.fixture
def tf2():
    pytest.importorskip("tf2_ros", reason="no tf2_ros: apt install ros-jazzy-tf2-ros-py")


def becomes_known(look) -> Pose:
    until_s = time.monotonic() + 10.0
    while isinstance(found := look(), str):
        assert time.monotonic() < until_s, found
        time.sleep(0.02)
    return found


def test_without_tf2_its_remedy_is_named(nodes, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2_ros", None)
    with pytest.raises(ConfigError, match="apt install ros-jazzy-tf2-ros-py"):
        Transforms(nodes[1])


def test_without_the_messages_of_tf2_the_simulation_says_nothing_of_places(nodes, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2_msgs", None)
    monkeypatch.delitem(sys.modules, "tf2_msgs.msg", raising=False)
    assert SimTf.made(nodes[0], "base", {"overhead": HUNG}) is None


def test_a_camera_without_extrinsics_hangs_where_the_simulation_says(nodes, tf2):
    says, asks = nodes
    assert SimTf.made(says, "base", {"overhead": HUNG, "wrist": Pose((9.0, 9.0, 9.0))}) is not None
    settings = RosCameraSettings(colour="c", depth="d", info="i")
    mounted = mounting(asks, "overhead", settings, "base", lambda stamp_s: None)
    found = becomes_known(lambda: mounted.pose("overhead_optical", asks.get_clock().now().nanoseconds * 1e-9))
    assert found.position == pytest.approx(HUNG.position) and found.quaternion == pytest.approx(HUNG.quaternion)
    named = mounting(
        asks, "overhead", settings.model_copy(update={"frame": "overhead_optical"}), "base", lambda s: None
    )
    assert becomes_known(lambda: named.pose("another_frame", 0.0)).position == pytest.approx(HUNG.position)
    unknown = mounted.pose("wrist_optical", 0.0)
    assert isinstance(unknown, str) and "tf2 does not know where wrist_optical is in base" in unknown


def test_a_frame_that_moves_is_where_it_was_when_the_image_was_taken(nodes, tf2):
    says, asks = nodes
    published = SimTf.made(says, "base", {})
    transforms = Transforms(asks)
    now_s = says.get_clock().now().nanoseconds // 10**9

    def said_at(second: int) -> None:
        stamp = Time(seconds=now_s + second).to_msg()
        published.say(stamp, {"wrist_optical": Pose((0.1 * second, 0.0, 0.5))})

    def heard():
        for second in (0, 1, 2):
            said_at(second)
        return transforms.pose("base", "wrist_optical")

    assert becomes_known(heard).position == pytest.approx((0.2, 0.0, 0.5))
    becomes_known(lambda: heard() and transforms.pose("base", "wrist_optical", now_s + 0.1))
    assert transforms.pose("base", "wrist_optical", now_s + 0.5).position == pytest.approx((0.05, 0.0, 0.5), abs=1e-4)
    later = transforms.pose("base", "wrist_optical", now_s + 3.0)
    assert isinstance(later, str) and "wrist_optical" in later, "nothing is guessed for the time to come"
