"""What browsers see of a mission and how late, and what they cost it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vlm_bt import app
from vlm_bt.bench.form import Figure, Plan, Say
from vlm_bt.places import share_dir
from vlm_bt.settings import load
from vlm_bt.web.live_simulation import LiveSimulation
from vlm_bt.web.server import PAGE, ViewServer
from vlm_bt.web.view import View

SEED = 1000
BROWSERS = 3
SPEED = 2.0
"""Twice as fast as the wall, a tick of the fast fidelity (100 ms) takes the 50 ms of a mission's in full."""
WATCHED_S, QUICK_WATCHED_S = 40.0, 15.0
ROUNDS = 3


@dataclass
class Watched:
    """One mission: seconds of each tick, and of the view's turn after it; what the browsers tell."""

    ticks_s: list[float]
    turns_s: list[float] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)


def measure_view(plan: Plan, say: Say) -> Sequence[Figure]:
    """The same mission alone and with three browsers and one that does not read, by turns, in fast fidelity."""
    seed = plan.seeds[0] if plan.seeds else SEED + plan.seed
    seconds = QUICK_WATCHED_S if plan.quick else WATCHED_S
    alone: list[Watched] = []
    watched: list[Watched] = []
    for number in range(1 if plan.quick else ROUNDS):
        alone.append(_mission(seed, seconds, browsers=0))
        watched.append(_mission(seed, seconds, browsers=BROWSERS))
        say(f"round {number + 1}: {len(watched[-1].ticks_s)} ticks, {_p99_ms(alone[-1])} ms, {_p99_ms(watched[-1])} ms")
    told = [one for each in watched for one in each.told["browsers"]]
    late_ms = [late for one in told for late in one["late_ms"]]
    rates = [one["rates"].get("overhead", 0.0) for one in told]
    weight = sum(path.stat().st_size for path in PAGE.rglob("*") if path.is_file())
    before, after = (float(np.median([_p99_ms(one) for one in some])) for some in (alone, watched))
    turns_ms = [turn * 1e3 for one in watched for turn in one.turns_s]
    return [
        Figure("camera to browser, median", round(float(np.median(late_ms)), 1), "ms"),
        Figure("camera to browser, p99", round(float(np.percentile(late_ms, 99)), 1), "ms", 150),
        Figure("pictures of a camera in a browser", round(min(rates), 1), "a second", 14, "at least"),
        Figure("tick without browsers, p99", round(before, 2), "ms"),
        Figure("tick with them and one that does not read, p99", round(after, 2), "ms"),
        Figure("it grows by", round(after - before, 2), "ms", 2),
        Figure("the view's turn after a tick, p99", round(float(np.percentile(turns_ms, 99)), 2), "ms"),
        Figure("first view", round(max(one.told["first_s"] for one in watched), 3), "s", 1),
        Figure("weight of the page", round(weight / 1e6, 3), "MB", 1.5),
    ]


def _mission(seed: int, seconds: float, browsers: int) -> Watched:
    settings = load()
    fast = settings.simulation.model_copy(update={"fidelity": "fast"})
    settings = settings.model_copy(update={"simulation": fast})
    tree = share_dir("trees") / "organise_workbench.yaml"
    with (
        tempfile.TemporaryDirectory() as folder,
        app.build(settings, tree, seed=seed, human="scripted", out=Path(folder)) as mission,
    ):
        mission.site.clock.speed = SPEED  # type: ignore[attr-defined]
        stop = threading.Timer(seconds, mission.interrupt)
        stop.daemon = True
        if not browsers:
            stop.start()
            mission.run()
            stop.cancel()
            return Watched(mission.executive.tick_s)
        view = View()
        with ViewServer(view) as server:
            view.attach(mission, LiveSimulation(mission.site.world))  # type: ignore[attr-defined]
            process = _browsers(server.port, browsers, seconds)
            stop.start()
            turns_s: list[float] = []
            mission.run(lambda progress: turns_s.append(_turn(view, progress)))
            stop.cancel()
            view.detach()
            told, _ = process.communicate(timeout=seconds + 30)
        return Watched(mission.executive.tick_s, turns_s, json.loads(told))


def _turn(view: View, progress: Any) -> float:
    began = time.perf_counter()
    view.between_ticks(progress)
    return time.perf_counter() - began


def _browsers(port: int, count: int, seconds: float) -> subprocess.Popen[str]:
    assets = ",".join(path.name for path in sorted(PAGE.iterdir()) if path.suffix in (".js", ".css", ".svg"))
    command = [
        sys.executable,
        "-m",
        "vlm_bt.bench.view_browsers",
        str(port),
        str(count),
        str(seconds - 2),
        assets,
        "deaf",
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _p99_ms(one: Watched) -> float:
    return round(float(np.percentile(one.ticks_s, 99)) * 1e3, 2)
