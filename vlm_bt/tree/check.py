"""What a tree means, worked out without running it: types, trust, what is written before it is read, guarded motion.

A subtree is worked out once for each set of its inputs that are claims, so that trust is followed through it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from vlm_bt.leaves.leaf import Safety
from vlm_bt.tree.blocks import Blocks
from vlm_bt.tree.calls import Arguments
from vlm_bt.tree.cards import SAFETY, Card, unknown_type
from vlm_bt.tree.findings import Finding, Problem, did_you_mean
from vlm_bt.tree.kinds import KINDS, a
from vlm_bt.tree.meaning import FAULTS, Flow, Room, State, Summary, Typed
from vlm_bt.tree.rules import FOLLOWING
from vlm_bt.tree.syntax import BLOCKS, Body, Call, Node
from vlm_bt.tree.variables import Variables
from vlm_bt.tree.words import OLDER, Vocabulary
from vlm_bt.types import REASONS

MANY = 200
"""Findings in one body after which the nearest names are no longer looked for."""

ALL_REASONS = frozenset(REASONS)


class Checker:
    """Works out bodies, remembering every subtree."""

    def __init__(self, words: Vocabulary) -> None:
        self.words = words
        self._known: dict[tuple[str, frozenset[str]], Summary] = {}
        self._open: list[str] = []

    def subtree(self, card: Card, claims: frozenset[str] = frozenset()) -> Summary | None:
        """None for a skill that contains itself."""
        assert card.body is not None
        key = (card.name, claims)
        if key not in self._known:
            if card.name in self._open:
                return None
            self._open.append(card.name)
            types = {name: Typed(port.kind, name in claims or port.kind.claim) for name, port in card.inputs.items()}
            self._known[key] = BodyCheck(self, card.body, types, mission=False).run()
            self._open.pop()
        return self._known[key]

    def completed(self, card: Card) -> Card:
        """The card of a subtree with what follows from its body: types of its outputs, reasons and safety."""
        summary = self.subtree(card) if card.body is not None else None
        if summary is None:
            return card
        known = summary.outputs
        outputs = {n: replace(port, kind=known[n].kind) if n in known else port for n, port in card.outputs.items()}
        reasons = tuple(reason for reason in REASONS if reason in summary.reasons)
        return replace(card, outputs=outputs, safety=summary.safety, reasons=reasons)

    def findings(self) -> list[Finding]:
        """Of every subtree met so far, as it stands without claims among its inputs."""
        return [finding for (_, claims), known in self._known.items() if not claims for finding in known.findings]


class BodyCheck:
    """Works out one body in one scope of variables."""

    def __init__(self, checker: Checker, body: Body, inputs: Mapping[str, Typed], *, mission: bool) -> None:
        self._room = Room(body, checker.words, checker.subtree, inputs, mission, dict(inputs))
        self._dead = False
        self._variables = Variables(self._room)
        self._calls = Arguments(self._room, self._variables)
        self._blocks = Blocks(self._room, self._variables, self._flow)

    def run(self, *, incomplete: bool = False) -> Summary:
        room = self._room
        room.incomplete = incomplete
        self._variables.infer()
        flow = self._flow(room.body.root, sum(map(room.bit, room.inputs)), guarded=False)
        room.summary.reasons = flow.reasons
        self._outputs(flow.success)
        if room.incomplete:
            room.summary.findings = [found for found in room.summary.findings if found.rule not in FOLLOWING]
        return room.summary

    def _flow(self, node: Node, state: State, *, guarded: bool) -> Flow:
        if state is None:
            if not self._dead:
                self._room.wrong("unreachable", node.mark, "nothing ever gets here")
            self._dead = True  # What comes after it is dead too, and that is one mistake.
            return Flow(None, None, frozenset())
        if isinstance(node, Call):
            return self._call(node, state, guarded)
        return self._blocks.flow(node, state, guarded)

    # Calls

    def _call(self, call: Call, state: int, guarded: bool) -> Flow:
        card = self._room.words.card(call.skill)
        if card is None:
            self._room.incomplete = True
            if call.skill not in self._room.words.names:
                self._unknown(call)
            return Flow(state, state, ALL_REASONS)
        if call.broken is not None:
            self._room.incomplete = True
            self._room.add([call.broken])
            return Flow(state, state, ALL_REASONS)
        safety, reasons, open_motion = card.safety, frozenset(card.reasons), card.safety == "moves"
        if not card.instant and not card.body:
            reasons |= FAULTS
        if card.body is not None:
            summary = self._room.subtree(card, frozenset())
            if summary is None:
                self._room.wrong("recursion", call.mark, f"skill {call.skill!r} contains itself")
                return Flow(state, state, ALL_REASONS)
            safety, reasons, open_motion = summary.safety, summary.reasons, summary.open_motion
            if "timeout_s" in call.arguments or card.timeout_s is not None:
                reasons |= {"timed_out"}
        self._safety(call, safety, open_motion=open_motion, guarded=guarded)
        written = self._calls.check(call, card, state)
        return Flow(state | written, state if reasons else None, reasons)

    def _unknown(self, call: Call) -> None:
        if call.skill in OLDER:
            hint = f"That is written {OLDER[call.skill]!r} here; vlm-bt migrate FILE rewrites it."
        elif len(self._room.summary.findings) < MANY:
            hint = did_you_mean(call.skill, [*self._room.words.names, *BLOCKS]).strip()
        else:
            hint = ""
        self._room.wrong("unknown-skill", call.mark, f"there is no skill {call.skill!r}", hint)

    def _safety(self, call: Call, safety: Safety, *, open_motion: bool, guarded: bool) -> None:
        if SAFETY.index(safety) > SAFETY.index(self._room.summary.safety):
            self._room.summary.safety = safety
        if open_motion and not guarded:
            self._room.summary.open_motion = True
            if self._room.mission:
                self._room.wrong(
                    "unguarded-motion",
                    call.mark,
                    f"{call.skill!r} moves the arm and stands under no guard",
                    "Put it under guard: {while: CONDITION, otherwise: hold_still, do: ...}.",
                )

    # Outputs of the body

    def _outputs(self, state: State) -> None:
        if state is None and self._dead:
            return
        for name, spec in self._room.body.outputs.items():
            typed = self._room.types.get(spec.source)
            if spec.type and spec.type not in KINDS:
                problems: list[Problem] = []
                unknown_type(spec, problems)
                self._room.add(problems)
            if typed is None or state is None or not state & self._room.bit(spec.source):
                reason = "is not written on every way to the end" if typed else "is never written"
                self._room.wrong("output-not-set", spec.mark, f"output {name!r}: ${spec.source} {reason}")
            elif spec.type in KINDS and not typed.kind.fits(KINDS[spec.type]):
                self._room.wrong(
                    "type",
                    spec.type_mark,
                    f"output {name!r} is declared {a(KINDS[spec.type])}, and ${spec.source} is {a(typed.kind)}",
                )
            if typed is not None:
                self._room.summary.outputs[name] = typed
