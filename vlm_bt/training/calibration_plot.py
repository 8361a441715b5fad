"""A picture of a calibration: how often what is said so surely is right, and how many members a set has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from vlm_bt.training.calibration_fit import Example, answers_of, probabilities_of
from vlm_bt.vision.calibration import kept
from vlm_bt.vision.calibration_file import CalibrationFile, Skill
from vlm_bt.vision.conformal import RATES

BINS = 10


def write_plot(path: Path, examples: Mapping[str, Sequence[Example]], stored: CalibrationFile) -> Path:
    """One row a skill: reliability before and after scaling, and share asked by error rate. PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = [name for name in stored.skills if examples.get(name)]
    figure = Figure(figsize=(9, 3 * max(1, len(names))), layout="constrained")
    for row, name in enumerate(names):
        skill, some = stored.skills[name], examples[name]
        left = figure.add_subplot(len(names), 2, 2 * row + 1)
        left.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
        for label, scaling in (("as it is", (1.0, 0.0, 0.5)), ("scaled", (skill.temperature, skill.blur, skill.decay))):
            said, right = reliability(some, scaling)
            left.plot(said, right, marker="o", label=label)
        left.set(title=name, xlabel="probability of what was said", ylabel="share right", xlim=(0, 1), ylim=(0, 1))
        left.legend()
        asked = figure.add_subplot(len(names), 2, 2 * row + 2)
        asked.plot(RATES, [share_asked(some, skill, rate) for rate in RATES], marker="o")
        asked.set(title=f"{len(some)} examples", xlabel="error rate", ylabel="share asked", xscale="log", ylim=(0, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure).print_png(str(path))  # type: ignore[no-untyped-call]
    return path


def reliability(examples: Sequence[Example], scaling: tuple[float, float, float]) -> tuple[list[float], list[float]]:
    """Mean probability of the likeliest answer and share right, for each filled tenth."""
    said, right = [], []
    for row, example in zip(probabilities_of(examples, *scaling), examples, strict=True):
        names = answers_of(example)
        best = int(row[: len(names)].argmax())
        said.append(float(row[best]))
        right.append(names[best] == example.truth)
    tenth = np.minimum((np.array(said) * BINS).astype(int), BINS - 1)
    filled = [n for n in range(BINS) if (tenth == n).any()]
    return (
        [float(np.array(said)[tenth == n].mean()) for n in filled],
        [float(np.array(right)[tenth == n].mean()) for n in filled],
    )


def share_asked(examples: Sequence[Example], skill: Skill, error_rate: float) -> float:
    """Share of sets that have not exactly one member."""
    rows = probabilities_of(examples, skill.temperature, skill.blur, skill.decay)
    sizes = []
    for row, example in zip(rows, examples, strict=True):
        names = answers_of(example)
        limits = [skill.threshold(name, error_rate) for name in names]
        sizes.append(len(kept(row[: len(names)], limits, error_rate)))
    return float((np.array(sizes) != 1).mean())
