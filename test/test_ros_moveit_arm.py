"""The driver for MoveIt against a move_group that plans, keeps a scene, refuses, fails and does not listen."""

from __future__ import annotations

import sys
import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no rclpy: scripts/ros_interfaces")
pytest.importorskip("vlm_bt_interfaces", reason="vlm_bt_interfaces is not built: see interfaces/")

from ros_driving import Client, to
from unique_identifier_msgs.msg import UUID
from vlm_bt_interfaces.action import Grip, MoveArm
from vlm_bt_interfaces.msg import AttachedObject

from vlm_bt import settings
from vlm_bt.cli.run import changed
from vlm_bt.errors import ConfigError
from vlm_bt.ros.goal import ActionPort
from vlm_bt.ros.messages import pose_of
from vlm_bt.ros.moveit_arm import MoveItArm
from vlm_bt.ros.runtime import Runtime

pytestmark = pytest.mark.ros


def test_without_moveit_msgs_the_driver_says_what_to_install(monkeypatch):
    for name in ("moveit_msgs", "moveit_msgs.action"):
        monkeypatch.setitem(sys.modules, name, None)
    with Runtime() as runtime, pytest.raises(ConfigError, match=r"apt install ros-jazzy-moveit-msgs; .*trajectory-arm"):
        MoveItArm(runtime.node("driver"), settings.load())


class Driven(Client):
    def __init__(self, driver: Runtime, moveit: Runtime, client: Runtime, **chosen_more: object) -> None:
        from ros_moveit import PuppetMoveIt

        chosen = changed(settings.load(), "ros.moveit.lost_s", 2.0)
        for name, value in chosen_more.items():
            chosen = changed(chosen, f"ros.moveit.{name}", value)
        self.moveit = PuppetMoveIt(moveit, chosen.ros.moveit, chosen.arm.robot)
        self.arm = MoveItArm(driver.node("driver"), chosen)
        super().__init__(client, chosen.ros.arm)


@pytest.fixture
def drive():
    for name, package in (("moveit_msgs", "moveit-msgs"), ("control_msgs", "control-msgs"), ("tf2_ros", "tf2-ros-py")):
        pytest.importorskip(name, reason=f"no {name}: apt install ros-jazzy-{package}")
    made: list[Driven] = []
    with Runtime() as one, Runtime(threads=8) as two, Runtime() as three:

        def drive(**more: object) -> Driven:
            made.append(Driven(one, two, three, **more))
            return made[-1]

        yield drive
        for driven in made:
            driven.arm.close()
            driven.moveit.close()


@pytest.fixture
def driven(drive):
    return drive()


def wrench(height_m: float = 0.03) -> AttachedObject:
    """Held at its middle: its lower side is as far below the fingertips as its upper side is above."""
    held = AttachedObject(id="wrench-3")
    held.size.x, held.size.y, held.size.z = 0.18, 0.03, height_m
    return held


def test_poses_lines_and_postures_of_settings_and_srdf_are_reached(driven):
    over = driven.goes(to((0.5, 0.1, 0.13)))
    assert over.ended.ok and over.result.standstill, over.ended
    assert pose_of(over.result.tcp.pose).position == pytest.approx((0.5, 0.1, 0.13), abs=0.003)
    down = driven.goes(to((0.5, 0.1, 0.03), straight=True))
    assert down.ended.ok and pose_of(down.result.tcp.pose).position == pytest.approx((0.5, 0.1, 0.03), abs=0.003)
    home = driven.goes(MoveArm.Goal(named="home"))
    assert home.ended.ok and driven.moveit.joints[1] == pytest.approx(-1.40, abs=0.01)
    described = driven.goes(MoveArm.Goal(named="stretched"))
    assert described.ended.ok and driven.moveit.joints[1] == pytest.approx(-0.8, abs=0.01)
    unknown = driven.goes(MoveArm.Goal(named="open")).ended
    assert unknown.reason == "unreachable" and "home" in unknown.detail and "stretched" in unknown.detail


def test_the_speed_scale_is_that_of_planned_ways_and_of_lines(driven):
    driven.goes(to((0.5, 0.1, 0.13), speed_scale=0.8))
    driven.goes(to((0.5, 0.1, 0.09), straight=True, speed_scale=0.25))
    planned, line, _ = driven.moveit.served_goals
    assert planned.request.max_velocity_scaling_factor == planned.request.max_acceleration_scaling_factor == 0.8
    assert line.max_velocity_scaling_factor == line.max_acceleration_scaling_factor == 0.25


