"""`vlm-bt check` and `vlm-bt migrate`: what is wrong with trees and cards, and bringing older ones up to date."""

from __future__ import annotations

import json as json_module
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlm_bt.cli.finding import find_tree
from vlm_bt.errors import ConfigError, TreeError

if TYPE_CHECKING:
    from vlm_bt.tree.findings import Finding

Skills = Annotated[list[Path] | None, typer.Option("--skills", help="One more folder of skill cards; may be repeated.")]
Allow = Annotated[
    list[str] | None,
    typer.Option("--allow", help="A leaf of another package, by its name or as module:Class; may be repeated."),
]


def check(
    paths: Annotated[
        list[str] | None, typer.Argument(help="Tree files, skill cards, folders of them, or names of trees that come.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Findings as one JSON list.")] = False,
    github: Annotated[bool, typer.Option("--github", help="Findings as annotations of GitHub Actions.")] = False,
    rules: Annotated[bool, typer.Option("--rules", help="List the rules instead.")] = False,
    skills: Skills = None,
    allow: Allow = None,
) -> None:
    """Check trees, skill cards and the knowledge file: every mistake at once, with file, line and column.

    \b
    vlm-bt check trees/
    vlm-bt check my_tree.yaml --skills my_skills/
    vlm-bt check config/knowledge.yaml
    vlm-bt check --rules

    A rule that --rules marks with * is silenced on one line by a comment with a reason:
    # check: allow RULE because REASON

    Ends with 0 when they may run, 1 when something is wrong, 2 when a file is not found or cannot be read.
    """
    if rules:
        _list_rules()
        return
    if not paths:
        raise ConfigError("name a tree file, a folder of them or a tree that comes along")
    if json and github:
        raise ConfigError("--json and --github are two forms: choose one")
    findings, files = _checked(paths, skills or [], allow or [])
    if json:
        typer.echo(json_module.dumps([asdict(finding) for finding in findings]))
    else:
        for finding in findings:
            typer.echo(annotation(finding) if github else f"{finding}\n")
    if not json and not github:
        count = len(findings)
        typer.echo(f"{files} {'tree' if files == 1 else 'trees'}, {count or 'no'} finding{'s' * (count != 1)}")
    raise typer.Exit(2 if any(finding.rule == "file" for finding in findings) else 1 if findings else 0)


def migrate(
    paths: Annotated[list[Path], typer.Argument(help="Tree files and skill cards.")],
    dry: Annotated[bool, typer.Option("--dry-run", help="Say what would change and write nothing.")] = False,
) -> None:
    """Bring files to the present version of the language. Comments and layout stay as they are.

    \b
    vlm-bt migrate my_tree.yaml
    """
    from vlm_bt.tree import source
    from vlm_bt.tree.findings import raise_all
    from vlm_bt.tree.migrate import migrate as migrated

    for path in paths:
        read = source.read(path)
        raise_all(read.findings)
        text, told = migrated(read.text, str(path))
        for line in told:
            typer.echo(line)
        if not told:
            typer.echo(f"{path}: nothing to change")
        elif not dry:
            beside = path.with_name(f".{path.name}.new")
            beside.write_text(text, encoding="utf-8", newline="")
            beside.replace(path)


def annotation(finding: Finding) -> str:
    """One line that GitHub Actions shows at its place."""
    where = {
        "file": finding.path,
        "line": finding.line,
        "col": finding.column,
        "endColumn": finding.column + finding.length,
        "title": finding.rule,
    }
    text = finding.message + (f"\n{finding.help}" if finding.help else "")
    properties = ",".join(f"{name}={_escaped(str(value), ',:')}" for name, value in where.items())
    return f"::error {properties}::{_escaped(text)}"


def _escaped(text: str, also: str = "") -> str:
    for sign in "%\r\n" + also:
        text = text.replace(sign, f"%{ord(sign):02X}")
    return text


def _checked(paths: list[str], skills: list[Path], allow: list[str]) -> tuple[list[Finding], int]:
    """All findings, each once, and how many files were looked at."""
    from vlm_bt.leaves.table import LEAVES
    from vlm_bt.tree.findings import Document, Mark, Problem, in_order
    from vlm_bt.tree.load import check_tree, skill_folders

    missing = next((folder for folder in skills if not folder.is_dir()), None)
    if missing is not None:
        raise ConfigError(f"--skills {missing}: there is no such folder")
    found: list[Finding] = []
    files: list[Path] = []
    for text in paths:
        try:
            files += _files(text)
        except (ConfigError, TreeError) as error:
            found.append(Document(text, ()).finding(Problem("file", Mark(0, 0), str(error))))
    for path in files:
        if _is_knowledge(path):
            found += _faults_of_knowledge(path)
        else:
            found += check_tree(path, LEAVES, skills_dirs=skill_folders(skills), allow=allow)
    return in_order(found), len(files)


def _is_knowledge(path: Path) -> bool:
    """Whether a file begins a key of a knowledge file on a line of its own, and none of a tree or card."""
    try:
        keys = set(re.findall(r"^(\w+):", path.read_text(encoding="utf-8"), re.MULTILINE))
    except (OSError, UnicodeDecodeError):
        return False
    return bool(keys & {"kinds", "reach_m"}) and not keys & {"tree", "skill"}


def _faults_of_knowledge(path: Path) -> list[Finding]:
    """What `load_knowledge` finds wrong, each at its line."""
    from vlm_bt.scene.knowledge import load_knowledge
    from vlm_bt.tree.findings import Document, Mark, Problem

    try:
        load_knowledge(path)
    except ConfigError as error:
        said = str(error)
    else:
        return []
    document = Document(str(path), tuple(path.read_text(encoding="utf-8").splitlines()))
    at = [(int(line), what) for line, what in re.findall(rf"^{re.escape(str(path))}:(\d+): (.*)$", said, re.MULTILINE)]
    if not at:
        placed = re.findall(r"line (\d+)", said)
        message = said.removeprefix(f"{path}: ")
        return [document.finding(Problem("syntax", Mark(int(placed[-1]) - 1 if placed else 0, 0), message))]
    help_ = said.splitlines()[-1]
    return [document.finding(Problem("knowledge", Mark(line - 1, 0), what, help_)) for line, what in at]


def _files(text: str) -> list[Path]:
    folder = Path(text)
    if not folder.is_dir():
        return [find_tree(text)]
    files = sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])
    if not files:
        raise ConfigError(f"{text}: there is no tree in this folder")
    return files


def _list_rules() -> None:
    from vlm_bt.tree.rules import RULES

    wide = max(map(len, RULES))
    for name, rule in RULES.items():
        typer.echo(f"{name:{wide}} {'*' if rule.silent else ' '} {rule.help}")
