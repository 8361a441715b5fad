"""`vlm-bt evaluate`: how good a model is, and whether its confidence means something."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlm_bt.errors import ConfigError

INTERRUPTED = 130


def evaluate(
    suites: Annotated[list[str] | None, typer.Argument(help="Which suites; all of them if not given.")] = None,
    model: Annotated[
        str | None, typer.Option(help="One of the models; the configuration's routes if not given.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Which configuration. Default: config/embedded.yaml.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=19, help="Draws other scenes, disjoint from those of any other.")] = 0,
    quick: Annotated[
        bool, typer.Option("--quick", help="A small version that ends within 2 minutes on 2 cores.")
    ] = False,
    folder: Annotated[
        Path | None, typer.Option(help="Your own pictures: a folder with a CSV or COCO file, or a recording.")
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="The CSV or COCO file, where the folder has several.")] = None,
    out: Annotated[
        Path, typer.Option(help="Gets report.md, report.json, plots, pictures; an interrupted run goes on.")
    ] = Path("runs/evaluate"),
    json: Annotated[bool, typer.Option("--json", help="End with one JSON object as the last line.")] = False,
) -> None:
    """Put suites of questions about staged scenes to any model, and say which targets hold.

    \b
    vlm-bt evaluate                          everything, with the shipped model
    vlm-bt evaluate counting yes-no --quick  two suites, small
    vlm-bt evaluate --config my.yaml --model detector
    vlm-bt evaluate --folder my_tools        your own pictures alone

    \b
    grounding classification counting yes-no relations failures refusal text sweeps coverage latency

    Ends with 0 when every target holds, 1 when one does not.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from vlm_bt import settings
    from vlm_bt.bench.form import finish
    from vlm_bt.evaluation import SUITES
    from vlm_bt.evaluation.evaluate import Plan
    from vlm_bt.evaluation.evaluate import evaluate as run
    from vlm_bt.evaluation.folder import folder_suite

    for name in suites or ():
        if name not in SUITES:
            raise ConfigError(f"no suite is called {name!r}; there are: {', '.join(SUITES)}")
    if labels is not None and folder is None:
        raise ConfigError("--labels says what is in the pictures of --folder; name that too")
    chosen = [SUITES[name] for name in dict.fromkeys(suites or (() if folder else SUITES))]
    pictures = ""
    if folder is not None:
        own, pictures = folder_suite(folder, labels)
        chosen.append(own)
    place = out / f"{model or 'route'}-{seed}{'-quick' if quick else ''}{'-folder' if folder else ''}"
    plan = Plan(tuple(chosen), settings.load(config), model, seed, quick, place, pictures)
    columns = (TextColumn("{task.description:14}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=Console(stderr=True)) as bars:
            rows = {suite.name: bars.add_task(suite.name, total=None) for suite in chosen}
            figures = run(
                plan, bars.console.print, lambda name, done, all_: bars.update(rows[name], completed=done, total=all_)
            )
    except KeyboardInterrupt:
        typer.echo(f"stopped; what was answered is kept in {place}, the same command goes on", err=True)
        raise typer.Exit(INTERRUPTED) from None
    typer.echo(f"report: {place / 'report.md'}")
    raise typer.Exit(finish("evaluate", figures, json, typer.echo))
