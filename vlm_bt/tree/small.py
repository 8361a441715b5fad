"""The small leaves of the language itself: wait, set a variable, write a line into the record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from py_trees.behaviour import Behaviour
from py_trees.common import Status

from vlm_bt.ports import Clock
from vlm_bt.types import DONE, Outcome

LONGEST_LINE = 2_000


class _Small(Behaviour):
    """A leaf that succeeds unless it is interrupted."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.outcome: Outcome = DONE

    def terminate(self, new_status: Status) -> None:
        self.outcome = Outcome("cancelled") if new_status == Status.INVALID else DONE


class Wait(_Small):
    """Lets a time pass on the mission's clock (py_trees' Timer reads the wall clock)."""

    def __init__(self, name: str, for_s: float, clock: Clock) -> None:
        super().__init__(name)
        self.for_s = for_s
        self._clock = clock
        self._began_s = 0.0

    def initialise(self) -> None:
        self._began_s = self._clock.now_s

    def update(self) -> Status:
        left_s = self.for_s - (self._clock.now_s - self._began_s)
        self.feedback_message = f"{left_s:.1f} s left"
        return Status.RUNNING if left_s > 1e-9 else Status.SUCCESS

    def postpone(self, seconds: float) -> None:
        """Time in which a guard had suspended the work does not count."""
        self._began_s += seconds


class Set(_Small):
    """Sets a variable at once."""

    def __init__(self, name: str, read: Callable[[], Any], write: Callable[[Any], None]) -> None:
        super().__init__(name)
        self._read = read
        self._write = write

    def update(self) -> Status:
        self._write(self._read())
        return Status.SUCCESS


class Log(_Small):
    """Writes a line into the record at once. What its variables hold is data, never read again as a template."""

    def __init__(self, name: str, parts: Sequence[str | Callable[[], Any]], ports: Any) -> None:
        super().__init__(name)
        self._parts = parts
        self._ports = ports

    def update(self) -> Status:
        line = "".join(part if isinstance(part, str) else written(part()) for part in self._parts)[:LONGEST_LINE]
        self._ports.recorder.write("event", {"what": "log", "node": self.name, "text": line})
        self.feedback_message = line
        return Status.SUCCESS


def written(value: Any) -> str:
    """A value in a line: a list without brackets, a number without needless digits."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
