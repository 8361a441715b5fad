"""What recording costs a mission, how large a record grows, what a kill leaves of it, and how fast it is opened."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from mcap.reader import make_reader

from vlm_bt import app
from vlm_bt.bench.form import Figure, Plan, Say
from vlm_bt.bench.record_kill import killed
from vlm_bt.places import share_dir
from vlm_bt.recording.indexed import IndexedRecord
from vlm_bt.recording.recorder import McapRecorder
from vlm_bt.recording.retention import RECORD
from vlm_bt.recording.subscriber import RecordingSubscriber
from vlm_bt.recording.writer import Message, RecordWriter
from vlm_bt.settings import load

SEED = 1000
TICK_S = 0.05
LONG_S = 600.0
KILLS, QUICK_KILLS = 50, 5
SEEKS = 50
WRITE_LIMIT_S = 120.0


def measure_record(plan: Plan, say: Say) -> Sequence[Figure]:
    """One mission in fast fidelity at full speed, the kills, and its record drawn out to 10 minutes."""
    seed = plan.seeds[0] if plan.seeds else SEED + plan.seed
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        costs, sim_s = cost(seed, out / "mission")
        size_mb = (out / "mission" / RECORD).stat().st_size / 1e6
        say(f"{len(costs)} ticks, {sim_s:.0f} s on the mission's clock, {size_mb:.2f} MB")
        stretched(out / "mission" / RECORD, out / "long.mcap")
        open_s, seeks_s = opened(out / "long.mcap", random.Random(seed))
        kills = QUICK_KILLS if plan.quick else KILLS
        lags = list(killed(seed, out, kills, say))
    readable = [lag for lag in lags if lag is not None]
    mean, p99 = float(np.mean(costs)), float(np.percentile(costs, 99))
    return [
        Figure("recording, mean share of the tick period", round(100 * mean / TICK_S, 2), "%", 3),
        Figure("recording in a tick, mean", round(mean * 1e3, 3), "ms"),
        Figure("recording in a tick, p99", round(p99 * 1e3, 3), "ms"),
        Figure("record with evidence frames", round(size_mb / (sim_s / 60), 2), "MB/min", 10),
        Figure("open a record of 10 minutes", round(open_s, 4), "s", 2),
        Figure("seek in it, slowest", round(max(seeks_s) * 1e3, 1), "ms", 100),
        Figure("killed", float(kills), "times"),
        Figure("readable up to 1 s before the kill", float(sum(lag <= 1.0 for lag in readable)), "", kills, "exactly"),
        Figure("lost by a kill, at most", round(max(readable, default=0.0), 2), "s", 1),
    ]


def cost(seed: int, out: Path) -> tuple[list[float], float]:
    """Seconds of the executive's thread that recording took in each tick, and the mission's length in seconds."""
    settings = load()
    fast = settings.simulation.model_copy(update={"fidelity": "fast"})
    tree = share_dir("trees") / "organise_workbench.yaml"
    with (
        stopwatch() as costs,
        app.build(
            settings.model_copy(update={"simulation": fast}), tree, seed=seed, human="scripted", out=out
        ) as mission,
    ):
        result = mission.run()
    return costs, result.sim_s


@contextmanager
def stopwatch() -> Iterator[list[float]]:
    """Times whatever the executive's thread does for the record, from one tick's end to the next."""
    costs: list[float] = []
    state = {"depth": 0, "spent_s": 0.0}

    def timed(method: Any, ends_tick: bool) -> Any:
        def wrapped(*args: Any, **named: Any) -> Any:
            state["depth"] += 1
            began = time.perf_counter()
            try:
                return method(*args, **named)
            finally:
                state["depth"] -= 1
                if state["depth"] == 0:
                    state["spent_s"] += time.perf_counter() - began
                if ends_tick:
                    costs.append(state["spent_s"])
                    state["spent_s"] = 0.0

        return wrapped

    with ExitStack() as patched:
        for kind, name in ((McapRecorder, "write"), (McapRecorder, "keep_frame"), (RecordingSubscriber, "after_tick")):
            method = timed(getattr(kind, name), name == "after_tick")
            patched.enter_context(mock.patch.object(kind, name, method))
        yield costs


def stretched(source: Path, to: Path) -> None:
    """A mission's record over and over, until it is `LONG_S` long; it holds what the mission's own holds."""
    writer = RecordWriter(to.open("wb"))
    with source.open("rb") as stream:
        found = list(make_reader(stream).iter_messages(log_time_order=False))
    length_ns = max(message.log_time for _, _, message in found)
    for round_ in range(int(LONG_S * 1e9 // length_ns) + 1):
        for schema, channel, message in found:
            stamp_ns = message.log_time + round_ * length_ns
            if stamp_ns <= LONG_S * 1e9:
                name = schema.name if schema is not None else ""
                writer.put(Message(channel.topic, name, {"type": "object"}, message.data, stamp_ns))
        writer.sync(WRITE_LIMIT_S)
    if not writer.close(WRITE_LIMIT_S):
        raise OSError(f"{to} could not be written: {writer.failed or 'the disk is too slow'}")


def opened(path: Path, draw: random.Random) -> tuple[float, list[float]]:
    """Seconds to open a record, and to read a second of it at each of many random times."""
    began = time.perf_counter()
    with IndexedRecord(path) as record:
        open_s = time.perf_counter() - began
        seeks_s = []
        for _ in range(SEEKS):
            at_s = draw.uniform(record.start_s, record.end_s - 1.0)
            began = time.perf_counter()
            for _ in record.between(at_s, at_s + 1.0):
                pass
            seeks_s.append(time.perf_counter() - began)
    return open_s, seeks_s
