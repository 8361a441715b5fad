"""Single faults put into trees and cards: each a text with the rule that must be told, and where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vlm_bt.leaves.table import LEAVES
from vlm_bt.tree import source
from vlm_bt.tree.cards import Card
from vlm_bt.tree.findings import Mark
from vlm_bt.tree.load import vocabulary
from vlm_bt.tree.parse import Parser
from vlm_bt.tree.source import Entry, Mapping, Scalar
from vlm_bt.tree.syntax import Argument, Block, Call, Node, Variable, walk

CLAIM = "find_next_tool"
UNKNOWN = "zzz"
EVERY_LINE = 4


@dataclass(frozen=True)
class Fault:
    """A file with one mistake. `line` and `column` count from 1 and are those of the mistake."""

    base: str
    rule: str
    text: str
    line: int
    column: int


class Faults:
    """Every single fault of these kinds that one file can be given."""

    def __init__(self, path: Path, cards: dict[str, Card] | None = None) -> None:
        self._name = f"{path.parent.name}/{path.name}"
        self._text = path.read_text(encoding="utf-8")
        self._lines = self._text.split("\n")
        self._cards = cards or {card.name: card for card in vocabulary(LEAVES)}
        value = source.parse(self._text, self._name).value
        assert isinstance(value, Mapping)
        self._top = value.entries
        head = self._top.get("root") or self._top.get("tree")
        whole = head is not None and ("root" in self._top or "skill" in self._top)
        self._root: Node | None = Parser([]).node(head.value) if head and whole else None

    def __iter__(self) -> Iterator[Fault]:
        yield from self._of_text()
        yield from self._of_declarations()
        for node in walk(self._root) if self._root else ():
            yield from self._of_call(node) if isinstance(node, Call) else self._of_block(node)
        if "leaf" in self._top:
            yield from self._of_leaf_card()

    # What may stand in any line

    def _of_text(self) -> Iterator[Fault]:
        for number, line in enumerate(self._lines):
            if not line.strip() or line.lstrip().startswith("#") or number % EVERY_LINE or number in self._folded():
                continue
            end = len(line.rstrip())
            for rule, comment, at in (
                ("absolute-path", "see /home/anna/x", 4),
                ("secret", "token hf_abcdefghijklmnopqrstuvwxyz0123456789", 6),
                ("silence", "check: allow trust because I know", -2),
            ):
                yield self._edit(rule, Mark(number, end, 0), f"  # {comment}", end + 4 + at)
        for entry in self._top.values():
            if isinstance(entry.value, Scalar) and entry.value.plain and entry.value.mark.length < 1000:
                for rule, sign in (("syntax", "@"), ("alias", "&a "), ("tag", "!x ")):
                    yield self._edit(rule, entry.value.mark._replace(length=0), sign)

    def _folded(self) -> set[int]:
        """Lines of a text that goes on in the next, where a comment would end it."""
        rows = [*(entry.key.mark.line for entry in self._top.values()), len(self._lines)]
        texts = [isinstance(e.value, Scalar) and e.value.mark.length > 1_000 for e in self._top.values()]
        return {line for n, long in enumerate(texts) if long for line in range(rows[n], rows[n + 1])}

    def _of_declarations(self) -> Iterator[Fault]:
        for key, entry in self._top.items():
            yield self._edit("unknown-key", entry.key.mark, key + "_", also_missing=key in ("root", "tree", "skill"))
            start = Mark(entry.key.mark.line, 0, 0)
            if key in ("summary", "tree", "skill") and "root" not in key:
                doubled = f"{key}: once\n"
                below = Mark(entry.key.mark.line + 1, 0, 0)
                if isinstance(entry.value, Scalar):
                    yield self._edit("duplicate-key", below, doubled)
            if key == "tree" and "root" in self._top:
                yield self._edit("name", entry.value.mark, "Big")
                yield self._edit("version", start, "version: 9\n", 9)
                yield self._edit("include", start, "include: [..]\n", 10)
                if "says" not in self._top:
                    yield self._edit("type", start, "says: hello\n", 6)
                yield self._edit("unknown-key", start, "rot: clear\n")
        for part in ("inputs", "outputs"):
            entries = self._top[part].value if part in self._top and "leaf" not in self._top else None
            for name, declared in entries.entries.items() if isinstance(entries, Mapping) else ():
                kind = declared.value.entries.get("type") if isinstance(declared.value, Mapping) else declared
                if kind is not None and isinstance(kind.value, Scalar):
                    yield self._edit("type", kind.value.mark, UNKNOWN)
                if part == "outputs":
                    mark = declared.key.mark
                    yield self._edit("output-not-set", mark._replace(length=0), f"{UNKNOWN}: text\n{' ' * mark.column}")
                mark, line = declared.key.mark, Mark(declared.key.mark.line, 0, 0)
                if part == "outputs":
                    yield self._edit("name", mark, name.upper())
                else:
                    doubled = f"{' ' * mark.column}{name}: {_word(kind)}\n"
                    yield self._edit("duplicate-key", line, doubled, mark.column, down=1)

    # Skills

    def _of_call(self, call: Call) -> Iterator[Fault]:
        card = self._cards[call.skill]
        yield self._edit("unknown-skill", call.mark, call.skill + UNKNOWN)
        if self._name == f"skills/{call.skill}.yaml":
            return
        for argument in call.arguments.values():
            yield self._edit("unknown-input", argument.mark, argument.key + UNKNOWN)
            if (value := argument.value.mark).length < 1000:
                doubled = self._lines[value.line][value.column : value.column + value.length]
                if self._flow(argument):
                    end = Mark(value.line, value.column + value.length, 0)
                    yield self._edit("duplicate-key", end, f", {argument.key}: {doubled}", end.column + 2)
                yield from self._of_argument(call, card, argument)
        if "error_rate" in card.inputs and card.leaf and "error_rate" not in call.arguments and call.arguments:
            first = next(iter(call.arguments.values()))
            yield self._edit("loosened", first.mark._replace(length=0), "error_rate: 0.9, ", first.mark.column + 12)

    def _of_argument(self, call: Call, card: Card, argument: Argument) -> Iterator[Fault]:
        value, port = argument.value, card.inputs.get(argument.key)
        if port is None:
            if argument.key in card.outputs:
                yield self._edit("variable", value.mark, "word")
            return
        if isinstance(value, Variable):
            yield self._edit("unknown-variable", value.mark, f"${value.name}_{UNKNOWN}")
            yield self._edit("unknown-field", value.mark, f"{value}.{UNKNOWN}")
            yield self._edit("variable", value.mark, "$Big")
            if port.kind.name in ("verified_object", "held_object"):
                yield self._edit("trust", value.mark, "pliers")
            elif port.kind.parse is None:
                yield self._edit("type", value.mark, "pliers")
        elif isinstance(value, Scalar):
            yield self._edit("type", value.mark, "[[1]]")
            yield self._edit("unknown-variable", value.mark, f"${UNKNOWN}")
        if port.required and self._flow(argument) and len(call.arguments) > 1:
            last = argument is list(call.arguments.values())[-1]
            mark, end = argument.mark, value.mark.column + value.mark.length
            line = self._lines[mark.line]
            if not last and value.mark.line == mark.line:
                length = len(line[: end + 1]) + len(line[end + 1 :]) - len(line[end + 1 :].lstrip()) - mark.column
                yield self._edit(
                    "missing-input", mark._replace(length=length), "", call.mark.column, at_line=call.mark.line
                )

    def _flow(self, argument: Argument) -> bool:
        before = self._lines[argument.mark.line][: argument.mark.column].rstrip()
        return before.endswith(("{", ","))

    # Blocks

    def _of_block(self, block: Block) -> Iterator[Fault]:
        yield self._edit("unknown-skill", block.mark, block.kind + UNKNOWN)
        for key, mark in block.option_marks.items():
            if mark.length > 100 or key == "text":
                continue
            wrong = {"on": "nothing", "reason": "nothing"}.get(key)
            yield self._edit(
                "unknown-outcome" if wrong else "type" if key != "item" else "variable", mark, wrong or "{}"
            )
            if (key, block.options[key]) == ("on_clear", "resume") and self._moves(block):
                yield self._edit("insecure-restart", mark, "restart")
        for branch in block.branches:
            if branch.role not in ("", "do") and branch.mark.length == len(branch.role):
                rule = "unknown-outcome" if block.kind == "match" else "unknown-key"
                yield self._edit(rule, branch.mark, branch.role + "q")
        if block.kind == "match":
            branch = block.branches[-1]
            new = "no_space: always_fail"
            flow = self._lines[branch.mark.line][: branch.mark.column].rstrip().endswith(("{", ","))
            glue = ", " if flow else "\n" + " " * branch.mark.column
            if branch.role != "do" and not self._can(block, "no_space"):
                yield self._edit("dead-branch", branch.mark._replace(length=0), new + glue)
        condition = block.at("while")
        if isinstance(condition, Call) and not condition.arguments:
            yield self._edit("guard-waits", condition.mark, "go_home")
            inverted = "{invert: workspace_is_clear}"
            yield self._edit("guard-waits", condition.mark, inverted, condition.mark.column + 1)
        if block.kind == "sequence":
            yield from self._of_items(block)
        if block.kind == "repeat":
            yield from self._endless(block)
        if block is self._root and block.kind == "guard" and "root" in self._top and self._moves(block):
            yield self._unguarded()

    def _endless(self, block: Block) -> Iterator[Fault]:
        until = block.at("until")
        if until is None:
            return
        line, column, _ = until.mark
        before, text = self._lines[line][:column].rstrip(), self._lines[line][column:]
        if not before.endswith("{") and text.count("{") == text.count("}") and text.count("[") == text.count("]"):
            bare = before.endswith(":")
            new = f"{{always_fail: {text}}}" if bare else f"always_fail: {{{text}}}"
            yield self._edit("endless-repeat", Mark(line, column, len(text)), new, column + bare)

    def _unguarded(self) -> Fault:
        start = self._top["root"].key.mark.line + 1
        below = [f"    {line}" if line.strip() else line for line in self._lines[start:]]
        below[0] = "    - " + below[0].lstrip()
        lines = [*self._lines[:start], "  sequence:", "    - go_home", *below]
        return Fault(self._name, "unguarded-motion", "\n".join(lines), start + 2, 7)

    def _of_items(self, block: Block) -> Iterator[Fault]:
        for number, branch in enumerate(block.branches):
            line, column, _ = branch.mark
            if not self._lines[line][:column].rstrip().endswith("-"):
                continue
            dash = self._lines[line].rindex("-", 0, column)
            indent = " " * dash
            yield self._edit(
                "unreachable", Mark(line, dash, 0), f"- always_fail\n{indent}", down=1, column=branch.node.mark.column
            )
            node = branch.node
            if "skill" in self._top:
                own = self._name.removeprefix("skills/").removesuffix(".yaml")
                yield self._edit("recursion", Mark(line, dash, 0), f"- {own}\n{indent}", dash + 2)
            if isinstance(node, Call):
                yield from self._forgotten(node, Mark(line, column, 0), [b.node for b in block.branches[number + 1 :]])
            if isinstance(node, Call) and self._root is not None and "root" in self._top:
                text = self._lines[line][column:].split(" #")[0].rstrip()
                if not text.endswith((":", ",", "{")) and text.count("{") == text.count("}"):
                    yield from self._twice(node, Mark(line, column, len(text)), text)
            if number and isinstance(node, Call) and not node.arguments:
                two = f"{node.skill}:\n{indent}  log: x"
                yield self._edit("node", node.mark, two, dash + 2, down=1)

    def _forgotten(self, call: Call, mark: Mark, later: list[Node]) -> Iterator[Fault]:
        """A write that may not have happened: told at the first read after it."""
        outputs = [a.value for name, a in call.arguments.items() if name in self._cards[call.skill].outputs]
        text = self._lines[mark.line][mark.column :].split(" #")[0].rstrip()
        if len(outputs) != 1 or text.count("{") != text.count("}") or not isinstance(outputs[0], Variable):
            return
        name = outputs[0].name
        writes = [n for n in self._calls() if any(_is(a.value, name) and k in self._cards[n.skill].outputs
                                                  for k, a in n.arguments.items())]  # fmt: skip
        below = [inner for node in later for inner in walk(node)]
        reads = [variable.mark for node in below for variable in _read_by(node) if variable.name == name]
        declared = self._top.get("inputs")
        if len(writes) == 1 and reads and not (declared and name in getattr(declared.value, "entries", {})):
            wrapped = f"always_succeed: {{{text}}}"
            yield self._edit(
                "read-before-written", mark._replace(length=len(text)), wrapped, reads[0].column, at_line=reads[0].line
            )

    def _calls(self) -> list[Call]:
        return [node for node in walk(self._root) if isinstance(node, Call)] if self._root else []

    def _twice(self, call: Call, mark: Mark, text: str) -> Iterator[Fault]:
        card = self._cards[call.skill]
        writes = [a for name, a in call.arguments.items() if name in card.outputs]
        second = mark.column + len("parallel: [") + len(text) + 2
        moves = card.safety == "moves"
        if moves and not writes:
            yield self._edit("parallel-motion", mark, f"parallel: [{text}, {text}]", second)
        elif writes and not moves:
            yield self._edit("parallel-write", mark, f"parallel: [{text}, {text}]", second)

    def _moves(self, block: Block) -> bool:
        return any(isinstance(n, Call) and self._cards[n.skill].safety == "moves" for n in walk(block))

    def _can(self, block: Block, reason: str) -> bool:
        done = block.at("do")
        calls = [n for n in walk(done) if isinstance(n, Call)] if done else []
        return any(reason in self._cards[call.skill].reasons for call in calls)

    # Cards

    def _of_leaf_card(self) -> Iterator[Fault]:
        leaf: Entry = self._top["leaf"]
        assert isinstance(leaf.value, Scalar)
        yield self._edit("unknown-leaf", leaf.value.mark, leaf.value.text + UNKNOWN)
        yield self._edit("foreign-leaf", leaf.value.mark, "os:system")
        below = Mark(leaf.key.mark.line + 1, 0, 0)
        of_leaf = LEAVES[leaf.value.text]
        if "safety" not in self._top:
            yield self._edit("type", below, "safety: harmless\n", 8)
            if of_leaf.safety != "looks":
                yield self._edit("loosened", below, "safety: looks\n", 8)
        if "timeout_s" in self._top and not of_leaf.instant:
            limit = self._top["timeout_s"]
            yield self._edit(
                "wait-without-limit", Mark(limit.key.mark.line, 0, len(self._lines[limit.key.mark.line])), "",
                leaf.key.mark.column, at_line=leaf.key.mark.line,
            )  # fmt: skip
            yield self._edit("type", limit.value.mark, "soon")
        for part in ("inputs", "reasons"):
            entries = self._top[part].value if part in self._top else None
            for name, entry in entries.entries.items() if isinstance(entries, Mapping) else ():
                rule = "unknown-key" if part == "inputs" else "unknown-outcome"
                if entry.key.plain:
                    yield self._edit(rule, entry.key.mark, name + UNKNOWN)

    def _edit(
        self, rule: str, mark: Mark, new: str, column: int | None = None, *, down: int = 0, at_line: int | None = None,
        also_missing: bool = False,
    ) -> Fault:  # fmt: skip
        """The text with `new` in the place of `mark`, and the fault there unless another place is told."""
        lines = list(self._lines)
        if mark.line >= len(lines):
            lines.append("")
        old = lines[mark.line]
        lines[mark.line] = old[: mark.column] + new + old[mark.column + mark.length :]
        line = (mark.line if at_line is None else at_line) + down
        return Fault(self._name, rule, "\n".join(lines), line + 1, (mark.column if column is None else column) + 1)


def _word(kind: Entry | None) -> str:
    return kind.value.text if kind is not None and isinstance(kind.value, Scalar) else "text"


def _is(value: object, name: str) -> bool:
    return isinstance(value, Variable) and value.name == name


def _read_by(node: Node) -> list[Variable]:
    if isinstance(node, Call):
        return [a.value for a in node.arguments.values() if isinstance(a.value, Variable)]
    read = (*node.options.get("text", ()), node.options.get("in"), node.options.get("to"))
    return [part for part in read if isinstance(part, Variable)]
