"""The tree's shape for the record: what a reader needs to draw it without the program that ticked it."""

from __future__ import annotations

from typing import Any

from py_trees.behaviour import Behaviour

from vlm_bt.executive import walk


def shape(root: Behaviour) -> list[dict[str, Any]]:
    """Every node, parents first: `path` of child indices from the root, `name`, `type` (its class) and `skill`.

    `skill` is the card that a leaf or a subtree was built from, "" for a block.
    """
    return [
        {"path": list(path), "name": node.name, "type": type(node).__name__, "skill": getattr(node, "skill", "")}
        for path, node in walk(root)
    ]
