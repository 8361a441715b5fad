"""Shared memory that killed programs have left behind: Fast DDS gives segments back only where a program ends itself.

Each is as large as the profile's `segment_size`, 32 MB in ours, so an arm's node that is killed and started again all
day would fill the machine's memory. Which are abandoned is told as `fastdds shm clean` (eProsima Fast DDS) tells it.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from pathlib import Path

SHARED = Path("/dev/shm")
LOCK = re.compile(r"fastrtps_[0-9a-f]{16}_el")
"""Held by a segment's owner for as long as it lives."""
YOUNG_S = 5.0
"""A segment whose owner is only just making it may not be locked yet."""


def free_abandoned(folder: Path = SHARED) -> int:
    """Remove the segments whose owners are dead; how many bytes that gave back. Those of other users stay."""
    freed = 0
    for lock in folder.glob("fastrtps_*_el"):
        if LOCK.fullmatch(lock.name):
            freed += _free(lock)
    return freed


def _free(lock: Path) -> int:
    segment = lock.with_name(lock.name.removesuffix("_el"))
    try:
        if time.time() - lock.stat().st_mtime < YOUNG_S:
            return 0
        held = os.open(lock, os.O_RDONLY)
    except OSError:
        return 0
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        size = segment.stat().st_blocks * 512 if segment.exists() else 0
        segment.unlink(missing_ok=True)
        lock.unlink(missing_ok=True)
        return size
    except OSError:
        return 0
    finally:
        os.close(held)
