"""The variables of one body: what type each has, and whether it is surely written where it is read."""

from __future__ import annotations

from vlm_bt.tree.cards import Card
from vlm_bt.tree.findings import Mark, did_you_mean, one_of
from vlm_bt.tree.kinds import KINDS, a, constant_kind
from vlm_bt.tree.meaning import Room, Typed
from vlm_bt.tree.syntax import Block, Call, Variable, walk


class Variables:
    """Types follow from the first write; being a claim follows from any of them."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._types = room.types
        self._told: set[str] = set()

    def infer(self) -> None:
        """Claims only spread, so this ends; two rounds are enough for nearly every tree."""
        while True:
            before = dict(self._types)
            for node in walk(self._room.body.root):
                if isinstance(node, Call):
                    self._of_call(node)
                elif node.kind == "for_each":
                    self._of_item(node)
                elif node.kind == "set":
                    self._of_set(node)
            if self._types == before:
                return

    def _of_call(self, call: Call) -> None:
        card = self._room.words.card(call.skill)
        if card is None:
            self._room.incomplete = True
            return
        for name, typed in self.given_out(call, card).items():
            argument = call.arguments.get(name)
            if argument and isinstance(argument.value, Variable):
                self._write(argument.value.name, typed, argument.value.mark)

    def given_out(self, call: Call, card: Card) -> dict[str, Typed]:
        if card.body is None:
            return {name: Typed(port.kind, port.kind.claim) for name, port in card.outputs.items()}
        summary = self._room.subtree(card, self.claims_into(call, card))
        return summary.outputs if summary else {}

    def claims_into(self, call: Call, card: Card) -> frozenset[str]:
        typed = {name: self.typed(argument.value) for name, argument in call.arguments.items() if name in card.inputs}
        return frozenset(name for name, t in typed.items() if t and t.claim and not card.inputs[name].kind.claim)

    def _of_item(self, block: Block) -> None:
        item, items = block.options.get("item"), block.options.get("in")
        if not isinstance(item, Variable):
            return
        typed = self.typed(items) if items is not None else None
        if typed is not None and typed.kind.items:
            self._write(item.name, Typed(KINDS[typed.kind.items], typed.claim), item.mark)
        elif items is not None and not isinstance(items, Variable):
            self._write(item.name, Typed(KINDS["text"], False), item.mark)

    def _of_set(self, block: Block) -> None:
        variable, typed = block.options.get("variable"), self.set_to(block)
        if isinstance(variable, Variable) and typed is not None:
            self._write(variable.name, typed, variable.mark)

    def set_to(self, block: Block) -> Typed | None:
        """What a `set` gives its variable, where that is known; `type` names a type, and never takes a claim away."""
        to, named = block.options.get("to"), block.options.get("type", "")
        if isinstance(to, Variable):
            typed = self.typed(to)
            return Typed(KINDS[named], typed.claim) if typed and named and typed.kind.fits(KINDS[named]) else typed
        kind = constant_kind(to, named) if to is not None else None
        return Typed(kind, kind.claim) if kind else None

    def _write(self, name: str, typed: Typed, mark: Mark) -> None:
        known = self._types.get(name)
        if known is None:
            self._types[name] = typed
        elif typed.claim and not known.claim:
            self._types[name] = Typed(known.kind, True)
        if name not in self._room.inputs:
            self._room.written_at.setdefault(name, mark)

    def typed(self, value: object) -> Typed | None:
        """The type of a reference, without a word about what is wrong with it."""
        if not isinstance(value, Variable) or value.name not in self._types:
            return None
        typed = self._types[value.name]
        for name in value.fields:
            if name not in typed.kind.fields:
                return None
            kind = KINDS[typed.kind.fields[name]]
            typed = Typed(kind, typed.claim or kind.claim)
        return typed

    def read(self, variable: Variable, state: int) -> Typed | None:
        if not variable.name:
            return None
        if variable.name not in self._types:
            hint = did_you_mean(variable.name, list(self._types))
            names = one_of(f"${name}" for name in self._types)
            if not self._room.incomplete and variable.name not in self._told:
                self._told.add(variable.name)
                self._room.wrong(
                    "unknown-variable",
                    variable.mark,
                    f"nothing writes ${variable.name}",
                    f"Variables here: {names}.{hint}",
                )
            return None
        if not state & self._room.bit(variable.name) and variable.name not in self._told:
            self._told.add(variable.name)
            at = self._room.written_at.get(variable.name)
            where = f"It is written in line {at.line + 1}, but not on every way to here." if at else ""
            self._room.wrong(
                "read-before-written", variable.mark, f"${variable.name} may be read before it is written", where
            )
        kind = self._types[variable.name].kind
        for name in variable.fields:
            if name not in kind.fields:
                hint = did_you_mean(name, list(kind.fields))
                self._room.wrong(
                    "unknown-field",
                    variable.mark,
                    f"{a(kind)} has no field {name!r}",
                    f"It has: {one_of(kind.fields)}.{hint}",
                )
                return None
            kind = KINDS[kind.fields[name]]
        return self.typed(variable)
