"""From a checked tree to py_trees behaviours that can be ticked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from py_trees.behaviour import Behaviour
from py_trees.blackboard import Blackboard
from py_trees.common import Status

from vlm_bt.leaves.leaf import Binding
from vlm_bt.tree import naming
from vlm_bt.tree.cards import Card, Port
from vlm_bt.tree.collector import uncollected
from vlm_bt.tree.composites import AtOnce, FirstThatWorks, InOrder, Match, Rounds
from vlm_bt.tree.decorators import Always, Failed, ForEach, Forgiven, Once, Subtree, TimeLimit, TryAgain, Turned
from vlm_bt.tree.findings import Document, Finding, Mark, Problem, did_you_mean, one_of, raise_all
from vlm_bt.tree.guard import Brake, Guard
from vlm_bt.tree.kinds import KINDS, a, constant_kind
from vlm_bt.tree.load import TreeSource
from vlm_bt.tree.scope import Scope
from vlm_bt.tree.small import Log, Set, Wait
from vlm_bt.tree.source import Many, Scalar, Value
from vlm_bt.tree.syntax import Argument, Block, Body, Call, Node, Variable
from vlm_bt.types import DONE, Outcome


@dataclass
class Compiled:
    """A tree ready to be ticked.

    Attributes:
        root: Ticked by the executive; its `outcome` is the mission's.
        scope: The mission's own variables.
    """

    root: Behaviour
    scope: Scope
    source: TreeSource
    _scopes: list[Scope]
    _closed: bool = False

    def outputs(self) -> dict[str, Any]:
        """The declared outputs that are written by now."""
        known = self.scope.values()
        specs = self.source.body.outputs
        return {name: known[spec.source] for name, spec in specs.items() if spec.source in known}

    def close(self) -> None:
        """Interrupt what still runs and take every variable off the blackboard. Idempotent."""
        if self.root.status == Status.RUNNING:
            self.root.stop(Status.INVALID)
        if not self._closed:
            self._closed = True
            for node in self.root.iterate():
                node.shutdown()
        for scope in self._scopes:
            scope.clear()


def compile_tree(
    tree: TreeSource, ports: Any, inputs: Mapping[str, Any] | None = None, namespace: str = "mission"
) -> Compiled:
    """Build the behaviours of a tree, with its inputs set.

    Args:
        ports: What leaves are given. `ports.clock` counts time limits, `ports.arm` is held by guards.
        inputs: Values by name, of the Python classes of their types (see `TreeSource.parse_inputs` for text).
        namespace: Where the variables live on the blackboard; one mission at a time.

    Raises:
        TreeError: An input is unknown, missing or of the wrong type.
        ValueError: The namespace is taken by a mission that was not closed.
    """
    prefix = f"/{namespace}/"
    if any(key.startswith(prefix) for key in Blackboard.storage):
        raise ValueError(f"the blackboard already holds a mission called {namespace!r}; close it first")
    values = _inputs(tree, inputs or {})
    builder = _Builder(tree, ports)
    scope = builder.scope(f"/{namespace}/{tree.name}")
    with uncollected():
        root = builder.build(tree.body, scope)
    for name, value in values.items():
        scope.writer(name, tree.inputs[name].kind)(value)
    return Compiled(root, scope, tree, builder.scopes)


def _inputs(tree: TreeSource, given: Mapping[str, Any]) -> dict[str, Any]:
    findings: list[Finding] = []
    nowhere = Mark(0, 0)

    def wrong(rule: str, mark: Mark, message: str, help: str = "", document: Document | None = None) -> None:
        findings.append((document or Document("inputs", ())).finding(Problem(rule, mark, message, help)))

    for name, value in given.items():
        if name not in tree.inputs:
            hint = did_you_mean(name, list(tree.inputs))
            known = f"It takes: {one_of(tree.inputs)}.{hint}"
            wrong("unknown-input", nowhere, f"tree {tree.name!r} has no input {name!r}", known)
        elif not tree.inputs[name].kind.accepts(value):
            kind = tree.inputs[name].kind
            wrong("type", nowhere, f"input {name!r} takes {a(kind)}, not {type(value).__name__}")
    for name, port in tree.inputs.items():
        if port.required and name not in given:
            spec = tree.body.inputs[name]
            message = f"input {name!r} of tree {tree.name!r} has no value"
            wrong("missing-input", spec.mark, message, f"Give it with --set {name}=VALUE.", tree.body.document)
    raise_all(findings)
    return {**{name: port.default for name, port in tree.inputs.items() if port.has_default}, **given}


class _Builder:
    """Builds nodes, one scope at a time."""

    def __init__(self, tree: TreeSource, ports: Any) -> None:
        self.scopes: list[Scope] = []
        self._words = tree.vocabulary
        self._ports = ports
        self._begun: dict[str, list[Once]] = {}
        self._brake = Brake(lambda: ports.arm.hold(), lambda: ports.arm.resume())

    def scope(self, path: str) -> Scope:
        self.scopes.append(Scope(path))
        return self.scopes[-1]

    def build(self, body: Body, scope: Scope) -> Behaviour:
        return self._node(body.root, scope)

    def _node(self, node: Node, scope: Scope) -> Behaviour:
        return self._call(node, scope) if isinstance(node, Call) else self._block(node, scope)

    # Blocks

    def _block(self, block: Block, scope: Scope) -> Behaviour:
        name = naming.of(block)
        children = [self._node(child, scope) for child in block.nodes]
        options = block.options
        on = options.get("on", ())
        match block.kind:
            case "wait" | "set" | "log":
                return self._small(block, name, scope)
            case "sequence":
                return InOrder(name, options.get("memory", True), children)
            case "selector":
                return FirstThatWorks(name, options.get("memory", True), children, on)
            case "parallel":
                return AtOnce(name, children, options.get("success", "all"), on)
            case "match":
                named = {branch.role: child for branch, child in zip(block.branches, children, strict=True)}
                return Match(name, named.pop("do"), named)
            case "repeat":
                return Rounds(name, children[0], children[1], options["at_most"], on)
            case "guard":
                return self._guard(block, name, children)
            case "always_succeed" if not children:
                return Always(name, DONE)
            case "always_fail" if not children:
                return Always(name, Outcome(options.get("reason", "no")))
        return self._decorator(block, name, children[0], scope)

    def _decorator(self, block: Block, name: str, child: Behaviour, scope: Scope) -> Behaviour:
        options = block.options
        on = options.get("on", ())
        match block.kind:
            case "once":
                return self._once(Once(name, child), scope)
            case "retry":
                return TryAgain(name, child, options["at_most"], on)
            case "timeout":
                return TimeLimit(name, child, options["after_s"], self._ports.clock)
            case "invert":
                return Turned(name, child)
            case "always_succeed":
                return Forgiven(name, child, on)
            case "always_fail":
                return Failed(name, child, options.get("reason", "no"))
            case "for_each":
                return ForEach(name, child, self._items(options["in"], scope), scope.setter(options["item"].name))
        raise AssertionError(f"no block {block.kind!r}")

    def _small(self, block: Block, name: str, scope: Scope) -> Behaviour:
        options = block.options
        if block.kind == "wait":
            return Wait(name, options["for_s"], self._ports.clock)
        if block.kind == "log":
            parts = [
                scope.reader(part.name, part.fields) if isinstance(part, Variable) else part for part in options["text"]
            ]
            return Log(name, parts, self._ports)
        to = options["to"]
        if isinstance(to, Variable):
            return Set(name, scope.reader(to.name, to.fields), scope.setter(options["variable"].name))
        kind = constant_kind(to, options.get("type", ""))
        assert kind is not None and kind.parse is not None
        return Set(name, _just(kind.parse(to, [])), scope.setter(options["variable"].name))

    def _once(self, node: Once, scope: Scope) -> Once:
        self._begun.setdefault(scope.path, []).append(node)
        return node

    def _guard(self, block: Block, name: str, children: list[Behaviour]) -> Guard:
        roles = {branch.role: child for branch, child in zip(block.branches, children, strict=True)}
        return Guard(
            name,
            roles["while"],
            roles["do"],
            roles.get("otherwise"),
            brake=self._brake,
            clock=self._ports.clock,
            restart=block.options.get("on_clear") == "restart",
            secure=roles.get("secure"),
        )

    def _items(self, value: Variable | Value, scope: Scope) -> Callable[[], Any]:
        if isinstance(value, Variable):
            return scope.reader(value.name, value.fields)
        assert isinstance(value, Many)
        texts = tuple(item.text for item in value.items if isinstance(item, Scalar))
        return lambda: texts

    # Skills

    def _call(self, call: Call, scope: Scope) -> Behaviour:
        card = self._words.card(call.skill)
        assert card is not None
        own = call.arguments.get("timeout_s")
        timeout_s = _constant(own, KINDS["number"].parse) if own else card.timeout_s
        if card.body is not None:
            return self._subtree(call, card, scope, timeout_s)
        assert card.leaf is not None
        readers = self._readers(call, card.inputs, scope)
        writers = self._writers(call, card, scope)

        def read(name: str) -> Any:
            return readers[name]()

        def write(name: str, value: Any) -> None:
            if name in writers:
                writers[name](value)
            elif name not in card.outputs:
                raise KeyError(f"{card.name!r} declares no output {name!r}")

        given = frozenset(name for name in call.arguments if name != "timeout_s")
        return card.leaf(naming.of(call), self._ports, Binding(read, write, given, card.asker), timeout_s)

    def _subtree(self, call: Call, card: Card, scope: Scope, timeout_s: float | None) -> Behaviour:
        assert card.body is not None
        inner = self.scope(f"{scope.path}/{card.name}_{len(self.scopes)}")
        child = self.build(card.body, inner)
        once = self._begun.get(inner.path, [])
        readers = self._readers(call, card.inputs, scope)
        entries = [(inner.writer(name, card.inputs[name].kind), read) for name, read in readers.items()]
        writers = self._writers(call, card, scope)
        exits = [(write, inner.reader(card.body.outputs[name].source)) for name, write in writers.items()]

        def enter() -> None:
            values = [(write, read()) for write, read in entries]
            inner.clear()
            for node in once:
                node.forget()
            for write, value in values:
                write(value)

        def leave() -> None:
            for write, read in exits:
                write(read())

        node = Subtree(naming.of(call), child, enter, leave, card.name)
        if timeout_s is None:
            return node
        return TimeLimit(f"within {timeout_s:g} s", node, timeout_s, self._ports.clock)

    def _readers(self, call: Call, ports: Mapping[str, Port], scope: Scope) -> dict[str, Callable[[], Any]]:
        readers: dict[str, Callable[[], Any]] = {}
        for name, port in ports.items():
            argument = call.arguments.get(name)
            if argument is not None and isinstance(argument.value, Variable):
                readers[name] = scope.reader(argument.value.name, argument.value.fields)
            elif argument is not None:
                readers[name] = _just(_constant(argument, port.kind.parse))
            else:
                readers[name] = _just(port.default)
        return readers

    def _writers(self, call: Call, card: Card, scope: Scope) -> dict[str, Callable[[Any], None]]:
        writers: dict[str, Callable[[Any], None]] = {}
        for name, port in card.outputs.items():
            argument = call.arguments.get(name)
            if argument is not None and isinstance(argument.value, Variable):
                variable = argument.value.name
                writers[name] = scope.writer(variable, port.kind) if card.leaf else scope.setter(variable)
        return writers


def _constant(argument: Argument, parse: Callable[[Value, list[Problem]], Any] | None) -> Any:
    """The value an author wrote; the checker has read it before and found nothing wrong."""
    assert parse is not None and not isinstance(argument.value, Variable)
    return parse(argument.value, [])


def _just(value: Any) -> Callable[[], Any]:
    return lambda: value
