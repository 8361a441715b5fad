"""Where the variables of a running tree live: py_trees' blackboard, under the mission's own namespace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from py_trees.blackboard import Blackboard

from vlm_bt.tree.kinds import Kind, a


class Scope:
    """The variables of one tree or of one use of a subtree: `/<namespace>/<path>/<variable>`.

    Used by the executive's thread only. The class methods of py_trees' blackboard are used without a client (a client
    for every leaf costs ten times as much to make and is never freed), so its own viewers still see the values.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._keys: dict[str, str] = {}

    def declare(self, name: str) -> str:
        return self._keys.setdefault(name, f"{self.path}/{name}")

    def setter(self, name: str) -> Callable[[Any], None]:
        """Sets the variable to a value whose type was checked where it came from."""
        key = self.declare(name)
        return lambda value: Blackboard.set(key, value)

    def writer(self, name: str, kind: Kind) -> Callable[[Any], None]:
        """Sets the variable; a value of another type is a bug in the leaf that gives it."""
        key = self.declare(name)

        def write(value: Any) -> None:
            if not kind.accepts(value):
                raise TypeError(f"${name} takes {a(kind)}, and was given {type(value).__name__}")
            Blackboard.set(key, value)

        return write

    def reader(self, name: str, fields: tuple[str, ...] = ()) -> Callable[[], Any]:
        key = self.declare(name)

        def read() -> Any:
            value = Blackboard.get(key)
            for field in fields:
                value = getattr(value, field)
            return value

        return read

    def values(self) -> dict[str, Any]:
        """Every variable that is written by now."""
        return {name: Blackboard.get(key) for name, key in self._keys.items() if key in Blackboard.storage}

    def clear(self) -> None:
        """Forget every value, and that py_trees' blackboard ever knew these keys."""
        for key in self._keys.values():
            Blackboard.storage.pop(key, None)
            Blackboard.metadata.pop(key, None)
