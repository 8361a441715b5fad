"""Lays values out as YAML: short things in one line, nodes below one another, comments where they were."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field

import yaml

from vlm_bt.tree.source import Many, Mapping, Scalar, Value, resolve

WIDEST = 120
OPEN = ("inputs", "outputs", "root", "tree")
"""Keys of a tree file and of a card whose values stand below them."""
_DEEPEST_IN_LINE = 2
_IN_BLOCK = re.compile(r"[\w/($+](?:[^#:]|(?<!\s)#|:(?=\S))*\Z")
_IN_LINE = re.compile(r"[\w/($+][^#:,\[\]{}\"]*\Z")
_ONCE_BOOLEANS = frozenset(("yes", "no", "on", "off", "y", "n"))
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass
class Comments:
    """Comments and blank lines of a file, by the line that they stand above or behind."""

    above: dict[int, list[str]] = field(default_factory=dict)
    behind: dict[int, str] = field(default_factory=dict)
    at_end: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, text: str) -> Comments:
        """Found between the tokens of the file, so that a # inside a text is none."""
        text = text.removeprefix("\ufeff").replace("\r\n", "\n")
        found, waiting = cls(), list[str]()
        taken, hashes = _tokens(text)
        for number, row in enumerate(text.split("\n")):
            if number in taken:
                found.above[number], waiting = waiting, []
                if number in hashes:
                    found.behind[number] = row[hashes[number] :].rstrip()
            elif row.strip() or waiting[-1:] != [""]:
                waiting.append(row.strip())
        found.at_end = waiting[:-1] if waiting[-1:] == [""] else waiting
        return found

    def within(self, first: int, last: int) -> bool:
        """Is there a comment below line `first`, down to `last`?"""
        lines = range(first + 1, last + 1)
        return any(line in self.behind or any(self.above.get(line, ())) for line in lines)


def yaml_text(value: Value, comments: Comments | None = None, *, open_keys: tuple[str, ...] = ()) -> str:
    """A whole document.

    Args:
        open_keys: Keys of the outermost mapping whose values are never put into one line.
    """
    return _Writer(comments or Comments(), open_keys).document(value)


class _Writer:
    def __init__(self, comments: Comments, open_keys: tuple[str, ...]) -> None:
        self._comments = comments
        self._open_keys = open_keys
        self._rows: list[str] = []
        self._behind = dict(comments.behind)
        self._above = deque(sorted(comments.above.items()))

    def document(self, value: Value) -> str:
        if isinstance(value, Mapping) and value.entries:
            self._mapping(value, 0, "", top=True)
        elif isinstance(value, Many) and value.items:
            self._many(value, 0)
        else:
            self._rows.append(_in_line(value))
        rest = [row for _, rows in self._above for row in rows if row]
        rest += [self._behind[line] for line in sorted(self._behind)]
        rows = [*self._rows, *rest, *self._comments.at_end]
        while rows and not rows[-1]:
            rows.pop()
        return "\n".join(rows) + "\n"

    def _mapping(self, value: Mapping, indent: int, lead: str, *, top: bool = False) -> None:
        for entry in value.entries.values():
            if not lead.strip():
                self._comments_above(entry.key.mark.line, indent)
            head = f"{lead or ' ' * indent}{_scalar(entry.key, _IN_LINE, key=True)}:"
            lead = ""
            self._after(head, entry.value, indent, entry.key.mark.line, top and entry.key.text in self._open_keys)

    def _after(self, head: str, value: Value, indent: int, line: int, opened: bool) -> None:
        """`key:` with its value in the same line where it fits, else below."""
        behind = self._behind_of(line)
        if isinstance(value, Scalar) and value.value is None and not value.text:
            self._rows.append(head + behind)
        elif isinstance(value, Scalar):
            self._rows.append(f"{head} {_scalar(value, _IN_BLOCK)}{behind}")
        elif not _entries(value) or (
            self._fits(value, len(head) + 1 + len(behind), line) and not (opened and not self._commented(value, line))
        ):
            self._rows.append(f"{head} {_in_line(value)}{behind}")
        else:
            self._rows.append(head + behind)
            if isinstance(value, Mapping):
                self._mapping(value, indent + 2, "")
            else:
                self._many(value, indent + 2)

    def _many(self, value: Many, indent: int) -> None:
        for item in value.items:
            self._comments_above(item.mark.line, indent)
            lead = " " * indent + "- "
            if isinstance(item, Mapping) and item.entries:
                self._mapping(item, indent + 2, lead)
            elif isinstance(item, Scalar) or self._fits(item, indent + 2, item.mark.line) or not _entries(item):
                text = _scalar(item, _IN_BLOCK) if isinstance(item, Scalar) else _in_line(item)
                self._rows.append(lead + text + self._behind_of(item.mark.line))
            else:
                self._rows.append(lead.rstrip() + self._behind_of(item.mark.line))
                assert isinstance(item, Many)
                self._many(item, indent + 2)

    def _fits(self, value: Value, used: int, line: int) -> bool:
        if not self._commented(value, line) and (_depth(value) > _DEEPEST_IN_LINE or _nodes_in_list(value)):
            return False
        return used + len(_in_line(value)) <= WIDEST and not self._comments.within(line, _last_line(value))

    def _commented(self, value: Value, line: int) -> bool:
        """Does a comment stand behind all of it? Then it stays in one line, so that the comment means the same."""
        return line in self._comments.behind and line == _last_line(value)

    def _comments_above(self, line: int, indent: int) -> None:
        """What stood above this line, and above lines before it that were joined into others."""
        while self._above and self._above[0][0] <= line:
            earlier, rows = self._above.popleft()
            if earlier != line:
                rows = [row for row in rows if row]
            self._rows += [" " * indent + row if row else "" for row in rows if row or self._rows]

    def _behind_of(self, line: int) -> str:
        comment = self._behind.pop(line, "")
        return f"  {comment}" if comment else ""


