"""Which things a bench is set with: kinds as missions have them, and things of no kind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vlm_bt.simulation.odd_tools import odd_tool
from vlm_bt.simulation.outlines import ToolModel
from vlm_bt.simulation.tools import HELD_OUT, make_tool
from vlm_bt.training.data import ODD
from vlm_bt.training.held_out import HELD_OUT_PAIRS, is_pair_held_out
from vlm_bt.training.odd_tools import composite_tool
from vlm_bt.training.printed import Label, label_for
from vlm_bt.training.staged import MOST_THINGS, Order
from vlm_bt.vision.vocabulary import KINDS

_COUNTS: dict[str, int] = {
    "adjustable wrench": 3,
    "combination wrench": 4,
    "Phillips screwdriver": 4,
    "flat screwdriver": 4,
    "pliers": 3,
    "needle-nose pliers": 3,
    "tape measure": 2,
    "screw": 6,
    "hammer": 1,
    "T-handle Allen wrench": 2,
    "multi-tool": 2,
}
_ODD = 8
_SPARE = 8
_TRIES = 400


_LABELLED_SHARE = 0.7
SMALLEST_LABELLED_M = 0.065

LABEL_WORDS: dict[str, tuple[str, ...]] = {
    "adjustable wrench": ("wrench", "adjustable wrench", "spanner"),
    "combination wrench": ("wrench", "combination wrench", "spanner"),
    "Phillips screwdriver": ("screwdriver", "Phillips"),
    "flat screwdriver": ("screwdriver", "flat screwdriver"),
    "pliers": ("pliers",),
    "needle-nose pliers": ("pliers", "needle-nose pliers"),
    "tape measure": ("tape measure", "tape"),
    "screw": ("screw", "screws"),
    "hammer": ("hammer",),
    "T-handle Allen wrench": ("Allen wrench", "T-handle"),
    "multi-tool": ("multi-tool",),
}
"""What an honest label says of each kind. Those of the kinds held out of training are printed on these kinds only."""


STANDING = ("Phillips screwdriver", "flat screwdriver", "tape measure")
"""Kinds that stay where they are stood on end."""


@dataclass(frozen=True, eq=False)
class Prop:
    """A thing that may be laid on the bench. `kind` is "odd" for a thing of no kind."""

    name: str
    kind: str
    tool: ToolModel
    label: Label | None = None


def cast(order: Order, rng: np.random.Generator) -> list[Prop]:
    """The things of which each scene of a block shows some: a few more than any scene of the order needs."""
    able = {kind for _, kind in HELD_OUT_PAIRS} if order.pairs == "held_out" else set(KINDS)
    if order.held_out_kinds:
        able |= set(HELD_OUT)
    kinds = [kind for kind, count in _COUNTS.items() if kind in able for _ in range(count)] + [ODD] * _ODD
    needed = _SPARE + (MOST_THINGS if order.things is None else order.things)
    chosen = [kinds[index] for index in rng.permutation(len(kinds))[:needed].tolist()]
    if order.event == "knocked_over":
        chosen[0] = STANDING[int(rng.integers(len(STANDING)))]
    return [_prop(f"thing_{number}", kind, order, rng) for number, kind in enumerate(chosen)]


def _prop(name: str, kind: str, order: Order, rng: np.random.Generator) -> Prop:
    if kind != ODD:
        return _labelled(name, kind, _tool(kind, order, rng), order, rng)
    seed = int(rng.integers(1 << 30))
    tool = composite_tool(seed) if rng.random() < 0.5 else odd_tool(np.random.default_rng(seed))
    return _labelled(name, kind, tool, order, rng)


def _labelled(name: str, kind: str, tool: ToolModel, order: Order, rng: np.random.Generator) -> Prop:
    """The thing, with a label where the order has labels and the thing is large enough."""
    if order.labels == "none" or tool.length_m < SMALLEST_LABELLED_M or rng.random() >= _LABELLED_SHARE:
        return Prop(name, kind, tool)
    if order.labels == "lying":
        own = LABEL_WORDS.get(kind, ())
        words = [word for other in KINDS for word in LABEL_WORDS[other] if not set(LABEL_WORDS[other]) & set(own)]
    else:
        words = list(LABEL_WORDS.get(kind, (f"part {int(rng.integers(10, 100))}",)))
    loud = rng.random() < 0.6
    for index in rng.permutation(len(words)).tolist():
        label = label_for(tool, words[index].upper() if loud else words[index], rng)
        if label is not None:
            return Prop(name, kind, tool, label)
    return Prop(name, kind, tool)


def _tool(kind: str, order: Order, rng: np.random.Generator) -> ToolModel:
    """A tool whose pair of colour and kind the order allows."""
    for _ in range(_TRIES):
        tool = make_tool(kind, int(rng.integers(1 << 30)))
        held_out = is_pair_held_out(tool.colour, kind)
        if order.pairs == "any" or kind in HELD_OUT or held_out == (order.pairs == "held_out"):
            return tool
    raise AssertionError(f"no {kind} of {_TRIES} shows a pair that is {order.pairs}")
