"""Trees written in Python.

    mission = tree(
        "one_tool",
        guard(
            while_=skill("workspace_is_clear"),
            otherwise=skill("hold_still"),
            do=sequence(
                skill("find_next_tool", groups="$groups", into="$candidate"),
                match(
                    skill("verify_grounding", candidate="$candidate", into="$tool"),
                    unsure=skill("ask_about", candidate="$candidate", into="$tool"),
                ),
                skill("pick_and_check", tool="$tool", into="$held"),
                skill("place_and_check", held="$held", zone="right"),
            ),
        ),
        inputs={"groups": "groups"},
    )
    print(mission.to_yaml())
    mission.load(LEAVES)

There is one way into a robot: a tree built here is printed as YAML, and that is read and checked like any other file.
So errors come with the line and column of the printed YAML, and nothing can be said here that a file could not say.
A string such as "$tool" or "$group.zone" is a variable; `text("$5")` is a text. `while_`, `in_`, `else_` and `set_` end
in an underscore because Python has taken the words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlm_bt.leaves.leaf import Leaf
from vlm_bt.tree.export import mapping, node_value, value_of
from vlm_bt.tree.findings import START
from vlm_bt.tree.load import TreeSource, load_text
from vlm_bt.tree.parse import Parser
from vlm_bt.tree.source import Scalar, Value
from vlm_bt.tree.syntax import BLOCKS, Argument, Block, Branch, Call, Node, Variable
from vlm_bt.tree.yaml_text import OPEN, yaml_text

__all__ = [
    "Built",
    "always_fail",
    "always_succeed",
    "for_each",
    "guard",
    "invert",
    "log",
    "match",
    "once",
    "parallel",
    "repeat",
    "retry",
    "selector",
    "sequence",
    "set_",
    "skill",
    "text",
    "timeout",
    "tree",
    "wait",
]


@dataclass(frozen=True)
class Built:
    """A mission that was written in Python and not checked yet."""

    name: str
    root: Node
    summary: str = ""
    says: tuple[str, ...] = ()
    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)

    def to_yaml(self) -> str:
        """The tree file."""
        head = {"tree": self.name, "summary": self.summary, "says": self.says}
        ports = {"inputs": dict(self.inputs), "outputs": _ports(self.outputs)}
        given = {key: value_of(value) for key, value in (head | ports).items() if value}
        return yaml_text(mapping({**given, "root": node_value(self.root)}), open_keys=OPEN)

    def load(
        self,
        leaves: Mapping[str, type[Leaf]],
        *,
        skills_dirs: Sequence[Path | str] | None = None,
        allow: Iterable[str] = (),
    ) -> TreeSource:
        """Print it, read it and check it.

        Raises:
            TreeError: With every finding, placed in the printed YAML.
        """
        return load_text(self.to_yaml(), f"<{self.name}>", leaves, skills_dirs=skills_dirs, allow=allow)


def tree(
    name: str,
    root: Node,
    *,
    summary: str = "",
    says: Sequence[str] = (),
    inputs: Mapping[str, Any] | None = None,
    outputs: Mapping[str, Any] | None = None,
) -> Built:
    """A mission. `inputs` and `outputs` are written as in a file: `{"groups": "groups"}`, `{"n": {"help": "..."}}`."""
    return Built(name, root, summary, tuple(says), inputs or {}, outputs or {})


def skill(skill: str, /, *, name: str = "", **arguments: Any) -> Call:
    """A leaf or a subtree, by the name of its card."""
    given = {key: Argument(key, START, _argument(value)) for key, value in arguments.items()}
    return Call(skill, START, given, name)


def text(literal: str) -> Value:
    """A text that begins with $ and is no variable."""
    return Scalar(START, literal, literal, False)


def sequence(*nodes: Node, memory: bool | None = None, name: str = "") -> Block:
    return _many("sequence", nodes, name, memory=memory)


def selector(*nodes: Node, memory: bool | None = None, on: Sequence[str] = (), name: str = "") -> Block:
    return _many("selector", nodes, name, memory=memory, on=on)


def parallel(*nodes: Node, success: str | int | None = None, on: Sequence[str] = (), name: str = "") -> Block:
    return _many("parallel", nodes, name, success=success, on=on)


def retry(do: Node, *, at_most: int, on: Sequence[str] = (), name: str = "") -> Block:
    return _block("retry", {"do": do}, name, at_most=at_most, on=on)


def repeat(do: Node, *, until: Node, at_most: int, on: Sequence[str] = (), name: str = "") -> Block:
    return _block("repeat", {"until": until, "do": do}, name, at_most=at_most, on=on)


def timeout(do: Node, *, after_s: float, name: str = "") -> Block:
    return _block("timeout", {"do": do}, name, after_s=after_s)


def invert(do: Node, *, name: str = "") -> Block:
    return _block("invert", {"do": do}, name)


def once(do: Node, *, name: str = "") -> Block:
    return _block("once", {"do": do}, name)


def always_succeed(do: Node | None = None, *, on: Sequence[str] = (), name: str = "") -> Block:
    return _block("always_succeed", {"do": do}, name, on=on)


def always_fail(do: Node | None = None, *, reason: str | None = None, name: str = "") -> Block:
    return _block("always_fail", {"do": do}, name, reason=reason)


def guard(
    *,
    while_: Node,
    do: Node,
    otherwise: Node | None = None,
    secure: Node | None = None,
    on_clear: str | None = None,
    name: str = "",
) -> Block:
    roles = {"while": while_, "do": do, "otherwise": otherwise, "secure": secure}
    return _block("guard", roles, name, on_clear=on_clear)


def for_each(item: str, in_: str | Sequence[str], do: Node, *, name: str = "") -> Block:
    return _block("for_each", {"do": do}, name, **{"item": _argument(item), "in": _argument(in_)})


def match(do: Node, *, name: str = "", **outcomes: Node) -> Block:
    """`match(skill(...), unsure=..., else_=...)`."""
    return _block("match", {"do": do, **{reason.removesuffix("_"): node for reason, node in outcomes.items()}}, name)


def wait(*, for_s: float, name: str = "") -> Block:
    return _block("wait", {}, name, for_s=for_s)


def set_(variable: str, to: Any, *, type: str | None = None, name: str = "") -> Block:
    return _block("set", {}, name, variable=_argument(variable), to=_argument(to), type=type)


def log(text: str, *, name: str = "") -> Block:
    """A line for the record, with `$variables` in it; `$$` is a dollar sign."""
    return _block("log", {}, name, text=value_of(text))


def _many(kind: str, nodes: Sequence[Node], name: str, **options: Any) -> Block:
    return Block(kind, START, tuple(Branch("", START, node) for node in nodes), _given(options), name)


def _block(kind: str, roles: Mapping[str, Node | None], name: str, **options: Any) -> Block:
    branches = tuple(Branch(role, START, node) for role, node in roles.items() if node is not None)
    assert kind in BLOCKS, kind
    return Block(kind, START, branches, _given(options), name)


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if value is not None and value != ()}


def _argument(given: Any) -> Variable | Value:
    """What an author would have written: a string that reads as a variable is one."""
    if isinstance(given, str) and given.startswith("$"):
        return Parser([]).reference(Scalar(START, given, given, True))
    return given if isinstance(given, Variable) else value_of(given)


def _ports(outputs: Mapping[str, Any]) -> dict[str, Any]:
    """`from` names a variable."""
    return {
        name: {key: _argument(value) if key == "from" else value for key, value in spec.items()}
        if isinstance(spec, Mapping)
        else spec
        for name, spec in outputs.items()
    }
