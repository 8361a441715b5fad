"""The simulated workbench as a robot: what a RealSense, an arm and a workspace monitor say, in real time.

Another simulator takes its place by publishing the same topics and serving the same two actions; see docs/05-ros.md.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.time import Time
from rosgraph_msgs.msg import Clock as ClockMessage
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool
from std_srvs.srv import SetBool, Trigger
from vlm_bt_interfaces.msg import ArmState

from vlm_bt.devices.people import load_script, script_path
from vlm_bt.frames import FrameStore
from vlm_bt.ros.arm_server import ArmServer, Hand
from vlm_bt.ros.messages import pose_message
from vlm_bt.ros.pictures import header
from vlm_bt.ros.runtime import Inbox, Runtime
from vlm_bt.ros.sim_arm import SimArm
from vlm_bt.ros.sim_cameras import SimCameras, topics
from vlm_bt.ros.sim_person import SimPerson
from vlm_bt.ros.sim_tf import SimTf
from vlm_bt.settings import Settings
from vlm_bt.simulation.robot import FINGER_JOINTS, JOINTS
from vlm_bt.simulation.scenario import Scenario
from vlm_bt.simulation.truth import Truth
from vlm_bt.simulation.world import World

PERIOD_S = 0.02
MONITOR_EVERY = 5
BEHIND_AT_MOST_S = 0.3
"""A world that is further behind real time than this does not catch up: its own time runs slower."""
BEGINS_S = 10.0
"""Simulated time on /clock when the world begins: 0 means to ROS that no time is known yet."""

LayOut = Callable[[Scenario], Scenario]


class SimNode:
    """Made, run and closed in one thread, which owns the world; what ROS brings waits in an inbox for it.

    Args:
        rate_hz: Pictures a second of each camera, as far as the CPU allows.
        noise: Pictures have a sensor's noise.
        clock: Stamps are simulated time, and /clock tells it.
        human: "scripted" or "scripted:FILE" answers questions over ROS; "" only acts on what others answer.

    Raises:
        ConfigError, DrawingError.
    """

    def __init__(
        self,
        node: Node,
        settings: Settings,
        seed: int,
        *,
        rate_hz: float = 30.0,
        noise: bool = True,
        clock: bool = False,
        human: str = "",
        lay_out: LayOut | None = None,
    ) -> None:
        simulation, ros = settings.simulation, settings.ros
        scenario = Scenario.from_seed(seed, simulation.items, kinds=simulation.kinds)
        self._settings = settings
        self._node = node
        self._inbox = Inbox()
        self._frames = FrameStore()
        self.world = World(
            lay_out(scenario) if lay_out is not None else scenario,
            self._frames,
            robot=settings.arm.robot,
            staged=simulation.staged_events,
        )
        self._truth = Truth(self.world)
        self._steps = 0
        self.behind_s = 0.0
        self._arm = SimArm(self.world.arm, ros.base_frame)
        self._hand = self._read_hand()
        self._clock = node.create_publisher(ClockMessage, "/clock", 10) if clock else None
        self.cameras = SimCameras(node, self.world, ros.cameras or _all_cameras(), rate_hz, self._stamp, noise=noise)
        self._states = node.create_publisher(ArmState, ros.arm.state, 10)
        self._joints = node.create_publisher(JointState, "joint_states", 10)
        self._clear = node.create_publisher(Bool, ros.workspace.topic, qos_profile_sensor_data)
        self._tf = SimTf.made(node, ros.base_frame, {name: self.cameras.pose(name) for name in self.cameras.names})
        self._person = self._somebody(human)
        self._serve_tests()
        self._arm_server = ArmServer(
            node,
            ros.arm,
            lambda task: self._inbox.post(lambda: self._arm.begin(task, self.world.now_s)),
            lambda: self._hand,
            ros.base_frame,
        )

    def run(self, stop: threading.Event) -> None:
        """Let the world go on in real time until told to stop."""
        due_s = time.monotonic()
        while not stop.is_set():
            self.step()
            self.cameras.step()
            due_s += PERIOD_S
            now_s = time.monotonic()
            if now_s - due_s > BEHIND_AT_MOST_S:
                self.behind_s += now_s - due_s - BEHIND_AT_MOST_S
                due_s = now_s - BEHIND_AT_MOST_S
            stop.wait(max(0.0, due_s - now_s))

    def step(self) -> None:
        """One period of the world, and what its sensors say then."""
        self._inbox.empty()
        self.world.advance(PERIOD_S)
        self._steps += 1
        self._hand = self._read_hand()
        if self._clock is not None:
            self._clock.publish(ClockMessage(clock=self._stamp()))
        self._arm.step(self.world.now_s, PERIOD_S)
        self._person.settle(self._steps)
        stamp = self._stamp()
        self._say_arm(stamp)
        self._say_joints(stamp)
        if self._steps % MONITOR_EVERY == 0:
            self._clear.publish(Bool(data=self.world.monitor.read().ok))
        if self._tf is not None:
            self._tf.say(stamp, {"tool": self._hand.pose, **self._moving_cameras()})

    def close(self) -> None:
        """Idempotent."""
        self._arm_server.close()
        self.cameras.close()
        self.world.close()
        self._frames.close()

    # What follows is the clock that a scripted person answers by.

    @property
    def now_s(self) -> float:
        return self.world.now_s

    @property
    def tick(self) -> int:
        return self._steps

    @property
    def period_s(self) -> float:
        return PERIOD_S

    def advance(self) -> None:
        """The world goes on by `run`, not because somebody waits."""

    def hurry(self) -> None:
        """The world goes at its own pace."""

    def _stamp(self) -> Any:
        if self._clock is None:
            return self._node.get_clock().now().to_msg()
        return Time(nanoseconds=round((BEGINS_S + self.world.now_s) * 1e9)).to_msg()

    def _read_hand(self) -> Hand:
        arm = self.world.arm
        return Hand(arm.tcp_pose, arm.state.gripper_width_m, self._arm.holds)

    def _say_arm(self, stamp: Any) -> None:
        arm = self.world.arm
        said = ArmState(header=header(stamp, self._settings.ros.base_frame), healthy=not arm.fault, fault=arm.fault)
        said.moving, said.gripper_width_m = arm.state.moving, self._hand.width_m
        said.tcp = pose_message(self._hand.pose)
        ago_ns = round((self.world.now_s - arm.state.last_motion_s) * 1e9)
        said.last_motion = Time(nanoseconds=max(0, Time.from_msg(stamp).nanoseconds - ago_ns)).to_msg()
        self._states.publish(said)

    def _say_joints(self, stamp: Any) -> None:
        drive = self.world.arm.drive
        half_m = drive.width_m / 2
        positions = [*(float(value) for value in drive.joints), half_m, half_m]
        self._joints.publish(JointState(header=header(stamp), name=[*JOINTS, *FINGER_JOINTS], position=positions))

    def _moving_cameras(self) -> Mapping[str, Any]:
        return {f"{name}_optical": self.cameras.pose(name) for name in self.cameras.names if name == "wrist"}

    def _somebody(self, human: str) -> SimPerson:
        channel, _, file = human.partition(":")
        script = None
        if channel == "scripted":
            script = load_script(script_path(file or self._settings.human.script, shipped=not file))
        return SimPerson(self._node, self.world, self._inbox, self, lambda place: self._truth.kind_at(*place), script)

    def _serve_tests(self) -> None:
        """The truth, and staged faults: for tests and demonstrations."""
        group = ReentrantCallbackGroup()
        self._node.create_service(Trigger, "~/score", self._score, callback_group=group)
        self._node.create_service(SetBool, "~/stall", self._stall, callback_group=group)
        self._node.create_service(SetBool, "~/visit", self._visit, callback_group=group)

    def _score(self, request: Any, response: Any) -> Any:
        """How the bench lies now, as JSON."""
        found: list[Any] = []
        seen = threading.Event()

        def look() -> None:
            found.append(self._truth.score(self._settings.zones()))
            seen.set()

        self._inbox.post(look)
        response.success = seen.wait(5.0)
        if found:
            known = asdict(found[0]) | {"handed_over": found[0].handed_over}
            known |= {"simulated_s": round(self.world.now_s, 2), "behind_s": round(self.behind_s, 2)}
            response.message = json.dumps(known)
        return response

    def _stall(self, request: Any, response: Any) -> Any:
        """True: a joint no longer answers. False: it does again."""
        arm = self.world.arm
        self._inbox.post((lambda: arm.stall()) if request.data else arm.recover)
        response.success = True
        return response

    def _visit(self, request: Any, response: Any) -> Any:
        """True: somebody walks up to the bench. False: they leave."""
        self._inbox.post(self.world.person_comes if request.data else self.world.person_goes)
        response.success = True
        return response


def main(
    settings: Settings,
    seed: int,
    *,
    stop: threading.Event,
    rate_hz: float = 30.0,
    noise: bool = True,
    clock: bool = False,
    human: str = "",
    name: str = "simulation",
    namespace: str = "",
    ros_args: tuple[str, ...] = (),
    lay_out: LayOut | None = None,
    ready: Callable[[], None] = lambda: None,
) -> int:
    """Be the robot until `stop` is set; `ready` is called when everything is there. The exit code.

    Raises:
        ConfigError, DrawingError.
    """
    with Runtime(list(ros_args), threads=8) as runtime:
        node = runtime.node(name, namespace=namespace)
        robot = SimNode(node, settings, seed, rate_hz=rate_hz, noise=noise, clock=clock, human=human, lay_out=lay_out)
        try:
            ready()
            robot.run(stop)
        finally:
            robot.close()
    return 0


def _all_cameras() -> Mapping[str, Any]:
    return {name: topics(name) for name in ("overhead", "wrist")}
