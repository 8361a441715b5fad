"""A user's own labelled pictures as one more suite: which of the labels is the thing in each of them?"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vlm_bt.bench.asking import frame_of
from vlm_bt.bench.form import Figure
from vlm_bt.errors import ConfigError
from vlm_bt.evaluation.answered import Answered, Item, tagged
from vlm_bt.evaluation.scene import Scene
from vlm_bt.evaluation.statistics import accuracy, balanced
from vlm_bt.evaluation.suite import Stage, Suite, share, usual_figures
from vlm_bt.questions import WHAT_IS_IT, Choose, Look
from vlm_bt.training.labelled import Labelled, read_labelled
from vlm_bt.training.staged import Order, Staged, Truth
from vlm_bt.types import Box

MOST_LABELS = 200


class Album:
    """Gives one labelled thing after another as a scene: a photograph of it, without depth."""

    def __init__(self, labelled: Labelled) -> None:
        self._items = labelled.items

    def stage(self, number: int) -> Staged:
        item = self._items[number]
        rgb = item.pixels()
        box = Box(0, 0, rgb.shape[1], rgb.shape[0])
        truth = Truth(item.path.name, item.label, "", (), 0.0, (0.0, 0.0, 0.0), 0.0, box, 1.0, None, (), "")
        return Staged(number, (frame_of(f"picture-{number}", rgb),), ((truth,),), "nothing", None, None, (), ())

    def __enter__(self) -> Album:
        return self

    def __exit__(self, *raised: object) -> None:
        """Nothing is open."""


def folder_suite(folder: Path, labels: Path | None = None) -> tuple[Suite, str]:
    """The suite of a folder, and a hash of what is in it.

    Args:
        folder: Of pictures, or a RealSense recording. labels: CSV or COCO file; the only one in the folder if None.

    Raises:
        ConfigError: What is wrong with them; or there are less than two labels, or too many to choose from.
    """
    labelled = read_labelled(folder, labels)
    options = labelled.labels
    if not 2 <= len(options) <= MOST_LABELS:
        raise ConfigError(f"{folder}: has {len(options)} labels; an evaluation chooses among 2 to {MOST_LABELS}")

    def ask(scene: Scene, rng: np.random.Generator) -> list[Item]:
        truth = scene.truths[0]
        question = Choose((Look(scene.frame_id),), WHAT_IS_IT, options)
        return [Item(question, truth.kind, {**scene.tags, "kind": truth.kind, "file": truth.name}, truth.box)]

    def stages(quick: bool) -> list[Stage]:
        return [Stage(0, Order(), min(len(labelled), 40) if quick else len(labelled))]

    def studio(seed: int, order: Order) -> Album:
        return Album(labelled)

    suite = Suite("folder", 11, f"your own pictures: {len(labelled)} of {len(options)} labels", stages, ask, _figures,
                  studio)  # fmt: skip
    return suite, _hash(labelled)


def _figures(answers: Sequence[Answered]) -> list[Figure]:
    found = [*usual_figures("folder", answers), *share("folder: balanced accuracy", balanced(answers))]
    for label, _ in Counter(one.truth for one in answers).most_common():
        found += share(f"folder: {label}", accuracy(tagged(answers, kind=label)))
    return found


def _hash(labelled: Labelled) -> str:
    total = hashlib.sha256()
    for item in labelled.items:
        stat = item.path.stat()
        total.update(f"{item.path}\0{item.label}\0{item.box}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return total.hexdigest()[:16]
