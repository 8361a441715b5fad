"""A whole evaluation: the suites one after another, their figures, and a folder with everything that was found."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlm_bt.bench.form import Figure, Say
from vlm_bt.bench.mission import fingerprint
from vlm_bt.evaluation.answered import Answered
from vlm_bt.evaluation.asking import Progress, run_suite
from vlm_bt.evaluation.eye import Eye
from vlm_bt.evaluation.keeping import Kept
from vlm_bt.evaluation.plots import draw
from vlm_bt.evaluation.report import write_json, write_markdown
from vlm_bt.evaluation.sheet import draw_sheet
from vlm_bt.evaluation.suite import Suite
from vlm_bt.settings import Settings


@dataclass(frozen=True)
class Plan:
    """What to evaluate.

    Attributes:
        model: One of the configuration's models; its routes if None.
        out: Gets the answers while it runs, then report.json, report.md, plots and pictures.
        pictures: Hash of the user's own pictures, where they are one of the suites.
    """

    suites: tuple[Suite, ...]
    settings: Settings
    model: str | None
    seed: int
    quick: bool
    out: Path
    pictures: str = ""


def evaluate(plan: Plan, say: Say, progress: Progress) -> list[Figure]:
    """Ask, judge, write down.

    Raises:
        ConfigError: The configuration has no such model. ModelError: a model cannot be loaded.
    """
    zones = tuple(plan.settings.zones().values())
    answers: dict[Suite, list[Answered]] = {}
    with Eye(plan.settings.vision, zones, plan.model) as eye:
        for name, note in eye.calibrations.items():
            if note:
                say(f"{name}: {note}; sets are made of its probabilities")
        made = _made(plan, eye.revisions)
        kept = Kept(plan.out, made)
        for suite in plan.suites:
            answers[suite] = run_suite(suite, eye, kept, quick=plan.quick, seed=plan.seed, progress=progress)
    figures = [figure for suite, some in answers.items() for figure in _figures(suite, some)]
    write(plan.out, kept, made, figures, answers)
    return figures


def write(
    out: Path,
    kept: Kept,
    made: Mapping[str, Any],
    figures: Sequence[Figure],
    answers: Mapping[Suite, Sequence[Answered]],
) -> None:
    """report.json, report.md, plots and a sheet of the worst failures of each suite."""
    plots = draw(out / "plots", {suite.name: some for suite, some in answers.items()})
    pictures: dict[str, list[str]] = {}
    for suite, some in answers.items():
        pictures[suite.name] = [f"plots/{name}" for name in plots.get(suite.name, ())]
        sheet = out / "failures" / f"{suite.name}.png"
        sheet.parent.mkdir(exist_ok=True)
        if draw_sheet(sheet, some, kept.picture):
            pictures[suite.name].append(f"failures/{suite.name}.png")
    write_json(out / "report.json", made, figures, {suite.name: some for suite, some in answers.items()})
    write_markdown(out / "report.md", made, figures, answers, pictures)


def _figures(suite: Suite, answers: Sequence[Answered]) -> list[Figure]:
    """A suite that found nothing to ask about is no suite whose targets hold."""
    return suite.figures(answers) if answers else [Figure(f"{suite.name}: questions asked", 0, "", 1, "at least")]


def _made(plan: Plan, revisions: Mapping[str, str]) -> dict[str, Any]:
    settings = plan.settings.vision.model_dump_json() + str(plan.settings.zones())
    return {
        "program": fingerprint(),
        "models": dict(revisions),
        "model": plan.model,
        "configuration": hashlib.sha256(settings.encode()).hexdigest()[:16],
        "seed": plan.seed,
        "quick": plan.quick,
        "pictures": plan.pictures,
    }
