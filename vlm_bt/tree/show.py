"""A tree to look at: text for a terminal, Mermaid and DOT for documents, SVG for eyes, JSON for programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from vlm_bt.tree.load import TreeSource
from vlm_bt.tree.show_graph import dot, mermaid
from vlm_bt.tree.show_json import json_text
from vlm_bt.tree.show_svg import svg
from vlm_bt.tree.view import View, view


def show_tree(tree: TreeSource, form: str = "text", *, expand: bool = False) -> str:
    """Draw a tree.

    Args:
        form: "text", "mermaid", "dot", "svg" or "json".
        expand: Open the subtrees that skills stand for.

    Raises:
        ValueError: There is no such form.
    """
    if form not in FORMS:
        raise ValueError(f"a tree can be shown as {', '.join(FORMS)}, not as {form!r}")
    return FORMS[form](tree, view(tree, expand=expand))


def text(tree: TreeSource, root: View) -> str:
    """An outline. What a node writes is shown with its type, and what asks or moves is marked so."""
    rows = [tree.name + (f": {tree.mission.summary}" if tree.mission.summary else "")]
    if tree.inputs:
        rows.append("takes " + ", ".join(f"${name}: {port.kind.name}" for name, port in tree.inputs.items()))
    if tree.summary.outputs:
        rows.append("gives " + ", ".join(f"{name}: {typed.kind.name}" for name, typed in tree.summary.outputs.items()))
    open_at: dict[int, bool] = {}
    for node in root.walk():
        depth = len(node.path)
        open_at[depth] = not node.last
        stem = "".join("│  " if open_at[level] else "   " for level in range(1, depth))
        joint = ("└─ " if node.last else "├─ ") if depth else ""
        role = f"{node.role}: " if node.role else ""
        rows.append(stem + joint + role + (f"{node.sign} " if node.sign else "") + node.text + _after(node))
    return "\n".join(rows)


def _after(node: View) -> str:
    given = ", ".join(f"{one.variable}: {one.type}" for one in node.gives)
    mark = f"  [{node.safety}]" if node.safety in ("asks", "moves") else ""
    return (f" ⇒ {given}" if given else "") + mark


FORMS: Mapping[str, Callable[[TreeSource, View], str]] = {
    "text": text,
    "mermaid": mermaid,
    "dot": dot,
    "svg": svg,
    "json": json_text,
}
