"""From the sentences of the language back to YAML that a person would write.

`to_yaml` prints a tree from a file with its comments and in its own order; `node_value` turns a node into the values
that the parser reads it from. What is printed loads to the same tree.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from typing import Any

from vlm_bt.tree import source
from vlm_bt.tree.findings import START
from vlm_bt.tree.load import TreeSource
from vlm_bt.tree.source import Entry, Many, Mapping, Scalar, Value
from vlm_bt.tree.syntax import BLOCKS, Block, Call, Node, Variable
from vlm_bt.tree.yaml_text import OPEN, Comments, yaml_text


def to_yaml(tree: TreeSource) -> str:
    """The file of a tree, laid out anew: comments, blank lines and the order of its keys are kept."""
    return tidied(tree.text, str(tree.path))


def tidied(text: str, path: str) -> str:
    """A tree file or a card laid out anew.

    Raises:
        ValueError: It is not YAML that the language reads; `vlm_bt.tree.check_tree` says what is wrong.
    """
    read = source.parse(text, path)
    if read.value is None or read.findings:
        raise ValueError(f"{path} cannot be laid out: {read.findings[0].message}")
    return yaml_text(read.value, Comments.of(text), open_keys=OPEN)


def node_value(node: Node) -> Value:
    """A node as the values that the parser reads it from, in the shortest way to write it."""
    return _call(node) if isinstance(node, Call) else _block(node)


def value_of(given: Any) -> Value:
    """A Python value as an author would write it; a string is text, also where it begins with $.

    Raises:
        TypeError: It has no way to be written.
    """
    if isinstance(given, Scalar | Many | Mapping):
        return given
    if isinstance(given, Variable):
        return Scalar(START, str(given), str(given), True)
    if isinstance(given, str):
        return Scalar(START, given, given, source.resolve(given) == given and not given.startswith("$"))
    if given is None or isinstance(given, bool):
        return Scalar(START, {None: "~", True: "true", False: "false"}[given], given, True)
    if isinstance(given, int | float) and abs(given) < 1e15:
        whole = isinstance(given, int) or given.is_integer()
        return Scalar(START, str(int(given)) if whole else repr(given), given, True)
    if isinstance(given, list | tuple):
        return Many(START, tuple(value_of(item) for item in given))
    if isinstance(given, MappingType) and all(isinstance(key, str) for key in given):
        return mapping({key: value_of(value) for key, value in given.items()})
    raise TypeError(
        f"{given!r} cannot be written in a tree: use text, numbers, true or false, lists and mappings of these"
    )


def mapping(values: MappingType[str, Value]) -> Mapping:
    """A mapping with these keys."""
    return Mapping(START, {key: Entry(_word(key), value) for key, value in values.items()})


def _word(text: str) -> Scalar:
    return Scalar(START, text, text, True)


def _call(call: Call) -> Value:
    arguments = {name: value_of(argument.value) for name, argument in call.arguments.items()}
    name = {"name": value_of(call.name)} if call.name else {}
    return mapping({call.skill: mapping({**name, **arguments})}) if name or arguments else _word(call.skill)


def _block(block: Block) -> Value:
    form = BLOCKS[block.kind]
    options = {name: _option(form.options.get(name, ""), value) for name, value in block.options.items()}
    children = [node_value(child) for child in block.nodes]
    roles = {branch.role: child for branch, child in zip(block.branches, children, strict=True)}
    if not block.name and not options:
        if form.many:
            return mapping({block.kind: Many(START, tuple(children))})
        if not children:
            return _word(block.kind)
        if "node" in form.short and set(roles) == {"do"}:
            return mapping({block.kind: children[0]})
    if not block.name and "text" in form.short and set(options) == {"text"}:
        return mapping({block.kind: options["text"]})
    do: dict[str, Value] = {"do": Many(START, tuple(children))} if form.many else {}
    if "do" in roles:
        do["do"] = roles["do"]
    nodes = {role: roles[role] for role in form.nodes if role in roles}
    outcomes = {role: child for role, child in roles.items() if role not in (*form.nodes, "do", "")}
    name = {"name": value_of(block.name)} if block.name else {}
    return mapping({block.kind: mapping({**name, **nodes, **options, **do, **outcomes})})


def _option(kind: str, value: Any) -> Value:
    if kind == "template" and isinstance(value, tuple):
        return value_of("".join(part.replace("$", "$$") if isinstance(part, str) else str(part) for part in value))
    return value_of(value)
