"""`vlm-bt train`: make models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Train models from nothing, on pictures from the simulation.", no_args_is_help=True)


@app.command("embedded")
def embedded(
    minutes: Annotated[float, typer.Option(min=0.1, help="How long to train, pictures not counted.")] = 12.0,
    scenes: Annotated[int, typer.Option(min=2, help="How many benches to draw for training.")] = 180,
    seed: Annotated[int, typer.Option(min=0, help="Another seed trains another model on other benches.")] = 0,
    out: Annotated[Path, typer.Option(help="Gets the weights, the calibration and everything in between.")] = Path(
        "runs/train-embedded"
    ),
) -> None:
    """The shipped model: pictures, training, calibration, evaluation, model card. Run again to go on after a stop.

    \b
    vlm-bt train embedded                          about 25 minutes on two cores
    vlm-bt train embedded --minutes 1 --scenes 4   to see that it runs
    """
    from vlm_bt.training.embedded import Plan, train_embedded

    plan = Plan(
        minutes=minutes,
        scenes=scenes,
        seed=seed,
        calibration_scenes=min(120, max(2, scenes)),
        evaluation_scenes=min(60, max(2, scenes // 2)),
    )
    train_embedded(plan, out, typer.echo)
    typer.echo(f"weights, calibration and card: {out}")


@app.command("head")
def head(
    minutes: Annotated[float, typer.Option(min=0.05, help="How long to train, pictures not counted.")] = 21.0,
    scenes: Annotated[int, typer.Option(min=2, help="How many benches to draw for training.")] = 180,
    seed: Annotated[int, typer.Option(min=0, help="Another seed trains another head on other benches.")] = 0,
    trunk: Annotated[
        Path | None, typer.Option(help="Folder of the model that it sits on; the shipped one if not given.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Gets the head, its card and everything in between.")] = Path(
        "runs/train-head"
    ),
    work: Annotated[
        Path | None, typer.Option(help="Where pictures are kept; the `work` of `train embedded` saves drawing them.")
    ] = None,
) -> None:
    """The question head of the shipped model: what answers yes or no, chooses and describes. Run again to go on.

    The trunk below is only read. Pictures are drawn from the simulation, the trunk looks at each twice, then a small
    language model learns the answers to questions that are made up from what is known of each picture. Copy the
    `question_head.*` files beside the trunk's to use them.

    \b
    vlm-bt train head                           about 45 minutes on two cores
    vlm-bt train head --minutes 1 --scenes 4    to see that it runs
    """
    from vlm_bt.training.head import HeadPlan, train_head

    plan = HeadPlan(minutes=minutes, scenes=scenes, seed=seed, evaluation_scenes=min(60, max(2, scenes // 2)))
    train_head(plan, out, typer.echo, work, trunk)
    typer.echo(f"question head and card: {out}")
