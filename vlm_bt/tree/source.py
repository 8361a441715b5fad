"""YAML with positions: read by the C parser, resolved by the YAML 1.2 core schema, nothing in it ever run.

Plain `true` and `false` are the only booleans, numbers are decimal, and everything else is text. Anchors, aliases,
tags, merge keys and more than one document are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from vlm_bt.tree.findings import START, Document, Finding, Mark, Problem

LARGEST_FILE = 2_000_000
MOST_VALUES = 150_000
DEEPEST = 80
LONGEST_NUMBER = 24

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CONSTANTS: dict[str, bool | None] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
}
_new = tuple.__new__
"""Makes a `Mark` in half the time; a large file has tens of thousands."""

_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_INTEGER = re.compile(r"[-+]?[0-9]+\Z")
_DECIMAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")


@dataclass(slots=True)  # Frozen ones take twice as long to make.
class Scalar:
    """One word. `value` is str, int, float, bool or None; `plain` is False where the author quoted it."""

    mark: Mark
    text: str
    value: str | int | float | bool | None
    plain: bool


@dataclass(slots=True)  # Frozen ones take twice as long to make.
class Many:
    """A list."""

    mark: Mark
    items: tuple[Value, ...]


@dataclass(slots=True)  # Frozen ones take twice as long to make.
class Entry:
    key: Scalar
    value: Value


@dataclass(slots=True)  # Frozen ones take twice as long to make.
class Mapping:
    """Key and value in the order written; the first of two equal keys counts."""

    mark: Mark
    entries: dict[str, Entry]


Value = Scalar | Many | Mapping


@dataclass(frozen=True)
class Source:
    """A parsed file. `value` is None where it could not be parsed; then `findings` says why."""

    document: Document
    text: str
    value: Value | None
    findings: tuple[Finding, ...]


class _RefusedError(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def read(path: Path) -> Source:
    """Read and parse one file; what is wrong with it is in `findings`, never raised."""
    shown = str(path)
    try:
        data = path.read_bytes() if path.stat().st_size <= LARGEST_FILE else None
    except OSError as error:
        return _unreadable(shown, "file", f"cannot be read: {error.strerror or error}")
    if data is None:
        return _unreadable(shown, "file", f"is larger than {LARGEST_FILE // 1_000_000} MB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n")
        return _unreadable(shown, "encoding", "is not UTF-8 text", Mark(line, 0))
    return parse(text, shown)


def parse(text: str, path: str) -> Source:
    """Parse YAML text into values with positions."""
    document = Document(path, tuple(_LINE_BREAK.split(text)))
    problems: list[Problem] = []
    try:
        value = _Composer(text, problems).compose()
    except _RefusedError as refused:
        problems.append(refused.problem)
        value = None
    except yaml.MarkedYAMLError as error:
        at = error.problem_mark or error.context_mark
        mark = Mark(at.line, at.column) if at else Mark(0, 0)
        detail = ", ".join(part for part in (error.context, error.problem) if part)
        problems.append(Problem("syntax", mark, f"not valid YAML: {detail}"))
        value = None
    except (yaml.YAMLError, ValueError) as error:
        line, column = _first_unprintable(text)
        detail = str(error).splitlines()[0]
        problems.append(Problem("syntax", Mark(line, column), f"not valid YAML: {detail}"))
        value = None
    return Source(document, text, value, tuple(document.finding(problem) for problem in problems))


def resolve(text: str) -> str | int | float | bool | None:
    """The value of a plain word."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] in "+-.0123456789" and len(text) <= LONGEST_NUMBER:
        if _INTEGER.match(text):
            return int(text)
        if _DECIMAL.match(text):
            return float(text)
    return text


def _unreadable(path: str, rule: str, message: str, mark: Mark = START) -> Source:
    document = Document(path, ())
    return Source(document, "", None, (document.finding(Problem(rule, mark, message)),))


def _first_unprintable(text: str) -> tuple[int, int]:
    found = re.search(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text)
    before = text[: found.start()] if found else ""
    return before.count("\n"), len(before) - (before.rfind("\n") + 1)


class _Composer:
    """Builds values from parser events, with limits on depth and number and without recursion in C."""

    def __init__(self, text: str, problems: list[Problem]) -> None:
        self._next: Callable[[], Any] = _LOADER(text).get_event
        self._problems = problems
        self._left = MOST_VALUES

    def compose(self) -> Value:
        self._next()  # the start of the stream
        event = self._next()
        if type(event) is yaml.StreamEndEvent:
            raise _RefusedError(Problem("syntax", START, "the file is empty"))
        value = self._value(self._next(), 0)
        self._next()  # the end of the document
        event = self._next()
        if type(event) is not yaml.StreamEndEvent:
            raise _RefusedError(Problem("syntax", _mark(event), "a file holds one document"))
        return value

    def _value(self, event: Any, depth: int) -> Value:
        if type(event) is yaml.AliasEvent:
            raise _RefusedError(Problem("alias", _mark(event), "aliases are not part of the language: write it out"))
        if event.anchor is not None:
            raise _RefusedError(Problem("alias", _mark(event), "anchors are not part of the language"))
        if event.tag is not None:
            raise _RefusedError(Problem("tag", _mark(event), "tags are not part of the language"))
        self._left -= 1
        if self._left < 0:
            raise _RefusedError(Problem("file", _mark(event), f"the file holds more than {MOST_VALUES} values"))
        if depth > DEEPEST:
            raise _RefusedError(Problem("depth", _mark(event), f"nested deeper than {DEEPEST}"))
        if type(event) is yaml.ScalarEvent:
            return _scalar(event)
        if type(event) is yaml.SequenceStartEvent:
            return self._many(event, depth + 1)
        return self._mapping(event, depth + 1)

    def _many(self, start: Any, depth: int) -> Many:
        items: list[Value] = []
        while type(event := self._next()) is not yaml.SequenceEndEvent:
            items.append(self._value(event, depth))
        return Many(_mark(start, event), tuple(items))

    def _mapping(self, start: Any, depth: int) -> Mapping:
        entries: dict[str, Entry] = {}
        while type(event := self._next()) is not yaml.MappingEndEvent:
            key = self._value(event, depth)
            value = self._value(self._next(), depth)
            if type(key) is not Scalar:
                self._problems.append(Problem("key", key.mark, "a key is a word, not a list or a mapping"))
            elif key.text in entries:
                first = entries[key.text].key.mark.line + 1
                self._problems.append(
                    Problem("duplicate-key", key.mark, f"{key.text!r} stands here twice, first in line {first}")
                )
            else:
                entries[key.text] = Entry(key, value)
        return Mapping(_mark(start, event), entries)


def _scalar(event: Any) -> Scalar:
    text = event.value
    plain = not event.style
    return Scalar(_mark(event), text, resolve(text) if plain else text, plain)


def _mark(start: Any, end: Any = None) -> Mark:
    """A mark that reaches to the end of the event, or of its first line where it spans several."""
    first, last = start.start_mark, (start if end is None else end).end_mark
    line, column = first.line, first.column
    if line != last.line:
        return Mark(line, column, 10_000)
    length = last.column - column
    return _new(Mark, (line, column, length if length > 1 else 1))
