"""Camera, arm and vision are killed in the middle of missions and started again: what becomes of the mission."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlm_bt.bench.form import Figure, Say
from vlm_bt.bench.kept import Kept, Row
from vlm_bt.bench.ros_cell import CAMERA, MISSION, SIM, VISION
from vlm_bt.bench.ros_stops import STANDS_WITHIN_S, STARTS_WITHIN_S, TREE, Cells, _within

if TYPE_CHECKING:
    from vlm_bt.bench.ros_cell import Cell

MODEL = "model"
VICTIMS = (SIM, CAMERA, MODEL, VISION)
"""Arm and camera at once; the camera's driver; a process of the mission's own vision; the vision node."""
SOMETIME_S = 5.0
AGAIN_AFTER_S = 0.5
WATCHED_S = 60.0
SAFE = ("done", "no", "arm_fault", "camera_lost", "model_lost", "timed_out", "stale", "not_found")
"""A mission that ends so has stopped the arm and said why."""
HANDLES_MORE, THREADS_MORE = 8, 4
"""How much more the mission node may hold at the end than after the first round: what nobody has closed yet."""


def restart_figures(cells: Cells, kept: Kept, count: int, seed: int, say: Say) -> list[Figure]:
    """Each victim in turn, at random moments."""
    mission: list[Any] = []

    def trial(number: int) -> Row:
        cell, draw = cells(), random.Random(f"restart {seed} {number}")
        asked = _under_way(cell, mission)
        if asked is None:
            say(f"restart {number + 1}: no mission could be begun")
            return {"victim": VICTIMS[number % len(VICTIMS)], "how": "never began", "well": False}
        time.sleep(draw.uniform(0.0, SOMETIME_S))
        victim = VICTIMS[number % len(VICTIMS)]
        _kill(cell, victim, draw)
        time.sleep(AGAIN_AFTER_S)
        if victim != MODEL:
            cell.start(victim)
        how, took_s = _becomes(cell, asked)
        if how == "done":
            cell.new_robot()
        row = {"victim": victim, "how": how, "well": _is_well(how), "took_s": took_s, **holdings(cell.pid(MISSION))}
        say(f"restart {number + 1}, {victim}: {how} after {took_s:.1f} s")
        return row

    rows = kept.complete(count, trial)
    return figures(rows)


def figures(rows: Sequence[Row]) -> list[Figure]:
    """From each trial's row; what the mission node holds is compared with the end of the first round."""
    well = sum(bool(row["well"]) for row in rows)
    went_on = sum(row["how"] == "went on" for row in rows)
    counted = [row for row in rows if "handles" in row]
    early, late = counted[: len(VICTIMS)], counted[-len(VICTIMS) :]
    more = {
        what: max((row[what] for row in late), default=0) - max((row[what] for row in early), default=0)
        for what in ("handles", "threads", "children")
    }
    return [
        Figure("restarts that the mission survived or ended safely", float(well), "", float(len(rows)), "exactly"),
        Figure("of them, those after which it went on", float(went_on), ""),
        Figure("file handles more at the end", float(more["handles"]), "", float(HANDLES_MORE)),
        Figure("threads more at the end", float(more["threads"]), "", float(THREADS_MORE)),
        Figure("processes more at the end", float(more["children"]), "", 0.0),
    ]


def holdings(pid: int) -> dict[str, int]:
    """What a process holds: open file handles, threads, children."""
    folder = Path(f"/proc/{pid}")
    return {
        "handles": len(os.listdir(folder / "fd")),
        "threads": len(os.listdir(folder / "task")),
        "children": len(_children(pid)),
    }


def _under_way(cell: Cell, mission: list[Any]) -> Any:
    """A mission that runs; None where none begins."""
    if mission and not mission[0].ends.done():
        return mission[0]
    mission.clear()
    _within(lambda: cell.witness.guardian == "watching", STARTS_WITHIN_S)
    begun = cell.witness.begin(TREE, within_s=STARTS_WITHIN_S)
    if begun is not None:
        mission.append(begun)
    return begun


def _kill(cell: Cell, victim: str, draw: random.Random) -> None:
    if victim == MODEL:
        os.kill(draw.choice(_children(cell.pid(MISSION))), signal.SIGKILL)
        return
    cell.kill(victim)
    if victim == SIM:
        cell.witness.forget()


def _becomes(cell: Cell, asked: Any) -> tuple[str, float]:
    """ "went on": the arm is told to move again. Else how the mission ended; "hung" where neither comes about."""
    began_s, known = time.monotonic(), set(cell.witness.goals)
    _within(lambda: asked.ends.done() or set(cell.witness.goals) - known, WATCHED_S)
    took_s = round(time.monotonic() - began_s, 2)
    if asked.ends.done():
        stands = _within(lambda: not cell.witness.under_way, STANDS_WITHIN_S)
        return (asked.outcome.reason if stands else f"{asked.outcome.reason}, a goal is left under way"), took_s
    return ("went on" if set(cell.witness.goals) - known else "hung"), took_s


def _is_well(how: str) -> bool:
    return how == "went on" or how in SAFE


def _children(pid: int) -> list[int]:
    """The processes that look at pictures for a mission: its children but for Python's own resource tracker."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text(encoding="utf-8").split():
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(int(child))
    return sorted(found)
