"""The two ways time passes: in lockstep with a simulation, and on the wall."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

SLICE_S = 0.005
"""So long a wait goes on after somebody has asked to hurry."""
STILL_AT_MOST_S = 0.5
"""A clock that stands still longer does not keep the executive from its next tick."""

BetweenTicks = Callable[[int], None]
"""Called with the number of the tick that comes next."""


class WallClock:
    """Real time: a tick every period, and what happens between ticks takes place meanwhile.

    A tick that came late is not made up for: the next one comes a period after it.

    Args:
        now: Tells the time in seconds; it may stand still or jump, as simulated time of another program does.
        wait: Lets at most so many seconds of real time pass.
    """

    def __init__(
        self,
        period_s: float,
        *,
        now: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._period_s = period_s
        self._now = now
        self._wait = wait
        self._began_s = now()
        self._tick = 0
        self._steps: Sequence[BetweenTicks] = ()
        self._next_s = self._began_s + period_s
        self._hurried = False

    def connect(self, steps: Sequence[BetweenTicks], slow_down: Callable[[], bool]) -> None:
        """Say what happens between ticks, in this order."""
        self._steps = steps

    @property
    def now_s(self) -> float:
        """Since the clock was made; never runs back."""
        return max(0.0, self._now() - self._began_s)

    @property
    def tick(self) -> int:
        return self._tick

    @property
    def period_s(self) -> float:
        return self._period_s

    def hurry(self) -> None:
        """Let the tick that is being waited for come at once."""
        self._hurried = True

    def advance(self) -> None:
        following = self._tick + 1
        for step in self._steps:
            step(following)
        limit_s = time.monotonic() + STILL_AT_MOST_S
        while (left_s := self._next_s - self._now()) > 0 and time.monotonic() < limit_s and not self._hurried:
            self._wait(min(left_s, SLICE_S))
        self._tick, self._hurried = following, False
        late_s = self._now() - self._next_s
        self._next_s += self._period_s if late_s < self._period_s else late_s + self._period_s


class LockstepClock:
    """Simulated time: one tick period passes when everything that is due at the next tick has happened.

    Args:
        period_s: Tick period.
        realtime: Keep simulated time from running ahead of the wall.

    Attributes:
        speed: So many times as fast as the wall simulated time runs at most; None: as fast as it can. May be set from
            any thread.
    """

    def __init__(self, period_s: float, *, realtime: bool = False) -> None:
        self._period_s = period_s
        self.speed: float | None = 1.0 if realtime else None
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

    def hurry(self) -> None:
        """Simulated time does not wait for the wall, or but a tick."""

    def _pace(self) -> None:
        now_s = time.monotonic()
        speed = self.speed or (1.0 if self._slow_down() else None)
        if speed is None:
            self._next_wall_s = now_s
            return
        following_s = self._next_wall_s + self._period_s / speed
        self._next_wall_s = min(max(following_s, now_s - 1.0), now_s + self._period_s / speed)
        if self._next_wall_s > now_s:
            time.sleep(self._next_wall_s - now_s)
