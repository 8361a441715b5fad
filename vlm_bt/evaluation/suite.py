"""What a suite is: which scenes are staged, what is asked of each, which figures come of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

import numpy as np

from vlm_bt.bench.form import Figure, Sense
from vlm_bt.evaluation.answered import Answered, Item
from vlm_bt.evaluation.scene import Scene
from vlm_bt.evaluation.statistics import Share, accuracy, coverage, mean_size, reliability, wrong_and_sure
from vlm_bt.questions import Reuse
from vlm_bt.training.staged import Order, Staged
from vlm_bt.training.staging import Studio

FIRST_SEED, BLOCK, SEEDS_A_RUN = 20_000, 1_000, 50
"""Every suite has a thousand seeds of its own, and every `--seed` fifty of them: no two ever show the same bench."""


class Stager(Protocol):
    """Gives scenes by their number; the same number always gives the same one. A context manager."""

    def stage(self, number: int) -> Staged: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *raised: object) -> None: ...


@dataclass(frozen=True)
class Stage:
    """Some scenes of one order.

    Attributes:
        shift: Which of the run's fifty seeds of its suite; stages that share one differ in their order only.
        tags: Given to every answer that comes of it.
    """

    shift: int
    order: Order
    scenes: int
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Suite:
    """A set of questions of one kind.

    Attributes:
        block: Its place among the suites; its seeds start at 20,000 + 1,000 x block.
        stages: Of a quick run or a whole one.
        ask: The questions about a scene; the generator is the scene's own.
        figures: Of all answers of the suite.
        about: What it asks, in a few words.
        studio: Makes what stages the scenes of a seed and an order.
        reuse: Whether an answer may be given again to the same question about the same pixels.
    """

    name: str
    block: int
    about: str
    stages: Callable[[bool], Sequence[Stage]]
    ask: Callable[[Scene, np.random.Generator], list[Item]]
    figures: Callable[[Sequence[Answered]], list[Figure]]
    studio: Callable[[int, Order], Stager] = Studio
    reuse: Reuse = "exact"

    def seed_of(self, stage: Stage, seed: int) -> int:
        """The studio's seed. Raises: ValueError: A run's seed that no block has room for."""
        if not 0 <= seed < BLOCK // SEEDS_A_RUN or not 0 <= stage.shift < SEEDS_A_RUN:
            raise ValueError(f"seeds of an evaluation go from 0 to {BLOCK // SEEDS_A_RUN - 1}, this is {seed}")
        return FIRST_SEED + BLOCK * self.block + SEEDS_A_RUN * seed + stage.shift


def share(name: str, value: Share | float, target: float | None = None, sense: Sense = "at least") -> list[Figure]:
    """A share as a figure; none where nothing was asked that it could be of."""
    number = value.value if isinstance(value, Share) else value
    return [] if np.isnan(number) else [Figure(name, round(number, 4), "share", target, sense)]


def usual_figures(name: str, answers: Sequence[Answered], most_wrong_and_sure: float | None = None) -> list[Figure]:
    """What every suite tells: right, calibration error, coverage, size of the sets, wrong and confident."""
    if not answers:
        return []
    found = [
        *share(f"{name}: right", accuracy(answers)),
        *share(f"{name}: calibration error", reliability(answers).error),
        *share(f"{name}: coverage of the sets", coverage(answers)),
        Figure(f"{name}: answers in a set", round(mean_size(answers), 3), ""),
        *share(f"{name}: wrong and confident", wrong_and_sure(answers), most_wrong_and_sure, "at most"),
    ]
    silent = sum(bool(one.failed) for one in answers) / len(answers)
    return found + (share(f"{name}: no answer", silent) if silent else [])
