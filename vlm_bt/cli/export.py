"""`vlm-bt export`: a mission's record for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlm_bt.errors import ConfigError


def export(
    record: Annotated[Path, typer.Argument(help="A mission's record (mission.mcap) or its folder.")],
    rerun: Annotated[
        Path | None, typer.Option(metavar="OUT.rrd", help="Write a recording for the Rerun viewer.")
    ] = None,
) -> None:
    """Write a mission's record in another program's form; Foxglove opens the record itself.

    \b
    vlm-bt export runs/organise_workbench-7 --rerun mission.rrd
    rerun mission.rrd

    Needs the extra: pip install 'vlm_bt[rerun]'. A record that was cut off is exported as far as it goes.
    """
    from vlm_bt.recording.record import Record
    from vlm_bt.recording.rerun_export import export_rerun

    if rerun is None:
        raise ConfigError("nothing to export to: name a file, such as --rerun mission.rrd")
    path = record / "mission.mcap" if record.is_dir() else record
    export_rerun(Record.read(path), rerun)
    typer.echo(rerun)
