"""How far light, blur and noise may go: what is this thing, from usual to extreme."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vlm_bt.bench.form import Figure
from vlm_bt.evaluation.answered import Answered, Item, tagged
from vlm_bt.evaluation.classification import known, what_is_it
from vlm_bt.evaluation.scene import Scene
from vlm_bt.evaluation.statistics import accuracy
from vlm_bt.evaluation.suite import Stage, Suite, share, usual_figures
from vlm_bt.training.staged import Order

STEPS: dict[str, tuple[float, ...]] = {
    "light": (-1.0, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0),
    "blur": (0.0, 0.25, 0.5, 0.75, 1.0),
    "noise": (0.0, 0.25, 0.5, 0.75, 1.0),
}
_QUICK: dict[str, tuple[float, ...]] = {"light": (-1.0, 0.0, 1.0), "blur": (0.0, 1.0), "noise": (0.0, 1.0)}


def _ask(scene: Scene, rng: np.random.Generator) -> list[Item]:
    return [what_is_it(scene, truth, region, "usual", rng) for truth, region in scene.alone()]


def _figures(answers: Sequence[Answered]) -> list[Figure]:
    found: list[Figure] = []
    for sweep in STEPS:
        some = known(tagged(answers, sweep=sweep))
        for at in sorted({one.tags["at"] for one in some}, key=float):
            found += share(f"{sweep} {float(at):+g}: right", accuracy(tagged(some, at=at)))
    return found + usual_figures("light, blur and noise", answers)


def _stages(quick: bool) -> list[Stage]:
    """The same benches at every step, so that steps differ in nothing else."""
    steps = _QUICK if quick else STEPS
    return [
        Stage(0, _at(sweep, value), 1 if quick else 10, {"sweep": sweep, "at": f"{value:g}"})
        for sweep, values in steps.items()
        for value in values
    ]


def _at(sweep: str, value: float) -> Order:
    usual = Order()
    if sweep == "light":
        return replace(usual, light=value)
    return replace(usual, blur=value) if sweep == "blur" else replace(usual, noise=value)


SWEEPS = Suite("sweeps", 8, "light, blur and noise from usual to extreme", _stages, _ask, _figures)
