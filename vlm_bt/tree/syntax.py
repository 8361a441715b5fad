"""The sentences of the language: blocks, skill calls and variables, each knowing where it stands in its file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from vlm_bt.tree.findings import START, Document, Mark, Problem
from vlm_bt.tree.source import Value

OptionKind = Literal[
    "flag",
    "count",
    "seconds",
    "reasons",
    "variable",
    "list",
    "policy",
    "on_clear",
    "reason",
    "value",
    "type",
    "template",
]


@dataclass(frozen=True)
class BlockForm:
    """How a block is written.

    Attributes:
        short: What may stand in place of a mapping: a list of nodes, one node, a text, or nothing at all.
        options: Keys that are not nodes. `name` is part of every form, and `do` of all but the leaves.
        nodes: Keys besides `do` that hold one node each.
        required: Keys that can't be left out.
    """

    help: str
    short: tuple[Literal["list", "node", "bare", "text"], ...] = ()
    many: bool = False
    options: Mapping[str, OptionKind] = field(default_factory=dict)
    nodes: tuple[str, ...] = ()
    required: tuple[str, ...] = ("do",)
    branches: bool = False
    leaf: bool = False

    @cached_property
    def keys(self) -> tuple[str, ...]:
        return (*self.nodes, *(() if self.leaf else ("do",)), *self.options, "name")


BLOCKS: Mapping[str, BlockForm] = {
    "sequence": BlockForm("one after the other, until one fails", ("list",), True, {"memory": "flag"}),
    "selector": BlockForm(
        "the first that succeeds; a fault ends it unless `on` names it",
        ("list",),
        True,
        {"memory": "flag", "on": "reasons"},
    ),
    "parallel": BlockForm(
        "all at once; done when `success` of them are: all, any or a number; a fault ends it unless `on` names it",
        ("list",),
        True,
        {"success": "policy", "on": "reasons"},
    ),
    "retry": BlockForm(
        "again after a failure, up to at_most tries; a fault ends it unless `on` names it",
        options={"at_most": "count", "on": "reasons"},
        required=("do", "at_most"),
    ),
    "repeat": BlockForm(
        "round after round until `until` succeeds; a failed round counts, a fault ends it unless `on` names it",
        options={"at_most": "count", "on": "reasons"},
        nodes=("until",),
        required=("until", "at_most", "do"),
    ),
    "timeout": BlockForm(
        "fails with timed_out after a time", options={"after_s": "seconds"}, required=("after_s", "do")
    ),
    "invert": BlockForm("success and failure change places; a fault stays a fault", ("node",)),
    "always_succeed": BlockForm(
        "succeeds; a fault still fails unless `on` names it", ("node", "bare"), options={"on": "reasons"}
    ),
    "always_fail": BlockForm("fails, with `reason`", ("node", "bare"), options={"reason": "reason"}),
    "guard": BlockForm(
        "goes on only while a condition holds; else the arm holds still and the work is suspended",
        options={"on_clear": "on_clear"},
        nodes=("while", "otherwise", "secure"),
        required=("while", "do"),
    ),
    "for_each": BlockForm(
        "once for each item of a list", options={"item": "variable", "in": "list"}, required=("item", "in", "do")
    ),
    "match": BlockForm("does one thing, and on a named outcome another", branches=True),
    "once": BlockForm("what has succeeded here once is not done again", ("node",)),
    "wait": BlockForm("lets a time pass", options={"for_s": "seconds"}, required=("for_s",), leaf=True),
    "set": BlockForm(
        "sets a variable to a constant or to another variable",
        options={"variable": "variable", "to": "value", "type": "type"},
        required=("variable", "to"),
        leaf=True,
    ),
    "log": BlockForm(
        "writes a line into the record; $variables in it are filled in, as data",
        ("text",),
        options={"text": "template"},
        required=("text",),
        leaf=True,
    ),
}


@dataclass(frozen=True, slots=True)
class Variable:
    """`$name` or `$name.field`."""

    name: str
    fields: tuple[str, ...]
    mark: Mark

    def __str__(self) -> str:
        return "$" + ".".join((self.name, *self.fields))


Template = tuple[str | Variable, ...]
"""A text with variables in it."""


@dataclass(frozen=True, slots=True)
class Argument:
    key: str
    mark: Mark
    value: Variable | Value


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A skill with its arguments. `broken`: they are not written as arguments are, if there is such a skill at all."""

    skill: str
    mark: Mark
    arguments: dict[str, Argument]
    name: str = ""
    broken: Problem | None = None

    @property
    def nodes(self) -> tuple[Node, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class Branch:
    """A child and the part it plays: `do`, `until`, `while`, an outcome..."""

    role: str
    mark: Mark
    node: Node


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A composite or decorator with its children in the order they are ticked."""

    kind: str
    mark: Mark
    branches: tuple[Branch, ...]
    options: dict[str, Any]
    name: str = ""
    option_marks: dict[str, Mark] = field(default_factory=dict)

    @property
    def nodes(self) -> tuple[Node, ...]:
        return tuple(branch.node for branch in self.branches)

    def at(self, role: str) -> Node | None:
        return next((branch.node for branch in self.branches if branch.role == role), None)


Node = Block | Call


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it, top down."""
    left = [node]
    while left:
        node = left.pop()
        yield node
        left += reversed(node.nodes)


@dataclass(frozen=True)
class InputSpec:
    """An input that a mission or a subtree declares."""

    name: str
    mark: Mark
    type: str
    type_mark: Mark
    help: str = ""
    default: Value | None = None


@dataclass(frozen=True)
class OutputSpec:
    """An output that a mission or a subtree declares; `source` is the variable of its body that it gives out."""

    name: str
    mark: Mark
    source: str
    type: str = ""
    type_mark: Mark = START
    help: str = ""


@dataclass(frozen=True)
class Body:
    """What a mission and a subtree have in common: inputs, outputs and a root, in one scope of variables."""

    name: str
    document: Document
    inputs: Mapping[str, InputSpec]
    outputs: Mapping[str, OutputSpec]
    root: Node
    mark: Mark = START


@dataclass(frozen=True)
class Mission:
    """A tree file as it was read, before it is checked."""

    path: Path
    summary: str
    says: tuple[str, ...]
    body: Body
    include: tuple[tuple[str, Mark], ...] = ()
