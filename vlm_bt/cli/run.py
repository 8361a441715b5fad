"""`vlm-bt run`."""

from __future__ import annotations

import json as json_module
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlm_bt.errors import ConfigError

if TYPE_CHECKING:
    from vlm_bt.app import Mission, Progress, Result
    from vlm_bt.settings import Settings

PLAIN_EVERY_S = 10.0
INTERRUPTED = 130


def run(
    tree: Annotated[str, typer.Argument(help="A tree's file, its name in trees/, or a sentence that starts it.")],
    config: Annotated[
        Path | None, typer.Option(help="What the mission runs on. Default: config/embedded.yaml.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Draws the bench: arrangement, colours, light, events.")] = 7,
    speed: Annotated[str, typer.Option(help="'max', as fast as this machine can, or 'realtime'.")] = "max",
    human: Annotated[
        str | None, typer.Option(help="Who answers: 'terminal', 'browser', 'scripted', 'scripted:FILE' or 'silent'.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="An input of the tree, or a setting such as simulation.items=6.")
    ] = None,
    items: Annotated[int | None, typer.Option(min=0, max=60, help="How many things lie on the bench.")] = None,
    fidelity: Annotated[
        str | None, typer.Option(help="'full', drawn and physical, or 'fast', by geometry alone: for many missions.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for report and record. Default: runs/TREE-SEED.")] = None,
    then: Annotated[
        list[str] | None,
        typer.Option(help="A tree or sentence to run next, on the same bench and knowing what is known."),
    ] = None,
    record_frames: Annotated[
        str | None, typer.Option(help="Pictures in the record: 'all', 'evidence' of decisions, or 'none'.")
    ] = None,
    metrics: Annotated[
        str | None, typer.Option(metavar="[HOST:]PORT", help="Where Prometheus finds figures while it runs.")
    ] = None,
    log_json: Annotated[
        str | None, typer.Option(metavar="FILE|-", help="Add lines of JSON there, - for standard error.")
    ] = None,
    view: Annotated[
        bool, typer.Option("--view", help="Show it in a browser, where people answer; prints the address.")
    ] = False,
    view_at: Annotated[
        str | None, typer.Option(metavar="[HOST:]PORT", help="Where browsers find it. Default: 127.0.0.1:8020.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="End with one JSON object as the last line.")] = False,
) -> None:
    """Run a mission and write its report.

    \b
    vlm-bt run organise_workbench                       you answer the robot's questions
    vlm-bt run organise_workbench --human scripted      a scripted supervisor answers
    vlm-bt run "organise this workbench" --seed 12      a sentence chooses the tree
    vlm-bt run "get me the largest wrench"              ... and fills its inputs
    vlm-bt run organise_workbench --then "get me the largest adjustable wrench"
    vlm-bt run my_tree.yaml --items 4 --speed realtime
    vlm-bt run organise_workbench --fidelity fast       the same mission without physics
    vlm-bt run organise_workbench --view                in a browser, where you answer

    Ends with 0 when the mission is done, 1 when it failed, 2 on bad input and 130 when it was interrupted.
    Ctrl-C stops the arm first and still writes the report.
    """
    from vlm_bt import app, settings
    from vlm_bt.cli.finding import find_mission
    from vlm_bt.cli.view import viewing
    from vlm_bt.operations.attached import operations

    if speed not in ("max", "realtime"):
        raise ConfigError(f"--speed is 'max' or 'realtime', not {speed!r}")
    meant = find_mission(tree)
    path = meant.path
    later = [find_mission(sentence) for sentence in then or []]
    chosen, inputs = overridden(settings.load(config), set_ or [])
    if items is not None:
        chosen = changed(chosen, "simulation.items", items)
    if fidelity is not None:
        chosen = changed(chosen, "simulation.fidelity", fidelity)
    if record_frames is not None:
        chosen = changed(chosen, "recorder.frames", record_frames)
    if metrics is not None:
        chosen = changed(chosen, "metrics.address", metrics)
    if log_json is not None:
        chosen = changed(chosen, "logging.file", log_json)
    folder = made(out or Path("runs") / f"{path.stem}-{seed}")
    who = human or ("browser" if view or view_at else chosen.human.channel)
    typer.echo("laying out the bench and loading the model ...", err=True)
    # A panel that redraws itself would wipe a terminal's questions away.
    panel_is_fine = not json and not who.startswith("terminal")
    name = f"{folder.name}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    with (
        operations(chosen, lambda line: typer.echo(line, err=True)) as watching,
        viewing(view, view_at, lambda line: typer.echo(line, err=True)) as shown,
        app.build(
            chosen,
            path,
            seed=seed,
            speed=speed,
            human=who,
            inputs={**meant.inputs, **inputs},
            out=folder,
            **vars(watching.attached(name)),
        ) as mission,
        interruptible(mission),
        watched(panel_is_fine) as show,
    ):
        watching.follow(lambda: mission.vision.waiting)
        shown.attach(mission)
        result = mission.run(shown.watching(show))
        code, last = result.exit_code, mission
        with ExitStack() as session:
            for number, following in enumerate(later, 1):
                if code == INTERRUPTED:
                    break
                tell(result, json=False)
                last = session.enter_context(
                    last.follow_up(
                        following.path,
                        following.inputs,
                        folder / f"then-{number}",
                        **vars(watching.attached(f"{name}-then-{number}")),
                    )
                )
                shown.attach(last)
                with interruptible(last):
                    result = last.run(shown.watching(show))
                code = max(code, result.exit_code)
            shown.detach()
    tell(result, json)
    raise typer.Exit(code)


def made(folder: Path) -> Path:
    """The folder, there and writable. Raises: ConfigError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {folder}: no folder can be made there ({error.strerror}); name another") from error
    if not os.access(folder, os.W_OK):
        raise ConfigError(f"--out {folder}: nothing may be written there; name another folder")
    return folder


def overridden(chosen: Settings, texts: list[str]) -> tuple[Settings, dict[str, str]]:
    """Split `--set` texts: a key with a dot is a setting, one without is an input of the tree.

    Raises:
        ConfigError: No `=`, or a setting that does not exist or does not fit.
    """
    import yaml

    inputs: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set {text!r}: write key=value, such as --set simulation.items=6")
        if "." not in key:
            inputs[key] = value
            continue
        try:
            parsed = yaml.load(value, Loader=yaml.CSafeLoader)
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {key}: {value!r} is not YAML ({error})") from error
        chosen = changed(chosen, key, parsed)
    return chosen, inputs


def changed(chosen: Settings, key: str, value: Any) -> Settings:
    """The settings with one value changed, checked as a file is. Raises: ConfigError."""
    from pydantic import ValidationError

    from vlm_bt.settings import Settings

    data: dict[str, Any] = chosen.model_dump()
    part = data
    *sections, last = key.split(".")
    for section in sections:
        part = part.get(section, {}) if isinstance(part.get(section), dict) else {}
    if last not in part:
        raise ConfigError(f"--set {key}: there is no such setting; see config/embedded.yaml for those there are")
    part[last] = value
    try:
        return Settings.model_validate(data)
    except ValidationError as error:
        raise ConfigError(f"--set {key}: {error.errors()[0]['msg']}, got {value!r}") from error


@contextmanager
def interruptible(mission: Mission) -> Iterator[None]:
    """The first Ctrl-C (or SIGTERM) stops the arm and ends the mission properly; a second one ends the process."""

    def stop(number: int, _: Any) -> None:
        print("\nstopping: the arm stands still, the report is being written (again to quit at once)", file=sys.stderr)
        mission.interrupt()
        signal.signal(number, signal.default_int_handler)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def watched(panel_is_fine: bool) -> Iterator[Callable[[Progress], None]]:
    """Progress on a terminal as one live panel, elsewhere as a line now and then; on stderr: stdout is for results."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal or not panel_is_fine:
        yield plain(console)
        return
    from rich.live import Live

    with Live(console=console, refresh_per_second=8, transient=True) as live:

        def show(now: Progress) -> None:
            live.update(panel(now))

        yield show


def plain(console: Any) -> Callable[[Progress], None]:
    last = [-PLAIN_EVERY_S]

    def show(now: Progress) -> None:
        if now.wall_s - last[0] >= PLAIN_EVERY_S:
            last[0] = now.wall_s
            console.print(
                f"{now.wall_s:5.0f} s  simulated {now.sim_s:6.1f} s  sorted {now.sorted:2d}  "
                f"questions {now.questions}  {now.node}",
                markup=False,
                highlight=False,
            )

    return show


def panel(now: Progress) -> Any:
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    rows = Table.grid(padding=(0, 2))
    for name, value in (
        ("now", now.node),
        ("sorted", f"{now.sorted}, {now.items_seen} seen on the bench"),
        ("questions", str(now.questions)),
        ("motions", str(now.motions)),
        ("time", f"{now.sim_s:.1f} s simulated in {now.wall_s:.1f} s, {now.model_wait_s:.1f} s of it for the model"),
    ):
        rows.add_row(Text(name, style="dim"), Text(value))
    return Panel(rows, title="mission", title_align="left", border_style="cyan")


def tell(result: Result, json: bool) -> None:
    """The closing words for a person, and the JSON line for a machine."""
    score = result.score
    if result.closing:
        typer.echo(result.closing)
    detail = f" ({result.detail})" if result.detail else ""
    handed = f"{result.handed_over} handed over, " if result.handed_over else ""
    typer.echo(
        f"{result.outcome}{detail}: {score['sorted']} of {score['items']} in their right place, {handed}"
        f"{result.questions} questions, {result.motions} motions, "
        f"{result.sim_s:.0f} s simulated in {result.wall_s:.0f} s"
    )
    typer.echo(f"report: {result.report}")
    if json:
        typer.echo(json_module.dumps(result.json()))
