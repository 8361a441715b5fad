"""A tree as a graph in the languages of two drawing programs: Mermaid and Graphviz."""

from __future__ import annotations

from html import escape

from vlm_bt.tree.load import TreeSource
from vlm_bt.tree.view import View

_FILL = {"looks": "#dbeafe", "asks": "#fef3c7", "moves": "#fee2e2"}
_LINE = {"looks": "#1d4ed8", "asks": "#b45309", "moves": "#b91c1c"}


def mermaid(tree: TreeSource, root: View) -> str:
    """A Mermaid flowchart. Guards are hexagons; colours and a word say what looks, asks and moves."""
    rows = ["flowchart TD"]
    for node in root.walk():
        label = "<br/>".join(_entities(line) for line in _lines(node))
        left, right = _SHAPES.get(node.kind, ("[", "]"))
        rows.append(f'    {_id(node.path)}{left}"{label}"{right}{_class(node)}')
        if node.path:
            arrow = f'-- "{node.role}" -->' if node.role else "-->"
            rows.append(f"    {_id(node.path[:-1])} {arrow} {_id(node.path)}")
    rows += [f"    classDef {name} fill:{_FILL[name]},stroke:{_LINE[name]},color:#111827" for name in _FILL]
    return "\n".join([*rows, "    classDef guard stroke-width:3px,stroke:#047857,fill:#d1fae5,color:#111827"])


def dot(tree: TreeSource, root: View) -> str:
    """A Graphviz graph. Guards are hexagons; colours and a word say what looks, asks and moves."""
    rows = [f"digraph {tree.name} {{", "    ordering=out; node [fontname=sans, style=filled, fillcolor=white];"]
    for node in root.walk():
        shape = {"guard": "hexagon", "leaf": "ellipse", "subtree": "ellipse, peripheries=2"}.get(node.kind, "box")
        label = "\\n".join(_backslashed(line) for line in _lines(node))
        colour = ""
        if node.safety:
            colour = f', color="{_LINE[node.safety]}", fillcolor="{_FILL[node.safety]}"'
        elif node.kind == "guard":
            colour = ', color="#047857", fillcolor="#d1fae5", penwidth=2'
        rows.append(f'    {_id(node.path)} [shape={shape}, label="{label}"{colour}];')
        if node.path:
            role = f' [label="{_backslashed(node.role)}"]' if node.role else ""
            rows.append(f"    {_id(node.path[:-1])} -> {_id(node.path)}{role};")
    return "\n".join([*rows, "}"])


_SHAPES = {"guard": ("{{", "}}"), "leaf": ("([", "])"), "subtree": ("[[", "]]")}


def _lines(node: View) -> list[str]:
    rows = [f"{node.sign} {node.text}".strip()]
    rows += [f"⇒ {one.variable}: {one.type}" for one in node.gives]
    if node.safety in ("asks", "moves"):
        rows.append(node.safety)
    return rows


def _class(node: View) -> str:
    name = node.safety or (node.kind if node.kind == "guard" else "")
    return f":::{name}" if name else ""


def _id(path: tuple[int, ...]) -> str:
    return "_".join(("n", *map(str, path)))


def _entities(text: str) -> str:
    """Mermaid writes entities with # and has no other way to escape; a backtick would begin Markdown."""
    codes = {"#": "#35;", '"': "#quot;", "`": "#96;", "&": "#amp;", "<": "#lt;", ">": "#gt;", "\\": "#92;", ";": "#59;"}
    return "".join(codes.get(letter, letter if letter.isprintable() else " ") for letter in text)


def _backslashed(text: str) -> str:
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    return plain.replace("\\", "\\\\").replace('"', '\\"')


def xml_text(text: str) -> str:
    """Text inside an XML document: escaped, without the control characters that XML refuses."""
    return escape("".join(letter if letter.isprintable() else " " for letter in text))
