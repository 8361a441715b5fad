"""A tree to look at: text for a terminal, Mermaid for documents, DOT for graphviz."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from vlm_bt.tree import naming
from vlm_bt.tree.load import TreeSource
from vlm_bt.tree.syntax import Block, Call, Node
from vlm_bt.tree.words import Vocabulary

_SIGNS = {
    "sequence": "→",
    "selector": "?",
    "parallel": "⇉",
    "guard": "⛨",
    "repeat": "↻",
    "retry": "↻",
    "for_each": "↻",
    "match": "◇",
    "timeout": "⏱",
    "invert": "¬",
    "always_succeed": "✓",
    "always_fail": "✗",
}


@dataclass(frozen=True)
class Line:
    """One node as it is drawn: `path` is its place by child indices, `role` the part it plays for its parent."""

    path: tuple[int, ...]
    role: str
    kind: str
    text: str
    last: bool


def show_tree(tree: TreeSource, form: str = "text", *, expand: bool = False) -> str:
    """Draw a tree.

    Args:
        form: "text", "mermaid" or "dot".
        expand: Open the subtrees that skills stand for.

    Raises:
        ValueError: There is no such form.
    """
    if form not in FORMS:
        raise ValueError(f"a tree can be shown as {', '.join(FORMS)}, not as {form!r}")
    return FORMS[form](tree, list(lines(tree, expand=expand)))


def lines(tree: TreeSource, *, expand: bool = False) -> Iterator[Line]:
    """Every node, top down."""
    yield from _lines(tree.body.root, tree.vocabulary, expand, (0,), "", True)


def _lines(node: Node, words: Vocabulary, expand: bool, path: tuple[int, ...], role: str, last: bool) -> Iterator[Line]:
    if isinstance(node, Block):
        yield Line(path, role, node.kind, naming.of(node), last)
        count = len(node.branches)
        for index, branch in enumerate(node.branches):
            role = "" if branch.role == "do" and node.kind not in ("guard", "repeat", "match") else branch.role
            yield from _lines(branch.node, words, expand, (*path, index), role, index == count - 1)
        return
    card = words.card(node.skill)
    yield Line(path, role, "subtree" if card and card.body else "leaf", _with_outputs(node), last)
    if expand and card and card.body:
        yield from _lines(card.body.root, words, expand, (*path, 0), "", True)


def _with_outputs(call: Call) -> str:
    into = call.arguments.get("into")
    return f"{naming.of(call)} ⇒ {into.value}" if into and not call.name else naming.of(call)


def _text(tree: TreeSource, drawn: list[Line]) -> str:
    rows = [tree.name + (f": {tree.mission.summary}" if tree.mission.summary else "")]
    open_at: dict[int, bool] = {}
    for line in drawn:
        depth = len(line.path) - 1
        open_at[depth] = not line.last
        stem = "".join("│  " if open_at[level] else "   " for level in range(1, depth))
        joint = ("└─ " if line.last else "├─ ") if depth else ""
        sign = _SIGNS.get(line.kind, "▸" if line.kind == "subtree" else "")
        role = f"{line.role}: " if line.role else ""
        rows.append(stem + joint + role + (f"{sign} " if sign else "") + line.text)
    return "\n".join(rows)


def _mermaid(tree: TreeSource, drawn: list[Line]) -> str:
    rows = ["flowchart TD"]
    for line in drawn:
        text = line.text.replace('"', "'")
        sign = _SIGNS.get(line.kind, "")
        label = f"{sign} {text}".strip()
        left, right = ("{{", "}}") if line.kind == "guard" else ("([", "])") if line.kind in _LEAVES else ("[", "]")
        rows.append(f'    {_id(line.path)}{left}"{label}"{right}')
        if len(line.path) > 1:
            arrow = f'-- "{line.role}" -->' if line.role else "-->"
            rows.append(f"    {_id(line.path[:-1])} {arrow} {_id(line.path)}")
    return "\n".join(rows)


def _dot(tree: TreeSource, drawn: list[Line]) -> str:
    rows = [f"digraph {tree.name} {{", "    ordering=out; node [fontname=sans];"]
    for line in drawn:
        shape = "hexagon" if line.kind == "guard" else "ellipse" if line.kind in _LEAVES else "box"
        label = f"{_SIGNS.get(line.kind, '')} {line.text}".strip()
        rows.append(f"    {_id(line.path)} [shape={shape}, label={_quoted(label)}];")
        if len(line.path) > 1:
            role = f" [label={_quoted(line.role)}]" if line.role else ""
            rows.append(f"    {_id(line.path[:-1])} -> {_id(line.path)}{role};")
    return "\n".join([*rows, "}"])


_LEAVES = ("leaf", "subtree")


def _id(path: tuple[int, ...]) -> str:
    return "n" + "_".join(map(str, path))


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


FORMS: Mapping[str, Callable[[TreeSource, list[Line]], str]] = {"text": _text, "mermaid": _mermaid, "dot": _dot}
