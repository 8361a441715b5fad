"""The `Arm` port on a robot: picks and places as sequences of the actions MoveArm and Grip, and nothing else.

So the executive runs where no message package of MoveIt or of a gripper is installed; what serves the actions is a
node of its own (`trajectory_arm`, the simulation, or one of yours).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from vlm_bt_interfaces.action import Grip, MoveArm
from vlm_bt_interfaces.msg import ArmState as ArmStateMessage

from vlm_bt.ports import ArmState, Ticket
from vlm_bt.ros.goal import ActionPort, CancelEverything, Goal
from vlm_bt.ros.messages import pose_of, seconds_of
from vlm_bt.ros.motions import Command, Ended, Hand, Motions, Program
from vlm_bt.ros.mounting import HandPoses
from vlm_bt.ros.runtime import Inbox
from vlm_bt.ros.stamps import Stamps
from vlm_bt.ros_settings import RosArmSettings
from vlm_bt.types import Grasp, HeldObject, Outcome, PlaceSpot, VerifiedObject

CANCEL_ANSWER_S = 0.5
"""A new motion waits so long at most until the servers have answered that they cancelled everything."""


@dataclass(frozen=True)
class _State:
    healthy: bool
    moving: bool
    gripper_width_m: float
    tcp: tuple[float, float, float]
    last_motion_s: float


class RosArm:
    """Drives whatever serves MoveArm and Grip. `step` is called between ticks, in the executive's thread.

    A new motion while another is under way stops that one first, and waits until it stands. A goal that `hold`
    cancelled is sent again by `resume`; one that somebody else cancelled ends its motion.

    Args:
        stamps: Limits are on the ROS clock; the mission's may be another one from mission to mission.
        base_frame: Frame of every pose that is sent.

    Attributes:
        hand_poses: Where the hand was lately, for cameras that the arm carries.
    """

    def __init__(self, node: Node, settings: RosArmSettings, stamps: Stamps, inbox: Inbox, base_frame: str) -> None:
        self._settings = settings
        self._inbox = inbox
        self._stamps = stamps
        self._ports = {
            "move": ActionPort(node, MoveArm, settings.move),
            "grip": ActionPort(node, Grip, settings.grip),
        }
        self._cancel = (CancelEverything(node, settings.move), CancelEverything(node, settings.grip))
        self._motions = Motions(settings, base_frame, self._hand)
        self._ticket: Ticket[Any] | None = None
        self._program: Program | None = None
        self._command: Command | None = None
        self._goal: Goal | None = None
        self._ending: list[Goal] = []
        self._cancelling: list[Any] = []
        self._cancelled_s = 0.0
        self._next: tuple[Ticket[Any], Program] | None = None
        self._paused = False
        self._said: ArmStateMessage | None = None
        self._said_s = 0.0
        self._news = False
        self._last_motion_s = 0.0
        self.hand_poses = HandPoses()
        node.create_subscription(
            ArmStateMessage,
            settings.state,
            self._listen,
            qos_profile_sensor_data,
            callback_group=MutuallyExclusiveCallbackGroup(),
        )

    @property
    def commanding(self) -> bool:
        """Whether a goal is under way: what the guardian is told."""
        return self._goal is not None or bool(self._ending)

    @property
    def heard(self) -> bool:
        """Whether the arm has said anything lately."""
        return self._said is not None and self._stamps.now_s - self._said_s <= self._settings.lost_s

    @property
    def served(self) -> bool:
        """Whether both actions have a server now."""
        return all(port.served for port in self._ports.values())

    @property
    def rivals(self) -> list[str]:
        """Actions that more than one node serves: an arm in a shared ROS domain, or a server that was started twice."""
        return [port.name for port in self._ports.values() if port.servers > 1]

    @property
    def state(self) -> ArmState:
        said = self._said
        if said is None:
            return _State(False, False, 0.0, (0.0, 0.0, 0.0), 0.0)
        hand = self._hand()
        moving = bool(said.moving) or self.commanding
        healthy = bool(said.healthy) and self.heard
        moved_s = self._stamps.mission_s(self._last_motion_s)
        return _State(healthy, moving, hand.width_m, hand.position, moved_s)

    def pick(self, tool: VerifiedObject, grasps: Sequence[Grasp]) -> Ticket[HeldObject]:
        """Take the first of `grasps` that the arm can reach."""
        ticket: Ticket[HeldObject] = Ticket(f"pick {tool}", self.stop)
        return self._start(ticket, self._motions.pick(tool, tuple(grasps)))

    def place(self, held: HeldObject, spot: PlaceSpot) -> Ticket[None]:
        ticket: Ticket[None] = Ticket(f"place {held.label} in {spot.zone}", self.stop)
        return self._start(ticket, self._motions.place(held, spot))

    def release(self, held: HeldObject) -> Ticket[None]:
        ticket: Ticket[None] = Ticket(f"release {held.label}", self.stop)
        return self._start(ticket, self._motions.release(held))

    def move_to(self, named: str) -> Ticket[None]:
        ticket: Ticket[None] = Ticket(f"move to {named}", self.stop)
        return self._start(ticket, self._motions.named(named))

    def begin_mission(self) -> None:
        """What is in the hand is left over from now on, and put down before anything else is done."""
        self._motions.begin_mission()

    def hold(self) -> None:
        """Cancel the goal under way; it is sent again by `resume`."""
        if not self._paused:
            self._paused = True
            if self._goal is not None:
                self._goal.cancel("held")

    def resume(self) -> None:
        self._paused = False

    def stop(self) -> None:
        """Cancel everything at the arm and the gripper, and drop the motion; the grip stays."""
        self._drop(Outcome("cancelled", "the arm was stopped"))
        self._cancelled_s = self._stamps.now_s
        asked = [cancel() for cancel in self._cancel]
        self._cancelling += [future for future in asked if future is not None]

    def step(self) -> None:
        """Between ticks: watch the goal under way, begin the next one."""
        for goal in (*self._ending, *((self._goal,) if self._goal is not None else ())):
            goal.step()
        self._ending = [goal for goal in self._ending if goal.ended is None]
        if (self._program is not None or self._next is not None) and not self.heard:
            self._drop(Outcome("arm_fault", f"the arm has said nothing for {self._settings.lost_s:g} s"))
        elif not self._paused and not self._ending and not self._waits_for_cancel():
            self._go_on()

    def _go_on(self) -> None:
        if self._program is None:
            if self._next is not None:
                (self._ticket, self._program), self._next = self._next, None
                self._advance(None)
            return
        goal, command = self._goal, self._command
        assert goal is not None and command is not None
        if goal.ended is None:
            return
        if goal.cancelled and goal.ended.reason == "cancelled":
            self._send(command)
        elif self._news or not goal.ended.ok:
            # What the arm said before the goal ended does not tell what the goal has done.
            self._advance(Ended(goal.ended, goal.result))

    def _start(self, ticket: Ticket[Any], program: Program) -> Ticket[Any]:
        if not self.heard:
            ticket.fail(Outcome("arm_fault", "the arm has not said anything lately; is its node running?"))
            return ticket
        if not self.state.healthy:
            assert self._said is not None
            ticket.fail(Outcome("arm_fault", self._said.fault or "the arm says that it is not well"))
            return ticket
        self._drop(Outcome("cancelled", "another motion was begun"))
        self._next = (ticket, program)
        return ticket

    def _advance(self, ended: Ended | None) -> None:
        assert self._program is not None
        try:
            command = self._program.send(ended) if ended is not None else next(self._program)
        except StopIteration as finished:
            outcome: Outcome = finished.value
            ticket, self._ticket, self._program, self._goal, self._command = self._ticket, None, None, None, None
            if ticket is not None and outcome.ok:
                ticket.resolve(outcome.evidence.get("value"))
            elif ticket is not None:
                ticket.fail(outcome)
        else:
            self._send(command)

    def _send(self, command: Command) -> None:
        self._command, self._news = command, False
        self._goal = Goal(
            self._ports[command.action],
            command.message,
            self._inbox,
            lambda: self._stamps.now_s,
            accept_limit_s=self._settings.accept_limit_s,
            limit_s=self._settings.motion_limit_s,
            what=command.what,
        )
        self._last_motion_s = self._stamps.now_s

    def _drop(self, why: Outcome) -> None:
        """Cancel the goal under way and forget the motion, and the one that waits."""
        if self._goal is not None:
            self._goal.cancel(why.detail)
            if self._goal.ended is None:
                self._ending.append(self._goal)
        waiting = self._next[0] if self._next is not None else None
        dropped = (self._ticket, waiting)
        if self._program is not None:
            self._program.close()
        self._ticket = self._program = self._goal = self._command = self._next = None
        for ticket in dropped:
            if ticket is not None:
                ticket.fail(why)

    def _waits_for_cancel(self) -> bool:
        """A server may still have to read that everything is cancelled: a goal sent now might be caught by it."""
        late = self._stamps.now_s - self._cancelled_s > CANCEL_ANSWER_S
        self._cancelling = [future for future in self._cancelling if not (late or future.done())]
        return bool(self._cancelling)

    def _hand(self) -> Hand:
        if self._said is None:
            return Hand((0.0, 0.0, 0.0), 0.0, 0.0)
        at, q = self._said.tcp.position, self._said.tcp.orientation
        yaw = math.atan2(2 * (q.x * q.y + q.w * q.z), 1 - 2 * (q.y * q.y + q.z * q.z))
        return Hand((at.x, at.y, at.z), yaw, float(self._said.gripper_width_m))

    def _listen(self, said: ArmStateMessage) -> None:
        """In a thread of ROS."""
        self.hand_poses.add(seconds_of(said.header.stamp), pose_of(said.tcp))
        self._inbox.post(lambda: self._hear(said))

    def _hear(self, said: ArmStateMessage) -> None:
        stamp_s = seconds_of(said.header.stamp)
        self._said, self._said_s = said, self._stamps.now_s
        ended = self._goal is not None and self._goal.ended is not None
        self._news = self._news or ended
        moved_s = max(seconds_of(said.last_motion), stamp_s if said.moving else 0.0)
        self._last_motion_s = max(self._last_motion_s, moved_s)
