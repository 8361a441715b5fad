"""What a long measurement has found so far, a line of JSON for each trial, so that one that was interrupted goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]


class Kept:
    """The trials of one part of a benchmark.

    Args:
        path: The file; its first line names what was measured. Another program's, or another plan's, is begun anew.
        subject: What was measured: program, seed.
    """

    def __init__(self, path: Path, subject: Mapping[str, Any]) -> None:
        self.rows: list[Row] = []
        self._path = path
        head = json.dumps(subject, sort_keys=True)
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        if lines[:1] == [head]:
            self.rows = [row for row in map(_row, lines[1:]) if row is not None]
        path.parent.mkdir(parents=True, exist_ok=True)
        # Written anew, for the last line may have been cut short.
        path.write_text("\n".join([head, *map(json.dumps, self.rows), ""]), encoding="utf-8")

    def complete(self, count: int, trial: Callable[[int], Row]) -> list[Row]:
        """Do the trials that are missing, each written down when it has ended; the first `count` rows."""
        while len(self.rows) < count:
            self.add(trial(len(self.rows)))
        return self.rows[:count]

    def add(self, row: Row) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        self.rows.append(row)


def _row(line: str) -> Row | None:
    """None: the line was being written when the measurement was killed."""
    try:
        row: Row = json.loads(line)
    except json.JSONDecodeError:
        return None
    return row
