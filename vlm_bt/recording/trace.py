"""One fingerprint of a whole mission: what every node was at every tick."""

from __future__ import annotations

import hashlib
import struct

from py_trees.behaviour import Behaviour

from vlm_bt.executive import walk

AT_ONCE = 2047
"""hashlib lets other threads run while it takes in more than this, then waits for its turn: up to 5 ms of a tick."""
TICK = struct.Struct("<BI")
STATUS_BYTES = {"INVALID": b"\0", "RUNNING": b"\1", "SUCCESS": b"\2", "FAILURE": b"\3"}


class Trace:
    """Accumulates (tick, child-index path, status) of every node at every tick.

    Nodes are named by where they stand in the tree, never by id or name, and nothing of the wall clock enters: the
    same seed and answers give the same fingerprint on every run of the same build.
    """

    def __init__(self) -> None:
        self._sum = hashlib.sha256()
        self._root: Behaviour | None = None
        self._nodes: tuple[tuple[bytes, Behaviour], ...] = ()

    def add(self, tick: int, root: Behaviour) -> None:
        """Take in a tree after a tick; its shape must not change while it is the same root."""
        if root is not self._root:
            self._root = root
            self._nodes = tuple((_key(path), node) for path, node in walk(root))
        parts = [TICK.pack(0xFF, tick)]
        for key, node in self._nodes:
            parts.append(key)
            parts.append(STATUS_BYTES[node.status.name])
        told = b"".join(parts)
        for start in range(0, len(told), AT_ONCE):
            self._sum.update(told[start : start + AT_ONCE])

    @property
    def trace_sha256(self) -> str:
        """Hexadecimal sha256 of all that was added so far."""
        return self._sum.hexdigest()


def _key(path: tuple[int, ...]) -> bytes:
    return struct.pack(f"<B{len(path)}H", len(path), *path)
