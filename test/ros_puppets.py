"""An arm's action servers that do what a test says, over real rclpy; as a script, a process that can be killed."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import numpy as np
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from vlm_bt_interfaces.action import Grip, MoveArm
from vlm_bt_interfaces.msg import ArmState

from vlm_bt.ros import pictures
from vlm_bt.ros.runtime import Runtime
from vlm_bt.types import Intrinsics

# Nodes find each other in a moment, and large images are not lost.
PROFILE = Path(__file__).parent.parent / "config" / "fastdds.xml"
os.environ.setdefault("FASTRTPS_DEFAULT_PROFILES_FILE", str(PROFILE))
os.environ.setdefault("FASTDDS_DEFAULT_PROFILES_FILE", str(PROFILE))


class PuppetArm:
    """Serves MoveArm and Grip: the hand is where the last goal sent it, the fingers close on `thing_m`.

    Attributes:
        takes_s: How long a goal takes. reply: what a move says at its end, by its number from 0 or for all (None).
        accepts_after_s: How long a goal waits to be accepted.
        deaf: Cancels are taken and not obeyed. silent: no state is published any more.
    """

    def __init__(self, runtime: Runtime, serves: bool = True) -> None:
        self.takes_s, self.accepts_after_s = 0.05, 0.0
        self.reply: dict[int | None, str] = {}
        self.deaf = self.silent = self.refuses = False
        self.thing_m = 0.02
        self.healthy, self.fault = True, ""
        self.goals: list[object] = []
        self.cancels: list[float] = []
        self.running = 0
        self.overlaps = 0
        self.let_go = threading.Event()
        self.position, self.width_m = (0.3, 0.0, 0.5), 0.08
        self.node = runtime.node("puppet_arm")
        group = ReentrantCallbackGroup()
        self._servers = [
            ActionServer(
                self.node,
                kind,
                name,
                self._execute,
                goal_callback=self._asked,
                cancel_callback=self._cancelled,
                callback_group=group,
            )
            for kind, name in ((MoveArm, "move_arm"), (Grip, "grip"))
            if serves
        ]
        self._states = self.node.create_publisher(ArmState, "arm_state", 10)
        self._moved = self.node.get_clock().now().to_msg()
        self.node.create_timer(0.02, self._say, callback_group=group)

    @property
    def moves(self) -> list[MoveArm.Goal]:
        return [goal for goal in self.goals if isinstance(goal, MoveArm.Goal)]

    def close(self) -> None:
        """A node does not take its action servers with it: they would go on answering."""
        self.let_go.set()
        while self.running:
            time.sleep(0.005)
        for server in self._servers:
            server.destroy()

    def _say(self) -> None:
        if self.silent:
            return
        said = ArmState(healthy=self.healthy, fault=self.fault, moving=self.running > 0)
        said.header.stamp = self.node.get_clock().now().to_msg()
        if said.moving:
            self._moved = said.header.stamp
        said.last_motion = self._moved
        said.gripper_width_m = float(self.width_m)
        said.tcp.position.x, said.tcp.position.y, said.tcp.position.z = self.position
        said.tcp.orientation.w, said.tcp.orientation.x = 0.0, 1.0
        self._states.publish(said)

    def _asked(self, goal: object) -> GoalResponse:
        time.sleep(self.accepts_after_s)
        return GoalResponse.REJECT if self.refuses else GoalResponse.ACCEPT

    def _cancelled(self, handle: object) -> CancelResponse:
        self.cancels.append(time.monotonic())
        return CancelResponse.ACCEPT

    def _execute(self, handle):
        number = len(self.goals)
        self.goals.append(handle.request)
        self.overlaps += self.running > 0
        self.running += 1
        result = (MoveArm if isinstance(handle.request, MoveArm.Goal) else Grip).Result()
        began = time.monotonic()
        while time.monotonic() - began < self.takes_s and not self.let_go.is_set():
            if handle.is_cancel_requested and not self.deaf:
                time.sleep(0.03)
                break
            time.sleep(0.002)
        self.running -= 1
        if isinstance(handle.request, MoveArm.Goal):
            result.standstill = True
        if handle.is_cancel_requested:
            result.outcome.reason = "cancelled"
            handle.canceled()
            return result
        result.outcome.reason = self.reply.get(number, self.reply.get(None, "done"))
        if result.outcome.reason != "done":
            handle.abort()
            return result
        self._obey(handle.request, result)
        handle.succeed()
        return result

    def _obey(self, goal, result) -> None:
        if isinstance(goal, Grip.Goal):
            self.width_m = max(goal.width_m, self.thing_m) if goal.width_m == 0.0 else goal.width_m
            result.width_m, result.held = float(self.width_m), goal.width_m == 0.0 and self.thing_m > 0.0022
        elif not goal.named:
            at = goal.pose.pose.position
            self.position = (at.x, at.y, at.z)
            result.tcp = goal.pose


class PuppetCamera:
    """Publishes what a test says, when it says so; `shoot` sends a pair. Pixel (0, 0) of colour counts the shots."""

    LENS = Intrinsics(64, 48, 60.0, 60.0, 31.5, 23.5)

    def __init__(
        self,
        runtime: Runtime,
        *,
        reliable: bool = True,
        kept: bool = False,
        compressed: bool = False,
        name: str = "cam",
    ) -> None:
        self.node = runtime.node(f"puppet_{name}")
        self.compressed = compressed
        self.shots = 0
        self.info = pictures.camera_info(self.LENS, pictures.header(frame=f"{name}_optical"))
        quality = QoSProfile(
            depth=5,
            reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if kept else DurabilityPolicy.VOLATILE,
        )
        self._colour = self.node.create_publisher(CompressedImage if compressed else Image, f"{name}/colour", quality)
        self._depth = self.node.create_publisher(Image, f"{name}/depth", quality)
        self._info = self.node.create_publisher(CameraInfo, f"{name}/info", quality)

    def stamp(self, ago_s: float = 0.0):
        return Time(nanoseconds=self.node.get_clock().now().nanoseconds - round(ago_s * 1e9)).to_msg()

    def shoot(
        self, *, ago_s: float = 0.0, apart_s: float = 0.0, colour=True, depth=True, info=True, millimetres=True
    ) -> None:
        self.shots += 1
        head = pictures.header(self.stamp(ago_s), self.info.header.frame_id)
        late = pictures.header(self.stamp(ago_s + apart_s) if apart_s else head.stamp, head.frame_id)
        rgb = np.full((48, 64, 3), (10, 20, 30), np.uint8)
        rgb[0, 0] = self.shots % 256
        if info:
            self.info.header = head
            self._info.publish(self.info)
        if colour:
            made = (
                pictures.compressed_colour(rgb, head, "png") if self.compressed else pictures.colour_message(rgb, head)
            )
            self._colour.publish(made)
        if depth:
            metres = np.full((48, 64), 0.75, np.float32)
            self._depth.publish(pictures.depth_message(metres, late, "16UC1" if millimetres else "32FC1"))

    def close(self) -> None:
        for publisher in (self._colour, self._depth, self._info):
            self.node.destroy_publisher(publisher)


if __name__ == "__main__":
    with Runtime(threads=6) as served:
        puppet = PuppetArm(served)
        puppet.takes_s = float(sys.argv[1])
        print("ready", flush=True)
        threading.Event().wait()
