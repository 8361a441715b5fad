"""How many runs stay on the disk, where somebody wants only the newest."""

from __future__ import annotations

import fcntl
import logging
from pathlib import Path

RECORD = "mission.mcap"
MADE_BY_A_RUN = (RECORD, "report.html", "report.md", "before_after.png", "question-*.png", "pictures/*.jpg")

log = logging.getLogger(__name__)


def forget_old_runs(runs: Path, keep: int) -> list[Path]:
    """Delete what older missions wrote into the folders of `runs`, all but the newest `keep`; returns their folders.

    Only files that a mission writes are deleted, and a folder only where it is empty then. A mission that still runs
    holds its record locked and stays. What cannot be deleted is logged and stays too.
    """
    records = sorted(runs.glob(f"*/{RECORD}"), key=lambda path: path.stat().st_mtime, reverse=True)
    forgotten = []
    for record in records[keep:]:
        try:
            if _forget(record):
                forgotten.append(record.parent)
        except OSError as cause:
            log.warning("an old run cannot be deleted: %s", cause)
    return forgotten


def _forget(record: Path) -> bool:
    """Raises: OSError."""
    run = record.parent
    with record.open("rb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        for folder in (run, *run.glob("then-*")):
            for path in [path for pattern in MADE_BY_A_RUN for path in folder.glob(pattern)]:
                path.unlink()
            for left in (folder / "pictures", folder):
                if left.is_dir() and not any(left.iterdir()):
                    left.rmdir()
    if run.is_dir() and not any(run.iterdir()):
        run.rmdir()
    return True
