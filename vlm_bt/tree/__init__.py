"""The language that missions are written in: read with positions, checked, shown, and built into py_trees.

`load_tree` and `check_tree` read a file, `compile_tree` builds it, `show_tree` draws it, `vocabulary` lists the skills.
"""

from vlm_bt.tree.cards import Card
from vlm_bt.tree.compile import Compiled, compile_tree
from vlm_bt.tree.findings import Finding
from vlm_bt.tree.load import TreeSource, check_tree, load_tree, vocabulary
from vlm_bt.tree.show import show_tree

__all__ = [
    "Card",
    "Compiled",
    "Finding",
    "TreeSource",
    "check_tree",
    "compile_tree",
    "load_tree",
    "show_tree",
    "vocabulary",
]
