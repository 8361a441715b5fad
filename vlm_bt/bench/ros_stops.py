"""How a mission starts, and that it stops: when it is told to, and when its process is killed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vlm_bt.bench.form import Figure, Say

if TYPE_CHECKING:
    from vlm_bt.bench.ros_cell import Cell

TREE = "organise_workbench"
MOVES_WITHIN_S = 20.0
STANDS_WITHIN_S = 5.0
SOMETIME_S = 6.0
INTO_MOTION_S = 0.5
"""A mission is stopped at a random moment: up to so long into the first motion after a random while."""
STAYS_S = 0.3
TRIES = 3
STARTS_WITHIN_S = 90.0


def start_figures(cell: Cell, count: int, say: Say) -> list[Figure]:
    """From the acceptance of a goal, as the client sees it, to the first tick, as its evidence arrives there."""
    took: list[float] = []
    for number in range(count):
        begun = cell.witness.begin(TREE, within_s=STARTS_WITHIN_S)
        if begun is None:
            continue
        handle, accepted_s = begun
        first_s = cell.witness.first_tick_s(accepted_s)
        handle.cancel_goal_async()
        _ended(handle)
        if first_s is not None:
            took.append(first_s - accepted_s)
            say(f"start {number + 1}: {took[-1] * 1e3:.0f} ms")
    return [
        Figure("missions that started", float(len(took)), "", float(count), "exactly"),
        Figure("accepted to first tick, slowest", max(took, default=float("inf")), "s", 0.5),
    ]


def abort_figures(cell: Cell, count: int, draw: random.Random, say: Say) -> list[Figure]:
    """From saying stop to the goal that is seen to be stopping, through service, executive and action: all of it."""
    took: list[float] = []
    stood = 0
    for number in range(count):
        handle = _moving(cell, draw)
        if handle is None:
            say(f"abort {number + 1}: the arm never moved")
            continue
        goals = cell.witness.moving
        said_s = cell.witness.abort()
        _ended(handle)
        stood += _stands(cell)
        stopped = [cell.witness.stopping_s[goal] - said_s for goal in goals if goal in cell.witness.stopping_s]
        took += stopped
        say(f"abort {number + 1}: {', '.join(f'{s * 1e3:.0f} ms' for s in stopped) or 'between two motions'}")
    return [
        Figure("aborts after which no goal was left", float(stood), "", float(count), "exactly"),
        Figure("aborts in mid-motion", float(len(took)), ""),
        Figure("abort to stop command, slowest", max(took, default=0.0) * 1e3, "ms", cell.tick_s * 1e3 + 10.0),
        Figure("abort to stop command, middle", sorted(took)[len(took) // 2] * 1e3 if took else 0.0, "ms"),
    ]


def kill_figures(cell: Cell, count: int, draw: random.Random, say: Say) -> list[Figure]:
    """kill -9 of the mission node: the guardian cancels what it left under way."""
    took: list[float] = []
    stood = 0
    for number in range(count):
        if _moving(cell, draw) is None:
            say(f"kill {number + 1}: the arm never moved")
            continue
        busy = bool(cell.witness.moving)
        cell.kill_missions()
        killed_s = time.monotonic()
        stands = _stands(cell)
        told = _within(lambda: cell.witness.guardian == "stopped", STANDS_WITHIN_S)
        stood += stands and told
        if busy and stands:
            took.append(max(at_s for _, at_s in cell.witness.goals.values()) - killed_s)
        say(f"kill {number + 1}: " + (f"stands after {took[-1] * 1e3:.0f} ms" if busy and stands else "nothing moved"))
        cell.start_missions()
    return [
        Figure("kills after which no goal was left", float(stood), "", float(count), "exactly"),
        Figure("kills in mid-motion", float(len(took)), ""),
        Figure("kill to standstill, slowest", max(took, default=0.0), "s"),
    ]


def _moving(cell: Cell, draw: random.Random) -> Any:
    """A mission whose arm has just begun to move, somewhere in its course; None where that does not come about."""
    for _ in range(TRIES):
        _within(lambda: cell.witness.guardian == "watching", STARTS_WITHIN_S)
        cell.witness.tidy()
        begun = cell.witness.begin(TREE, within_s=STARTS_WITHIN_S)
        if begun is None:
            return None
        time.sleep(draw.uniform(0.0, SOMETIME_S))
        if _within(lambda: cell.witness.moving, MOVES_WITHIN_S):
            time.sleep(draw.uniform(0.0, INTO_MOTION_S))
            return begun[0]
        begun[0].cancel_goal_async()
        _ended(begun[0])
        cell.new_robot()
    return None


def _stands(cell: Cell) -> bool:
    """No goal is under way any more, and none comes."""
    if not _within(lambda: not cell.witness.under_way, STANDS_WITHIN_S):
        return False
    time.sleep(STAYS_S)
    return not cell.witness.under_way


def _ended(handle: Any) -> None:
    _within(handle.get_result_async().done, MOVES_WITHIN_S)


def _within(true: Callable[[], Any], within_s: float) -> bool:
    from vlm_bt.ros.stops import wait

    return wait(true, within_s)
