"""A process of its own that ends another one which has frozen, so that whoever started that starts it again.

A program that is killed while it holds a lock in Fast DDS's shared memory leaves it locked: the next one that sends
there, or only comes up, may wait for ever, in C++ and with Python's lock held. No thread of the frozen process can
then do anything. And a program that took the place of a killed one may lose its own ports there, which others have
taken for the dead one's: it lives, and nobody on this machine reaches it any more.

Uses the standard library alone, and is run without `site`, so it is up before what it watches is.
"""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

FROZEN = "VLM_BT_FROZEN_S"
"""The environment variable that says after how many seconds without a beat a process is ended; unset or 0: never."""
ROUND_S = 0.5
"""A round that lasts much longer means that the machine slept or was too busy: held against nobody."""
BEAT_AT_MOST_EVERY_S = 0.5
LISTENER = re.compile(r"dds\.shm\.(\d+)")
"""The name that Fast DDS gives to the thread which listens at a port in shared memory."""
PROC = Path("/proc")


class Watchdog:
    """Ends this process with SIGKILL where `beat` is not called in time, before the first call too.

    Args:
        frozen_s: Seconds without a beat.
    """

    def __init__(self, frozen_s: float) -> None:
        # What is watched may exec helpers of its own: they must not inherit the pipe, and do not (PEP 446).
        reading, self._pipe = os.pipe()
        os.set_blocking(self._pipe, False)
        self._child: subprocess.Popen[bytes] | None = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).resolve()), str(os.getpid()), str(frozen_s)],
            stdin=reading,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(reading)
        self._beaten_s = 0.0

    @classmethod
    def asked_for(cls) -> Watchdog | None:
        """The one that the environment asks for, see `FROZEN`."""
        frozen_s = float(os.environ.get(FROZEN) or 0.0)
        return cls(frozen_s) if frozen_s > 0 else None

    def beat(self) -> None:
        """Safe from any thread, and cheap however often it is called."""
        now_s = time.monotonic()
        if self._child is None or now_s - self._beaten_s < BEAT_AT_MOST_EVERY_S:
            return
        self._beaten_s = now_s
        try:
            os.write(self._pipe, b".")
        except (BlockingIOError, BrokenPipeError):
            return  # It is far behind, or was killed itself: nothing to be done about it from here.

    def close(self) -> None:
        """What is closed is not watched any more. Idempotent."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait()
            os.close(self._pipe)


def watch(pid: int, beats: int, frozen_s: float) -> bool:
    """Until `beats` is closed (False), or `pid` was frozen or deaf for `frozen_s` and has been killed (True)."""
    left_s = deaf_left_s = frozen_s
    began_s = time.monotonic()
    while left_s > 0 and deaf_left_s > 0:
        heard = select.select([beats], [], [], ROUND_S)[0]
        now_s = time.monotonic()
        since_s, began_s = min(now_s - began_s, 2 * ROUND_S), now_s
        left_s -= since_s
        deaf_left_s = deaf_left_s - since_s if deaf_ports(pid) else frozen_s
        if heard:
            if not os.read(beats, 4096):
                return False
            left_s = frozen_s
            # Beats come without pause: not oftener than every round.
            time.sleep(ROUND_S / 2)
    if os.getppid() != pid:
        return False
    why = "has frozen: no beat" if left_s <= 0 else "is deaf: its ports in shared memory were removed by others"
    print(f"vlm_bt: process {pid} {why} for {frozen_s:g} s; it is ended", file=sys.stderr, flush=True)
    os.kill(pid, signal.SIGKILL)
    return True


def deaf_ports(pid: int, proc: Path = PROC) -> list[int]:
    """Ports in shared memory that a process listens at and that were removed, so that nobody can reach it there."""
    try:
        names = [(task / "comm").read_text(encoding="utf-8").strip() for task in (proc / str(pid) / "task").iterdir()]
        maps = (proc / str(pid) / "maps").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    ports = [int(found[1]) for found in map(LISTENER.fullmatch, names) if found]
    return sorted(port for port in ports if f"/fastrtps_port{port} (deleted)" in maps)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    watch(int(sys.argv[1]), sys.stdin.fileno(), float(sys.argv[2]))
