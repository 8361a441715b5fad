"""What is wrong in a file: where, what was given, what is allowed, what was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from vlm_bt.errors import TreeError

LONGEST_EXCERPT = 120


class Mark(NamedTuple):
    """A stretch of one line: line and column count from 0, in characters."""

    line: int
    column: int
    length: int = 1


START = Mark(0, 0)


@dataclass(frozen=True)
class Problem:
    """A finding that does not know its file yet."""

    rule: str
    mark: Mark
    message: str
    help: str = ""


@dataclass(frozen=True)
class Finding:
    """One mistake of an author. `line` and `column` count from 1, as editors do; `str()` is what an author reads."""

    rule: str
    path: str
    line: int
    column: int
    length: int
    message: str
    help: str = ""
    source_line: str = ""
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        parts = [f"{self.path}:{self.line}:{self.column}: {self.message}"]
        if self.source_line.strip():
            parts += self._excerpt()
        if self.help:
            parts.append(self.help)
        return "\n".join(parts)

    def _excerpt(self) -> list[str]:
        line = self.source_line.rstrip()
        start = len(line) - len(line.lstrip())
        column = max(self.column - 1, start)
        if column - start > LONGEST_EXCERPT - 40:
            start = column - 40
        shown = line[start : start + LONGEST_EXCERPT]
        length = max(1, min(self.length, len(shown) - (column - start)))
        return ["    " + shown.replace("\t", " "), "    " + " " * (column - start) + "^" * length]


@dataclass(frozen=True)
class Document:
    """The text of one file, kept because the C parser's marks carry none."""

    path: str
    lines: tuple[str, ...]

    def finding(self, problem: Problem) -> Finding:
        line, column, length = problem.mark
        text = self.lines[line] if 0 <= line < len(self.lines) else ""
        return Finding(
            problem.rule, self.path, line + 1, column + 1, max(1, length), problem.message, problem.help, text
        )


def one_of(names: Iterable[str]) -> str:
    return ", ".join(names) or "nothing"


def did_you_mean(given: str, names: Sequence[str]) -> str:
    """' Did you mean 'x'?' for the nearest of the allowed names, else nothing."""
    near = difflib.get_close_matches(given[:60], names, n=1, cutoff=0.6)
    return f" Did you mean {near[0]!r}?" if near else ""


def raise_all(findings: Sequence[Finding]) -> None:
    """Raise every finding together, in the order of the files' lines; return where there is none."""
    if findings:
        raise TreeError("\n".join(str(finding) for finding in findings), tuple(findings))


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Without repeats, by file (as first met) and place."""
    unique = list(dict.fromkeys(findings))
    files = {path: index for index, path in enumerate(dict.fromkeys(finding.path for finding in unique))}
    return sorted(unique, key=lambda finding: (files[finding.path], finding.line, finding.column))
