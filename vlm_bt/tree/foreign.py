"""Leaves from other packages. Nothing of them is imported before the configuration allows them by name.

A package offers subclasses of `Leaf` through the entry point group `vlm_bt.leaves`; a class made with `py_trees.ports`
is named `module:Class`. All of them count as moving the arm.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Collection, Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar

from py_trees.behaviour import Behaviour
from py_trees.blackboard import Blackboard
from py_trees.common import Status
from py_trees.ports import PortsMixin

from vlm_bt.leaves.leaf import Binding, Input, Leaf, Output
from vlm_bt.tree.findings import one_of
from vlm_bt.tree.kinds import KINDS
from vlm_bt.types import DONE, Outcome

GROUP = "vlm_bt.leaves"
_NAMED = re.compile(r"[A-Za-z_][\w.]{0,200}:[A-Za-z_]\w{0,100}\Z")
_PLAIN = {str: "text", bool: "boolean", int: "number", float: "number", list[str]: "texts", tuple: "texts"}


class NotAllowed(Exception):
    """The leaf is there, and the configuration does not allow it. The text says where it comes from."""


class NotALeaf(Exception):
    """What the name leads to can't be used. The text says why."""


def names() -> list[str]:
    """The leaves that other packages offer; nothing is imported."""
    return sorted(_offered())


def find(name: str, allow: Collection[str]) -> type[Leaf] | None:
    """The leaf of that name; None where there is none.

    Raises:
        NotAllowed: It is not among those allowed.
        NotALeaf: It is allowed, and can't be loaded or is no leaf.
    """
    offered = _offered().get(name)
    if offered is None and not _NAMED.match(name):
        return None
    if name not in allow:
        raise NotAllowed(offered.value.partition(":")[0] if offered else name.partition(":")[0])
    try:
        if offered is not None:
            found = offered.load()
        else:
            module, _, attribute = name.partition(":")
            found = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # Whatever the code of another package raises while it is imported.
        raise NotALeaf(f"can't be loaded: {type(error).__name__}: {error}") from error
    if isinstance(found, type) and issubclass(found, Leaf):
        return found
    if isinstance(found, type) and issubclass(found, PortsMixin) and issubclass(found, Behaviour):
        return ported(found)
    raise NotALeaf("is neither a subclass of vlm_bt's Leaf nor a behaviour made with py_trees.ports")


def ported(behaviour: type[Any]) -> type[Leaf]:
    """A leaf that runs a behaviour made with `py_trees.ports`.

    Raises:
        NotALeaf: A port has a type that the language does not have.
    """
    takes = {
        name: Input(_kind(name, port.data_type), port.description, port.required, port.default_value)
        for name, port in behaviour.input_ports().items()
    }
    gives = {
        name: Output(_kind(name, port.data_type), port.description, port.required)
        for name, port in behaviour.output_ports().items()
    }
    declared = {"takes": takes, "gives": gives, "behaviour": behaviour, "__module__": behaviour.__module__}
    return type(behaviour.__name__, (_Ported,), declared)


class _Ported(Leaf):
    """Its ports are keys of its own on the blackboard, written before and read after each activation."""

    behaviour: ClassVar[type[Any]]
    safety = "moves"
    reasons = ("no",)

    def __init__(self, name: str, ports: Any, binding: Binding, timeout_s: float | None = None) -> None:
        super().__init__(name, ports, binding, timeout_s)
        self._keys = {port: f"/ported_{self.id.hex}/{port}" for port in (*self.takes, *self.gives)}
        self.inner = self.behaviour(name=name)
        self.inner.setup_ports(port_remappings=self._keys)
        self.inner.setup()

    def initialise(self) -> None:
        self.outcome = DONE
        self.feedback_message = ""
        self._began_s = self.ports.clock.now_s
        for name in self.takes:
            value = self.input(name)
            if value is not None:
                Blackboard.set(self._keys[name], _for_port(value, self.behaviour.get_port_type(name)))

    def update(self) -> Status:
        self.inner.tick_once()
        self.feedback_message = self.inner.feedback_message
        if self.inner.status == Status.RUNNING:
            if self.timeout_s is None or self.ports.clock.now_s - self._began_s < self.timeout_s:
                return Status.RUNNING
            self.inner.stop(Status.INVALID)
            return self._finish(Outcome("timed_out", f"{self.name} took longer than {self.timeout_s:g} s"))
        if self.inner.status == Status.FAILURE:
            return self._finish(Outcome("no", self.inner.feedback_message))
        for name in self.gives:
            if name in self._binding.given:
                value = Blackboard.get(self._keys[name])
                self.output(name, tuple(value) if isinstance(value, list) else value)
        return self._finish(Outcome("done", self.inner.feedback_message))

    def terminate(self, new_status: Status) -> None:
        super().terminate(new_status)
        if self.inner.status == Status.RUNNING:
            self.inner.stop(Status.INVALID)

    def shutdown(self) -> None:
        """Takes its keys off the blackboard, where py_trees would leave them."""
        self.inner.shutdown()
        self.inner.blackboard_client.unregister(clear=True)
        for key in self._keys.values():
            Blackboard.storage.pop(key, None)


def _offered() -> dict[str, EntryPoint]:
    return {point.name: point for point in _points()}


def _points() -> Iterator[EntryPoint]:
    yield from entry_points(group=GROUP)


def _kind(port: str, data_type: Any) -> str:
    plain = _PLAIN.get(data_type) if isinstance(data_type, type) or data_type == list[str] else None
    named = plain or next((kind.name for kind in KINDS.values() if kind.python is data_type), None)
    if named is None:
        known = one_of([*(kind.__name__ for kind in _PLAIN if kind != list[str]), "list[str]", "vlm_bt.types"])
        raise NotALeaf(f"has a port {port!r} of type {data_type}; types that are known here: {known}")
    return named


def _for_port(value: Any, wanted: Any) -> Any:
    """py_trees' ports know lists and whole numbers where the language has tuples and numbers."""
    if wanted == list[str]:
        return list(value)
    if wanted is int and isinstance(value, float) and value.is_integer():
        return int(value)
    return float(value) if wanted is float and isinstance(value, int) else value