def test_what_cannot_be_planned_moves_nothing_and_says_why(driven):
    from ros_moveit import CODE

    before = driven.moveit.joints.copy()
    far = driven.goes(to((1.5, 0.0, 0.2))).ended
    assert far.reason == "unreachable" and "out of reach" in far.detail
    assert driven.goes(to((1.2, 0.0, 0.3), straight=True)).ended.reason == "unreachable"
    driven.moveit.cannot_plan = CODE.TIMED_OUT
    assert driven.goes(to((0.5, 0.1, 0.13))).ended.reason == "unreachable"
    driven.moveit.cannot_plan = CODE.INVALID_GROUP_NAME
    assert driven.goes(to((0.5, 0.1, 0.13))).ended.reason == "arm_fault"
    assert np.array_equal(before, driven.moveit.joints)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("MOTION_PLAN_INVALIDATED_BY_ENVIRONMENT_CHANGE", "blocked"),
        ("CONTROL_FAILED", "arm_fault"),
        ("TIMED_OUT", "timed_out"),
    ],
)
def test_what_ends_a_motion_midway_is_told(driven, code, reason):
    from ros_moveit import CODE

    driven.moveit.fails_midway = getattr(CODE, code)
    goal = driven.goes(to((0.5, 0.1, 0.13)))
    assert goal.ended.reason == reason and goal.result.standstill


def test_the_floor_and_the_tilt_hold_on_the_way(driven):
    driven.goes(to((0.5, 0.1, 0.13)))
    low = to((0.5, 0.1, 0.03), straight=True)
    low.path.use_floor, low.path.floor_m = True, 0.06
    assert driven.goes(low).ended.reason == "unreachable"
    low.path.floor_m = 0.02
    assert driven.goes(low).ended.ok
    tilted = MoveArm.Goal(named="home")
    tilted.path.tilt_rad = 0.2
    assert driven.goes(tilted).ended.reason == "unreachable"
    tilted.path.tilt_rad = 0.0
    assert driven.goes(tilted).ended.ok


def test_a_thing_may_be_touched_only_by_the_goal_that_says_so(driven):
    driven.goes(to((0.5, 0.1, 0.13)))
    scene = driven.moveit.scene
    thing = AttachedObject(id="pliers-2")
    from moveit_msgs.msg import CollisionObject
    from shape_msgs.msg import SolidPrimitive

    lying = CollisionObject(id=thing.id, operation=CollisionObject.ADD)
    lying.pose.position.x, lying.pose.position.y, lying.pose.position.z = 0.5, 0.1, 0.015
    lying.primitives = [SolidPrimitive(type=SolidPrimitive.BOX, dimensions=[0.12, 0.04, 0.03])]
    scene.world.collision_objects = [*scene.world.collision_objects, lying]
    down = to((0.5, 0.1, 0.02), straight=True)
    assert driven.goes(down).ended.reason == "unreachable"
    down.may_touch = ["pliers-2"]
    assert driven.goes(down).ended.ok
    assert driven.moveit.may_touch("pliers-2", "panda_leftfinger")
    driven.goes(to((0.5, 0.1, 0.13), straight=True, may_touch=["pliers-2"]))
    again = to((0.5, 0.1, 0.02), straight=True)
    assert driven.goes(again).ended.reason == "unreachable"
    assert "pliers-2" not in driven.moveit.scene.allowed_collision_matrix.entry_names


def test_what_is_held_travels_clear_of_the_bench_and_is_put_down_on_it(driven):
    driven.goes(to((0.5, 0.1, 0.13)))
    low = to((0.45, 0.1, 0.010), attached=[wrench()])
    assert driven.goes(low).ended.reason == "unreachable", "a way may not end with the wrench in the bench"
    assert set(driven.moveit.attached) == {"wrench-3"}
    held = driven.moveit.attached["wrench-3"]
    assert held.link_name == "panda_hand_tcp" and set(held.touch_links) == set(driven.moveit.chosen.hand_links)
    assert list(held.object.primitives[0].dimensions) == [0.18, 0.03, 0.03]
    assert driven.goes(to((0.5, 0.1, 0.016), straight=True, attached=[wrench()])).ended.ok
    assert driven.goes(to((0.5, 0.1, 0.13), straight=True)).ended.ok
    assert not driven.moveit.attached and set(driven.moveit.world) == {"bench"}, "nobody knows where it lies"
    assert not driven.moveit.may_touch("bench", "wrench-3")
    assert driven.moveit.may_touch("bench", "panda_link0"), "the arm stands on it"


