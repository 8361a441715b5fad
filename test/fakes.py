"""Small stand-ins for ports that tests of single parts need; whole missions use the simulation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vlm_bt.ports import Ticket
from vlm_bt.types import Box, Footprint, Grasp, HeldObject, LocatedObject, Outcome, PlaceSpot, VerifiedObject


@dataclass
class CrankClock:
    """Time passes when the test says so."""

    period_s: float = 0.05
    tick: int = 0

    @property
    def now_s(self) -> float:
        return self.tick * self.period_s

    def advance(self) -> None:
        self.tick += 1

    def hurry(self) -> None:
        pass

    def pass_s(self, seconds: float) -> None:
        self.tick += round(seconds / self.period_s)


@dataclass
class ListRecorder:
    """Keeps what is written."""

    written: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    frames: list[tuple[str, str]] = field(default_factory=list)

    def write(self, channel: str, data: Mapping[str, Any]) -> None:
        self.written.append((channel, dict(data)))

    def keep_frame(self, frame_id: str, why: str) -> None:
        self.frames.append((frame_id, why))

    def on(self, channel: str) -> list[dict[str, Any]]:
        return [data for name, data in self.written if name == channel]


@dataclass
class ArmReading:
    healthy: bool = True
    moving: bool = False
    gripper_width_m: float = 0.02
    tcp: tuple[float, float, float] = (0.3, 0.0, 0.4)
    last_motion_s: float = -1.0


class TicketArm:
    """Hands out tickets that the test ends, and remembers what it was told."""

    def __init__(self) -> None:
        self.state = ArmReading()
        self.told: list[str] = []
        self.tickets: list[Ticket[Any]] = []

    def pick(self, tool: VerifiedObject, grasps: Sequence[Grasp]) -> Ticket[HeldObject]:
        return self._start(f"pick {tool.label}")

    def place(self, held: HeldObject, spot: PlaceSpot) -> Ticket[None]:
        return self._start(f"place {held.label}")

    def release(self, held: HeldObject) -> Ticket[None]:
        return self._start(f"release {held.label}")

    def move_to(self, named: str) -> Ticket[None]:
        return self._start(named)

    def hold(self) -> None:
        self.told.append("hold")

    def resume(self) -> None:
        self.told.append("resume")

    def stop(self) -> None:
        self.told.append("stop")

    def _start(self, what: str) -> Ticket[Any]:
        self.told.append(what)
        ticket: Ticket[Any] = Ticket(what)
        self.tickets.append(ticket)
        return ticket


def thing(
    name: str = "object-1", at: tuple[float, float] = (0.5, 0.1), frame: str = "overhead-1", stamp_s: float = 0.0
) -> LocatedObject:
    shape = Footprint(at, 0.15, 0.03, 0.0, 0.012, 0.003)
    return LocatedObject(name, frame, 0, Box(10, 10, 60, 30), shape, stamp_s)


def held(tool: VerifiedObject) -> HeldObject:
    return HeldObject(tool, tool.verdict_id, 0.02, 0.012, (0.0, 0.0), 0.0)


def done(ticket: Ticket[Any], value: Any = None) -> None:
    ticket.resolve(value)


def failed(ticket: Ticket[Any], reason: str) -> None:
    ticket.fail(Outcome(reason))
