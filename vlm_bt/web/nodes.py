"""The nodes of a mission's tree as browsers see them: cards, inputs and outputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from py_trees.behaviour import Behaviour

from vlm_bt.executive import walk
from vlm_bt.leaves.leaf import Leaf
from vlm_bt.leaves.untrusted import plain
from vlm_bt.recording.shape import shape
from vlm_bt.tree.cards import Card
from vlm_bt.tree.compile import Compiled
from vlm_bt.types import Detection, HeldObject, LocatedObject, VerifiedObject

LONGEST_VALUE = 160


class Nodes:
    """Reads leaves in the executive's thread; changes nothing."""

    def __init__(self, compiled: Compiled | None = None) -> None:
        self._compiled = compiled
        self._by_path: dict[tuple[int, ...], Behaviour] = {}

    @classmethod
    def of(cls, compiled: Compiled) -> Nodes:
        nodes = cls(compiled)
        nodes._by_path = dict(walk(compiled.root))
        return nodes

    def shape(self) -> list[dict[str, Any]]:
        """As the record has it, each node with the `card` that it was built from."""
        assert self._compiled is not None
        words = self._compiled.source.vocabulary
        cards: dict[str, dict[str, Any]] = {}
        rows = shape(self._compiled.root)
        for row in rows:
            name = row["skill"]
            if name and name not in cards:
                card = words.card(name)
                cards[name] = _card(card) if card is not None else {}
            if name and cards[name]:
                row["card"] = cards[name]
        return rows

    def values(self, status: Mapping[str, Any]) -> dict[str, Any]:
        """`inputs` of a leaf that has begun or ended, as text, and the `object` that it works on where there is one."""
        node = self._by_path.get(tuple(status.get("path") or ()))
        if not isinstance(node, Leaf) or status.get("status") == "INVALID":
            return {}
        inputs: dict[str, str] = {}
        thing = ""
        for name in node.takes:
            try:
                value = node.input(name)
            except Exception:
                continue  # not set yet: the leaf says so itself
            inputs[name] = in_words(value)
            thing = thing or object_id(value)
        return {"inputs": inputs, **({"object": thing} if thing else {})}


def in_words(value: object) -> str:
    """A value as one short line of text."""
    if isinstance(value, str):
        return plain(value, LONGEST_VALUE)
    if isinstance(value, Mapping):
        return plain(", ".join(f"{name}: {one}" for name, one in _first(value.items())), LONGEST_VALUE)
    if isinstance(value, list | tuple):
        shown = ", ".join(in_words(one) for one in _first(value))
        return plain(f"{len(value)}: {shown}" if len(value) != 1 else shown, LONGEST_VALUE)
    return plain(str(value), LONGEST_VALUE)


def object_id(value: object) -> str:
    """The id of the thing that a value is; "" where it is none."""
    if isinstance(value, HeldObject):
        value = value.tool
    if isinstance(value, VerifiedObject | Detection):
        value = value.object
    return value.id if isinstance(value, LocatedObject) else ""


def _first(values: Iterable[Any]) -> list[Any]:
    return [one for one, _ in zip(values, range(8), strict=False)]


def _card(card: Card) -> dict[str, Any]:
    takes = {name: f"{port.kind.name}: {port.help}" for name, port in card.inputs.items()}
    gives = {name: f"{port.kind.name}: {port.help}" for name, port in card.outputs.items()}
    about = {"summary": card.summary, "safety": card.safety, "reasons": list(card.reasons)}
    return {**about, "takes": takes, "gives": gives}
