"""Other folders of skills that a tree file names: beside it or below it, or among those that are configured."""

from __future__ import annotations

from pathlib import Path

from vlm_bt.tree.findings import Mark, Problem
from vlm_bt.tree.syntax import Mission
from vlm_bt.tree.words import Vocabulary


def include(mission: Mission, words: Vocabulary, problems: list[Problem]) -> None:
    """Add the folders that the mission includes; what may not be opened is a problem at its place."""
    home = mission.path.parent.resolve()
    roots = [home, *(Path(folder).resolve() for folder in words.folders)]
    for text, mark in mission.include:
        folder = _folder(text, mark, home, roots, problems)
        if folder is None:
            continue
        outside = [path for path in sorted(folder.glob("*.yaml")) if not _inside(path.resolve(), roots)]
        if outside:
            message = f"{outside[0].name} in {text[:60]!r} leads out of the folder"
            problems.append(Problem("include", mark, message, "A link to elsewhere is not followed."))
        else:
            words.add(folder)


def _folder(text: str, mark: Mark, home: Path, roots: list[Path], problems: list[Problem]) -> Path | None:
    shown = repr(text[:60])
    try:
        folder = (home / text).resolve()
        allowed, there = _inside(folder, roots), folder.is_dir()
    except (OSError, ValueError, RuntimeError):
        allowed, there = True, False
    if Path(text).is_absolute() or not allowed:
        message = f"{shown} is outside the folder of this file and of every configured folder of skills"
        problems.append(
            Problem("include", mark, message, "Name it with --skills, or under skills: in a configuration.")
        )
        return None
    if not there:
        problems.append(Problem("include", mark, f"there is no folder {shown} beside this file"))
        return None
    return folder


def _inside(path: Path, roots: list[Path]) -> bool:
    return any(path.is_relative_to(root) for root in roots)
