"""How light the package is to import."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Sequence

from vlm_bt.bench.form import Figure, Plan, Say

HEAVY = ("torch", "mujoco", "rclpy", "transformers", "open_clip")
CODE = f"""
import time
began = time.perf_counter()
import vlm_bt
print(time.perf_counter() - began)
import sys
print(sum(name in sys.modules for name in {HEAVY!r}))
"""


def measure_import(plan: Plan, say: Say) -> Sequence[Figure]:
    """Median over fresh processes."""
    runs = 3 if plan.quick else 9
    rows = [
        subprocess.run(
            [sys.executable, "-c", CODE], capture_output=True, text=True, timeout=60, check=True
        ).stdout.split()
        for _ in range(runs)
    ]
    seconds = statistics.median(float(row[0]) for row in rows)
    return [
        Figure("import vlm_bt", round(seconds, 4), "s", 0.15, "at most"),
        Figure("heavy libraries it pulls in", max(float(row[1]) for row in rows), "", 0, "exactly"),
    ]
