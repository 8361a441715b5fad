"""Which things a bench is set with: kinds as missions have them, and things of no kind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vlm_bt.simulation.odd_tools import odd_tool
from vlm_bt.simulation.outlines import ToolModel
from vlm_bt.simulation.tools import HELD_OUT, make_tool
from vlm_bt.training.held_out import HELD_OUT_PAIRS, is_pair_held_out
from vlm_bt.training.odd_tools import composite_tool
from vlm_bt.training.staged import Order

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
_TRIES = 400


@dataclass(frozen=True, eq=False)
class Prop:
    """A thing that may be laid on the bench. `kind` is "odd" for a thing of no kind."""

    name: str
    kind: str
    tool: ToolModel


def cast(order: Order, rng: np.random.Generator) -> list[Prop]:
    """The things of which each scene of a block shows some."""
    props: list[Prop] = []
    for kind, count in _COUNTS.items():
        if kind in HELD_OUT and not order.held_out_kinds:
            continue
        if order.pairs == "held_out" and kind not in HELD_OUT and kind not in (some for _, some in HELD_OUT_PAIRS):
            continue
        for _ in range(count):
            props.append(Prop(f"thing_{len(props)}", kind, _tool(kind, order, rng)))
    for _ in range(_ODD):
        seed = int(rng.integers(1 << 30))
        tool = composite_tool(seed) if rng.random() < 0.5 else odd_tool(np.random.default_rng(seed))
        props.append(Prop(f"thing_{len(props)}", "odd", tool))
    return props


def _tool(kind: str, order: Order, rng: np.random.Generator) -> ToolModel:
    """A tool whose pair of colour and kind the order allows."""
    for _ in range(_TRIES):
        tool = make_tool(kind, int(rng.integers(1 << 30)))
        held_out = is_pair_held_out(tool.colour, kind)
        if order.pairs == "any" or kind in HELD_OUT or held_out == (order.pairs == "held_out"):
            return tool
    raise AssertionError(f"no {kind} of {_TRIES} shows a pair that is {order.pairs}")
