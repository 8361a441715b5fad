"""Reads a skill card. Types, trust and safety come from the leaf's code; a card may only tighten them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from vlm_bt.leaves.leaf import Input, Leaf, Output, Safety
from vlm_bt.ports import Asker
from vlm_bt.tree import foreign, source
from vlm_bt.tree.cards import MOST_ERROR_RATE, SAFETY, Card, Port, input_ports
from vlm_bt.tree.findings import Document, Finding, Mark, Problem, did_you_mean, one_of
from vlm_bt.tree.kinds import KINDS, Kind, a, kind_names
from vlm_bt.tree.parse import NAME, RESERVED, Parser, seconds
from vlm_bt.tree.source import Entry, Scalar, Value
from vlm_bt.tree.source import Mapping as MappingValue
from vlm_bt.tree.syntax import Body, Call
from vlm_bt.tree.terms import Terms
from vlm_bt.tree.text import text_problems

_COMMON = ("skill", "summary", "inputs", "outputs", "timeout_s", "unsure", "example")
_OF_LEAVES = (*_COMMON, "leaf", "safety", "reasons", "prompts", "error_rate", "vision")
_OF_TREES = (*_COMMON, "tree")


class CardReader:
    """Reads one card."""

    def __init__(self, path: Path, leaves: Mapping[str, type[Leaf]], allow: frozenset[str]) -> None:
        self._path = path
        self._leaves = leaves
        self._allow = allow
        self._foreign = False
        self._meant = ""
        self._source = source.read(path)
        self._problems: list[Problem] = []
        self._parser = Parser(self._problems)
        self._entries: Mapping[str, Entry] = {}

    def card(self) -> tuple[Card | None, list[Finding]]:
        """The card and what is wrong with it; no card where it can't be understood."""
        document = self._source.document
        self._problems += text_problems(self._source.text)
        card = self._read(document) if self._source.value is not None else None
        return card, [*self._source.findings, *(document.finding(problem) for problem in self._problems)]

    def _read(self, document: Document) -> Card | None:
        value = self._source.value
        if not isinstance(value, MappingValue):
            self._wrong("card", Mark(0, 0), "a skill card is a mapping: skill, summary, and leaf or tree")
            return None
        self._entries = value.entries
        name = self._path.stem
        if "tree" in value.entries and "leaf" not in value.entries:
            self._meant = self._parser.only(value, _OF_TREES, "a skill card with a tree")
        elif "leaf" in value.entries and "tree" not in value.entries:
            self._meant = self._parser.only(value, _OF_LEAVES, "a skill card with a leaf")
        else:
            self._meant = self._parser.only(value, (*_OF_LEAVES, "tree"), "a skill card")
        self._named(name)
        if "'leaf'" in self._meant or "'tree'" in self._meant:
            return None
        if ("leaf" in value.entries) == ("tree" in value.entries):
            self._wrong("card", Mark(0, 0), f"skill {name!r} needs a leaf or a tree, one of the two")
            return None
        card = Card(name, document, self._text("summary"), {}, {}, unsure=self._text("unsure", needed=False))
        if "timeout_s" in value.entries:
            card = replace(card, timeout_s=seconds(self._parser, value.entries["timeout_s"].value))
        if "tree" in value.entries:
            done = self._subtree(card)
        else:
            done = self._leaf(card)
        return None if done is None else replace(done, example=self._example(done))

    def _named(self, name: str) -> None:
        said = self._text("skill")
        if said and said != name:
            self._wrong(
                "name", self._entries["skill"].value.mark, f"skill {said!r} stands in a file called {self._path.name}"
            )
        if not NAME.match(name) or name in RESERVED:
            self._wrong(
                "name", Mark(0, 0), f"{name!r} can't be the name of a skill", "Use small letters, digits and _."
            )

    # A subtree

    def _subtree(self, card: Card) -> Card | None:
        inputs = self._parser.inputs(self._entries["inputs"].value) if "inputs" in self._entries else {}
        outputs = self._parser.outputs(self._entries["outputs"].value) if "outputs" in self._entries else {}
        for both in (name for name in inputs if name in outputs):
            self._wrong("name", outputs[both].mark, f"{both!r} is an input and an output of the same skill")
        root = self._parser.node(self._entries["tree"].value)
        if root is None:
            return None
        body = Body(card.name, card.document, inputs, outputs, root, self._entries["tree"].key.mark)
        ports = input_ports(inputs, self._problems)
        given = {name: Port(name, KINDS.get(spec.type, KINDS["text"]), spec.help) for name, spec in outputs.items()}
        return replace(card, body=body, inputs=ports, outputs=given)

    # A leaf

    def _leaf(self, card: Card) -> Card | None:
        leaf = self._resolve(self._entries["leaf"].value)
        if leaf is None:
            return None
        inputs = {
            name: Port(
                name,
                KINDS[given.type],
                given.help,
                given.required and given.default is None,
                given.default,
                given.default is not None,
            )
            for name, given in leaf.takes.items()
        }
        outputs = {
            name: Port(name, KINDS[given.type], given.help, given.required) for name, given in leaf.gives.items()
        }
        card = replace(
            card,
            leaf=leaf,
            inputs=self._ports("inputs", inputs, ("help", "type", "default", "required")),
            outputs=self._ports("outputs", outputs, ("help", "type")),
            safety=self._safety("moves" if self._foreign else leaf.safety),
            reasons=leaf.reasons,
            reasons_help=self._reasons(leaf.reasons),
            instant=leaf.instant and not self._foreign,
            asker=Asker(card.name),
        )
        card = replace(card, inputs=self._settings(card.inputs))
        if "vision" in self._entries:
            card = replace(card, asker=Terms(self._parser, self._problems).read(self._entries["vision"], card))
        if not leaf.instant and card.timeout_s is None and not self._limited():
            self._wrong(
                "wait-without-limit", self._entries["leaf"].key.mark, f"skill {card.name!r} waits and has no timeout_s"
            )
        return card

    def _resolve(self, value: Value) -> type[Leaf] | None:
        name = self._parser.text(value)
        leaf = self._leaves.get(name) or self._from_outside(name, value)
        if leaf is None:
            return None
        if not self._foreign and leaf.__module__.split(".")[0] != "vlm_bt":
            self._foreign = True
            if name not in self._allow:
                self._not_allowed(name, leaf.__module__, value)
                return None
        return leaf if self._declared(leaf, name, value) else None

    def _limited(self) -> bool:
        """Is a time limit written down, if with a mistake?"""
        return "timeout_s" in self._entries or "'timeout_s'" in self._meant

    def _from_outside(self, name: str, value: Value) -> type[Leaf] | None:
        self._foreign = True
        try:
            leaf = foreign.find(name, self._allow) if name else None
        except foreign.NotAllowed as refused:
            self._not_allowed(name, str(refused), value)
            return None
        except foreign.NotALeaf as refused:
            self._wrong("unknown-leaf", value.mark, f"leaf {name!r} {refused}")
            return None
        if leaf is None and name:
            hint = did_you_mean(name, [*self._leaves, *foreign.names()])
            self._wrong("unknown-leaf", value.mark, f"there is no leaf {name!r}", hint.strip())
        return leaf

    def _not_allowed(self, name: str, module: str, value: Value) -> None:
        self._wrong(
            "foreign-leaf",
            value.mark,
            f"leaf {name!r} comes from {module}, outside vlm_bt, and is not allowed",
            "The configuration may allow it by name; it then counts as moving the arm.",
        )

    def _declared(self, leaf: type[Leaf], name: str, value: Value) -> bool:
        declared: list[tuple[str, Input | Output]] = [*leaf.takes.items(), *leaf.gives.items()]
        for port, given in declared:
            if given.type not in KINDS:
                self._wrong(
                    "type",
                    value.mark,
                    f"leaf {name!r}: {port!r} has the unknown type {given.type!r}",
                    f"Types: {kind_names()}.",
                )
            if port in RESERVED or (port in leaf.takes and port in leaf.gives):
                self._wrong("name", value.mark, f"leaf {name!r}: {port!r} can't be the name of an input or output")
        return all(given.type in KINDS for _, given in declared)

    def _ports(self, what: str, ports: Mapping[str, Port], keys: tuple[str, ...]) -> dict[str, Port]:
        tight = dict(ports)
        for name, entry in self._mapping(what).items():
            if name not in ports:
                hint = did_you_mean(name, list(ports))
                self._wrong(
                    "unknown-key",
                    entry.key.mark,
                    f"the leaf has no {what[:-1]} {name!r}",
                    f"It has: {one_of(ports)}.{hint}",
                )
            elif isinstance(entry.value, MappingValue):
                self._parser.only(entry.value, keys, f"{what[:-1]} {name!r}")
                tight[name] = self._tightened(ports[name], entry.value.entries)
            else:
                tight[name] = replace(ports[name], help=self._parser.text(entry.value))
        return tight

    def _tightened(self, port: Port, entries: Mapping[str, Entry]) -> Port:
        if "help" in entries:
            port = replace(port, help=self._parser.text(entries["help"].value))
        if "type" in entries:
            port = replace(port, kind=self._narrower(port, entries["type"].value))
        if "default" in entries:
            value = entries["default"].value
            if port.kind.parse is None:
                self._wrong("type", value.mark, f"{a(port.kind)} can't be written in a card")
            else:
                port = replace(port, default=port.kind.parse(value, self._problems), has_default=True, required=False)
        if "required" in entries:
            value = entries["required"].value
            needed = isinstance(value, Scalar) and value.value is True
            if port.required and not needed:
                self._wrong("loosened", value.mark, f"the leaf needs {port.name!r}: a card can't make it optional")
            port = replace(port, required=port.required or needed)
        return port

    def _narrower(self, port: Port, value: Value) -> Kind:
        kind = KINDS.get(self._parser.text(value))
        if kind is None:
            self._wrong("type", value.mark, "there is no such type", f"Types: {kind_names()}.")
        elif not kind.fits(port.kind):
            self._wrong(
                "loosened", value.mark, f"the leaf takes {a(port.kind)}: a card may narrow that, not make it {a(kind)}"
            )
        else:
            return kind
        return port.kind

    def _safety(self, of_leaf: Safety) -> Safety:
        if "safety" not in self._entries:
            return of_leaf
        value = self._entries["safety"].value
        said = self._parser.text(value)
        if said not in SAFETY:
            self._wrong("type", value.mark, f"there is no safety class {said!r}", f"Safety classes: {one_of(SAFETY)}.")
        elif SAFETY.index(said) < SAFETY.index(of_leaf):
            self._wrong("loosened", value.mark, f"the leaf counts as {of_leaf!r}: a card can't make it {said!r}")
        else:
            return SAFETY[SAFETY.index(said)]
        return of_leaf

    def _reasons(self, of_leaf: tuple[str, ...]) -> dict[str, str]:
        told: dict[str, str] = {}
        for reason, entry in self._mapping("reasons").items():
            if reason not in of_leaf:
                hint = did_you_mean(reason, of_leaf)
                self._wrong(
                    "unknown-outcome",
                    entry.key.mark,
                    f"the leaf never ends with {reason!r}",
                    f"It can end with: {one_of(of_leaf)}.{hint}",
                )
            told[reason] = self._parser.text(entry.value)
        return told

    def _settings(self, ports: Mapping[str, Port]) -> dict[str, Port]:
        """`prompts` and `error_rate` reach the leaf as inputs of the same name."""
        settled = dict(ports)
        for name in ("prompts", "error_rate"):
            if name not in self._entries:
                continue
            entry = self._entries[name]
            port = ports.get(name)
            if port is None or port.kind.parse is None:
                self._wrong("unknown-key", entry.key.mark, f"the leaf takes no {name}")
                continue
            before = len(self._problems)
            value = port.kind.parse(entry.value, self._problems)
            if name == "error_rate" and len(self._problems) == before:
                self._rate(value, port, entry.value.mark)
            settled[name] = replace(port, default=value, has_default=True, required=False)
        return settled

    def _rate(self, value: float, port: Port, mark: Mark) -> None:
        if not 0.0 < value < 1.0:
            self._wrong("type", mark, "an error rate lies between 0 and 1")
        elif value > (most := port.default if port.has_default else MOST_ERROR_RATE):
            self._wrong("loosened", mark, f"the leaf errs at most at a rate of {most:g}: a card can't allow more")

    # Both

    def _example(self, card: Card) -> Call | None:
        if "example" not in self._entries:
            return None
        entry = self._entries["example"]
        node = self._parser.node(entry.value)
        if not isinstance(node, Call) or node.skill != card.name:
            self._wrong("example", entry.value.mark, f"the example does not call {card.name!r}")
            return None
        needed = [name for name, port in {**card.inputs, **card.outputs}.items() if port.required]
        wrong = [f"has no {name!r}" for name in node.arguments if name not in card.arguments]
        wrong += [f"lacks {name!r}" for name in needed if name not in node.arguments and not card.body]
        for what in wrong:
            self._wrong(
                "example",
                entry.value.mark,
                f"the example is out of date: skill {card.name!r} {what}" if "has" in what else f"the example {what}",
            )
        return node

    def _mapping(self, key: str) -> Mapping[str, Entry]:
        if key not in self._entries:
            return {}
        value = self._entries[key].value
        if isinstance(value, MappingValue):
            return value.entries
        self._wrong("type", value.mark, f"expected {key} by name")
        return {}

    def _text(self, key: str, *, needed: bool = True) -> str:
        if key in self._entries:
            return self._parser.text(self._entries[key].value)
        if needed and repr(key) not in self._meant:
            self._wrong("missing-key", Mark(0, 0), f"the card lacks {key!r}")
        return ""

    def _wrong(self, rule: str, mark: Mark, message: str, help: str = "") -> None:
        self._problems.append(Problem(rule, mark, message, help))
