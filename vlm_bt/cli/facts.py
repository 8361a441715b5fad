"""`vlm-bt facts`: what a mission was told, and what is kept between missions."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import Annotated

import typer

from vlm_bt.errors import ConfigError


def facts(
    where: Annotated[Path, typer.Argument(help="A mission's record or its folder, or a file of kept facts (.json).")],
    json: Annotated[bool, typer.Option("--json", help="The facts as one JSON list.")] = False,
    revoke: Annotated[
        str | None, typer.Option(help="Take back this fact of a file of kept facts, such as fact-2.")
    ] = None,
) -> None:
    """List what people said and the mission learnt, also of a mission that still runs.

    \b
    vlm-bt facts runs/organise_workbench-7
    vlm-bt facts kept_facts.json --revoke fact-2

    In a running mission a fact is taken back by saying so: "forget that", "forget what I said about the hammer".
    """
    from vlm_bt.recording.record import Record
    from vlm_bt.recording.told import facts_of
    from vlm_bt.scene.kept_facts import keep, load_kept

    path = where / "mission.mcap" if where.is_dir() else where
    if not path.is_file():
        raise ConfigError(f"{path}: there is no such record; a mission writes mission.mcap into its --out folder")
    kept = path.suffix == ".json"
    found = load_kept(path) if kept else facts_of(Record.read(path))
    if revoke is not None:
        if not kept:
            raise ConfigError("a record is not changed; say 'forget that' while the mission runs")
        if not found.revoke_fact(revoke):
            raise ConfigError(f"{path}: no fact {revoke!r} stands; there are: {', '.join(f.id for f in found.all())}")
        keep(found, path)
        found = load_kept(path)
    if json:
        typer.echo(json_module.dumps(found.to_json()))
        return
    table = [("fact", "about", "what", "by", "said at", "")]
    for fact in found.all():
        about = "the mission" if fact.scope == "mission" else f"{fact.scope} {fact.subject}"
        said = f"{fact.stamp_s:.1f} s" if fact.stamp_s >= 0 else "before"
        taken = "taken back" if fact.revoked else ""
        table.append((fact.id, about, f"{fact.key}: {fact.value}", fact.by, said, taken))
    if len(table) == 1:
        typer.echo("no facts")
        return
    wide = [max(len(row[column]) for row in table) for column in range(6)]
    for row in table:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, wide, strict=True)).rstrip())
