"""What a process holds of the machine: memory, shared memory, file handles, threads, children. Linux only."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Holdings:
    """Of this process. `shared`: pieces of shared memory that it has mapped; `rss_mb`: megabytes in memory."""

    rss_mb: float
    shared: int
    handles: int
    threads: int
    children: int

    @staticmethod
    def now() -> Holdings:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        rows = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        maps = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
        return Holdings(
            rss_mb=round(int(rows["VmRSS"].split()[0]) / 1024, 1),
            shared=len({line.split()[-1] for line in maps if "/dev/shm/" in line}),
            handles=len(os.listdir("/proc/self/fd")),
            threads=int(rows["Threads"]),
            children=len(children()),
        )


def children() -> set[int]:
    """Process ids of this process's children, those that nobody waited for included."""
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        # A thread may end while it is looked at; its children are then another's.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found.update(int(pid) for pid in (task / "children").read_text(encoding="utf-8").split())
    return found
