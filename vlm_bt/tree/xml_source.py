"""XML with positions, read safely: no document type, no entities of its own, nothing from outside, bounded in size.

A document type is where entity bombs and references to other files are declared, and no file of BehaviorTree.CPP needs
one; so it is refused before anything in it takes effect.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from vlm_bt.tree.findings import Document, Finding, Mark, Problem

LARGEST_FILE = 2_000_000
DEEPEST = 80
MOST_ELEMENTS = 20_000


@dataclass
class Element:
    """One tag with its attributes and the elements in it; text between tags is not kept."""

    tag: str
    attributes: dict[str, str]
    mark: Mark
    children: list[Element] = field(default_factory=list)

    def walk(self) -> Iterator[Element]:
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True)
class XmlSource:
    """`root` is None where the text can't be read; then there is one finding that says why."""

    document: Document
    root: Element | None
    findings: tuple[Finding, ...] = ()


class _RefusedError(Exception):
    pass


def parse_xml(data: bytes, path: str) -> XmlSource:
    """Read one file's bytes, UTF-8."""
    if len(data) > LARGEST_FILE:
        return _refused(Document(path, ()), Mark(0, 0), f"is larger than {LARGEST_FILE // 1_000_000} MB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return _refused(Document(path, ()), Mark(data.count(b"\n", 0, error.start), 0), "is not UTF-8 text")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    document = Document(path, tuple(text.split("\n")))
    reader = _Reader()
    try:
        reader.parser.Parse(text.encode(), True)
    except _RefusedError as refused:
        return _refused(document, reader.mark(), str(refused))
    except expat.ExpatError as error:
        mark = Mark(max(0, error.lineno - 1), max(0, error.offset))
        return _refused(document, mark, f"not valid XML: {expat.ErrorString(error.code)}")
    return XmlSource(document, reader.root)


def _refused(document: Document, mark: Mark, message: str) -> XmlSource:
    return XmlSource(document, None, (document.finding(Problem("xml", mark, message)),))


class _Reader:
    def __init__(self) -> None:
        self.root: Element | None = None
        self.parser = expat.ParserCreate("utf-8")
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.EntityDeclHandler = self._doctype
        self.parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        self._open: list[Element] = []
        self._count = 0

    def mark(self, length: int = 1) -> Mark:
        return Mark(self.parser.CurrentLineNumber - 1, self.parser.CurrentColumnNumber, length)

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > MOST_ELEMENTS:
            raise _RefusedError(f"more than {MOST_ELEMENTS} elements")
        if len(self._open) >= DEEPEST:
            raise _RefusedError(f"nested deeper than {DEEPEST}")
        element = Element(tag, attributes, self.mark(len(tag) + 1))
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def _end(self, tag: str) -> None:
        self._open.pop()

    def _doctype(self, *_: object) -> None:
        raise _RefusedError("a document type and entities are refused: nothing in a tree needs them")
