"""The command line `vlm-bt`. Each command imports what it needs when it runs."""

from __future__ import annotations

import sys

import typer

from vlm_bt.cli import (
    bench,
    calibrate,
    check,
    convert,
    evaluate,
    export,
    facts,
    inspect,
    models,
    reporting,
    robot,
    ros,
    run,
    schema,
    train,
    view,
)
from vlm_bt.errors import VlmBtError

app = typer.Typer(
    name="vlm-bt",
    help="A behaviour-tree task executive for robots that see through vision-language models.\n\n"
    "Start with: vlm-bt run organise_workbench --human scripted",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("run")(run.run)
app.command("view")(view.view)
app.command("report")(reporting.report)
app.command("stats")(reporting.stats)
app.command("export")(export.export)
app.command("facts")(facts.facts)
app.command("check")(check.check)
app.command("migrate")(check.migrate)
app.command("import-xml")(convert.import_xml)
app.command("show")(inspect.show)
app.command("skills")(inspect.skills)
app.command("schema")(schema.schema)
app.command("reference")(schema.reference)
app.command("doctor")(inspect.doctor)
app.command("bench")(bench.bench)
app.command("calibrate")(calibrate.calibrate)
app.command("evaluate")(evaluate.evaluate)
app.add_typer(models.app, name="models")
app.add_typer(train.app, name="train")
for command in (robot.run, robot.vision, robot.up):
    ros.app.command(command.__name__)(command)
app.add_typer(ros.app, name="ros")


def main() -> None:
    """Entry point: an error that a person can put right ends as its text and exit code 2, never as a traceback."""
    try:
        app()
    except VlmBtError as error:
        print(f"vlm-bt: {error}", file=sys.stderr)
        sys.exit(2)