def test_a_move_group_that_was_started_anew_gets_its_scene_again(driven):
    driven.goes(to((0.5, 0.1, 0.13), attached=[wrench()]))
    driven.moveit.scene = type(driven.moveit.scene)()
    for name in ("panda_link0", *driven.moveit.chosen.hand_links):
        driven.moveit.enter(name)
    assert driven.goes(to((0.45, 0.1, 0.13), attached=[wrench()])).ended.ok
    assert set(driven.moveit.attached) == {"wrench-3"} and set(driven.moveit.world) == {"bench"}
    assert driven.moveit.may_touch("bench", "panda_link0")


@pytest.mark.parametrize("straight", [False, True])
def test_a_cancelled_goal_ends_at_standstill_even_where_moveit_takes_the_cancel_and_goes_on(driven, straight):
    driven.goes(to((0.5, 0.1, 0.13)))
    driven.moveit.deaf = "to cancel"
    goal = driven.send(to((0.5, -0.3, 0.3), straight=straight, speed_scale=0.05))
    driven.until(lambda: driven.moveit.playing)
    goal.cancel("the test says so")
    driven.ends(goal)
    assert goal.ended.reason == "cancelled" and goal.result.standstill, goal.ended
    assert not driven.moveit.playing
    before = driven.moveit.joints.copy()
    time.sleep(0.15)
    assert np.array_equal(before, driven.moveit.joints)


def test_a_goal_that_is_cancelled_while_it_is_planned_never_moves(driven):
    before = driven.moveit.joints.copy()
    driven.moveit.plans_s = 0.8
    goal = driven.send(to((0.5, 0.1, 0.13)))
    driven.until(lambda: bool(driven.moveit.served_goals))
    goal.cancel("the test says so")
    driven.ends(goal)
    assert goal.ended.reason == "cancelled" and goal.result.standstill, goal.ended
    assert np.array_equal(before, driven.moveit.joints)


def test_an_arm_that_nothing_stops_is_told_as_no_standstill(driven):
    driven.moveit.deaf = "to all"
    goal = driven.ends(driven.send(to((0.3, 0.45, 0.3), speed_scale=0.05, time_limit_s=0.5)))
    assert goal.ended.reason == "arm_fault" and not goal.result.standstill


def test_the_controllers_of_the_settings_are_stopped_too_for_move_group_may_be_gone(drive):
    from control_msgs.action import FollowJointTrajectory

    name = "panda_arm_controller/follow_joint_trajectory"
    driven = drive(controllers=(name,))
    moveit = driven.moveit
    moveit.deaf = "to all"

    def follow(handle):
        while not handle.is_cancel_requested:
            time.sleep(0.01)
        moveit.halt()
        handle.canceled()
        return FollowJointTrajectory.Result()

    moveit.serve(FollowJointTrajectory, name, follow)
    controller = ActionPort(moveit.node, FollowJointTrajectory, name)
    driven.until(lambda: controller.served)
    accepted = controller.send(UUID(uuid=list(range(16))), FollowJointTrajectory.Goal())
    driven.until(accepted.done)
    goal = driven.send(to((0.3, 0.45, 0.3), speed_scale=0.05))
    driven.until(lambda: moveit.playing)
    goal.cancel("the test says so")
    driven.ends(goal)
    assert goal.ended.reason == "cancelled" and goal.result.standstill and not moveit.playing


def test_a_time_limit_is_kept(driven):
    assert driven.goes(to((0.3, 0.45, 0.3), speed_scale=0.1, time_limit_s=0.4)).ended.reason == "timed_out"


def test_joint_states_that_stop_are_a_fault(driven):
    goal = driven.send(to((0.3, 0.45, 0.3), speed_scale=0.1))
    driven.until(lambda: driven.moveit.playing)
    driven.moveit.silent = True
    driven.ends(goal)
    assert goal.ended.reason == "arm_fault"
    driven.until(lambda: not driven.port.state.healthy)


@pytest.mark.parametrize("kind", ["gripper_command", "parallel_gripper_command"])
def test_both_kinds_of_gripper_close_on_a_thing_and_say_so(drive, kind):
    driven = drive(gripper_kind=kind)
    driven.moveit.thing_m = 0.021
    closed = driven.goes(Grip.Goal(width_m=0.0, force_n=20.0))
    assert closed.ended.ok and closed.result.held and closed.result.width_m == pytest.approx(0.021, abs=0.001)
    opened = driven.goes(Grip.Goal(width_m=0.06))
    assert opened.ended.ok and not opened.result.held and opened.result.width_m == pytest.approx(0.06, abs=0.001)
    first, second = driven.moveit.grips
    if kind == "gripper_command":
        assert (first.max_effort, second.position) == (20.0, pytest.approx(0.03))
    else:
        assert (list(first.effort), list(second.effort)) == ([20.0], [])
        assert (list(second.name), list(second.position)) == (["panda_finger_joint1"], [pytest.approx(0.03)])
