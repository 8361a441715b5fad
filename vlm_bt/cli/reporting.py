"""`vlm-bt report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlm_bt.errors import ConfigError


def report(
    record: Annotated[Path, typer.Argument(help="A mission's record (mission.mcap) or its folder.")],
    format: Annotated[
        list[str] | None, typer.Option("--format", help="'html' or 'md'; may be repeated. Default: both.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the report. Default: the record's own.")] = None,
) -> None:
    """Write a mission's report anew from its record.

    \b
    vlm-bt report runs/organise_workbench-7
    vlm-bt report runs/organise_workbench-7/mission.mcap --format md --out notes/

    The page prints well: "Print to PDF" of any browser opens what is folded and leaves the dark colours out.
    """
    from vlm_bt.recording.report import FORMS, write_report

    wrong = next((one for one in format or () if one not in FORMS), None)
    if wrong is not None:
        raise ConfigError(f"--format is {' or '.join(map(repr, FORMS))}, not {wrong!r}")
    path = record / "mission.mcap" if record.is_dir() else record
    if not path.is_file():
        raise ConfigError(f"{path}: no such record; a mission writes mission.mcap into its --out folder")
    typer.echo(write_report(path, out or path.parent, tuple(dict.fromkeys(format or FORMS))))
