"""Between our two actions and whoever moves the joints of a real arm: one goal at a time, each ends at standstill."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from vlm_bt_interfaces.msg import ArmState

from vlm_bt.ros.arm_server import ArmServer, Hand, Task
from vlm_bt.ros.gripper import Gripper
from vlm_bt.ros.joints import JointWatch
from vlm_bt.ros.messages import pose_message
from vlm_bt.ros.pictures import header
from vlm_bt.ros.runtime import Runtime
from vlm_bt.ros_settings import RosSettings
from vlm_bt.settings import Settings
from vlm_bt.types import Outcome, Pose

STATE_S = 0.02
LONGEST_S = 60.0
NOWHERE = Pose((0.0, 0.0, 0.0))


class Mover(Protocol):
    """What brings the hand somewhere."""

    @property
    def fault(self) -> str:
        """Why it cannot; empty where all is well."""
        ...

    def travel(self, task: Task, end_s: float) -> Outcome:
        """Carry out a goal of the action MoveArm, in a thread of its own.

        Sets `task.standstill` to False where whoever moves the joints did not end the goal. `end_s` is on the
        monotonic clock.
        """
        ...

    def pose(self) -> Pose | None:
        """Of the tool centre point now, in the base frame; None where that is not known."""
        ...


class ArmDriver:
    """Serves MoveArm and Grip, and says ArmState."""

    def __init__(self, node: Node, settings: RosSettings, joints: JointWatch, gripper: Gripper, mover: Mover) -> None:
        self._node = node
        self._base_frame = settings.base_frame
        self._joints = joints
        self._gripper = gripper
        self._mover = mover
        self._states = node.create_publisher(ArmState, settings.arm.state, 10)
        node.create_timer(STATE_S, self._say, callback_group=MutuallyExclusiveCallbackGroup())
        self._server = ArmServer(node, settings.arm, self._begin, self._hand, self._base_frame)

    def close(self) -> None:
        self._server.close()

    @property
    def fault(self) -> str:
        """Why nothing may be moved; empty where all is well."""
        return self._joints.fault or self._mover.fault or self._gripper.fault

    def _begin(self, task: Task) -> None:
        threading.Thread(target=self._run, args=(task,), name="arm_driver", daemon=True).start()

    def _run(self, task: Task) -> None:
        try:
            limit_s = float(task.request.time_limit_s)
            end_s = time.monotonic() + (limit_s if limit_s > 0 else LONGEST_S)
            carry_out = self._gripper.carry_out if hasattr(task.request, "width_m") else self._mover.travel
            task.outcome = Outcome("arm_fault", self.fault) if self.fault else carry_out(task, end_s)
            # A goal that the controller has not ended may creep, however slowly.
            task.standstill = task.standstill and self._joints.stand(strictly=not task.outcome.ok)
        except Exception as error:
            # A thread's end: whoever waits must hear of it.
            task.outcome, task.standstill = Outcome("arm_fault", f"the driver failed: {error!r}"), False
            self._node.get_logger().error(f"a goal failed: {error!r}")
        finally:
            task.done.set()

    def _hand(self) -> Hand:
        return Hand(self._mover.pose() or NOWHERE, self._joints.width_m, self._gripper.holds)

    def _say(self) -> None:
        hand, fault = self._hand(), self.fault
        said = ArmState(header=header(self._node.get_clock().now().to_msg(), self._base_frame))
        said.healthy, said.fault = not fault, fault
        said.moving, said.last_motion = self._joints.moving, self._joints.moved
        said.gripper_width_m, said.tcp = hand.width_m, pose_message(hand.pose)
        self._states.publish(said)


class Served(Protocol):
    def close(self) -> None: ...


def serve(
    make: Callable[[Node, Settings], Served],
    settings: Settings,
    name: str,
    *,
    stop: threading.Event,
    namespace: str = "",
    ros_args: tuple[str, ...] = (),
    ready: Callable[[], None] = lambda: None,
) -> int:
    """Make an arm on a node of that name and serve it until `stop` is set; `ready` is called then. The exit code.

    Raises:
        ConfigError: Messages are not installed, or the settings do not fit the robot.
    """
    with Runtime(list(ros_args), threads=8) as runtime:
        arm = make(runtime.node(name, namespace=namespace), settings)
        try:
            ready()
            stop.wait()
        finally:
            arm.close()
    return 0
