"""Sees what the arm really takes: for the scorer alone, never for a leaf."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vlm_bt.ports import Arm, ArmState, Ticket
from vlm_bt.types import Grasp, HeldObject, PlaceSpot, VerifiedObject

ALSO_CALLED = {"T-handle Allen wrench": ("Allen wrench",)}
"""Names that are no mistake, by the real kind."""


@dataclass(frozen=True)
class Witnessed:
    """One pick: what it was moved as, and what it is; `real` is "" where nothing lay there."""

    label: str
    real: str

    @property
    def false(self) -> bool:
        return bool(self.real) and self.label != self.real and self.label not in ALSO_CALLED.get(self.real, ())


class WitnessedArm:
    """An arm driver that notes the truth at every pick and otherwise only passes on."""

    def __init__(self, arm: Arm, kind_at: Callable[[tuple[float, float]], str]) -> None:
        self._arm = arm
        self._kind_at = kind_at
        self.picks: list[Witnessed] = []

    def pick(self, tool: VerifiedObject, grasps: Sequence[Grasp]) -> Ticket[HeldObject]:
        self.picks.append(Witnessed(tool.label, self._kind_at(tool.object.footprint.centre)))
        return self._arm.pick(tool, grasps)

    def place(self, held: HeldObject, spot: PlaceSpot) -> Ticket[None]:
        return self._arm.place(held, spot)

    def release(self, held: HeldObject) -> Ticket[None]:
        return self._arm.release(held)

    def move_to(self, named: str) -> Ticket[None]:
        return self._arm.move_to(named)

    def hold(self) -> None:
        self._arm.hold()

    def resume(self) -> None:
        self._arm.resume()

    def stop(self) -> None:
        self._arm.stop()

    @property
    def state(self) -> ArmState:
        return self._arm.state
