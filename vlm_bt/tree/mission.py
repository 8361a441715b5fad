"""The outermost keys of a tree file."""

from __future__ import annotations

from pathlib import Path

from vlm_bt.tree.cards import Port, input_ports
from vlm_bt.tree.findings import START, Problem
from vlm_bt.tree.kinds import a
from vlm_bt.tree.parse import NAME, Parser
from vlm_bt.tree.source import Entry, Many, Scalar, Source
from vlm_bt.tree.source import Mapping as MappingValue
from vlm_bt.tree.syntax import Body, Mission

VERSION = 1
"""Of the language. A file that names none is of this one; `vlm-bt migrate` brings older ones to it."""

KEYS = ("version", "tree", "summary", "says", "include", "inputs", "outputs", "root")


def read_mission(path: Path, read: Source, problems: list[Problem]) -> Mission | None:
    """None where the file is no tree, or has no root that can be understood."""
    parser = Parser(problems)
    value = read.value
    if not isinstance(value, MappingValue):
        parser.wrong("tree", START, "a tree file is a mapping: tree, summary, inputs, outputs, root")
        return None
    meant = parser.only(value, KEYS, "a tree file")
    given = value.entries
    name = parser.text(given["tree"].value) if "tree" in given else ""
    if name and not NAME.match(name):
        parser.wrong(
            "name",
            given["tree"].value.mark,
            f"{name[:40]!r} can't be the name of a tree",
            "Use small letters, digits and _.",
        )
    if "version" in given:
        _version(given["version"], parser)
    for key in ("tree", "root"):
        if key not in given and repr(key) not in meant:
            parser.wrong("missing-key", START, f"the tree file lacks {key!r}")
    says = _texts(parser, given.get("says"), "a list of sentences", 'Write it as ["organise this workbench"].')
    folders = _texts(parser, given.get("include"), "a list of folders", "Write it as [../shared/skills].")
    summary = parser.text(given["summary"].value) if "summary" in given else ""
    inputs = parser.inputs(given["inputs"].value) if "inputs" in given else {}
    outputs = parser.outputs(given["outputs"].value) if "outputs" in given else {}
    root = parser.node(given["root"].value) if "root" in given else None
    if root is None:
        return None
    body = Body(name, read.document, inputs, outputs, root)
    included = tuple((text, item.mark) for text, item in folders)
    return Mission(path, summary, tuple(text for text, _ in says), body, included)


def taken(mission: Mission, problems: list[Problem]) -> dict[str, Port]:
    """What a mission is given from outside; that can't be an object, which only skills give."""
    ports = input_ports(mission.body.inputs, problems)
    for name, port in ports.items():
        if port.kind.parse is None:
            spec = mission.body.inputs[name]
            message = f"a mission can't be given {a(port.kind)} from outside: it comes from a skill"
            problems.append(Problem("trust" if port.kind.claim else "type", spec.type_mark, message))
    return ports


def _version(entry: Entry, parser: Parser) -> None:
    said = entry.value.value if isinstance(entry.value, Scalar) else None
    older = isinstance(said, int) and not isinstance(said, bool) and said < VERSION
    if said == VERSION and not isinstance(said, bool):
        return
    parser.wrong(
        "version",
        entry.value.mark,
        f"this is not version {VERSION} of the language, the only one there is",
        "vlm-bt migrate FILE brings it there." if older else "",
    )


def _texts(parser: Parser, entry: Entry | None, what: str, how: str) -> list[tuple[str, Scalar]]:
    if entry is None:
        return []
    if not isinstance(entry.value, Many):
        parser.wrong("type", entry.value.mark, f"expected {what}", how)
        return []
    texts = [(parser.text(item), item) for item in entry.value.items]
    return [(text, item) for text, item in texts if text and isinstance(item, Scalar)]
