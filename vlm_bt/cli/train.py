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


@app.command("data")
def data(
    scenes: Annotated[int, typer.Option(min=1, help="How many scenes to stage; each has one picture or two.")] = 240,
    seed: Annotated[int, typer.Option(min=0, help="Another seed stages other scenes.")] = 0,
    out: Annotated[Path, typer.Option(help="Gets the shards.")] = Path("runs/train-data"),
    width: Annotated[
        int | None, typer.Option(min=64, help="Of the pictures, in pixels; the mission camera's 1280 if not given.")
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes; one a core if not given.")] = None,
    json: Annotated[bool, typer.Option("--json", help="End with one JSON object as the last line.")] = False,
) -> None:
    """Scenes from the simulation with labels, captions and questions, as WebDataset shards.

    Run again to go on after a stop. The seed decides every byte, the number of processes none. What is held out of
    training (kinds, pairs of colour and kind, the other cell) is never in it. Other models learn from it, too:

    \b
    import webdataset
    for sample in webdataset.WebDataset("runs/train-data/crops-000000.tar").decode("pil"): ...
    """
    import json as encoder
    import os

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from vlm_bt.training.shards import DataPlan, make_data

    plan = DataPlan(scenes, seed, (width, round(width * 9 / 16)) if width else None)
    processes = jobs or len(os.sched_getaffinity(0))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task("scenes", total=scenes)
            made = make_data(plan, out, processes, lambda count: bar.advance(task, count))
    except KeyboardInterrupt:
        typer.echo("stopped; the shards that are complete stay, run the same command again to go on", err=True)
        raise typer.Exit(130) from None
    typer.echo(f"{made['shards']} shards of {scenes} scenes, {made['bytes'] / 1e6:.1f} MB: {out}")
    if json:
        typer.echo(encoder.dumps(made))


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
        calibration_scenes=min(360, max(12, 2 * scenes)),
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


@app.command("clip")
def clip(
    pictures: Annotated[Path, typer.Argument(help="Folder of pictures, or a RealSense recording (.db3, .bag).")],
    checkpoint: Annotated[
        str | None,
        typer.Option(
            help="ARCHITECTURE/TAG, ARCHITECTURE/FILE.safetensors, hf-hub:ORG/NAME or local-dir:FOLDER; the shipped "
            "model if not given."
        ),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="CSV (file,label) or COCO file; the only one in the folder if not given.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Gets the model, which local-dir:OUT loads.")] = Path("runs/train-clip"),
    tune: Annotated[
        Literal["projection", "last", "all"], typer.Option(help="How much of the model learns; few pictures: last.")
    ] = "last",
    steps: Annotated[int, typer.Option(min=1, help="The result depends on them, not on the time.")] = 300,
    batch: Annotated[int, typer.Option(min=1, help="Pictures in a step.")] = 32,
    rate: Annotated[float, typer.Option(min=0.0, help="Highest learning rate.")] = 5e-4,
    minutes: Minutes = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the pictures kept back, and of what is drawn.")] = 0,
    fetch: Annotated[bool, typer.Option(help="Weights may be fetched from a hub.")] = False,
    device: Device = "auto",
    precision: Precision = "auto",
) -> None:
    """Fine-tune a CLIP on your own labelled pictures. Run again to go on after a stop.

    A fifth of the pictures is kept back and named rightly or not while it learns. Use the result as
    {backend: open_clip, checkpoint: "local-dir:OUT"}, calibrate it, and evaluate it on other pictures.

    \b
    vlm-bt train clip my_tools --checkpoint ViT-B-32/laion2b_s34b_b79k --fetch
    """
    from vlm_bt.errors import VlmBtError
    from vlm_bt.training.finetune import Tuning, finetune
    from vlm_bt.training.labelled import read_labelled
    from vlm_bt.vision.weights import embedded_directory

    base = checkpoint or f"local-dir:{embedded_directory()}"
    plan = Tuning(
        steps=steps, minutes=minutes, tune=tune, rate=rate, batch=batch, seed=seed, device=device, precision=precision
    )
    try:
        finetune(base, read_labelled(pictures, labels), plan, out, typer.echo, offline=not fetch)
    except VlmBtError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    typer.echo(f"model and card: {out}")


@app.command("photographs")
def photographs(
    out: Annotated[Path, typer.Argument(help="Folder that gets the pictures and labels.csv.")],
    count: Annotated[int, typer.Option(min=1, help="How many pictures; each shows several things.")] = 40,
    seed: Annotated[int, typer.Option(min=0, help="Another seed stages other benches.")] = 300_000,
    camera: Annotated[
        Literal["bench", "cell"], typer.Option(help="cell: another lens, noise, light and materials.")
    ] = "cell",
) -> None:
    """Pictures of staged benches as if they were a user's own: PNG files and a CSV with a box for each thing.

    They stand in for photographs of a new robot cell in the tutorial; they are renders.
    """
    from vlm_bt.training.photographs import photograph

    things = photograph(out, count, seed, camera, typer.echo)
    typer.echo(f"{count} pictures of {things} things: {out}")
