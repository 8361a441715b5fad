"""The same seed gives the same trace: in another process, with another hash seed, beside a CPU hog, in real time."""

from __future__ import annotations

import multiprocessing as mp
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vlm_bt.bench.form import Figure, Plan, Say
from vlm_bt.bench.mission import run_mission

HOG_LIMIT_S = 600.0
SEED = 1000
ITEMS = 25
QUICK_ITEMS = 3


def measure_trace(plan: Plan, say: Say) -> Sequence[Figure]:
    """Run each seed alone, beside a hog with another PYTHONHASHSEED, and in real time; count the traces that differ."""
    seeds = plan.seeds or (SEED + plan.seed,)
    items = QUICK_ITEMS if plan.quick else ITEMS
    differing = 0
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder)
            alone = run_mission(seed, out / "alone", items=items, env={"PYTHONHASHSEED": "1"})
            hog = mp.get_context("spawn").Process(target=_hog, args=(HOG_LIMIT_S,), daemon=True)
            hog.start()
            beside = run_mission(seed, out / "beside", items=items, env={"PYTHONHASHSEED": "2"})
            hog.kill()
            hog.join()
            paced = run_mission(seed, out / "paced", items=items, extra=("--speed", "realtime"))
        runs = {"alone": alone, "beside a CPU hog": beside, "in real time": paced}
        for name, result in runs.items():
            say(f"seed {seed} {name}: {_trace(result)}")
            differing += _trace(result) != _trace(alone) or "crashed" in result
    return [
        Figure("runs compared", 3.0 * len(seeds), ""),
        Figure("runs whose trace differs", float(differing), "", 0, "exactly"),
    ]


def _trace(result: dict[str, Any]) -> str:
    return str(result.get("trace_sha256", result.get("why", "crashed")))


def _hog(limit_s: float) -> None:
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        sum(range(100_000))
