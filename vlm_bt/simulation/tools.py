"""The tools of the workbench by kind: every size, shade and handle comes from a seed."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from vlm_bt.simulation import holding_tools, turning_tools
from vlm_bt.simulation.outlines import ToolModel
from vlm_bt.simulation.paints import BRIGHT, DARK, HANDLE_COLOURS, STEEL_SHADES

__all__ = ["BRIGHT", "DARK", "HANDLE_COLOURS", "HELD_OUT", "KINDS", "STEEL_SHADES", "make_tool"]

_MAKERS: dict[str, Callable[[np.random.Generator, float], ToolModel]] = {
    "adjustable wrench": turning_tools.adjustable_wrench,
    "combination wrench": turning_tools.combination_wrench,
    "Phillips screwdriver": turning_tools.phillips,
    "flat screwdriver": turning_tools.flat,
    "pliers": holding_tools.pliers,
    "needle-nose pliers": holding_tools.needle_nose,
    "tape measure": holding_tools.tape_measure,
    "screw": turning_tools.screw,
    "T-handle Allen wrench": turning_tools.t_handle,
    "multi-tool": holding_tools.multi_tool,
    "hammer": holding_tools.hammer,
}
KINDS: tuple[str, ...] = tuple(_MAKERS)
HELD_OUT: tuple[str, ...] = ("T-handle Allen wrench", "multi-tool")


def make_tool(kind: str, seed: int, size: float | None = None) -> ToolModel:
    """A tool of `kind`; the same for the same arguments, and cheap to ask for again.

    Args:
        size: 0 for the smallest of its kind, 1 for the largest; drawn from the seed if not given.

    Raises:
        KeyError: No such kind; `KINDS` lists them.
    """
    if kind not in _MAKERS:
        raise KeyError(f"no tool of kind {kind!r}; known: {', '.join(KINDS)}")
    return _made(kind, seed, size)


@lru_cache(maxsize=512)
def _made(kind: str, seed: int, size: float | None) -> ToolModel:
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    drawn = float(rng.uniform())
    return _MAKERS[kind](rng, drawn if size is None else size)
