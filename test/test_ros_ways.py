"""What a MoveArm goal asks for, and the ways that our own kinematics finds for it; no message of any arm is needed."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no rclpy: scripts/ros_interfaces")
pytest.importorskip("vlm_bt_interfaces", reason="vlm_bt_interfaces is not built: see interfaces/")

from ros_driving import to
from vlm_bt_interfaces.action import MoveArm

from vlm_bt import settings
from vlm_bt.ros.asked import pose_asked
from vlm_bt.ros.postures import group_states
from vlm_bt.ros.ways import LOW_M, Ways
from vlm_bt.simulation.kinematics import Kinematics
from vlm_bt.types import Outcome

pytestmark = pytest.mark.ros


@pytest.fixture(scope="module")
def arm():
    return Kinematics()


@pytest.fixture(scope="module")
def ways(arm):
    return Ways(arm, settings.load().ros.trajectory.named, "base")


@pytest.fixture(scope="module")
def low(arm, ways):
    """Joints with the hand low over the bench."""
    (way,) = ways.plan(to((0.45, 0.1, 0.2)), np.array(settings.load().ros.trajectory.named["home"]))
    (down,) = ways.plan(to((0.45, 0.1, 0.04), straight=True), way.joints[-1])
    return down.joints[-1]


def places(arm, way):
    return np.array([arm.tcp(joints) for joints in way.joints[::10]])


def test_a_straight_line_is_straight(arm, ways, low):
    (line,) = ways.plan(to((0.45, -0.1, 0.14), straight=True), low)
    begin, end = np.array(arm.tcp(line.joints[0])), np.array(arm.tcp(line.joints[-1]))
    assert end == pytest.approx((0.45, -0.1, 0.14), abs=0.002)
    along = (end - begin) / np.linalg.norm(end - begin)
    beside = [np.linalg.norm(np.cross(place - begin, along)) for place in places(arm, line)]
    assert max(beside) < 0.003


def test_a_hand_that_is_low_rises_before_it_travels(arm, ways, low):
    rise, travel = ways.plan(to((0.45, -0.3, 0.13)), low)
    sideways = places(arm, rise)[:, :2] - arm.tcp(low)[:2]
    assert np.abs(sideways).max() < 0.005 and places(arm, rise)[-1][2] > LOW_M
    assert places(arm, travel)[:, 2].min() > LOW_M


def test_a_share_of_the_speed_takes_so_much_longer_and_is_the_same_way(arm, ways):
    home = np.array(settings.load().ros.trajectory.named["home"])
    whole, half = (ways.plan(MoveArm.Goal(named="look", speed_scale=scale), home)[-1] for scale in (1.0, 0.5))
    assert half.duration_s == pytest.approx(2 * whole.duration_s, rel=0.02)
    assert np.abs(half.speeds).max() == pytest.approx(np.abs(whole.speeds).max() / 2, rel=0.02)
    assert half.joints[-1] == pytest.approx(whole.joints[-1], abs=1e-6)


def test_a_way_that_leads_below_the_floor_or_tilts_the_hand_is_refused(ways, low):
    goal = to((0.45, 0.1, 0.03), straight=True)
    goal.path.use_floor, goal.path.floor_m = True, 0.035
    assert "below 0.035 m" in ways.plan(goal, low).detail
    goal.path.floor_m = 0.02
    assert not isinstance(ways.plan(goal, low), Outcome)
    tilted = MoveArm.Goal(named="home")
    assert not isinstance(ways.plan(tilted, low), Outcome)
    tilted = to((0.45, 0.1, 0.2))
    turn = tilted.pose.pose.orientation
    turn.w, turn.x, turn.y, turn.z = math.sin(0.3), math.cos(0.3), 0.0, 0.0
    assert not isinstance(ways.plan(tilted, low), Outcome)
    tilted.path.tilt_rad = 0.4
    assert "would tilt" in ways.plan(tilted, low).detail


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"speed_scale": 0.0}, "speed_scale is in (0, 1], not 0"),
        ({"speed_scale": math.nan}, "speed_scale is in (0, 1], not nan"),
        ({"named": "attic"}, "there is no pose 'attic'; there are: home, look, hand_over"),
    ],
)
def test_what_no_arm_would_do_is_refused_in_words(ways, low, change, detail):
    refused = ways.plan(to((0.45, 0.1, 0.2), **change), low)
    assert (refused.reason, refused.detail) == ("unreachable", detail)


def test_a_pose_has_a_frame_a_place_and_a_turn():
    goal = to((0.45, 0.1, 0.2))
    goal.pose.pose.orientation.x = 5.0
    assert sum(value * value for value in pose_asked(goal, "base").quaternion) == pytest.approx(1.0)
    assert "poses are in 'world', not 'base'" in pose_asked(goal, "world").detail
    goal.pose.pose.position.x = math.inf
    assert pose_asked(goal, "base").reason == "unreachable"
    assert pose_asked(MoveArm.Goal(), "base").position == (0.0, 0.0, 0.0), "a message's own quaternion is none"


def test_group_states_are_those_of_the_group_with_one_angle_for_each_joint():
    srdf = """<robot name="r"><group name="arm"/>
      <group_state name="ready" group="arm"><joint name="j1" value="0.5"/><joint name="j2" value="-1"/></group_state>
      <group_state name="ready" group="hand"><joint name="f1" value="0.04"/></group_state>
      <group_state name="afloat" group="arm"><joint name="j0" value="0 0 1"/></group_state></robot>"""
    assert group_states(srdf, "arm") == {"ready": {"j1": 0.5, "j2": -1.0}}
    assert group_states("<robot/>", "arm") == {}
    with pytest.raises(ValueError):
        group_states("<robot", "arm")
    with pytest.raises(ValueError):
        group_states(
            '<robot><group_state name="a" group="arm"><joint name="j" value="x"/></group_state></robot>', "arm"
        )
