"""`vlm-bt import-xml`: trees of other systems, in our language."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from vlm_bt.errors import ConfigError


def import_xml(
    file: Annotated[Path, typer.Argument(help="A BehaviorTree.CPP 4 file, as Groot2 writes it.")],
    out: Annotated[
        Path | None, typer.Option(help="Write trees/NAME.yaml and skills/NAME.yaml in this folder; else print them.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over files that are there.")] = False,
) -> None:
    """Translate a BehaviorTree.CPP tree. What has no equal is named, with its place, and keeps the tree from loading.

    \b
    vlm-bt import-xml door.xml --out .
    vlm-bt check trees/door.yaml

    Ends with 0 when everything has an equal, 1 when something has none, 2 when the file cannot be read.
    """
    from vlm_bt.leaves.table import LEAVES
    from vlm_bt.tree.btcpp import import_xml as translate
    from vlm_bt.tree.load import vocabulary

    try:
        data = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror or error}") from error
    imported = translate(data, str(file), vocabulary(LEAVES))
    if imported.tree:
        files = {Path("trees") / f"{imported.name}.yaml": imported.tree}
        files |= {Path("skills") / f"{name}.yaml": text for name, text in imported.skills.items()}
        _write(files, out, force)
    for finding in imported.findings:
        print(f"{finding}\n", file=sys.stderr)
    count = len(imported.findings)
    if count:
        print(f"{count} {'thing has' if count == 1 else 'things have'} to be put right by hand", file=sys.stderr)
    raise typer.Exit(2 if not imported.tree else 1 if count else 0)


def _write(files: dict[Path, str], out: Path | None, force: bool) -> None:
    if out is None:
        for path, text in files.items():
            typer.echo(f"# --- {path.as_posix()}\n{text}", nl=False)
        return
    there = [str(out / path) for path in files if (out / path).exists()]
    if there and not force:
        raise ConfigError(f"{', '.join(there)} exists already; --force writes over it")
    for path, text in files.items():
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        (out / path).write_text(text, encoding="utf-8")
        typer.echo(f"wrote {out / path}")
