"""`vlm-bt show`, `skills` and `doctor`: commands that look and change nothing."""

from __future__ import annotations

import json as json_module
from typing import Annotated

import typer

from vlm_bt.cli.finding import find_tree
from vlm_bt.errors import ConfigError


def show(
    tree: Annotated[str, typer.Argument(help="A tree's file or name.")],
    as_: Annotated[str, typer.Option("--as", help="text, mermaid, dot, svg or json.")] = "text",
    expand: Annotated[bool, typer.Option("--expand", help="Open the skills that are subtrees.")] = False,
) -> None:
    """Draw a tree.

    \b
    vlm-bt show organise_workbench --expand
    vlm-bt show organise_workbench --as svg > tree.svg
    """
    from vlm_bt.leaves.table import LEAVES
    from vlm_bt.tree.load import load_tree
    from vlm_bt.tree.show import FORMS, show_tree

    if as_ not in FORMS:
        raise ConfigError(f"--as is {', '.join(FORMS)}, not {as_!r}")
    typer.echo(show_tree(load_tree(find_tree(tree), LEAVES), as_, expand=expand))


def skills(name: Annotated[str | None, typer.Argument(help="One skill, in full.")] = None) -> None:
    """The vocabulary that trees are written in, generated from the cards and their leaves."""
    import difflib

    from vlm_bt.leaves.table import LEAVES
    from vlm_bt.tree.load import vocabulary

    cards = {card.name: card for card in vocabulary(LEAVES)}
    if name is None:
        wide = max(map(len, cards))
        for card in cards.values():
            typer.echo(f"{card.name:{wide}}  {card.safety:5}  {card.summary}")
        typer.echo("\nvlm-bt skills NAME shows what a skill takes, gives and may end with.")
        return
    if name not in cards:
        near = difflib.get_close_matches(name, cards, 1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(cards)}"
        raise ConfigError(f"no skill is called {name!r}{hint}")
    card = cards[name]
    typer.echo(f"{card.name}: {card.summary}\n  safety: {card.safety}")
    for title, ports in (("takes", card.inputs), ("gives", card.outputs)):
        for port in ports.values():
            need = "" if port.required and not port.has_default else ", optional"
            typer.echo(f"  {title} {port.name} ({port.kind.name}{need}) {port.help}".rstrip())
    if card.timeout_s is not None:
        typer.echo(f"  timeout_s: {card.timeout_s:g}")
    for reason in card.reasons:
        typer.echo(f"  may end with {reason} {card.reasons_help.get(reason, '')}".rstrip())


def doctor(json: Annotated[bool, typer.Option("--json", help="Findings as one JSON list.")] = False) -> None:
    """What is installed, what can draw, which model there is, what is missing and how to get it."""
    from dataclasses import asdict

    from vlm_bt.doctor import examine

    findings = examine()
    if json:
        typer.echo(json_module.dumps([asdict(finding) for finding in findings]))
    else:
        wide = max(len(finding.name) for finding in findings)
        for finding in findings:
            mark = "ok  " if finding.ok else "MISS" if finding.needed else "-   "
            typer.echo(f"{mark}  {finding.name:{wide}}  {finding.value}")
            if finding.remedy and not finding.ok:
                typer.echo(f"      {'':{wide}}  -> {finding.remedy}")
    raise typer.Exit(1 if any(not finding.ok and finding.needed for finding in findings) else 0)
