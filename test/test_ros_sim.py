"""The simulated robot from outside: what its topics say, what its actions do, and a bench sorted over them."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ros_found import found

pytest.importorskip("rclpy", reason="no rclpy: scripts/ros_interfaces")
pytest.importorskip("vlm_bt_interfaces", reason="vlm_bt_interfaces is not built: see interfaces/")

import ros_puppets  # noqa: F401  (sets what Fast DDS goes by)
from sensor_msgs.msg import JointState
from std_srvs.srv import SetBool, Trigger
from vlm_bt_interfaces.action import Grip, MoveArm

from vlm_bt import settings
from vlm_bt.app.mission import Mission
from vlm_bt.app.robot import RobotSite
from vlm_bt.errors import RobotAway
from vlm_bt.frames import FrameStore
from vlm_bt.places import share_dir
from vlm_bt.ros.camera import RosCamera
from vlm_bt.ros.goal import ActionPort, Goal
from vlm_bt.ros.messages import pose_message, pose_of
from vlm_bt.ros.robot import Robot
from vlm_bt.ros.runtime import Runtime
from vlm_bt.scene.handling import pointing_down
from vlm_bt.simulation.cameras import optical_pose
from vlm_bt.simulation.scene import LOOKING_DOWN, OVERHEAD_POSITION
from vlm_bt.types import Frame, Pose

pytestmark = [pytest.mark.ros, pytest.mark.timeout(300)]

CONFIG = share_dir("config") / "ros_workbench.yaml"
SCRIPT = Path(__file__).parent / "ros_sim.py"
SEED = 11


@contextmanager
def simulation(*arguments: str):
    """The simulated robot in a process of its own."""
    command = [sys.executable, str(SCRIPT), str(CONFIG), str(SEED), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.terminate()
            assert process.wait(20) == 0


class Outside:
    """A robot and the goals that a test sends it by itself."""

    def __init__(self, runtime: Runtime) -> None:
        self.node = runtime.node("outside")
        self.settings = settings.load(CONFIG)
        self.robot = Robot(self.node, self.settings)
        self.robot.wait_ready(60.0)
        self.clock = self.robot.clock(0.02)
        self.ports = {MoveArm: ActionPort(self.node, MoveArm, "move_arm"), Grip: ActionPort(self.node, Grip, "grip")}
        self.until(lambda: all(port.served for port in self.ports.values()))

    def until(self, true, limit_s: float = 30.0) -> None:
        began = time.monotonic()
        while not true():
            assert time.monotonic() - began < limit_s, "it never happened"
            self.robot.step()
            time.sleep(0.005)

    def send(self, message) -> Goal:
        now = time.monotonic
        port = self.ports[MoveArm if isinstance(message, MoveArm.Goal) else Grip]
        return Goal(port, message, self.robot.inbox, now, accept_limit_s=5.0, limit_s=40.0, what="goal")

    def goes(self, message) -> Goal:
        goal = self.send(message)
        self.until(lambda: goal.ended is not None, 60.0)
        return goal

    def call(self, kind, name, **request):
        client = self.node.create_client(kind, f"/simulation/{name}")
        found(client)
        return client.call(kind.Request(**request))


@pytest.fixture(scope="module")
def outside():
    with simulation('simulation.kinds=["tape measure", "pliers"]'), Runtime() as runtime:
        yield Outside(runtime)


@pytest.fixture(autouse=True)
def at_home(request):
    """Every test begins with the arm folded and the hand open."""
    if "outside" in request.fixturenames:
        outside = request.getfixturevalue("outside")
        assert outside.goes(MoveArm.Goal(named="home")).ended.ok
        assert outside.goes(Grip.Goal(width_m=0.08)).ended.ok


def to(position, yaw_rad=0.0, *, straight=False, **more) -> MoveArm.Goal:
    return at(pointing_down(position, yaw_rad), straight=straight, **more)


def at(pose: Pose, *, straight=False, **more) -> MoveArm.Goal:
    goal = MoveArm.Goal(**more)
    goal.pose.header.frame_id = "base"
    goal.pose.pose = pose_message(pose)
    goal.path.straight = straight
    return goal


def measured(outside) -> tuple[float, float]:
    """Where the tape measure really lies."""
    details = json.loads(outside.call(Trigger, "score").message)["details"]
    return next((one["x"], one["y"]) for one in details if one["kind"] == "tape measure")


def picture(outside, name: str) -> Frame:
    frames = FrameStore()
    try:
        camera = RosCamera(outside.robot.eyes, frames, outside.robot.stamps, outside.robot.inbox)
        ticket = camera.request(name)
        outside.until(lambda: camera.step() or ticket.outcome is not None)
        assert ticket.outcome.ok, ticket.outcome
        seen = frames.get(ticket.value)
        copied = replace(seen, rgb=seen.rgb.copy(), depth_m=seen.depth_m.copy())
        # The store frees its memory only when nobody looks at it any more.
        del seen
        return copied
    finally:
        frames.close()


def test_the_camera_shows_the_bench_at_its_distance(outside):
    frame = picture(outside, "overhead")
    assert frame.rgb.shape == (720, 1280, 3) and frame.rgb.std() > 5
    assert np.median(frame.depth_m[frame.depth_m > 0]) == pytest.approx(OVERHEAD_POSITION[2], abs=0.02)
    hung = optical_pose(OVERHEAD_POSITION, LOOKING_DOWN)
    assert frame.pose_camera_in_base.quaternion == pytest.approx(hung.quaternion, abs=1e-6)


def test_the_wrist_camera_is_where_the_arm_says_that_its_hand_is(outside):
    assert outside.goes(MoveArm.Goal(named="look")).ended.ok
    frame = picture(outside, "wrist")
    x, y, z = frame.pose_camera_in_base.position
    # The bench in the middle of the picture, seen from there.
    w, i, j, k = frame.pose_camera_in_base.quaternion
    forward_z = 1 - 2 * (i * i + j * j)
    near = frame.depth_m[230:250, 310:330]
    assert z + float(np.median(near[near > 0])) * forward_z == pytest.approx(0.0, abs=0.03)
    assert math.hypot(x, y) > 0.2 and w * w + k * k < 0.6


def test_joints_and_hand_are_told_all_the_time(outside):
    heard = []
    subscription = outside.node.create_subscription(JointState, "joint_states", heard.append, 10)
    outside.until(lambda: len(heard) > 5)
    outside.node.destroy_subscription(subscription)
    assert heard[-1].name[:2] == ["joint1", "joint2"] and heard[-1].position[1] == pytest.approx(-1.40, abs=0.01)
    state = outside.robot.arm.state
    assert state.healthy and not state.moving and state.gripper_width_m == pytest.approx(0.08, abs=0.002)


def test_a_pose_is_reached_to_the_millimetre(outside):
    goal = outside.goes(to((0.45, -0.15, 0.13), 0.5))
    assert goal.ended.ok and goal.result.standstill
    assert pose_of(goal.result.tcp.pose).position == pytest.approx((0.45, -0.15, 0.13), abs=0.002)


def test_a_hand_that_is_not_to_point_straight_down_is_turned_as_asked(outside):
    tilt = math.radians(25)
    wanted = Pose((0.45, 0.10, 0.30), (0.0, math.cos(tilt / 2), 0.0, -math.sin(tilt / 2)))
    goal = outside.goes(at(wanted))
    assert goal.ended.ok, goal.ended
    reached = pose_of(goal.result.tcp.pose)
    assert abs(np.dot(reached.quaternion, wanted.quaternion)) > math.cos(math.radians(1.0) / 2)
    back = outside.goes(at(pointing_down((0.45, 0.10, 0.25), 0.0), straight=True))
    assert back.ended.ok and pose_of(back.result.tcp.pose).position == pytest.approx((0.45, 0.10, 0.25), abs=0.002)


@pytest.mark.parametrize(
    ("goal", "words"),
    [
        (lambda: to((1.5, 0.0, 0.2)), "out of reach"),
        (lambda: MoveArm.Goal(named="moon"), "there is no pose 'moon'; there are: home, look, hand_over"),
        (lambda: at(Pose((0.4, 0.0, 0.2), (0.0, 0.0, 0.0, 0.0))), "a quaternion without length"),
        (lambda: to((math.nan, 0.0, 0.2)), "or no position"),
        (lambda: to((0.4, 0.0, 0.2), speed_scale=3.0), "speed_scale"),
        (lambda: Grip.Goal(width_m=-0.01), "apart"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_moves(outside, goal, words):
    before = outside.robot.arm.state.tcp
    ended = outside.goes(goal()).ended
    assert ended.reason == "unreachable" and words in ended.detail
    assert outside.robot.arm.state.tcp == pytest.approx(before, abs=0.001)


def test_poses_in_another_frame_are_refused(outside):
    goal = to((0.4, 0.0, 0.2))
    goal.pose.header.frame_id = "map"
    assert "poses are in 'base', not 'map'" in outside.goes(goal).ended.detail


def test_constraints_hold_on_the_whole_way(outside):
    assert outside.goes(to((0.5, 0.0, 0.20))).ended.ok
    low = to((0.5, 0.0, 0.05), straight=True)
    low.path.use_floor, low.path.floor_m = True, 0.10
    assert "below 0.100 m" in outside.goes(low).ended.detail
    tilt = math.radians(40)
    tilted = at(Pose((0.5, 0.0, 0.25), (0.0, math.cos(tilt / 2), 0.0, -math.sin(tilt / 2))))
    tilted.path.tilt_rad = 0.2
    assert "would tilt" in outside.goes(tilted).ended.detail


def test_something_under_the_hand_blocks_the_way_down(outside):
    x, y = measured(outside)
    assert outside.goes(Grip.Goal(width_m=0.0)).ended.ok
    assert outside.goes(to((x, y, 0.13))).ended.ok
    goal = outside.goes(to((x, y, 0.012), straight=True, speed_scale=0.5))
    assert goal.ended.reason == "blocked" and goal.result.standstill
    assert outside.goes(to((x, y, 0.13), straight=True)).ended.ok


def test_a_cancelled_goal_ends_when_the_arm_stands(outside):
    goal = outside.send(to((0.3, 0.45, 0.3), speed_scale=0.3))
    outside.until(lambda: outside.robot.arm.state.moving)
    began = time.monotonic()
    goal.cancel("the test says so")
    outside.until(lambda: goal.ended is not None)
    assert goal.ended.reason == "cancelled" and goal.result.standstill
    assert time.monotonic() - began < 2.0
    outside.until(lambda: not outside.robot.arm.state.moving)


def test_a_goal_that_takes_longer_than_it_may_is_stopped(outside):
    goal = outside.goes(to((0.3, 0.45, 0.3), speed_scale=0.1, time_limit_s=0.3))
    assert goal.ended.reason == "timed_out" and goal.result.standstill


def test_a_second_goal_is_refused_while_one_is_under_way(outside):
    first = outside.send(to((0.3, 0.45, 0.3), speed_scale=0.2))
    outside.until(lambda: outside.robot.arm.state.moving)
    assert "refused" in outside.goes(MoveArm.Goal(named="home")).ended.detail
    assert "refused" in outside.goes(Grip.Goal(width_m=0.02)).ended.detail
    first.cancel("enough")
    outside.until(lambda: first.ended is not None)


def test_fingers_say_where_they_rest_and_whether_they_hold(outside):
    goal = outside.goes(Grip.Goal(width_m=0.0, force_n=20.0))
    assert goal.ended.ok and not goal.result.held and goal.result.width_m < 0.002
    opened = outside.goes(Grip.Goal(width_m=0.05))
    assert opened.result.width_m == pytest.approx(0.05, abs=0.003) and not opened.result.held


def test_an_arm_that_stalls_says_so_and_takes_no_goal(outside):
    goal = outside.send(to((0.3, 0.45, 0.3), speed_scale=0.2))
    outside.until(lambda: outside.robot.arm.state.moving)
    outside.call(SetBool, "stall", data=True)
    try:
        outside.until(lambda: goal.ended is not None)
        assert goal.ended.reason == "arm_fault" and "does not answer" in goal.ended.detail
        outside.until(lambda: not outside.robot.arm.state.healthy)
        assert outside.robot.arm.move_to("home").outcome.reason == "arm_fault"
        assert outside.goes(MoveArm.Goal(named="home")).ended.reason == "arm_fault"
    finally:
        outside.call(SetBool, "stall", data=False)
    outside.until(lambda: outside.robot.arm.state.healthy)


def test_somebody_at_the_bench_is_noticed_and_leaves_again(outside):
    outside.until(lambda: outside.robot.workspace.read().ok)
    outside.call(SetBool, "visit", data=True)
    outside.until(lambda: outside.robot.workspace.read().detail == "somebody is in reach")
    outside.call(SetBool, "visit", data=False)
    outside.until(lambda: outside.robot.workspace.read().ok)


def test_a_robot_that_is_not_there_is_named_part_by_part():
    with Runtime() as runtime:
        robot = Robot(runtime.node("lonely", namespace="/elsewhere"), settings.load(CONFIG))
        with pytest.raises(RobotAway, match="the arm says nothing of itself; nothing says whether somebody"):
            robot.wait_ready(0.3)


@pytest.mark.parametrize("clock", [False, True])
@pytest.mark.slow
def test_a_bench_is_sorted_over_topics_and_actions(tmp_path, clock):
    kinds = ["pliers", "tape measure", "Phillips screwdriver", "combination wrench"]
    chosen = settings.load(CONFIG)
    with simulation(f"simulation.kinds={json.dumps(kinds)}", f"clock={str(clock).lower()}"), Runtime() as runtime:
        node = runtime.node("mission", sim_time=clock)
        robot, frames = Robot(node, chosen), FrameStore()
        robot.wait_ready(60.0)
        tree = share_dir("trees") / "organise_workbench.yaml"
        site = RobotSite(chosen, frames, robot)
        with Mission(chosen, tree, site, frames, human="silent", inputs={}, out=tmp_path) as mission:
            result = mission.run()
        client = node.create_client(Trigger, "/simulation/score")
        found(client)
        score = json.loads(client.call(Trigger.Request()).message)
    assert result.outcome == "done", (result.detail, score)
    assert (score["items"], score["sorted"]) == (4, 4)
    assert result.unverified_motions == 0 and result.safe


@pytest.mark.parametrize("name", ["ros_workbench", "ros_realsense"])
def test_configurations_for_robots_can_be_read(name):
    chosen = settings.load(share_dir("config") / f"{name}.yaml")
    assert "overhead" in chosen.ros.cameras and chosen.bench.zones
