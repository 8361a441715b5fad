"""Where a mission takes place: camera, arm, people and time, in simulation or on a robot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from vlm_bt.clocks import BetweenTicks
from vlm_bt.devices.people import Channel
from vlm_bt.ports import Arm, Camera, Clock, Monitor, Recorder
from vlm_bt.types import Question, Zone

Picture = Callable[[Question], Path | None]
"""Draws the picture of a question, with the thing it is about marked; None where there is none."""

People = Callable[[Clock, Recorder, Picture], Channel]
"""Makes a channel to people."""


class SteppedClock(Clock, Protocol):
    """A clock that lets things happen between ticks."""

    def connect(self, steps: Sequence[BetweenTicks], slow_down: Callable[[], bool]) -> None: ...


@dataclass(frozen=True)
class Judged:
    """What the scorer says; it alone sees the truth, so on a robot there is none.

    Attributes:
        false: Picks of a thing under a name that is not its own, as (moved as, really is).
    """

    score: Mapping[str, int] = field(default_factory=dict)
    handed_over: int = 0
    false: tuple[tuple[str, str], ...] = ()


class Site(Protocol):
    """Everything outside the executive. The mission owns it and closes it.

    Attributes:
        lockstep: Time is simulated: it stands still while a model thinks.
    """

    lockstep: bool

    @property
    def clock(self) -> SteppedClock: ...

    @property
    def camera(self) -> Camera: ...

    @property
    def arm(self) -> Arm: ...

    @property
    def monitors(self) -> Mapping[str, Monitor]: ...

    def step(self, tick: int) -> None:
        """Between ticks: let the world move on, take in what the devices have sent."""
        ...

    def person(self, how: str, recorder: Recorder, picture: Picture) -> Channel:
        """The channel to whoever answers. Raises: ConfigError: there is none called that."""
        ...

    def judge(self, zones: Mapping[str, Zone]) -> Judged: ...

    def close(self) -> None:
        """Idempotent."""
        ...
