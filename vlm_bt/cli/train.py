"""`vlm-bt train`: make models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer(help="Train models, from nothing or on your own pictures.", no_args_is_help=True)

Minutes = Annotated[
    float | None, typer.Option(min=0.0, help="Stop after so much wall time; the next run goes on from there.")
]
Device = Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="auto: a GPU where there is one.")]
Precision = Annotated[
    Literal["auto", "fp32", "bf16", "fp16"], typer.Option(help="auto: what the device has in hardware.")
]
HEAD_STEPS_PER_STEP = 4


@app.command("embedded")
def embedded(
    steps: Annotated[int, typer.Option(min=1, help="Of the CLIP; the result depends on them, not on the time.")] = 2000,
    head_steps: Annotated[
        int | None, typer.Option(min=1, help="Of the question head; four times as many if not given.")
    ] = None,
    minutes: Minutes = None,
    scenes: Annotated[int, typer.Option(min=2, help="How many benches to draw for training.")] = 180,
    seed: Annotated[int, typer.Option(min=0, help="Another seed trains another model on other benches.")] = 0,
    out: Annotated[Path, typer.Option(help="Gets the weights, the calibration and everything in between.")] = Path(
        "runs/train-embedded"
    ),
    device: Device = "auto",
    precision: Precision = "auto",
) -> None:
    """The shipped model: pictures, CLIP, question head, calibration, cards. Run again to go on after a stop.

    \b
    vlm-bt train embedded                        less than two hours on two idle cores
    vlm-bt train embedded --steps 4 --scenes 4   to see that it runs
    tensorboard --logdir runs/train-embedded/work/tensorboard
    """
    from vlm_bt.training.embedded import Plan, train_embedded

    plan = Plan(
        steps=steps,
        head_steps=head_steps or HEAD_STEPS_PER_STEP * steps,
        minutes=minutes,
        scenes=scenes,
        seed=seed,
        calibration_scenes=min(120, max(2, scenes)),
        evaluation_scenes=min(60, max(2, scenes // 2)),
        device=device,
        precision=precision,
    )
    train_embedded(plan, out, typer.echo)
    typer.echo(f"weights, calibration and cards: {out}")


@app.command("head")
def head(
    steps: Annotated[int, typer.Option(min=1, help="The result depends on them, not on the time.")] = 8000,
    minutes: Minutes = None,
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
    device: Device = "auto",
    precision: Precision = "auto",
) -> None:
    """The question head of the shipped model: what answers yes or no, chooses and describes. Run again to go on.

    The trunk below is only read. Pictures are drawn from the simulation, the trunk looks at each twice, then a small
    language model learns the answers to questions that are made up from what is known of each picture. Copy the
    `question_head.*` files beside the trunk's to use them.

    \b
    vlm-bt train head                         about an hour on two cores
    vlm-bt train head --steps 8 --scenes 4    to see that it runs
    """
    from vlm_bt.training.head import HeadPlan, train_head

    plan = HeadPlan(
        steps=steps,
        minutes=minutes,
        scenes=scenes,
        seed=seed,
        evaluation_scenes=min(60, max(2, scenes // 2)),
        device=device,
        precision=precision,
    )
    train_head(plan, out, typer.echo, work, trunk)
    typer.echo(f"question head and card: {out}")
