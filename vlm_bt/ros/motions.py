"""Picks and places as sequences of the actions MoveArm and Grip. What carries them out is `vlm_bt.ros.arm.RosArm`."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from vlm_bt_interfaces.action import Grip, MoveArm
from vlm_bt_interfaces.msg import AttachedObject

from vlm_bt.ros_settings import RosArmSettings
from vlm_bt.scene.handling import held_object, nearest_half_turn, pointing_down, tcp_over
from vlm_bt.types import Grasp, HeldObject, Outcome, PlaceSpot, VerifiedObject

Point3 = tuple[float, float, float]

EMPTY_WIDTH_M = 0.0022
OPEN_WIDER_M = 0.016
ABOVE_BENCH_M = 0.003
"""What is put down is let go this far above where it was gripped."""
TRIES_AT_MOST = 12
"""Grasps that are asked for before a thing counts as out of reach."""


@dataclass(frozen=True, eq=False)
class Command:
    """One goal for one of the two actions; it is sent again where the arm was held meanwhile."""

    action: Literal["move", "grip"]
    message: Any
    what: str


@dataclass(frozen=True, eq=False)
class Ended:
    """How a command ended. `result`: the action's result message; None where the server gave none."""

    outcome: Outcome
    result: Any = None

    @property
    def ok(self) -> bool:
        return self.outcome.ok

    @property
    def unreachable(self) -> bool:
        return self.outcome.reason == "unreachable"


@dataclass(frozen=True)
class Hand:
    """Where the tool centre point is (metres), the hand's x axis points (seen from above), and how wide it is open."""

    position: Point3
    yaw_rad: float
    width_m: float


Program = Generator[Command, Ended, Outcome]
"""Yields commands, is sent how each ended, returns how the whole ended; a value is in its evidence."""


