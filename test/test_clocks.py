"""The two ways time passes."""

import pytest

from vlm_bt.clocks import LockstepClock, WallClock


class Hand:
    """A clock that a test turns: waiting moves it, unless it stands still."""

    def __init__(self, still=False):
        self.now_s, self.still = 100.0, still

    def now(self):
        return self.now_s

    def wait(self, seconds):
        self.now_s += 0 if self.still else seconds


def test_a_tick_comes_every_period_of_real_time():
    hand = Hand()
    clock = WallClock(0.05, now=hand.now, wait=hand.wait)
    ticks = []
    clock.connect((ticks.append,), lambda: False)
    for _ in range(4):
        clock.advance()
    assert ticks == [1, 2, 3, 4] and clock.tick == 4
    assert clock.now_s == pytest.approx(0.2)


def test_a_late_tick_is_not_made_up_for_by_a_burst():
    hand = Hand()
    clock = WallClock(0.05, now=hand.now, wait=hand.wait)
    clock.advance()
    hand.now_s += 10.0
    before = clock.now_s
    clock.advance()
    clock.advance()
    clock.advance()
    assert clock.now_s - before >= 2 * 0.05 - 1e-9


def test_a_clock_that_stands_still_does_not_stop_the_ticks(monkeypatch):
    monkeypatch.setattr("vlm_bt.clocks.STILL_AT_MOST_S", 0.01)
    hand = Hand(still=True)
    clock = WallClock(0.05, now=hand.now, wait=hand.wait)
    clock.advance()
    assert clock.tick == 1


def test_who_is_in_a_hurry_gets_the_next_tick_at_once_and_only_that_one():
    hand = Hand()
    clock = WallClock(0.05, now=hand.now, wait=lambda seconds: (hand.wait(seconds), clock.hurry()))
    clock.advance()
    assert clock.now_s == pytest.approx(0.005)
    clock._wait = hand.wait
    clock.advance()
    clock.advance()
    assert clock.now_s >= 0.1


def test_time_never_runs_back():
    hand = Hand()
    clock = WallClock(0.05, now=hand.now, wait=hand.wait)
    hand.now_s = 3.0
    assert clock.now_s == 0.0


def test_simulated_time_is_the_number_of_ticks():
    clock = LockstepClock(0.05)
    clock.advance()
    clock.advance()
    assert clock.now_s == pytest.approx(0.1)
