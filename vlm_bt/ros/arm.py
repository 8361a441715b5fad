"""The `Arm` port on a robot: picks and places as sequences of the actions MoveArm and Grip, and nothing else.

So the executive runs where no message package of MoveIt or of a gripper is installed; what serves the actions is a
node of its own (`moveit_arm`, `trajectory_arm`, or the simulation).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

from rclpy.action import ActionClient
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from vlm_bt_interfaces.action import Grip, MoveArm
from vlm_bt_interfaces.msg import ArmState as ArmStateMessage
from vlm_bt_interfaces.msg import AttachedObject

from vlm_bt.ports import ArmState, Clock, Ticket
from vlm_bt.ros.goal import CancelEverything, Goal
from vlm_bt.ros.runtime import Inbox
from vlm_bt.ros_settings import RosArmSettings
from vlm_bt.scene.handling import held_object, pointing_down, tcp_over
from vlm_bt.types import Grasp, HeldObject, Outcome, PlaceSpot, Pose, VerifiedObject

EMPTY_WIDTH_M = 0.0022
OPEN_WIDER_M = 0.016
ABOVE_BENCH_M = 0.003
"""What is put down is let go this far above where it was gripped."""

Program = Generator[Goal, Outcome, Outcome]


@dataclass(frozen=True)
class _State:
    healthy: bool
    moving: bool
    gripper_width_m: float
    tcp: tuple[float, float, float]
    last_motion_s: float


class RosArm:
    """Drives whatever serves MoveArm and Grip. `step` is called between ticks, in the executive's thread.

    A new motion while another is under way stops that one first, and waits until it stands.

    Args:
        base_frame: Frame of every pose that is sent.
    """

    def __init__(self, node: Node, settings: RosArmSettings, clock: Clock, inbox: Inbox, base_frame: str) -> None:
        self._settings = settings
        self._clock = clock
        self._inbox = inbox
        self._base_frame = base_frame
        self._node = node
        self._move = ActionClient(node, MoveArm, settings.move)
        self._grip = ActionClient(node, Grip, settings.grip)
        self._cancel = (CancelEverything(node, settings.move), CancelEverything(node, settings.grip))
        self._ticket: Ticket[Any] | None = None
        self._program: Program | None = None
        self._goal: Goal | None = None
        self._again: Callable[[], Goal] | None = None
        self._ending: list[Goal] = []
        self._next: tuple[Ticket[Any], Program] | None = None
        self._paused = False
        self._said: ArmStateMessage | None = None
        self._said_s = -1.0
        self._last_motion_s = 0.0
        self._attached: AttachedObject | None = None
        node.create_subscription(
            ArmStateMessage, settings.state, lambda m: inbox.post(lambda: self._hear(m)), qos_profile_sensor_data
        )

    @property
    def commanding(self) -> bool:
        """Whether a goal is under way: what the guardian is told."""
        return self._goal is not None or bool(self._ending)

    @property
    def heard(self) -> bool:
        """Whether the arm has said anything lately."""
        return self._said is not None and self._clock.now_s - self._said_s <= self._settings.lost_s

    @property
    def state(self) -> ArmState:
        said = self._said
        if said is None:
            return _State(False, False, 0.0, (0.0, 0.0, 0.0), self._last_motion_s)
        at = said.tcp.position
        moving = bool(said.moving) or self.commanding
        healthy = bool(said.healthy) and self.heard
        return _State(healthy, moving, float(said.gripper_width_m), (at.x, at.y, at.z), self._last_motion_s)

    def pick(self, tool: VerifiedObject, grasps: Sequence[Grasp]) -> Ticket[HeldObject]:
        """Take the first of `grasps` that the arm can reach."""
        ticket: Ticket[HeldObject] = Ticket(f"pick {tool}", self.stop)
        return self._start(ticket, self._pick(ticket, tool, tuple(grasps)))

    def place(self, held: HeldObject, spot: PlaceSpot) -> Ticket[None]:
        ticket: Ticket[None] = Ticket(f"place {held.label} in {spot.zone}", self.stop)
        return self._start(ticket, self._place(held, spot))

    def release(self, held: HeldObject) -> Ticket[None]:
        ticket: Ticket[None] = Ticket(f"release {held.label}", self.stop)
        return self._start(ticket, self._release(held))

    def move_to(self, named: str) -> Ticket[None]:
        ticket: Ticket[None] = Ticket(f"move to {named}", self.stop)
        return self._start(ticket, self._named(named))

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
        if self._goal is not None:
            self._goal.cancel("the arm was stopped")
            self._ending.append(self._goal)
            self._goal = None
        for cancel in self._cancel:
            cancel()
        stopped = Outcome("cancelled", "the arm was stopped")
        for ticket in (self._ticket, self._next[0] if self._next is not None else None):
            if ticket is not None:
                ticket.fail(stopped)
        if self._program is not None:
            self._program.close()
        self._ticket = self._program = self._again = self._next = None

    def step(self) -> None:
        """Between ticks: watch the goal under way, begin the next one."""
        for goal in [*self._ending, *((self._goal,) if self._goal is not None else ())]:
            goal.step()
        self._ending = [goal for goal in self._ending if not goal.standing]
        if self._paused or self._ending:
            # A goal that was held ends as cancelled; it is sent again when the arm may go on.
            return
        if self._program is None and self._next is not None:
            (self._ticket, self._program), self._next = self._next, None
            self._advance(None)
        elif self._goal is not None and self._goal.ended is not None:
            ended, held = self._goal.ended, self._goal.ended.reason == "cancelled"
            if held and self._again is not None:
                self._goal = self._again()
            else:
                self._advance(ended)

    def _start(self, ticket: Ticket[Any], program: Program) -> Ticket[Any]:
        if not self.heard:
            ticket.fail(Outcome("arm_fault", "the arm has not said anything lately"))
            return ticket
        if not self.state.healthy:
            ticket.fail(Outcome("arm_fault", self._said.fault if self._said is not None else "the arm is not well"))
            return ticket
        if self._program is not None:
            self.stop()
        self._next = (ticket, program)
        return ticket

    def _advance(self, ended: Outcome | None) -> None:
        assert self._program is not None
        try:
            self._goal = self._program.send(ended) if ended is not None else next(self._program)
        except StopIteration as finished:
            outcome: Outcome = finished.value
            ticket, self._ticket, self._program, self._goal, self._again = self._ticket, None, None, None, None
            if ticket is not None and outcome.ok:
                ticket.resolve(outcome.evidence.get("value"))
            elif ticket is not None:
                ticket.fail(outcome)

    def _pick(self, ticket: Ticket[HeldObject], tool: VerifiedObject, grasps: tuple[Grasp, ...]) -> Program:
        reached: Grasp | None = None
        missed = Outcome("unreachable", "there is no grasp to try")
        for grasp in grasps:
            missed = yield self._grip_to(grasp.opening_m)
            if not missed.ok:
                return missed
            missed = yield self._go(pointing_down((*grasp.position[:2], self._settings.rise_m), grasp.yaw_rad))
            if missed.ok:
                reached = grasp
                break
            if missed.reason != "unreachable":
                return missed
        if reached is None:
            return missed
        down = yield self._straight(reached.position, reached.yaw_rad, may_touch=(tool.object.id,))
        if not down.ok:
            yield self._straight((*reached.position[:2], self._settings.rise_m), reached.yaw_rad)
            return down
        closed = yield self._grip_to(0.0, self._settings.grip_force_n)
        held = held_object(tool, reached, reached.yaw_rad, self.state.gripper_width_m, reached.position[2])
        caught = closed.ok and not self._empty()
        self._attached = _attached(held) if caught else None
        up = yield self._straight((*reached.position[:2], self._settings.rise_m), reached.yaw_rad)
        if not closed.ok or not up.ok:
            return closed if not closed.ok else up
        if not caught:
            return Outcome("grasp_failed", "the fingers closed on nothing")
        if self._empty():
            self._attached = None
            return Outcome("dropped", f"the {tool.label} was lost while it was lifted")
        return Outcome(evidence={"value": held})

    def _place(self, held: HeldObject, spot: PlaceSpot) -> Program:
        if self._empty():
            return Outcome("dropped", f"the {held.label} is not in the hand")
        yaw = spot.yaw_rad - held.yaw_offset_rad
        at = tcp_over(held, spot.centre, yaw)
        rise_m = self._settings.rise_m
        carried = yield self._go(pointing_down((*at, rise_m), yaw))
        if not carried.ok:
            return carried
        low_m = min(held.height_m + ABOVE_BENCH_M + spot.drop_m, rise_m)
        lowered = yield self._straight((*at, low_m), yaw)
        if self._empty():
            return Outcome("dropped", f"the {held.label} was lost on the way")
        if not lowered.ok:
            yield self._straight((*at, rise_m), yaw)
            return lowered
        opened = yield self._grip_to(held.width_m + OPEN_WIDER_M)
        self._attached = None
        if not opened.ok:
            return opened
        return (yield self._straight((*at, rise_m), yaw))

    def _release(self, held: HeldObject) -> Program:
        if self._empty():
            return Outcome("dropped", f"the {held.label} is not in the hand")
        self._attached = None
        return (yield self._grip_to(held.width_m + OPEN_WIDER_M))

    def _named(self, named: str) -> Program:
        goal = MoveArm.Goal()
        goal.named = named
        return (yield self._send_move(goal, self._settings.speed, f"move to {named}"))

    def _go(self, pose: Pose) -> Goal:
        return self._send_move(self._pose_goal(pose), self._settings.speed, "move")

    def _straight(self, position: tuple[float, float, float], yaw_rad: float, may_touch: Sequence[str] = ()) -> Goal:
        goal = self._pose_goal(pointing_down(position, yaw_rad))
        goal.path.straight = True
        goal.may_touch = list(may_touch)
        return self._send_move(goal, self._settings.careful, "move straight")

    def _pose_goal(self, pose: Pose) -> Any:
        goal = MoveArm.Goal()
        goal.pose.header.frame_id = self._base_frame
        at, turned = goal.pose.pose.position, goal.pose.pose.orientation
        at.x, at.y, at.z = pose.position
        turned.w, turned.x, turned.y, turned.z = pose.quaternion
        return goal

    def _send_move(self, goal: Any, speed: float, what: str) -> Goal:
        goal.speed_scale = speed
        goal.time_limit_s = self._settings.motion_limit_s
        goal.attached = [self._attached] if self._attached is not None else []
        return self._send(self._move, goal, what)

    def _grip_to(self, width_m: float, force_n: float = 0.0) -> Goal:
        goal = Grip.Goal()
        goal.width_m, goal.force_n, goal.time_limit_s = width_m, force_n, self._settings.motion_limit_s
        return self._send(self._grip, goal, "grip")

    def _send(self, client: ActionClient, goal: Any, what: str) -> Goal:
        def send() -> Goal:
            return Goal(
                client,
                goal,
                self._inbox,
                lambda: self._clock.now_s,
                accept_limit_s=self._settings.accept_limit_s,
                limit_s=self._settings.motion_limit_s,
                what=what,
            )

        self._again = send
        return send()

    def _empty(self) -> bool:
        return self.state.gripper_width_m < EMPTY_WIDTH_M

    def _hear(self, said: ArmStateMessage) -> None:
        self._said, self._said_s = said, self._clock.now_s
        if said.moving:
            self._last_motion_s = self._clock.now_s


def _attached(held: HeldObject) -> AttachedObject:
    """A box around what is held, along the hand's own axes."""
    shape, message = held.tool.object.footprint, AttachedObject()
    message.id = held.tool.object.id
    message.pose.position.x, message.pose.position.y = held.offset_m
    message.pose.orientation.w = 1.0
    message.size.x, message.size.y, message.size.z = shape.length_m, shape.width_m, shape.height_m
    return message
