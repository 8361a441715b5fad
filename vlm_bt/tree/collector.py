"""Reading and building make many objects and little cyclic garbage; collecting meanwhile costs more than the work."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

ENOUGH_BLOCKS = 1_000_000
"""Blocks of memory made since the last full collection that are worth another one: some 80 MB."""


class _Made:
    """What was made without a collection since the last full one, ours or anybody's."""

    def __init__(self) -> None:
        self._blocks = 0
        self._collections = 0

    def add(self, blocks: int) -> None:
        self._blocks += max(0, blocks)

    def collect_if_much(self) -> None:
        done = int(gc.get_stats()[2]["collections"])
        if done != self._collections:
            self._blocks, self._collections = 0, done
        if self._blocks > ENOUGH_BLOCKS:
            gc.collect()


_made = _Made()


@contextmanager
def uncollected() -> Iterator[None]:
    """No cyclic garbage collection within; what was made meanwhile counts as old afterwards.

    Python collects the oldest generation by a count that does not see what is moved there, so whoever reads tree after
    tree would keep all their garbage: a full collection comes before the work once enough was made.
    """
    if not gc.isenabled():
        yield
        return
    _made.collect_if_much()
    before = sys.getallocatedblocks()
    gc.disable()
    try:
        yield
    finally:
        # Straight into the oldest generation: else the first collection afterwards walks through all that was made.
        gc.freeze()
        gc.unfreeze()
        gc.enable()
        _made.add(sys.getallocatedblocks() - before)