def _tokens(text: str) -> tuple[set[int], dict[int, int]]:
    """The lines that hold a token, and of those with a comment behind it the column where that begins."""
    taken: set[int] = set()
    ends: dict[int, int] = {}
    for token in yaml.scan(text, Loader=_LOADER):
        first, last = token.start_mark, token.end_mark
        if first.index == last.index:
            continue
        down_to = last.line - 1 if last.column == 0 and last.line > first.line else last.line
        taken |= set(range(first.line, down_to + 1))
        ends[down_to] = last.column if down_to == last.line else 1 << 30
    rows = text.split("\n")
    hashes = {line: rows[line].find("#", column) for line, column in ends.items()}
    return taken, {line: column for line, column in hashes.items() if column >= 0}


def _in_line(value: Value) -> str:
    if isinstance(value, Scalar):
        return _scalar(value, _IN_LINE) or "~"
    if isinstance(value, Many):
        return "[" + ", ".join(_in_line(item) for item in value.items) + "]"
    pairs = (f"{_scalar(entry.key, _IN_LINE, key=True)}: {_in_line(entry.value)}" for entry in value.entries.values())
    return "{" + ", ".join(pairs) + "}"


def _scalar(scalar: Scalar, plain: re.Pattern[str], *, key: bool = False) -> str:
    text = scalar.text
    if not isinstance(scalar.value, str) and not (key and text):
        return text or ("~" if scalar.value is None and plain is _IN_LINE else "")
    once = text.lower() in _ONCE_BOOLEANS and not (key and text == "on")
    same = resolve(text) == text if text else False
    if scalar.plain and same and not once and text.isprintable() and plain.match(text) and text == text.strip():
        return text
    return '"' + "".join(_escaped(letter) for letter in text) + '"'


def _escaped(letter: str) -> str:
    if letter in '"\\':
        return "\\" + letter
    if letter.isprintable():
        return letter
    if letter in _SHORT:
        return _SHORT[letter]
    return f"\\u{ord(letter):04x}" if ord(letter) < 0x10000 else f"\\U{ord(letter):08x}"


_SHORT = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}


def _entries(value: Value) -> bool:
    return bool(value.entries if isinstance(value, Mapping) else value.items if isinstance(value, Many) else ())


def _children(value: Value) -> list[Value]:
    if isinstance(value, Mapping):
        return [entry.value for entry in value.entries.values()]
    return list(value.items) if isinstance(value, Many) else []


def _depth(value: Value) -> int:
    return 0 if isinstance(value, Scalar) else 1 + max(map(_depth, _children(value)), default=0)


def _nodes_in_list(value: Value) -> bool:
    """Lists of anything but words are written below one another."""
    if isinstance(value, Many) and any(not isinstance(item, Scalar) for item in value.items):
        return True
    return any(map(_nodes_in_list, _children(value)))


def _last_line(value: Value) -> int:
    lines = [value.mark.line, *map(_last_line, _children(value))]
    if isinstance(value, Mapping):
        lines += [entry.key.mark.line for entry in value.entries.values()]
    return max(lines)
