"""RGB-D images at a camera's full rate, from one process to another."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from vlm_bt.bench.form import Figure, Say
from vlm_bt.bench.kept import Kept, Row

PAIRS, RATE_HZ = 180, 30.0
ENDS_WITHIN_S = 60.0


def stream_figures(kept: Kept, say: Say) -> Sequence[Figure]:
    """640x480 RGB and 32-bit depth, as `realsense2_camera` offers them, listened to as a mission does."""
    row = kept.complete(1, lambda _: _measured(say))[0]
    latencies_ms = sorted(row["latencies_ms"])
    p99 = latencies_ms[min(len(latencies_ms) - 1, int(0.99 * len(latencies_ms)))] if latencies_ms else float("inf")
    return [
        Figure(f"RGB-D pairs that arrived, of {PAIRS} at 30 Hz", float(len(latencies_ms)), "", PAIRS - 1.0, "at least"),
        Figure("RGB-D pair latency, p99", p99, "ms", 20.0),
        Figure("RGB-D pair latency, middle", latencies_ms[len(latencies_ms) // 2] if latencies_ms else p99, "ms"),
    ]


def _measured(say: Say) -> Row:
    from vlm_bt.ros.runtime import Runtime
    from vlm_bt.ros.steady_camera import PairWatch

    with Runtime() as runtime:
        watch = PairWatch(runtime.node("pair_watch"))
        command = [sys.executable, "-m", "vlm_bt.ros.steady_camera", str(PAIRS), str(RATE_HZ)]
        ended = subprocess.run(command, timeout=ENDS_WITHIN_S, check=False).returncode
        latencies_ms = [round(latency_s * 1e3, 3) for latency_s in watch.latencies_s]
    say(f"stream: {len(latencies_ms)} pairs" + ("" if ended == 0 else f"; the camera ended with {ended}"))
    return {"latencies_ms": latencies_ms}
