"""From values with positions to the sentences of the language. It knows the blocks, and no skills."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from vlm_bt.tree.findings import Mark, Problem, did_you_mean, one_of
from vlm_bt.tree.kinds import KINDS, describe, kind_names
from vlm_bt.tree.source import Entry, Many, Scalar, Value
from vlm_bt.tree.source import Mapping as MappingValue
from vlm_bt.tree.syntax import (
    BLOCKS,
    Argument,
    Block,
    BlockForm,
    Branch,
    Call,
    InputSpec,
    Node,
    OutputSpec,
    Template,
    Variable,
)
from vlm_bt.types import REASONS

NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
_VARIABLE = re.compile(r"\$([a-z][a-z0-9_]*)((?:\.[a-z][a-z0-9_]*)*)\Z")
_IN_TEXT = re.compile(r"(\$\$)|\$([a-z][a-z0-9_]*)((?:\.[a-z][a-z0-9_]*)*)|\$")
FAMILIES = ("answer", "mishap", "fault")
OUTCOMES = (*(reason for reason in REASONS if reason != "done"), *FAMILIES)
RESERVED = frozenset({"do", "name", "on", "reason", "timeout_s", *BLOCKS})


class Parser:
    """Reads nodes, adding what is wrong to `problems`. A node that makes no sense becomes None."""

    def __init__(self, problems: list[Problem]) -> None:
        self._problems = problems

    def wrong(self, rule: str, mark: Mark, message: str, help: str = "") -> None:
        self._problems.append(Problem(rule, mark, message, help))

    def node(self, value: Value) -> Node | None:
        if isinstance(value, Scalar) and isinstance(value.value, str) and value.value:
            return self._headed(value, None)
        if isinstance(value, MappingValue) and value.entries:
            first, *others = value.entries.values()
            if others:
                self.wrong(
                    "node",
                    others[0].key.mark,
                    f"{others[0].key.text!r} stands beside {first.key.text!r}: a node is one skill or one block",
                    f"Indent it further if it belongs to {first.key.text!r}; put '- ' before each node of a list.",
                )
            return self._headed(first.key, first.value)
        self.wrong("node", value.mark, f"expected a skill or a block, not {describe(value)}")
        return None

    def _headed(self, head: Scalar, value: Value | None) -> Node | None:
        if isinstance(value, Scalar) and value.value is None:
            value = None
        if head.text in BLOCKS:
            return self._block(head, BLOCKS[head.text], value)
        if not NAME.match(head.text):
            self.wrong("node", head.mark, f"{head.text[:40]!r} is not the name of a skill or a block")
            return None
        return self._call(head, value)

    def _call(self, head: Scalar, value: Value | None) -> Call:
        broken = None
        if value is not None and not isinstance(value, MappingValue):
            message = f"expected the arguments of {head.text!r}, not {describe(value)}"
            broken = Problem("arguments", value.mark, message, f"Write them by name: {head.text}: {{name: value}}.")
        entries = value.entries if isinstance(value, MappingValue) else {}
        arguments: dict[str, Argument] = {}
        for key, entry in entries.items():
            if key != "name":
                arguments[key] = Argument(key, entry.key.mark, self.reference(entry.value))
        return Call(head.text, head.mark, arguments, self._name(entries), broken)

    def reference(self, value: Value) -> Variable | Value:
        """A variable where a plain word begins with $, else the value itself."""
        if not isinstance(value, Scalar) or not value.plain or not value.text.startswith("$"):
            return value
        found = _VARIABLE.match(value.text)
        if not found:
            self.wrong(
                "variable",
                value.mark,
                f"{value.text[:40]!r} is not a variable",
                "A variable is $name or $name.field, in small letters; quote it if it is text.",
            )
            return Variable("", (), value.mark)
        return Variable(found[1], tuple(found[2].split(".")[1:]), value.mark)

    def _block(self, head: Scalar, form: BlockForm, value: Value | None) -> Block | None:
        kind = head.text
        if isinstance(value, Many) and "list" in form.short:
            return Block(kind, head.mark, self._children(value), {})
        if value is None and "bare" in form.short:
            return Block(kind, head.mark, (), {})
        keyed = isinstance(value, MappingValue) and any(key in form.keys for key in value.entries)
        if "node" in form.short and not keyed and value is not None:
            return Block(kind, head.mark, self._branch("do", head.mark, value), {})
        if "text" in form.short and isinstance(value, Scalar):
            return Block(kind, head.mark, (), {"text": _template(self, value)}, "", {"text": value.mark})
        if not isinstance(value, MappingValue):
            mark = head.mark if value is None else value.mark
            shape = " or a list of nodes" if "list" in form.short else ""
            given = "nothing" if value is None else describe(value)
            self.wrong("block", mark, f"{kind!r} takes {one_of(form.keys)}{shape}, not {given}")
            return None
        return self._keyed(head, form, value)

    def _keyed(self, head: Scalar, form: BlockForm, value: MappingValue) -> Block:
        options: dict[str, Any] = {}
        marks: dict[str, Mark] = {}
        found: dict[str, tuple[Branch, ...]] = {}
        meant: list[str] = []
        for key, entry in value.entries.items():
            if key == "do" and form.many:
                found[key] = self._list_of_children(entry.value)
            elif (key == "do" and not form.leaf) or key in form.nodes:
                found[key] = self._branch(key, entry.key.mark, entry.value)
            elif key in form.options:
                marks[key] = entry.value.mark
                options[key] = _OPTIONS[form.options[key]](self, entry.value)
            elif form.branches and key != "name":
                found[key] = self._outcome(entry)
            elif key != "name":
                meant.append(self._unknown(head.text, form, entry.key))
        missing = [key for key in form.required if key not in value.entries and not any(key in m for m in meant)]
        if missing and not (missing == ["do"] and "bare" in form.short):
            self.wrong("missing-key", head.mark, f"{head.text!r} lacks {' and '.join(missing)}")
        order = [*form.nodes[:1], "do", *form.nodes[1:], *(key for key in found if key not in form.keys)]
        branches = tuple(branch for key in order for branch in found.get(key, ()))
        return Block(head.text, head.mark, branches, options, self._name(value.entries), marks)

    def _unknown(self, kind: str, form: BlockForm, key: Scalar) -> str:
        hint = did_you_mean(key.text, form.keys)
        self.wrong("unknown-key", key.mark, f"{kind!r} has no {key.text!r}", f"It takes: {one_of(form.keys)}.{hint}")
        return hint

    def _outcome(self, entry: Entry) -> tuple[Branch, ...]:
        if entry.key.text not in (*OUTCOMES, "else"):
            hint = did_you_mean(entry.key.text, (*OUTCOMES, "else", "do"))
            self.wrong(
                "unknown-outcome",
                entry.key.mark,
                f"there is no outcome {entry.key.text!r}",
                f"Outcomes: {one_of(OUTCOMES)}, else.{hint}",
            )
        return self._branch(entry.key.text, entry.key.mark, entry.value)

    def _list_of_children(self, value: Value) -> tuple[Branch, ...]:
        if isinstance(value, Many):
            return self._children(value)
        self.wrong(
            "block", value.mark, f"expected a list of nodes, not {describe(value)}", "Put '- ' before each node."
        )
        return ()

    def _children(self, value: Many) -> tuple[Branch, ...]:
        if not value.items:
            self.wrong("block", value.mark, "there is nothing to do in this list")
        return tuple(branch for item in value.items for branch in self._branch("", item.mark, item))

    def _branch(self, role: str, mark: Mark, value: Value) -> tuple[Branch, ...]:
        node = self.node(value)
        return () if node is None else (Branch(role, mark, node),)

    def _name(self, entries: Mapping[str, Entry]) -> str:
        return self.text(entries["name"].value) if "name" in entries else ""

    def text(self, value: Value) -> str:
        if isinstance(value, Scalar) and isinstance(value.value, str) and value.value:
            return value.value
        self.wrong("type", value.mark, f"expected text, not {describe(value)}")
        return ""

    def inputs(self, value: Value) -> dict[str, InputSpec]:
        """`name: type`, or `name: {type, default, help}`."""
        specs: dict[str, InputSpec] = {}
        for name, key, entries in self._declared(value, "inputs", ("type", "default", "help")):
            if "type" not in entries:
                self.wrong("missing-key", key.mark, f"input {name!r} lacks a type")
                continue
            kind = entries["type"].value
            default = entries["default"].value if "default" in entries else None
            specs[name] = InputSpec(name, key.mark, self.text(kind), kind.mark, self._help(entries), default)
        return specs

    def outputs(self, value: Value) -> dict[str, OutputSpec]:
        """`name: type`, or `name: {from: $variable, type, help}`; what it is follows from the body."""
        specs: dict[str, OutputSpec] = {}
        for name, key, entries in self._declared(value, "outputs", ("type", "from", "help")):
            source = name
            if "from" in entries:
                given = _variable(self, entries["from"].value)
                source = given.name if given else name
            kind = entries["type"].value if "type" in entries else None
            specs[name] = OutputSpec(
                name,
                key.mark,
                source,
                self.text(kind) if kind else "",
                kind.mark if kind else key.mark,
                self._help(entries),
            )
        return specs

    def _declared(
        self, value: Value, what: str, keys: tuple[str, ...]
    ) -> list[tuple[str, Scalar, Mapping[str, Entry]]]:
        if not isinstance(value, MappingValue):
            self.wrong("type", value.mark, f"expected {what} by name, not {describe(value)}")
            return []
        found: list[tuple[str, Scalar, Mapping[str, Entry]]] = []
        for name, entry in value.entries.items():
            if not NAME.match(name) or name in RESERVED:
                self.wrong("name", entry.key.mark, f"{name[:40]!r} can't be the name of one of the {what}")
            if isinstance(entry.value, Scalar):
                found.append((name, entry.key, {"type": Entry(entry.key, entry.value)}))
            elif isinstance(entry.value, MappingValue):
                self.only(entry.value, keys, f"{what[:-1]} {name!r}")
                found.append((name, entry.key, entry.value.entries))
            else:
                self.wrong("type", entry.value.mark, f"expected a type, not {describe(entry.value)}")
        return found

    def _help(self, entries: Mapping[str, Entry]) -> str:
        return self.text(entries["help"].value) if "help" in entries else ""

    def only(self, value: MappingValue, keys: tuple[str, ...], what: str) -> str:
        """Report every key that is not among those allowed; what was probably meant, as the hints said it."""
        meant = ""
        for key, entry in value.entries.items():
            if key not in keys:
                hint = did_you_mean(key, keys)
                self.wrong("unknown-key", entry.key.mark, f"{what} has no {key!r}", f"It takes: {one_of(keys)}.{hint}")
                meant += hint
        return meant


def _flag(parser: Parser, value: Value) -> bool:
    if isinstance(value, Scalar) and isinstance(value.value, bool):
        return value.value
    parser.wrong("type", value.mark, f"expected true or false, not {describe(value)}")
    return True


def _count(parser: Parser, value: Value) -> int:
    number = value.value if isinstance(value, Scalar) else None
    if isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= 1_000_000:
        return number
    parser.wrong("type", value.mark, f"expected a whole number from 1, not {describe(value)}")
    return 1


def seconds(parser: Parser, value: Value) -> float:
    number = value.value if isinstance(value, Scalar) else None
    if isinstance(number, (int, float)) and not isinstance(number, bool) and 0 < number <= 1e6:
        return float(number)
    parser.wrong("type", value.mark, f"expected seconds, more than 0, not {describe(value)}")
    return 1.0


def _reasons(parser: Parser, value: Value) -> tuple[str, ...]:
    items = value.items if isinstance(value, Many) else (value,)
    return tuple(_reason(parser, item, FAMILIES) for item in items)


def _reason(parser: Parser, value: Value, also: tuple[str, ...] = ()) -> str:
    text = value.text if isinstance(value, Scalar) else ""
    allowed = (*(reason for reason in REASONS if reason != "done"), *also)
    if text not in allowed:
        parser.wrong(
            "unknown-outcome",
            value.mark,
            f"there is no outcome {text!r}" if text else f"expected an outcome, not {describe(value)}",
            f"Outcomes: {one_of(allowed)}.{did_you_mean(text, allowed)}",
        )
    return text


def _variable(parser: Parser, value: Value) -> Variable | None:
    found = parser.reference(value)
    if isinstance(found, Variable) and not found.fields:
        return found if found.name else None
    parser.wrong("variable", value.mark, "expected a variable, written $name")
    return None


def _list(parser: Parser, value: Value) -> Variable | Value:
    return parser.reference(value)


def _choice(*allowed: str) -> Callable[[Parser, Value], str]:
    def choose(parser: Parser, value: Value) -> str:
        text = value.text if isinstance(value, Scalar) else ""
        if text not in allowed:
            hint = did_you_mean(text, allowed)
            parser.wrong("type", value.mark, f"expected {' or '.join(allowed)}, not {describe(value)}", hint.strip())
            return allowed[0]
        return text

    return choose


def _policy(parser: Parser, value: Value) -> str | int:
    if isinstance(value, Scalar) and isinstance(value.value, int) and not isinstance(value.value, bool):
        return _count(parser, value)
    text = value.text if isinstance(value, Scalar) else ""
    if text not in ("all", "any"):
        hint = did_you_mean(text, ("all", "any"))
        parser.wrong("type", value.mark, f"expected all, any or a number, not {describe(value)}", hint.strip())
        return "all"
    return text


def _template(parser: Parser, value: Value) -> Template:
    """Text with `$name` and `$name.field` in it; `$$` is a dollar sign."""
    parts: list[str | Variable] = []
    text, at = parser.text(value), 0
    inside = isinstance(value, Scalar) and value.mark.length == len(text) + (0 if value.plain else 2)
    quote = 0 if isinstance(value, Scalar) and value.plain else 1
    for found in _IN_TEXT.finditer(text):
        parts.append(text[at : found.start()])
        at = found.end()
        line, column, _ = value.mark
        mark = Mark(line, column + quote + found.start(), at - found.start()) if inside else value.mark
        name, fields = found[2], found[3]
        if found[1]:
            parts.append("$")
        elif name:
            parts.append(Variable(name, tuple(fields.split(".")[1:]), mark))
        else:
            parser.wrong("variable", mark, "a $ here begins a variable, such as $tool.label", "A dollar sign is $$.")
    return (*parts, text[at:])


def _type(parser: Parser, value: Value) -> str:
    name = parser.text(value)
    if name and name not in KINDS:
        hint = did_you_mean(name, list(KINDS))
        parser.wrong("type", value.mark, f"there is no type {name!r}", f"Types: {kind_names()}.{hint}")
        return ""
    return name


_OPTIONS: Mapping[str, Callable[[Parser, Value], Any]] = {
    "flag": _flag,
    "count": _count,
    "seconds": seconds,
    "reasons": _reasons,
    "reason": _reason,
    "variable": _variable,
    "list": _list,
    "policy": _policy,
    "value": _list,
    "type": _type,
    "template": _template,
    "on_clear": _choice("resume", "restart"),
}
