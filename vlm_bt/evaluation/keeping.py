"""Where the answers of an evaluation are kept while it runs, so that one that was interrupted goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vlm_bt.evaluation.answered import Answered

MOST_PICTURES = 80
"""Of scenes with failures, for each suite."""
_QUALITY = 88


class Kept:
    """A folder with one line for each scene that was asked about.

    Args:
        made: What the answers depend on: program, models, configuration, seed. Answers that were made otherwise are
            thrown away.
    """

    def __init__(self, folder: Path, made: Mapping[str, Any]) -> None:
        self.folder = folder
        self._pictures: dict[str, int] = {}
        folder.mkdir(parents=True, exist_ok=True)
        note = folder / "made.json"
        wanted = json.loads(json.dumps(dict(made)))
        if not note.is_file() or json.loads(note.read_text(encoding="utf-8")) != wanted:
            for old in (*folder.glob("answers/*.jsonl"), *folder.glob("pictures/*.jpg")):
                old.unlink()
            note.write_text(json.dumps(wanted, indent=1) + "\n", encoding="utf-8")

    def answers(self, suite: str) -> dict[str, list[Answered]]:
        """By scene. A line that was cut off by the end of the program is left out."""
        path = self._path(suite)
        found: dict[str, list[Answered]] = {}
        for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
            try:
                stored = json.loads(line)
            except json.JSONDecodeError:
                continue
            found[stored["scene"]] = [Answered.read(row) for row in stored["answers"]]
        return found

    def add(self, suite: str, scene: str, answers: Sequence[Answered]) -> None:
        """Append a scene at once."""
        path = self._path(suite)
        path.parent.mkdir(exist_ok=True)
        line = json.dumps({"scene": scene, "answers": [one.plain() for one in answers]})
        broken = path.is_file() and path.stat().st_size > 0 and not path.read_bytes().endswith(b"\n")
        with path.open("a", encoding="utf-8") as file:
            file.write(("\n" if broken else "") + line + "\n")

    def keep_picture(self, suite: str, scene: str, views: Sequence[NDArray[np.uint8]]) -> None:
        """The frames of a scene (H, W, 3), one above the other, for people; the first `MOST_PICTURES` of a suite."""
        folder = self.folder / "pictures"
        folder.mkdir(exist_ok=True)
        if suite not in self._pictures:
            self._pictures[suite] = len(list(folder.glob(f"{suite}-*.jpg")))
        if self._pictures[suite] < MOST_PICTURES:
            self._pictures[suite] += 1
            Image.fromarray(np.vstack(list(views))).save(self.picture(scene), quality=_QUALITY)

    def picture(self, scene: str) -> Path:
        """Where the picture of a scene is, if it was kept."""
        return self.folder / "pictures" / f"{scene.replace('/', '-')}.jpg"

    def _path(self, suite: str) -> Path:
        return self.folder / "answers" / f"{suite}.jsonl"
