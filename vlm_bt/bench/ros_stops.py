"""How a mission starts, and that it stops: when it is told to, and when its process is killed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from vlm_bt.bench.form import Figure, Say
from vlm_bt.bench.kept import Kept, Row

if TYPE_CHECKING:
    from vlm_bt.bench.ros_cell import Cell

Cells = Callable[[], "Cell"]
"""Gives the cell, which is started with the first trial that is not known yet."""

TREE = "organise_workbench"
MOVES_WITHIN_S = 20.0
STANDS_WITHIN_S = 5.0
SOMETIME_S = 6.0
INTO_MOTION_S = 0.5
"""A mission is stopped at a random moment: up to so long into the first motion after a random while."""
STAYS_S = 0.3
TRIES = 3
STARTS_WITHIN_S = 90.0
LOOK_S = 0.002


def start_figures(cells: Cells, kept: Kept, count: int, say: Say) -> list[Figure]:
    """From the acceptance of a goal, as the client sees it, to the first tick, as its evidence arrives there."""

    def trial(number: int) -> Row:
        cell = cells()
        begun, took_s = cell.witness.begin(TREE, within_s=STARTS_WITHIN_S), None
        if begun is not None:
            # A quick node's first tick may be heard of before its acceptance is.
            first_s = cell.witness.first_tick_s(begun.sent_s)
            took_s = max(0.0, first_s - begun.accepted_s) if first_s is not None else None
            begun.cancel()
            _within(begun.ends.done, MOVES_WITHIN_S)
        say(f"start {number + 1}: " + (f"{took_s * 1e3:.0f} ms" if took_s is not None else "never"))
        return {"took_s": took_s}

    took = [row["took_s"] for row in kept.complete(count, trial) if row["took_s"] is not None]
    return [
        Figure("missions that started", float(len(took)), "", float(count), "exactly"),
        Figure("accepted to first tick, slowest", max(took, default=float("inf")), "s", 0.5),
    ]


def abort_figures(cells: Cells, kept: Kept, count: int, seed: int, say: Say) -> list[Figure]:
    """From saying stop to the goal that is seen to be stopping, through service, executive and action: all of it."""

    def trial(number: int) -> Row:
        cell, draw = cells(), random.Random(f"abort {seed} {number}")
        mission = _moving(cell, draw)
        if mission is None:
            say(f"abort {number + 1}: the arm never moved")
            return {"stood": False, "stop_ms": [], "tick_s": cell.tick_s}
        goals = cell.witness.moving
        said_s = cell.witness.abort()
        _within(mission.ends.done, MOVES_WITHIN_S)
        stood = _stands(cell)
        stopped = [cell.witness.stopping_s[goal] - said_s for goal in goals if goal in cell.witness.stopping_s]
        stop_ms = [round(taken_s * 1e3, 2) for taken_s in stopped if taken_s >= 0]
        say(f"abort {number + 1}: {', '.join(f'{ms:.0f} ms' for ms in stop_ms) or 'between two motions'}")
        return {"stood": stood, "stop_ms": stop_ms, "tick_s": cell.tick_s}

    rows = kept.complete(count, trial)
    took = sorted(ms for row in rows for ms in row["stop_ms"])
    return [
        Figure("aborts after which no goal was left", float(_stood(rows)), "", float(count), "exactly"),
        Figure("aborts in mid-motion", float(len(took)), ""),
        Figure("abort to stop command, slowest", max(took, default=float("inf")), "ms", rows[0]["tick_s"] * 1e3 + 10.0),
        Figure("abort to stop command, middle", took[len(took) // 2] if took else float("inf"), "ms"),
    ]


def kill_figures(cells: Cells, kept: Kept, count: int, seed: int, say: Say) -> list[Figure]:
    """kill -9 of the mission node: the guardian cancels what it left under way."""

    def trial(number: int) -> Row:
        cell, draw = cells(), random.Random(f"kill {seed} {number}")
        if _moving(cell, draw) is None:
            say(f"kill {number + 1}: the arm never moved")
            # A mission node that is of no use any more must not spoil the trials to come.
            cell.kill("mission")
            cell.start("mission")
            return {"stood": False, "took_s": None}
        busy = cell.witness.moving
        cell.kill("mission")
        killed_s = time.monotonic()
        stands = _stands(cell)
        told = _within(lambda: cell.witness.guardian == "stopped", STANDS_WITHIN_S)
        took_s = max(cell.witness.goals[goal][1] for goal in busy) - killed_s if busy and stands else None
        moved = took_s is not None and took_s > 0
        say(f"kill {number + 1}: " + (f"stands after {took_s * 1e3:.0f} ms" if moved and took_s else "nothing moved"))
        cell.start("mission")
        return {"stood": stands and told, "took_s": took_s if moved else None}

    rows = kept.complete(count, trial)
    took = [row["took_s"] for row in rows if row["took_s"] is not None]
    return [
        Figure("kills after which no goal was left", float(_stood(rows)), "", float(count), "exactly"),
        Figure("kills in mid-motion", float(len(took)), ""),
        Figure("kill to standstill, slowest", max(took, default=0.0), "s"),
    ]


def _stood(rows: Sequence[Row]) -> int:
    return sum(bool(row["stood"]) for row in rows)


def _moving(cell: Cell, draw: random.Random) -> Any:
    """A mission whose arm has just begun to move, somewhere in its course; None where that does not come about."""
    for _ in range(TRIES):
        _within(lambda: cell.witness.guardian == "watching", STARTS_WITHIN_S)
        mission = cell.witness.begin(TREE, within_s=STARTS_WITHIN_S)
        if mission is None:
            return None
        time.sleep(draw.uniform(0.0, SOMETIME_S))
        _moves(cell, mission.ends)
        time.sleep(draw.uniform(0.0, INTO_MOTION_S))
        _moves(cell, mission.ends)
        if not mission.ends.done() and cell.witness.moving:
            return mission
        mission.cancel()
        _within(mission.ends.done, MOVES_WITHIN_S)
        cell.new_robot()
    return None


def _moves(cell: Cell, ends: Any) -> None:
    """Wait for a goal under way, or the mission's end."""
    _within(lambda: ends.done() or cell.witness.moving, MOVES_WITHIN_S)


def _stands(cell: Cell) -> bool:
    """No goal is under way any more, and none comes."""
    if not _within(lambda: not cell.witness.under_way, STANDS_WITHIN_S):
        return False
    time.sleep(STAYS_S)
    return not cell.witness.under_way


def _within(true: Callable[[], Any], within_s: float) -> bool:
    from vlm_bt.ros.stops import wait

    return wait(true, within_s)
