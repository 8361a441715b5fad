"""Skill cards: the vocabulary that trees are written in, one file of `skills/` for each word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vlm_bt.leaves.leaf import Leaf, Safety
from vlm_bt.ports import Asker
from vlm_bt.tree.findings import Document, Problem, did_you_mean
from vlm_bt.tree.kinds import KINDS, Kind, a, kind_names
from vlm_bt.tree.syntax import Body, Call, InputSpec, OutputSpec

SAFETY: tuple[Safety, ...] = ("looks", "asks", "moves")
"""From the most harmless to the most strictly guarded."""

MOST_ERROR_RATE = 0.05
"""What a card or a tree may ask for at most where the leaf states no rate of its own."""


@dataclass(frozen=True)
class Port:
    """An input or an output of a skill, as trees see it."""

    name: str
    kind: Kind
    help: str = ""
    required: bool = True
    default: Any = None
    has_default: bool = False


@dataclass(frozen=True)
class Card:
    """A skill: a leaf with its defaults, or a subtree.

    `asker`: in whose name and on which terms a leaf asks models.

    `outputs` of a subtree say only what is asked of them; what they are follows from the body. The same holds for
    `safety` and `reasons` (see `vlm_bt.tree.check.Summary`).
    """

    name: str
    document: Document
    summary: str
    inputs: Mapping[str, Port]
    outputs: Mapping[str, Port]
    leaf: type[Leaf] | None = None
    body: Body | None = None
    safety: Safety = "looks"
    reasons: tuple[str, ...] = ()
    reasons_help: Mapping[str, str] = field(default_factory=dict)
    instant: bool = False
    timeout_s: float | None = None
    unsure: str = ""
    example: Call | None = None
    asker: Asker = field(default_factory=Asker)

    @property
    def arguments(self) -> tuple[str, ...]:
        """What an author may write, in the order of the card."""
        return (*self.inputs, *self.outputs, "timeout_s")


def input_ports(specs: Mapping[str, InputSpec], problems: list[Problem]) -> dict[str, Port]:
    """The declared inputs of a mission or a subtree with their types looked up and their defaults read."""
    ports: dict[str, Port] = {}
    for name, spec in specs.items():
        kind = KINDS.get(spec.type)
        if kind is None:
            unknown_type(spec, problems)
            continue
        if spec.default is None:
            ports[name] = Port(name, kind, spec.help)
        elif kind.parse is None:
            problems.append(
                Problem("type", spec.default.mark, f"{a(kind)} can't be written in a tree: it comes from a skill")
            )
        else:
            ports[name] = Port(name, kind, spec.help, False, kind.parse(spec.default, problems), True)
    return ports


def unknown_type(spec: InputSpec | OutputSpec, problems: list[Problem]) -> None:
    if spec.type:
        hint = did_you_mean(spec.type, list(KINDS))
        problems.append(
            Problem("type", spec.type_mark, f"there is no type {spec.type!r}", f"Types: {kind_names()}.{hint}")
        )
