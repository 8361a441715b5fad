"""`vlm-bt schema` and `reference`: what editors and the documentation take from the code and the cards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlm_bt.errors import ConfigError


def schema(
    out: Annotated[Path | None, typer.Option(help="The file to write; without it the schema is printed.")] = None,
    of: Annotated[str, typer.Option(help="What it describes: trees, or the cards of skills.")] = "trees",
    skills: Annotated[list[Path] | None, typer.Option(help="One more folder of skill cards; may be repeated.")] = None,
    allow: Annotated[
        list[str] | None, typer.Option(help="A leaf of another package that cards may name; may be repeated.")
    ] = None,
) -> None:
    """The JSON Schema through which an editor completes skills and arguments.

    \b
    vlm-bt schema --out schema/vlm_bt_tree.schema.json
    vlm-bt schema --skills my_skills --out my.schema.json
    """
    from vlm_bt.leaves.table import LEAVES
    from vlm_bt.tree.load import skill_folders, vocabulary
    from vlm_bt.tree.schema import as_text, card_schema, tree_schema

    if of not in ("trees", "skills"):
        raise ConfigError(f"--of is trees or skills, not {of!r}")
    cards = vocabulary(LEAVES, skills_dirs=skill_folders(skills or []), allow=allow or [])
    text = as_text(tree_schema(cards) if of == "trees" else card_schema(cards, LEAVES, allow=allow or []))
    _give(text, out)


def reference(
    out: Annotated[Path | None, typer.Option(help="The file to write; without it the page is printed.")] = None,
) -> None:
    """The reference of the language: every node, skill, type and outcome, as Markdown.

    \b
    vlm-bt reference --out docs/reference.md
    """
    from vlm_bt.leaves.table import LEAVES
    from vlm_bt.tree.load import vocabulary
    from vlm_bt.tree.reference import reference as page

    _give(page(vocabulary(LEAVES)), out)


def _give(text: str, out: Path | None) -> None:
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{out} cannot be written: {error.strerror or error}") from error