class Motions:
    """Writes the programs. Remembers what is in the hand, so that it is kept clear of everything on every way.

    Args:
        hand: Tells where the hand is now, as the arm says.
        base_frame: Frame of every pose that is sent.
    """

    def __init__(self, settings: RosArmSettings, base_frame: str, hand: Callable[[], Hand]) -> None:
        self._settings = settings
        self._base_frame = base_frame
        self._hand = hand
        self._attached: AttachedObject | None = None
        # The height at which the fingers closed on something, until they are opened again.
        self._closed_m: float | None = None
        self._inherited = False

    def begin_mission(self) -> None:
        """Another mission: what is between the fingers by now is nothing that it has taken itself."""
        self._inherited = self._closed_m is not None

    def pick(self, tool: VerifiedObject, grasps: Sequence[Grasp]) -> Program:
        """Take the first of `grasps` that the arm can reach, either way round."""
        cleared = yield from self._put_down_leftover()
        if not cleared.ok:
            return cleared
        missed, opening_m = Outcome("unreachable", "there is no grasp to try"), -1.0
        for grasp in grasps[:TRIES_AT_MOST]:
            if grasp.opening_m != opening_m:
                opened = yield self._grip_to(grasp.opening_m)
                if not opened.ok:
                    return opened.outcome
                opening_m = grasp.opening_m
            for yaw in _either_way(grasp.yaw_rad):
                above = yield self._over(grasp.position[:2], yaw)
                down = (yield self._straight(grasp.position, yaw, (tool.object.id,))) if above.ok else above
                if down.ok:
                    return (yield from self._take(tool, grasp, yaw, _height(down, grasp.position[2])))
                missed = down.outcome
                if not down.unreachable:
                    return (yield from self._back_off(down, grasp.position[:2], yaw))
        return missed

    def place(self, held: HeldObject, spot: PlaceSpot) -> Program:
        """Put what is held down with its footprint on the spot, either end first, and rise."""
        if self._empty():
            return self._lost(held, "is not in the hand")
        low_m = min(held.height_m + ABOVE_BENCH_M + spot.drop_m, self._settings.rise_m)
        missed = Outcome("unreachable", "")
        for yaw in _either_way(spot.yaw_rad - held.yaw_offset_rad):
            at = tcp_over(held, spot.centre, yaw)
            carried = yield self._over(at, yaw)
            lowered = (yield self._straight((*at, low_m), yaw)) if carried.ok else carried
            if self._empty():
                return self._lost(held, "was lost on the way")
            if lowered.ok:
                return (yield from self._let_go(held, at, yaw))
            missed = lowered.outcome
            if not lowered.unreachable:
                return (yield from self._back_off(lowered, at, yaw))
        return missed

    def release(self, held: HeldObject) -> Program:
        """Open the fingers where they are."""
        if self._empty():
            return self._lost(held, "is not in the hand")
        opened = yield self._open(held.width_m)
        return opened.outcome

    def named(self, name: str) -> Program:
        """What an earlier mission left in the hand is put down first; what this one holds goes along."""
        if self._inherited:
            cleared = yield from self._put_down_leftover()
            if not cleared.ok:
                return cleared
        goal = MoveArm.Goal()
        goal.named = name
        moved = yield self._move(goal, self._settings.speed, f"move to {name}")
        return moved.outcome

    def _take(self, tool: VerifiedObject, grasp: Grasp, yaw: float, height_m: float) -> Program:
        at = grasp.position[:2]
        closed = yield self._grip_to(0.0, self._settings.grip_force_n)
        if not closed.ok:
            return closed.outcome
        caught = bool(closed.result.held)
        held = held_object(tool, grasp, yaw, float(closed.result.width_m), height_m)
        if caught:
            self._attached, self._closed_m = attached(held), height_m
        risen = yield self._straight((*at, self._settings.rise_m), yaw, (tool.object.id,))
        if not risen.ok:
            return risen.outcome
        if not caught:
            return Outcome("grasp_failed", f"the fingers closed on nothing at ({at[0]:.2f}, {at[1]:.2f})")
        if self._empty():
            return self._lost(held, "was lost while it was lifted")
        return Outcome(evidence={"value": held})

    def _let_go(self, held: HeldObject, at: tuple[float, float], yaw: float) -> Program:
        opened = yield self._open(held.width_m)
        if not opened.ok:
            return opened.outcome
        risen = yield self._straight((*at, self._settings.rise_m), yaw, (held.tool.object.id,))
        return risen.outcome

    def _back_off(self, ended: Ended, at: tuple[float, float], yaw: float) -> Program:
        """After a mishap the hand rises; after a fault, or where somebody stopped it, nothing moves any more."""
        if ended.outcome.family == "mishap":
            yield self._straight((*at, self._settings.rise_m), yaw)
        return ended.outcome

    def _put_down_leftover(self) -> Program:
        """What a motion that was stopped left between the fingers is lowered where it is, not dropped from above."""
        if self._closed_m is not None and not self._empty():
            hand = self._hand()
            x, y, z = hand.position
            lowered = yield self._straight((x, y, min(z, self._closed_m + ABOVE_BENCH_M)), hand.yaw_rad)
            if not lowered.ok and lowered.outcome.reason != "blocked":
                return lowered.outcome
            opened = yield self._open(hand.width_m)
            if not opened.ok:
                return opened.outcome
        self._attached = self._closed_m = None
        self._inherited = False
        return Outcome()

    def _lost(self, held: HeldObject, how: str) -> Outcome:
        self._attached = self._closed_m = None
        return Outcome("dropped", f"the {held.label} {how}")

    def _over(self, at: tuple[float, float], yaw: float) -> Command:
        goal = self._pose_goal((*at, self._settings.rise_m), yaw)
        return self._move(goal, self._settings.speed, f"move over ({at[0]:.2f}, {at[1]:.2f})")

    def _straight(self, position: Point3, yaw: float, may_touch: Sequence[str] = ()) -> Command:
        goal = self._pose_goal(position, yaw)
        goal.path.straight = True
        goal.may_touch = list(may_touch)
        return self._move(goal, self._settings.careful, f"move straight to {position[2]:.3f} m")

    def _pose_goal(self, position: Point3, yaw: float) -> Any:
        goal, pose = MoveArm.Goal(), pointing_down(position, yaw)
        goal.pose.header.frame_id = self._base_frame
        at, turned = goal.pose.pose.position, goal.pose.pose.orientation
        at.x, at.y, at.z = (float(v) for v in pose.position)
        turned.w, turned.x, turned.y, turned.z = (float(v) for v in pose.quaternion)
        return goal

    def _move(self, goal: Any, speed: float, what: str) -> Command:
        goal.speed_scale = speed
        goal.time_limit_s = self._settings.motion_limit_s
        goal.attached = [self._attached] if self._attached is not None else []
        return Command("move", goal, what)

    def _open(self, width_m: float) -> Command:
        self._attached = self._closed_m = None
        return self._grip_to(width_m + OPEN_WIDER_M)

    def _grip_to(self, width_m: float, force_n: float = 0.0) -> Command:
        goal = Grip.Goal()
        goal.width_m, goal.force_n, goal.time_limit_s = float(width_m), force_n, self._settings.motion_limit_s
        return Command("grip", goal, "open the hand" if width_m > 0 else "close the hand")

    def _empty(self) -> bool:
        return self._hand().width_m < EMPTY_WIDTH_M


def attached(held: HeldObject) -> AttachedObject:
    """A box around what is held, in the frame of a hand that points straight down."""
    shape, message = held.tool.object.footprint, AttachedObject()
    message.id = held.tool.object.id
    at, turned = message.pose.position, message.pose.orientation
    at.x, at.y = held.offset_m
    # The hand's z axis points down: the middle of the thing lies below the grasp where that is above half its height.
    at.z = held.height_m - shape.height_m / 2
    turned.w, turned.z = math.cos(held.yaw_offset_rad / 2), -math.sin(held.yaw_offset_rad / 2)
    message.size.x, message.size.y, message.size.z = shape.length_m, shape.width_m, shape.height_m
    return message


def _either_way(yaw_rad: float) -> Iterator[float]:
    """The two yaws that look alike to a parallel gripper, the one that points forward first."""
    forward = nearest_half_turn(yaw_rad)
    yield forward
    yield forward - math.copysign(math.pi, forward)


def _height(moved: Ended, asked_m: float) -> float:
    """Where the tool centre point came to be, metres."""
    z = float(moved.result.tcp.pose.position.z) if moved.result is not None else 0.0
    return z if z > 0.0 else asked_m
