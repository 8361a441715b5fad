"""Brings a tree file or a skill card to the present version of the language, comments and layout kept.

Only the words that change are replaced, at their exact places; nothing else of the text is written anew.
"""

from __future__ import annotations

from typing import NamedTuple

from vlm_bt.tree import source
from vlm_bt.tree.findings import Mark, Problem, raise_all
from vlm_bt.tree.mission import VERSION
from vlm_bt.tree.parse import Parser
from vlm_bt.tree.source import Mapping, Scalar
from vlm_bt.tree.syntax import Call, walk
from vlm_bt.tree.words import OLDER

MOST_ROUNDS = 100


class Change(NamedTuple):
    """One word that is replaced; `said` is for people."""

    mark: Mark
    new: str
    said: str


def migrate(text: str, path: str) -> tuple[str, list[str]]:
    """The text in the present version, and what was changed.

    Raises:
        TreeError: The text is no YAML that the language reads, or is of a later version.
    """
    told: list[str] = []
    for _ in range(MOST_ROUNDS):
        changes = _changes(text, path)
        if not changes:
            break
        told += [f"{path}:{change.mark.line + 1}: {change.said}" for change in changes]
        text = _applied(text, changes)
    return text, told


def _changes(text: str, path: str) -> list[Change]:
    read = source.parse(text, path)
    raise_all(read.findings)
    if not isinstance(read.value, Mapping):
        return []
    entries = read.value.entries
    changes = _version(read) if "root" in entries else []
    root = entries.get("root") or entries.get("tree")
    node = Parser([]).node(root.value) if root and not isinstance(root.value, Scalar) else None
    for below in walk(node) if node else ():
        if isinstance(below, Call) and below.skill in OLDER:
            new = OLDER[below.skill]
            changes.append(Change(below.mark, new, f"{below.skill!r} is now {new!r}"))
    return changes


def _version(read: source.Source) -> list[Change]:
    assert isinstance(read.value, Mapping)
    entry = read.value.entries.get("version")
    if entry is None:
        first = next(iter(read.value.entries.values())).key.mark
        return [Change(Mark(first.line, first.column, 0), f"version: {VERSION}\n", f"version: {VERSION} written down")]
    said = entry.value.value if isinstance(entry.value, Scalar) else None
    if said == VERSION and not isinstance(said, bool):
        return []
    if not isinstance(said, int) or isinstance(said, bool) or said > VERSION:
        problem = Problem("version", entry.value.mark, f"this is not a version that is known: 1 to {VERSION} are")
        raise_all([read.document.finding(problem)])
    return [Change(entry.value.mark, str(VERSION), f"version {said} is now version {VERSION}")]


def _applied(text: str, changes: list[Change]) -> str:
    lines = text.splitlines(keepends=True)
    for change in sorted(changes, key=lambda change: change.mark, reverse=True):
        line, column, length = change.mark
        old = lines[line]
        lines[line] = old[:column] + change.new + old[column + length :]
    return "".join(lines)
