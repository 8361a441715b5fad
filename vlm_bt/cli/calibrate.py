"""`vlm-bt calibrate`: what a model may be sure of, measured."""

from __future__ import annotations

import json as json_module
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlm_bt.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vlm_bt.training.calibration_fit import Row
    from vlm_bt.vision.calibration_file import CameraId

STOPPED = 130


def calibrate(
    model: Annotated[str, typer.Option(help="The model's name in the configuration.")] = "shipped",
    config: Annotated[Path | None, typer.Option(help="Configuration; config/embedded.yaml if not given.")] = None,
    skill: Annotated[list[str] | None, typer.Option(help="Only this skill; may be given again. All if not.")] = None,
    camera: Annotated[
        str, typer.Option(help="NAME, or NAME:WIDTHxHEIGHT, of the camera that missions look through.")
    ] = "overhead:1280x720",
    scenes: Annotated[int, typer.Option(min=4, max=1000, help="Scenes of the simulation.")] = 360,
    pictures: Annotated[Path | None, typer.Option(help="A folder of labelled pictures instead of scenes.")] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Its CSV or COCO file; the only one in the folder if not.")
    ] = None,
    error_rate: Annotated[
        float | None, typer.Option(min=0.001, max=0.5, help="How often a sure answer may be wrong; the configured one.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of calibration files; config/calibration if not given.")
    ] = None,
    work: Annotated[Path, typer.Option(help="Keeps answers and plots, so that a stopped run goes on.")] = Path(
        "runs/calibrate"
    ),
    json: Annotated[bool, typer.Option("--json", help="The result as one JSON object.")] = False,
) -> None:
    """Ask a model what missions ask, and write from which score on it may be sure (MODEL-CAMERA.json).

    \b
    vlm-bt calibrate                                         the shipped model, 360 scenes
    vlm-bt calibrate --skill is_true.scene --scenes 200      one skill anew; what the file has of others is kept
    vlm-bt calibrate --model thinker --config workshop.yaml --pictures photos --labels photos/labels.csv

    Ends with a table measured on held-out halves. Run again to go on after a stop.
    """
    from rich.console import Console
    from rich.progress import Progress

    from vlm_bt import settings
    from vlm_bt.training import calibrate as making
    from vlm_bt.training.calibration_pictures import SKILLS as PICTURE_SKILLS
    from vlm_bt.training.calibration_pictures import pictured
    from vlm_bt.training.calibration_plot import write_plot
    from vlm_bt.vision.calibration import calibration_folder
    from vlm_bt.vision.calibration_file import file_name
    from vlm_bt.vision.desk import calibrated_name

    vision = settings.load(config).vision
    if model not in vision.models:
        raise ConfigError(f"no model is called {model!r}; there are: {', '.join(vision.models)}")
    known = making.SKILLS if pictures is None else PICTURE_SKILLS
    unknown = [name for name in skill or () if name not in known]
    if unknown:
        raise ConfigError(f"no skill is called {unknown[0]!r} here; there are: {', '.join(known)}")
    seen = camera_of(camera)
    name = calibrated_name(model, vision.models[model])
    where = out or vision.models[model].calibration or calibration_folder()
    file = where if where.suffix == ".json" else where / file_name(name, seen.name)
    plan = making.Plan(
        name,
        vision.models[model],
        file,
        work,
        seen,
        tuple(skill) if skill else making.SKILLS,
        scenes,
        error_rate or vision.error_rate,
        offline=vision.offline,
    )
    screen = Console(stderr=True)
    cases, origin = None, None
    if pictures is not None:
        plan, cases, origin = pictured(plan, pictures, labels)
    elif seen.name != "overhead":
        raise ConfigError(
            f"the simulation shows the camera 'overhead' alone; give pictures of {seen.name!r} with --pictures FOLDER"
        )
    try:
        with Progress(console=screen, disable=json) as bar:
            task = bar.add_task(f"{model} through {plan.camera}", total=plan.scenes)
            found = making.calibrate(
                plan,
                lambda text: screen.print(text, markup=False, highlight=False),
                lambda done, of: bar.update(task, completed=done),
                cases,
                origin,
            )
    except KeyboardInterrupt:
        screen.print(f"stopped; the same command goes on from what is kept in {work}", markup=False)
        raise typer.Exit(STOPPED) from None
    plot = write_plot(work / f"{file.stem}.png", found.examples, found.stored)
    if json:
        rows = [asdict(row) for row in found.rows]
        typer.echo(json_module.dumps({"file": str(file), "plot": str(plot), "skills": rows, "notes": found.notes}))
        return
    _show(found.rows)
    typer.echo(f"written to {file}; reliability and set sizes: {plot}")


def camera_of(text: str) -> CameraId:
    """ "overhead" or "wrist:640x480". Raises: ConfigError."""
    from vlm_bt.vision.calibration_file import CameraId

    name, _, size = text.partition(":")
    width, _, height = (size or "1280x720").partition("x")
    if not name or not width.isdigit() or not height.isdigit():
        raise ConfigError(f"--camera {text!r}: write NAME:WIDTHxHEIGHT, such as overhead:1280x720")
    return CameraId(name=name, width=int(width), height=int(height))


def _show(rows: Sequence[Row]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"Held-out halves, error rate {rows[0].error_rate:g}")
    for column in ("skill", "examples", "scenes", "coverage", "sure and wrong", "asked", "set size", "loss", "scaled"):
        table.add_column(column, justify="left" if column == "skill" else "right")
    for row in rows:
        table.add_row(
            row.skill,
            str(row.examples),
            str(row.groups),
            f"{row.coverage:.1%}",
            f"{row.wrong:.1%}",
            f"{row.asked:.1%}",
            f"{row.size:.2f}",
            f"{row.nll:.3f}",
            f"{row.scaled_nll:.3f}",
        )
    Console().print(table)
