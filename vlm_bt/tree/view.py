"""A tree as it is looked at: every node with its place, the part it plays, its types and its safety class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vlm_bt.leaves.leaf import Safety
from vlm_bt.tree import naming
from vlm_bt.tree.cards import Card
from vlm_bt.tree.check import Checker
from vlm_bt.tree.findings import Mark
from vlm_bt.tree.load import TreeSource
from vlm_bt.tree.source import Value
from vlm_bt.tree.syntax import BLOCKS, Block, Call, Node, Variable

SIGNS = {
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
    "once": "1×",
    "wait": "⏱",
    "set": "≔",
    "log": "✎",
    "subtree": "▸",
}


@dataclass(frozen=True)
class Handled:
    """One argument of a skill: a variable or a constant, with the type that the skill's card says.

    Attributes:
        value: The variable, or what the author wrote.
        claim: It is something that a model said.
    """

    name: str
    value: Variable | Value
    type: str
    claim: bool = False

    @property
    def variable(self) -> str:
        """`$name` or `$name.field`; empty where it is a constant."""
        return str(self.value) if isinstance(self.value, Variable) else ""


@dataclass(frozen=True)
class View:
    """One node as it is drawn.

    Attributes:
        path: Its place by child indices, the root's being empty.
        role: The part that it plays for its parent: `while`, `until`, an outcome. Empty where there is only one part.
        kind: The block's name, or `leaf`, or `subtree`.
        takes: What it reads, `gives` what it writes.
        safety: Of a skill; None for a block, whose children have their own.
        guarded: It stands under a guard.
        file: Where it is written, with `mark`; a subtree's body stands in its card.
    """

    path: tuple[int, ...]
    role: str
    kind: str
    text: str
    node: Node
    takes: tuple[Handled, ...]
    gives: tuple[Handled, ...]
    safety: Safety | None
    guarded: bool
    last: bool
    file: str
    mark: Mark
    children: tuple[View, ...] = ()

    @property
    def options(self) -> dict[str, Any]:
        """As the language writes them: templates as one text, durations and counts as numbers."""
        if not isinstance(self.node, Block):
            return {}
        kinds = BLOCKS[self.node.kind].options
        return {
            name: "".join(map(str, value)) if kinds.get(name) == "template" else value
            for name, value in self.node.options.items()
        }

    @property
    def sign(self) -> str:
        return SIGNS.get(self.kind, "")

    def walk(self) -> Iterator[View]:
        """The node and all below it, top down."""
        yield self
        for child in self.children:
            yield from child.walk()


def view(tree: TreeSource, *, expand: bool = False) -> View:
    """The whole tree; `expand` opens the skills that are subtrees."""
    return _Viewer(tree, expand).node(tree.body.root, (), "", True, False, tree.body.document.path)


class _Viewer:
    def __init__(self, tree: TreeSource, expand: bool) -> None:
        self._words = tree.vocabulary
        self._expand = expand
        self._checker = Checker(tree.vocabulary)

    def node(self, node: Node, path: tuple[int, ...], role: str, last: bool, guarded: bool, file: str) -> View:
        if isinstance(node, Call):
            return self._call(node, path, role, last, guarded, file)
        count = len(node.branches)
        children = tuple(
            self.node(
                branch.node,
                (*path, index),
                _role(node, branch.role),
                index == count - 1,
                guarded or (node.kind == "guard" and branch.role == "do"),
                file,
            )
            for index, branch in enumerate(node.branches)
        )
        text = naming.of(node)
        return View(path, role, node.kind, text, node, (), (), None, guarded, last, file, node.mark, children)

    def _call(self, call: Call, path: tuple[int, ...], role: str, last: bool, guarded: bool, file: str) -> View:
        card = self._words.card(call.skill)
        assert card is not None, "the tree was checked"
        card = self._checker.completed(card)
        children: tuple[View, ...] = ()
        if self._expand and card.body is not None:
            inner = card.body.document.path
            children = (self.node(card.body.root, (*path, 0), "", True, guarded, inner),)
        kind = "subtree" if card.body else "leaf"
        takes, gives = _handled(call, card, card.inputs), _handled(call, card, card.outputs)
        text = naming.of(call)
        return View(path, role, kind, text, call, takes, gives, card.safety, guarded, last, file, call.mark, children)


def _handled(call: Call, card: Card, ports: Any) -> tuple[Handled, ...]:
    return tuple(
        Handled(name, argument.value, ports[name].kind.name, ports[name].kind.claim)
        for name, argument in call.arguments.items()
        if name in ports
    )


def _role(block: Block, role: str) -> str:
    """`do` goes without saying where there is nothing else."""
    return "" if role == "do" and len(block.branches) == 1 else role
