"""What came of an evaluation: one JSON file with every answer, one page of Markdown."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vlm_bt.bench.form import Figure, machine
from vlm_bt.evaluation.answered import Answered
from vlm_bt.evaluation.statistics import (
    accuracy,
    coverage,
    mean_size,
    reliability,
    wrong_and_sure,
)
from vlm_bt.evaluation.suite import Suite

_MOST_CLASSES = 12


def write_json(
    path: Path, made: Mapping[str, Any], figures: Sequence[Figure], answers: Mapping[str, Sequence[Answered]]
) -> None:
    """Figures and every single answer."""
    rows = [{**asdict(figure), "holds": figure.holds} for figure in figures]
    everything = {suite: [one.plain() for one in some] for suite, some in answers.items()}
    stored = {"made": dict(made), "machine": machine(), "figures": rows, "answers": everything}
    path.write_text(json.dumps(stored) + "\n", encoding="utf-8")


def write_markdown(
    path: Path,
    made: Mapping[str, Any],
    figures: Sequence[Figure],
    answers: Mapping[Suite, Sequence[Answered]],
    pictures: Mapping[str, Sequence[str]],
) -> None:
    """Figures with their targets, each suite with its intervals and its failures; `pictures`: per suite, files beside
    the page."""
    models = ", ".join(f"{name} ({revision})" for name, revision in made["models"].items())
    lines = [
        "# Evaluation",
        "",
        f"Models: {models}. Seed {made['seed']}{', quick' if made['quick'] else ''}. {machine()}.",
        "",
        "Scenes are drawn by the simulation: the figures compare models and find faults, they are no promise about "
        "photographs. Intervals are 95%, over scenes. *Wrong and confident*: everything but something wrong was ruled "
        "out.",
        "",
        "| Figure | Measured | Target | |",
        "|---|---:|---|---|",
        *(_figure_row(figure) for figure in figures if figure.target is not None),
        "",
    ]
    for suite, some in answers.items():
        lines += _suite(suite, some, [f for f in figures if f.target is None], pictures.get(suite.name, ()))
    path.write_text("\n".join(lines), encoding="utf-8")


def failure_classes(answers: Sequence[Answered]) -> list[tuple[str, int]]:
    """What goes wrong how often, the most frequent first: what it is about, the right answer and the given one."""
    wrong = Counter(_failure(one) for one in answers if not one.right)
    return wrong.most_common(_MOST_CLASSES)


def _failure(one: Answered) -> str:
    if one.failed:
        return f"{one.kind}: no answer ({one.failed[:110]})"
    about = one.tags.get("kind") or one.tags.get("claim") or one.tags.get("relation") or one.tags.get("asked", "")
    truth, said = one.truth, one.said
    if one.kind == "ground":
        nothing = "nothing"
        truth = nothing if truth == nothing else "there"
        said = nothing if said == nothing else "somewhere else" if truth == "there" else "somewhere"
    if one.kind == "how_many":
        apart = int(said) - int(truth)
        return f"how many{f' ({about})' if about else ''}: {apart:+d}"
    return f"{one.kind}{f' ({about})' if about else ''}: {truth} taken for {said}"


def _suite(suite: Suite, answers: Sequence[Answered], figures: Sequence[Figure], pictures: Sequence[str]) -> list[str]:
    if not answers:
        return [f"## {suite.name}", "", "Nothing was asked.", ""]
    lines = [
        f"## {suite.name}: {suite.about}",
        "",
        f"{len(answers)} answers in {len({one.scene for one in answers})} scenes.",
        "",
        f"- right: {accuracy(answers)}",
        f"- expected calibration error: {reliability(answers).error:.3f}",
        f"- coverage of the sets: {coverage(answers)}, {mean_size(answers):.2f} answers in a set, "
        f"{sum(one.calibrated for one in answers) / len(answers):.0%} of them calibrated",
        f"- wrong and confident: {wrong_and_sure(answers)}",
        "",
    ]
    wrong = failure_classes(answers)
    if wrong:
        lines += [
            "| Failure | How often |",
            "|---|---:|",
            *(f"| {_cell(what)} | {count} |" for what, count in wrong),
            "",
        ]
    lines += [f"![{suite.name}]({name})\n" for name in pictures]
    return lines


def _figure_row(figure: Figure) -> str:
    verdict = "holds" if figure.holds else "**missed**"
    return f"| {figure.name} | {figure.value:.4g} {figure.unit} | {figure.sense} {figure.target:g} | {verdict} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
