"""What the server shows: a mission that runs, or a record."""

from __future__ import annotations

import math
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from vlm_bt.web.access import Role
from vlm_bt.web.live_cameras import LiveCameras
from vlm_bt.web.log import MissionLog

Command = Mapping[str, Any]


@dataclass(frozen=True)
class Done:
    """What came of a command; `text` says why not, or what the robot says to it."""

    ok: bool
    text: str = ""


class Source(Protocol):
    """Safe from any thread.

    Attributes:
        log: Another one where another mission is shown from now on.
        commands: What can be asked of it at all, beside looking.
        pictures: Live ones; None where there are none.
    """

    @property
    def kind(self) -> Literal["live", "record"]: ...

    @property
    def name(self) -> str: ...

    @property
    def log(self) -> MissionLog: ...

    @property
    def cameras(self) -> tuple[str, ...]: ...

    @property
    def commands(self) -> frozenset[str]: ...

    @property
    def pictures(self) -> LiveCameras | None: ...

    @property
    def now(self) -> Mapping[str, Any] | None:
        """The state of a running mission, as the message `now` has it."""
        ...

    def picture(self, frame: str) -> bytes | None:
        """JPEG; None: it is not kept."""
        ...

    def depth(self, frame: str) -> bytes | None:
        """PNG; None: it is not kept."""
        ...

    def do(self, command: Command, role: Role) -> Future[Done]:
        """What a browser asks for and the role allows."""
        ...


def number_in(command: Command, name: str) -> float | None:
    """A finite number; None where there is none."""
    value = command.get(name)
    if not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def done(ok: bool, text: str = "") -> Future[Done]:
    """It is done already."""
    future: Future[Done] = Future()
    future.set_result(Done(ok, text))
    return future
