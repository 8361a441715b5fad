"""The simulated robot as a process for tests: configuration, seed, then settings as key=value."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import yaml

PROFILE = Path(__file__).parent.parent / "config" / "fastdds.xml"
os.environ.setdefault("FASTRTPS_DEFAULT_PROFILES_FILE", str(PROFILE))

from vlm_bt import settings  # noqa: E402
from vlm_bt.cli.run import changed  # noqa: E402
from vlm_bt.ros import sim_node  # noqa: E402

if __name__ == "__main__":
    chosen = settings.load(Path(sys.argv[1]))
    options = {}
    for text in sys.argv[3:]:
        key, _, value = text.partition("=")
        if "." in key:
            chosen = changed(chosen, key, yaml.safe_load(value))
        else:
            options[key] = yaml.safe_load(value)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    sys.exit(sim_node.main(chosen, int(sys.argv[2]), stop=stop, ready=lambda: print("ready", flush=True), **options))
