"""A tree as JSON, for programs: a stable form, versioned by `form`.

    form      1; a number that changes where a key changes its meaning or goes. New keys may come at any time.
    tree, summary, says, file, safety
    inputs    by name: type, required, default (where it has one, as written), help
    outputs   by name: type, claim, from (the variable it is)
    root      a node

A node:

    path      its place by child indices, such as "0/1"; the root's is ""
    role      the part it plays for its parent: "do", "while", "unsure"...; "" where there is only one part
    kind      "leaf", "subtree", or the name of a block
    name      what a viewer and a record call it
    at        [file, line, column], counted from 1
    guarded   true where it stands under a guard
    skill, safety, takes, gives      of leaf and subtree; each of takes and gives, by argument: type, claim, and
                                     variable ("$name") or value
    options   of a block, by name, as the language writes them
    children  nodes in the order they are ticked; the body of a subtree only with `expand`
"""

from __future__ import annotations

import json
from typing import Any

from vlm_bt.tree.load import TreeSource
from vlm_bt.tree.source import Many, Mapping, Scalar
from vlm_bt.tree.syntax import Call, Variable
from vlm_bt.tree.view import Handled, View

FORM = 1


def json_text(tree: TreeSource, root: View) -> str:
    """The document as text, indented."""
    return json.dumps(json_form(tree, root), indent=2, ensure_ascii=False)


def json_form(tree: TreeSource, root: View) -> dict[str, Any]:
    """The document as dicts and lists."""
    return {
        "form": FORM,
        "tree": tree.name,
        "summary": tree.mission.summary,
        "says": list(tree.says),
        "file": str(tree.path),
        "safety": _strongest(root),
        "inputs": {name: _input(tree, name) for name in tree.inputs},
        "outputs": {
            name: {"type": typed.kind.name, "claim": typed.claim, "from": f"${tree.body.outputs[name].source}"}
            for name, typed in tree.summary.outputs.items()
        },
        "root": _node(root),
    }


def plain(value: object) -> Any:
    """What an author wrote, as JSON; variables as their text."""
    if isinstance(value, Scalar):
        return value.value
    if isinstance(value, Many | tuple | list):
        return [plain(item) for item in (value.items if isinstance(value, Many) else value)]
    if isinstance(value, Mapping):
        return {key: plain(entry.value) for key, entry in value.entries.items()}
    return str(value) if isinstance(value, Variable) else value


def _input(tree: TreeSource, name: str) -> dict[str, Any]:
    port, spec = tree.inputs[name], tree.body.inputs[name]
    default = {} if spec.default is None else {"default": plain(spec.default)}
    return {"type": port.kind.name, "required": port.required, **default, "help": port.help}


def _node(node: View) -> dict[str, Any]:
    form: dict[str, Any] = {
        "path": "/".join(map(str, node.path)),
        "role": node.role,
        "kind": node.kind,
        "name": node.text,
        "at": [node.file, node.mark.line + 1, node.mark.column + 1],
        "guarded": node.guarded,
    }
    if isinstance(node.node, Call):
        form |= {"skill": node.node.skill, "safety": node.safety}
        form |= {"takes": {one.name: _handled(one) for one in node.takes}}
        form |= {"gives": {one.name: _handled(one) for one in node.gives}}
    else:
        form["options"] = {name: plain(value) for name, value in node.options.items()}
    form["children"] = [_node(child) for child in node.children]
    return form


def _handled(one: Handled) -> dict[str, Any]:
    what = {"variable": one.variable} if one.variable else {"value": plain(one.value)}
    return {**what, "type": one.type, "claim": one.claim}


def _strongest(root: View) -> str:
    classes = {node.safety for node in root.walk()}
    return next((safety for safety in ("moves", "asks") if safety in classes), "looks")
