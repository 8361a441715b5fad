"""The two ways time passes: in lockstep with a simulation, and on the wall."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

BetweenTicks = Callable[[int], None]
"""Called with the number of the tick that comes next."""


class LockstepClock:
    """Simulated time: one tick period passes when everything that is due at the next tick has happened.

    Args:
        period_s: Tick period.
        realtime: Keep simulated time from running ahead of the wall.
    """

    def __init__(self, period_s: float, *, realtime: bool = False) -> None:
        self._period_s = period_s
        self._realtime = realtime
        self._tick = 0
        self._steps: Sequence[BetweenTicks] = ()
        self._slow_down: Callable[[], bool] = lambda: False
        self._next_wall_s = time.monotonic()

    def connect(self, steps: Sequence[BetweenTicks], slow_down: Callable[[], bool]) -> None:
        """Say what happens between ticks, in this order; `slow_down` is true while a live person needs real seconds."""
        self._steps = steps
        self._slow_down = slow_down

    @property
    def now_s(self) -> float:
        return self._tick * self._period_s

    @property
    def tick(self) -> int:
        return self._tick

    @property
    def period_s(self) -> float:
        return self._period_s

    def advance(self) -> None:
        following = self._tick + 1
        for step in self._steps:
            step(following)
        self._tick = following
        self._pace()

    def _pace(self) -> None:
        now_s = time.monotonic()
        if not (self._realtime or self._slow_down()):
            self._next_wall_s = now_s
            return
        self._next_wall_s = max(self._next_wall_s + self._period_s, now_s - 1.0)
        if self._next_wall_s > now_s:
            time.sleep(self._next_wall_s - now_s)
