"""The arguments of a skill call: known, complete, of the right type, and trusted where they reach a motion."""

from __future__ import annotations

from vlm_bt.tree.cards import MOST_ERROR_RATE, Card
from vlm_bt.tree.findings import Problem, did_you_mean, one_of
from vlm_bt.tree.kinds import Kind, a
from vlm_bt.tree.meaning import Room
from vlm_bt.tree.parse import Parser, seconds
from vlm_bt.tree.source import Scalar
from vlm_bt.tree.syntax import Argument, Call, Variable
from vlm_bt.tree.variables import Variables

_WHY = "What a model says may not move the arm until it is verified."


class Arguments:
    """Checks calls in one body."""

    def __init__(self, room: Room, variables: Variables) -> None:
        self._room = room
        self._variables = variables

    def check(self, call: Call, card: Card, state: int) -> int:
        """Check every argument; the variables that are written when the call succeeds."""
        written = 0
        unknown: list[Argument] = []
        for name, argument in call.arguments.items():
            if name in card.inputs:
                self._input(call, card, argument, state)
            elif name in card.outputs:
                written |= self._output(call, card, argument)
            elif name == "timeout_s":
                self._timeout(argument)
            else:
                unknown.append(argument)
        self._unknown_and_missing(call, card, unknown)
        return written

    def _unknown_and_missing(self, call: Call, card: Card, unknown: list[Argument]) -> None:
        needed = [port for port in card.inputs.values() if port.required]
        needed += [port for port in card.outputs.values() if port.required and card.leaf]
        missing = [port.name for port in needed if port.name not in call.arguments]
        takes = f"It takes: {one_of(card.arguments)}."
        for argument in unknown:
            kind = "output" if argument.key == "into" else "input"
            hint = did_you_mean(argument.key, missing) or did_you_mean(argument.key, card.arguments)
            if not hint and len(unknown) == len(missing) == 1:
                hint = f" Did you mean {missing[0]!r}?"
            message = f"skill {call.skill!r} has no {kind} {argument.key!r}"
            self._room.wrong("unknown-input", argument.mark, message, takes + hint)
            missing = [name for name in missing if repr(name) not in hint]
        if missing:
            message = f"skill {call.skill!r} lacks {' and '.join(map(repr, missing))}"
            self._room.wrong("missing-input", call.mark, message, takes)
        if unknown or missing:
            self._room.incomplete = True

    def _timeout(self, argument: Argument) -> None:
        problems: list[Problem] = []
        if isinstance(argument.value, Variable):
            problems.append(Problem("type", argument.value.mark, "timeout_s is written as a number of seconds"))
        else:
            seconds(Parser(problems), argument.value)
        self._room.add(problems)

    def _input(self, call: Call, card: Card, argument: Argument, state: int) -> None:
        port = card.inputs[argument.key]
        value = argument.value
        takes = f"input {port.name!r} of skill {call.skill!r} takes {a(port.kind)}"
        if not isinstance(value, Variable):
            if port.kind.parse is None:
                said = f"{value.text[:40]!r} is only a word" if isinstance(value, Scalar) else "this is only words"
                self._room.wrong(
                    "trust" if _trusted(port.kind) else "type",
                    value.mark,
                    f"{takes}, and {said}",
                    self._advice(port.kind),
                )
                return
            problems: list[Problem] = []
            given = port.kind.parse(value, problems)
            self._room.add(
                [Problem(p.rule, p.mark, f"{port.name!r} of {call.skill!r}: {p.message}", p.help) for p in problems]
            )
            most = port.default if port.has_default else MOST_ERROR_RATE
            if port.name == "error_rate" and card.leaf and not problems and not 0 < given <= most:
                self._room.wrong("loosened", value.mark, f"an error rate here lies above 0 and is at most {most:g}")
            return
        typed = self._variables.read(value, state)
        if typed is None:
            return
        if card.leaf and port.name in ("prompts", "error_rate"):
            self._room.wrong("loosened", value.mark, f"{port.name!r} is written out, not taken from a variable")
        elif not typed.kind.fits(port.kind):
            rule = "trust" if typed.claim and _trusted(port.kind) else "type"
            said = f"{value} is {a(typed.kind)}{', a claim' if typed.claim else ''}"
            self._room.wrong(rule, value.mark, f"{takes}, and {said}", self._advice(port.kind))
        elif typed.claim and card.safety == "moves":
            self._room.wrong("trust", value.mark, f"{takes} it can trust, and {value} is a claim", _WHY)
        elif typed.claim and card.body is not None:
            self._claim_into(call, card, argument.key, value)

    def _claim_into(self, call: Call, card: Card, name: str, value: Variable) -> None:
        """A claim handed to a subtree is an error here where it would reach a motion there."""
        safe, unsafe = self._room.subtree(card, frozenset()), self._room.subtree(card, frozenset({name}))
        if safe is None or unsafe is None:
            return
        known = {(finding.path, finding.line, finding.column) for finding in safe.distrusted}
        for reached in unsafe.distrusted:
            if (reached.path, reached.line, reached.column) not in known:
                place = f"{reached.path}:{reached.line}:{reached.column}"
                self._room.wrong(
                    "trust",
                    value.mark,
                    f"{value} is a claim, and skill {call.skill!r} hands it to a motion in {place}",
                    _WHY,
                )

    def _advice(self, kind: Kind) -> str:
        givers = self._room.words.givers(kind.name)
        give = f"These give {a(kind)}: {one_of(givers)}." if givers else ""
        return f"{_WHY} {give}".strip() if _trusted(kind) else give

    def _output(self, call: Call, card: Card, argument: Argument) -> int:
        value = argument.value
        if not isinstance(value, Variable) or value.fields:
            self._room.incomplete = True
            self._room.wrong(
                "variable",
                value.mark,
                f"{argument.key!r} of {call.skill!r} names the variable that takes it, such as ${argument.key}",
            )
            return 0
        typed = self._variables.given_out(call, card).get(argument.key)
        known = self._room.types.get(value.name)
        if typed and known and not typed.kind.fits(known.kind):
            since = self._room.written_at.get(value.name)
            where = f" since line {since.line + 1}" if since else ", an input"
            self._room.wrong(
                "type",
                value.mark,
                f"{value} is {a(known.kind)}{where}, and {call.skill!r} gives {a(typed.kind)}",
                "Take another name.",
            )
        return self._room.bit(value.name)


def _trusted(kind: Kind) -> bool:
    return kind.name in ("verified_object", "held_object")
