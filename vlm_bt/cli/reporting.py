"""`vlm-bt report` and `vlm-bt stats`: a mission told from its record, and many of them in figures."""

from __future__ import annotations

import csv as csv_module
import json as json_module
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlm_bt.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from vlm_bt.recording.statistics import Statistics


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


def stats(
    folder: Annotated[Path, typer.Argument(help="A folder with records of missions, in it or in folders below.")],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV: table, row, figure, value.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for the plots (stats.png).")] = None,
) -> None:
    """Tell what many missions have in common.

    \b
    vlm-bt stats runs
    vlm-bt stats runs --csv > stats.csv
    vlm-bt stats runs --out plots/

    Per skill how often it succeeded and why it failed, questions to people, what was taken for what, how long models
    took, and where the time went. Unfinished and damaged records are counted and named.
    """
    from vlm_bt.recording.statistics import gather

    if json and csv:
        raise ConfigError("--json and --csv are two forms: choose one")
    if not folder.is_dir():
        raise ConfigError(f"{folder}: there is no such folder")
    found = gather(folder)
    if json:
        typer.echo(json_module.dumps(found.json()))
    elif csv:
        table = csv_module.writer(sys.stdout, lineterminator="\n")
        table.writerows([("table", "row", "figure", "value"), *_flat(found.json())])
    else:
        _print(found)
    if out is not None:
        from vlm_bt.cli.run import made
        from vlm_bt.recording.statistics_plots import plot

        typer.echo(f"plots: {plot(found, made(out))}", err=True)


KEYS = ("skill", "model", "question", "claimed", "said", "by", "record")


def _flat(found: Mapping[str, Any]) -> Iterator[tuple[str, str, str, object]]:
    """The JSON object as (table, row, figure, value); a row's name is made of its keys."""
    for table, value in found.items():
        if isinstance(value, Mapping):
            yield from ((table, "", str(name), one) for name, one in value.items())
        elif not isinstance(value, list):
            yield "missions", "", table, value
        else:
            for row in value:
                if not isinstance(row, Mapping):
                    yield table, str(row), "record", 1
                    continue
                name = " / ".join(str(row[key]) for key in KEYS if key in row)
                for figure, one in row.items():
                    if isinstance(one, Mapping):
                        yield from ((table, name, f"reason {reason}", times) for reason, times in one.items())
                    elif figure not in KEYS:
                        yield table, name, figure, one


def _print(found: Statistics) -> None:
    from rich.console import Console

    from vlm_bt.recording.statistics import percentiles
    from vlm_bt.recording.time_spent import PARTS

    console = Console()
    ended = ", ".join(f"{times} {outcome}" for outcome, times in found.outcomes.most_common())
    told = [
        f"{found.missions} missions: {ended or 'none could be read'}",
        f"{found.questions} questions to people ({found.silent} unanswered), "
        f"{found.questions / max(1, found.missions):.2f} a mission, "
        f"{found.questions / max(1, found.things):.3f} a thing",
        *(f"unfinished: {name}" for name in found.unfinished),
        *(f"not counted: {name}: {why}" for name, why in found.unread),
    ]
    for line in told:
        console.print(line, markup=False, highlight=False)
    rows: list[tuple[str, ...]] = []
    for name, skill in sorted(found.skills.items()):
        why = ", ".join(f"{reason.replace('_', ' ')} {times}" for reason, times in skill.reasons.most_common())
        rows.append((name, str(skill.done), str(skill.answers), str(skill.failures), f"{skill.success_rate:.1%}", why))
    _table(console, "Skills", ("skill", "done", "said no", "failed", "no failure", "reasons"), rows)
    wrong = [(key, n) for key, n in found.confusion.most_common() if key[0] != key[1]]
    total = found.confusion.total()
    title = f"Taken for something else: {sum(n for _, n in wrong)} of {total} claims"
    _table(console, title, ("claimed", "said", "by", "times"), [(*key, str(n)) for key, n in wrong])
    late = [
        (*key, str(len(times)), *(f"{value:.1f}" for value in percentiles(times).values()))
        for key, times in sorted(found.latency_ms.items())
    ]
    columns = ("skill", "model", "question", "answers", "p50", "p90", "p99")
    _table(console, "Answers of models, milliseconds", columns, late)
    shares = found.spent.shares()
    spent = [(text, f"{getattr(found.spent, name):.1f}", f"{shares[name]:.1%}") for name, text in PARTS.items()]
    _table(console, "Where the time went", ("part", "seconds", "share"), spent)


def _table(console: Console, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table whose cells are text, never markup; nothing where it would be empty."""
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)
