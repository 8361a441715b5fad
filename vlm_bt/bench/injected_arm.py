"""Sees every command that reaches the arm, with the tick and the truth. For a campaign's measures, never for a leaf."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vlm_bt.ports import Arm, ArmState, Clock, Ticket
from vlm_bt.types import Grasp, HeldObject, PlaceSpot, VerifiedObject

MOTIONS = ("pick", "place", "release", "move_to", "resume")


@dataclass(frozen=True)
class Command:
    """What the arm was told at a tick. `in_reach`: a person really was, at that moment."""

    tick: int
    verb: str
    in_reach: bool


@dataclass(frozen=True)
class Taken:
    """One pick: what it was taken for, by which verdict, and what it is ("" where nothing lay there)."""

    label: str
    object_id: str
    verdict_id: str
    real: str


class WatchedArm:
    """An arm driver that notes commands and picks, and otherwise only passes on."""

    def __init__(
        self,
        arm: Arm,
        clock: Clock,
        kind_at: Callable[[tuple[float, float]], str],
        in_reach: Callable[[], bool],
    ) -> None:
        self._arm = arm
        self._clock = clock
        self._kind_at = kind_at
        self._in_reach = in_reach
        self._held = False
        self.commands: list[Command] = []
        self.taken: list[Taken] = []

    @property
    def held(self) -> bool:
        """Whether it has been told to stand still."""
        return self._held

    def pick(self, tool: VerifiedObject, grasps: Sequence[Grasp]) -> Ticket[HeldObject]:
        real = self._kind_at(tool.object.footprint.centre)
        self.taken.append(Taken(tool.label, tool.object.id, tool.verdict_id, real))
        self._note("pick")
        return self._arm.pick(tool, grasps)

    def place(self, held: HeldObject, spot: PlaceSpot) -> Ticket[None]:
        self._note("place")
        return self._arm.place(held, spot)

    def release(self, held: HeldObject) -> Ticket[None]:
        self._note("release")
        return self._arm.release(held)

    def move_to(self, named: str) -> Ticket[None]:
        self._note("move_to")
        return self._arm.move_to(named)

    def hold(self) -> None:
        self._note("hold")
        self._held = True
        self._arm.hold()

    def resume(self) -> None:
        # Only what was held can be released.
        if self._held:
            self._note("resume")
        self._held = False
        self._arm.resume()

    def stop(self) -> None:
        self._note("stop")
        self._arm.stop()

    @property
    def state(self) -> ArmState:
        return self._arm.state

    def _note(self, verb: str) -> None:
        self.commands.append(Command(self._clock.tick, verb, self._in_reach()))
