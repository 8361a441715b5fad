"""A suite put to the models: scene by scene, each kept before the next, so that nothing is lost by an interruption."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby

import numpy as np

from vlm_bt.evaluation.answered import Answered, Item
from vlm_bt.evaluation.eye import Eye
from vlm_bt.evaluation.judging import Said, judged
from vlm_bt.evaluation.keeping import Kept
from vlm_bt.evaluation.scene import Scene
from vlm_bt.evaluation.suite import Stage, Suite

Progress = Callable[[str, int, int], None]
"""Told the suite's name, how many of its scenes are done, and how many there are."""


def run_suite(suite: Suite, eye: Eye, kept: Kept, *, quick: bool, seed: int, progress: Progress) -> list[Answered]:
    """All answers of a suite; what was kept by an earlier run is not asked again."""
    known = kept.answers(suite.name)
    stages = suite.stages(quick)
    whole = sum(stage.scenes for stage in stages)
    answers: list[Answered] = []
    done = 0
    progress(suite.name, done, whole)
    for index, stage in enumerate(stages):
        for some in _staged(suite, stage, index, eye, kept, known, seed):
            answers += some
            done += 1
            progress(suite.name, done, whole)
    return answers


def _staged(
    suite: Suite, stage: Stage, index: int, eye: Eye, kept: Kept, known: dict[str, list[Answered]], seed: int
) -> Iterator[list[Answered]]:
    """The answers about each scene of a stage."""
    studio_seed = suite.seed_of(stage, seed)
    with suite.studio(studio_seed, stage.order) as studio:
        for number in range(stage.scenes):
            name = f"{suite.name}/{studio_seed}.{index}/{number}"
            if name not in known:
                tags = {**stage.tags, "seed": str(studio_seed), "number": str(number)}
                scene = Scene.shown(studio.stage(number), eye, tags)
                items = suite.ask(scene, np.random.default_rng([studio_seed, number, 19]))
                known[name] = _answered(suite, name, scene, items, eye)
                if not all(one.right for one in known[name]):
                    kept.keep_picture(suite.name, name, [frame.rgb for frame in scene.staged.frames])
                kept.add(suite.name, name, known[name])
            yield known[name]


def _answered(suite: Suite, name: str, scene: Scene, items: list[Item], eye: Eye) -> list[Answered]:
    said: list[Said] = []
    for _, batch in groupby(items, key=lambda item: item.tags.get("batch", "")):
        said += eye.ask([item.question for item in batch], suite.reuse)
    rows = zip(items, said, strict=True)
    return [judged(suite.name, name, index, item, one, scene.regions[-1]) for index, (item, one) in enumerate(rows)]
