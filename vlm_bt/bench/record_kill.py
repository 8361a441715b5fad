"""What kill -9 leaves of the record of a mission that runs in real time in another process."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from vlm_bt import app
from vlm_bt.bench.form import Say
from vlm_bt.errors import ConfigError
from vlm_bt.places import share_dir
from vlm_bt.recording.entries import Event
from vlm_bt.recording.record import Record
from vlm_bt.recording.retention import RECORD
from vlm_bt.settings import load

BEAT = "beat"
AFTER_S = (1.2, 3.0)
"""A kill comes at any time between these, counted from the mission's first tick."""


def killed(seed: int, out: Path, kills: int, say: Say) -> Iterator[float | None]:
    """For each kill: so many seconds before it the readable record ends; None where it is not readable."""
    draw = random.Random(seed)
    for number in range(kills):
        folder = out / f"kill-{number}"
        code = "import sys; from vlm_bt.bench.record_kill import beating; beating(int(sys.argv[1]), sys.argv[2])"
        child = subprocess.Popen(
            [sys.executable, "-c", code, str(seed + number), str(folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert child.stdout is not None
        while (line := child.stdout.readline()) and line.strip() != BEAT:
            pass
        time.sleep(draw.uniform(*AFTER_S))
        at_s = time.monotonic()
        child.kill()
        child.wait()
        child.stdout.close()
        lag = _lag(folder / RECORD, at_s)
        say(f"kill {number + 1}: " + ("not readable" if lag is None else f"the record ends {lag:.2f} s before it"))
        yield lag


def beating(seed: int, out: str) -> None:
    """Run a mission whose record holds, tick by tick, the machine's monotonic clock."""
    settings = load()
    fast = settings.simulation.model_copy(update={"fidelity": "fast"})
    settings = settings.model_copy(update={"simulation": fast})
    tree = share_dir("trees") / "organise_workbench.yaml"
    with app.build(settings, tree, seed=seed, speed="realtime", human="scripted", out=Path(out)) as mission:

        def tell(progress: app.Progress) -> None:
            if progress.tick <= 1:
                print(BEAT, flush=True)
            mission.recorder.write("event", {"what": BEAT, "monotonic_s": time.monotonic()})

        mission.run(tell)


def _lag(path: Path, at_s: float) -> float | None:
    try:
        beats = [one for one in Record.read(path).of(Event) if one.what == BEAT]
    except ConfigError:
        return None
    return at_s - float(beats[-1].data["monotonic_s"]) if beats else None
