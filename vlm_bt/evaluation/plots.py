"""Plots of an evaluation: what a probability is worth, what is taken for what, how far light, blur and noise may go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vlm_bt.evaluation.answered import Answered, tagged
from vlm_bt.evaluation.classification import known
from vlm_bt.evaluation.covering import ERROR_RATES
from vlm_bt.evaluation.statistics import accuracy, reliability
from vlm_bt.evaluation.sweeps import STEPS
from vlm_bt.vision.vocabulary import KINDS, OTHER

_BLUE, _ORANGE, _GREY = "#0072b2", "#d55e00", "#8a8d91"
_WIDE_IN, _DPI = 7.0, 130


def draw(folder: Path, answers: Mapping[str, Sequence[Answered]]) -> dict[str, list[str]]:
    """Draw what there are answers for; per suite, the files' names in the folder."""
    import matplotlib

    matplotlib.use("Agg")
    folder.mkdir(parents=True, exist_ok=True)
    drawn: dict[str, list[str]] = {}
    for suite, some in answers.items():
        kinds = [(_reliability, "reliability"), *_OWN.get(suite, ())]
        for plot, name in kinds:
            figure = plot(some)
            if figure is not None:
                path = folder / f"{suite}-{name}.png"
                figure.savefig(path, dpi=_DPI)
                drawn.setdefault(suite, []).append(path.name)
                _close(figure)
    return drawn


def _reliability(answers: Sequence[Answered]) -> Any | None:
    """Reliability diagram: how often answers of a confidence are right; below, how many there are."""
    found = reliability(answers)
    if not len(found.count):
        return None
    figure, (upper, lower) = _axes(2, 1, 5.6, sharex=True, height_ratios=(3, 1))
    upper.plot((0, 1), (0, 1), color=_GREY, linewidth=1, linestyle="--")
    upper.plot(found.confidence, found.right, color=_BLUE, marker="o")
    upper.set(ylabel="share that is right", ylim=(-0.02, 1.02), xlim=(0, 1.02))
    upper.set_title(f"expected calibration error {found.error:.3f}, {found.count.sum()} answers", fontsize=10)
    lower.bar(found.confidence, found.count, width=0.03, color=_BLUE)
    lower.set(xlabel="probability that the model gives to its answer", ylabel="answers", yscale="log")
    return figure


def _sweeps(answers: Sequence[Answered]) -> Any | None:
    """Accuracy by step, with the 95% interval, and what is wrong and confident."""
    figure, axes = _axes(1, len(STEPS), 3.2, sharey=True)
    for axis, sweep in zip(axes, STEPS, strict=True):
        some = known(tagged(answers, sweep=sweep))
        steps = sorted({one.tags["at"] for one in some}, key=float)
        if not steps:
            continue
        at = [float(step) for step in steps]
        right = [accuracy(tagged(some, at=step)) for step in steps]
        wrong = [np.mean([one.wrong_and_sure for one in tagged(some, at=step)]) for step in steps]
        axis.fill_between(at, [one.low for one in right], [one.high for one in right], color=_BLUE, alpha=0.2)
        axis.plot(at, [one.value for one in right], color=_BLUE, marker="o", label="right")
        axis.plot(at, wrong, color=_ORANGE, marker="s", label="wrong and confident")
        axis.set(xlabel=f"{sweep}, 0 is usual", ylim=(-0.02, 1.02))
    axes[0].set_ylabel("share of things")
    axes[0].legend(loc="center left", fontsize=8)
    return figure


def _confusion(answers: Sequence[Answered]) -> Any | None:
    """What is taken for what: rows are the truth, in shares of it."""
    usual = tagged(answers, wording="usual")
    names = (*KINDS, OTHER)
    if not usual:
        return None
    table = np.zeros((len(names), len(names)))
    for one in usual:
        if one.truth in names and one.said in names:
            table[names.index(one.truth), names.index(one.said)] += 1
    shares = table / np.maximum(1.0, table.sum(1, keepdims=True))
    figure, axis = _axes(1, 1, 6.2)
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.argwhere(table > 0):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axis.text(column, row, f"{table[row, column]:.0f}", ha="center", va="center", fontsize=8, color=colour)
    axis.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=8)
    axis.set_yticks(range(len(names)), names, fontsize=8)
    axis.set(xlabel="answer", ylabel="truth")
    return figure


def _covering(answers: Sequence[Answered]) -> Any | None:
    """Coverage against the size of the sets: a point for each seed, at each error rate."""
    figure, axis = _axes(1, 1, 4.2)
    for rate, colour in zip(ERROR_RATES, (_BLUE, "#009e73", _ORANGE), strict=True):
        some = tagged(answers, rate=f"{rate:g}")
        seeds = [tagged(some, seed=seed) for seed in sorted({one.tags["seed"] for one in some})]
        size = [np.mean([one.size for one in seed]) for seed in seeds]
        covered = [np.mean([one.covered for one in seed]) for seed in seeds]
        axis.scatter(size, covered, s=14, color=colour, alpha=0.6)
        axis.scatter(
            [np.mean(size)], [np.mean(covered)], s=70, marker="D", color=colour, label=f"{1 - rate:.0%} wanted"
        )
        axis.axhline(1 - rate, color=colour, linewidth=1, linestyle="--")
    axis.set(xlabel="mean number of answers in a set", ylabel="sets with the truth in them")
    axis.legend(fontsize=8, title="dots: seeds, diamond: mean", title_fontsize=8)
    return figure


def _counting(answers: Sequence[Answered]) -> Any | None:
    """How many are counted against how many there are, of everything."""
    some = [one for one in tagged(answers, of="things") if not one.failed]
    if not some:
        return None
    figure, axis = _axes(1, 1, 4.6)
    most = max(int(value) for one in some for value in (one.truth, one.said))
    axis.plot((0, most), (0, most), color=_GREY, linewidth=1, linestyle="--")
    for clutter, colour, shift in (("apart", _BLUE, -0.12), ("touching", _ORANGE, 0.12)):
        part = tagged(some, clutter=clutter)
        pairs, count = np.unique(np.array([(int(o.truth), int(o.said)) for o in part]).reshape(-1, 2), axis=0,
                                 return_counts=True)  # fmt: skip
        axis.scatter(pairs[:, 0] + shift, pairs[:, 1], s=18 * count, color=colour, alpha=0.7, label=f"things {clutter}")
    axis.set(xlabel="things on the bench", ylabel="counted")
    axis.legend(fontsize=8)
    return figure


_OWN: Mapping[str, tuple[tuple[Callable[[Sequence[Answered]], Any | None], str], ...]] = {
    "sweeps": ((_sweeps, "accuracy"),),
    "classification": ((_confusion, "confusion"),),
    "coverage": ((_covering, "sets"),),
    "counting": ((_counting, "counts"),),
}


def _axes(rows: int, columns: int, high_in: float, **how: Any) -> tuple[Any, Any]:
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(rows, columns, figsize=(_WIDE_IN, high_in), layout="constrained", **how)
    for axis in np.atleast_1d(axes):
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _close(figure: Any) -> None:
    from matplotlib import pyplot

    pyplot.close(figure)
