"""Both sides of a driver: joints and a gripper that it moves, and a client that sends it MoveArm and Grip."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import ros_puppets  # noqa: F401  (sets what Fast DDS goes by)
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from sensor_msgs.msg import JointState
from vlm_bt_interfaces.action import Grip, MoveArm

from vlm_bt.clocks import WallClock
from vlm_bt.ros.arm import RosArm
from vlm_bt.ros.goal import ActionPort, Goal
from vlm_bt.ros.messages import pose_message
from vlm_bt.ros.runtime import Inbox, Runtime
from vlm_bt.ros.stamps import Stamps
from vlm_bt.scene.handling import pointing_down


class PuppetJoints:
    """Joints that say where they are, a gripper that closes on `thing_m`, and whatever else a test serves.

    Attributes:
        silent: Joint states are not published any more.
    """

    def __init__(self, runtime: Runtime, chosen) -> None:
        from control_msgs import action

        self.chosen = chosen
        self.joints = np.array(chosen.named["home"])
        self.width_m, self.thing_m, self.silent = 0.08, 0.0, False
        self.grips: list[object] = []
        self.node = runtime.node("controllers")
        self.group = ReentrantCallbackGroup()
        self._servers: list[ActionServer] = []
        parallel = chosen.gripper_kind == "parallel_gripper_command"
        self._gripper = action.ParallelGripperCommand if parallel else action.GripperCommand
        self.serve(self._gripper, chosen.gripper, self._parallel if parallel else self._grip)
        self._said = self.node.create_publisher(JointState, chosen.joint_states, 10)
        self.node.create_timer(0.01, self._say, callback_group=self.group)

    def serve(self, kind: type, name: str, execute: Callable) -> None:
        self._servers.append(
            ActionServer(
                self.node,
                kind,
                name,
                execute,
                goal_callback=lambda goal: GoalResponse.ACCEPT,
                cancel_callback=lambda handle: CancelResponse.ACCEPT,
                callback_group=self.group,
            )
        )

    def close(self) -> None:
        for server in self._servers:
            server.destroy()

    def _say(self) -> None:
        if self.silent:
            return
        first, second = self.chosen.finger_joints
        half = self.width_m / 2
        self._said.publish(
            JointState(name=[second, *self.chosen.joints, first], position=[half, *self.joints.tolist(), half])
        )

    def _to(self, aim_m: float) -> bool:
        time.sleep(0.1)
        self.width_m = max(aim_m, self.thing_m)
        return self.width_m == aim_m

    def _grip(self, handle):
        self.grips.append(handle.request.command)
        result = self._gripper.Result()
        result.reached_goal = self._to(handle.request.command.position / self.chosen.gripper_scale)
        result.position, result.stalled = self.width_m * self.chosen.gripper_scale, not result.reached_goal
        handle.succeed()
        return result

    def _parallel(self, handle):
        self.grips.append(handle.request.command)
        result = self._gripper.Result()
        result.reached_goal = self._to(handle.request.command.position[0] / self.chosen.gripper_scale)
        result.stalled = not result.reached_goal
        result.state = JointState(name=handle.request.command.name, position=[self.width_m * self.chosen.gripper_scale])
        handle.succeed()
        return result


class Client:
    """Sends goals to the driver, and waits for their ends."""

    def __init__(self, runtime: Runtime, settings) -> None:
        node = runtime.node("client")
        self.inbox = Inbox()
        self.port = RosArm(node, settings, Stamps(node, WallClock(0.02)), self.inbox, "base")
        self.actions = {MoveArm: ActionPort(node, MoveArm, "move_arm"), Grip: ActionPort(node, Grip, "grip")}
        self.until(lambda: self.port.heard and self.port.state.healthy and self.port.served, 30.0)

    def until(self, true: Callable[[], bool], limit_s: float = 15.0) -> None:
        began = time.monotonic()
        while not true():
            assert time.monotonic() - began < limit_s, "it never happened"
            self.inbox.empty()
            self.port.step()
            time.sleep(0.005)

    def send(self, message) -> Goal:
        port = self.actions[MoveArm if isinstance(message, MoveArm.Goal) else Grip]
        return Goal(port, message, self.inbox, time.monotonic, accept_limit_s=5, limit_s=30, what="goal")

    def ends(self, goal: Goal) -> Goal:
        def ended() -> bool:
            goal.step()
            return goal.ended is not None

        self.until(ended, 40.0)
        return goal

    def goes(self, message) -> Goal:
        return self.ends(self.send(message))


def to(position, *, straight: bool = False, **more) -> MoveArm.Goal:
    """A hand that points straight down there."""
    goal = MoveArm.Goal(**more)
    goal.pose.header.frame_id = "base"
    goal.pose.pose = pose_message(pointing_down(position, 0.0))
    goal.path.straight = straight
    return goal
