"""What a tree means, worked out without running it: types, trust, what is written before it is read, guarded motion.

A subtree is worked out once for each set of its inputs that are claims, so that trust is followed through it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from vlm_bt.leaves.leaf import Safety
from vlm_bt.tree.calls import Arguments
from vlm_bt.tree.cards import SAFETY, Card, unknown_type
from vlm_bt.tree.findings import Finding, Problem, did_you_mean, one_of
from vlm_bt.tree.kinds import KINDS, a
from vlm_bt.tree.meaning import FAULTS, Flow, Room, State, Summary, Typed, meet
from vlm_bt.tree.outcomes import covers
from vlm_bt.tree.parse import FAMILIES
from vlm_bt.tree.syntax import BLOCKS, Block, Body, Call, Node, Variable, walk
from vlm_bt.tree.variables import Variables
from vlm_bt.tree.words import Vocabulary
from vlm_bt.types import REASONS

_FOLLOWING = frozenset({"read-before-written", "output-not-set", "unknown-variable", "unreachable", "dead-branch"})
"""Rules whose findings may only follow from another mistake, such as a misspelt output."""


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
        self._variables = Variables(self._room)
        self._calls = Arguments(self._room, self._variables)

    def run(self, *, incomplete: bool = False) -> Summary:
        room = self._room
        room.incomplete = incomplete
        self._variables.infer()
        flow = self._flow(room.body.root, frozenset(room.inputs), guarded=False)
        room.summary.reasons = flow.reasons
        self._outputs(flow.success)
        if room.incomplete:
            room.summary.findings = [found for found in room.summary.findings if found.rule not in _FOLLOWING]
        return room.summary

    # Flow

    def _flow(self, node: Node, state: State, *, guarded: bool) -> Flow:
        if state is None:
            self._room.wrong("unreachable", node.mark, "nothing ever gets here")
            return Flow(None, None, frozenset())
        if isinstance(node, Call):
            return self._call(node, state, guarded)
        return self._block(node, state, guarded)

    def _block(self, block: Block, state: frozenset[str], guarded: bool) -> Flow:
        if block.kind == "sequence":
            return self._sequence(block, state, guarded)
        if block.kind == "selector":
            return self._selector(block, state, guarded)
        if block.kind == "parallel":
            return self._parallel(block, state, guarded)
        if block.kind == "match":
            return self._match(block, state, guarded)
        if block.kind == "guard":
            return self._guard(block, state)
        if block.kind == "repeat":
            return self._repeat(block, state, guarded)
        return self._decorator(block, state, guarded)

    def _sequence(self, block: Block, state: State, guarded: bool) -> Flow:
        failures: list[State] = []
        reasons: frozenset[str] = frozenset()
        for child in block.nodes:
            flow = self._flow(child, state, guarded=guarded)
            failures.append(flow.failure)
            reasons |= flow.reasons
            if state is None:
                break
            state = flow.success
        return Flow(state, meet(*failures), reasons)

    def _selector(self, block: Block, state: State, guarded: bool) -> Flow:
        successes: list[State] = []
        failures: list[State] = []
        reasons: frozenset[str] = frozenset()
        for child in block.nodes:
            flow = self._flow(child, state, guarded=guarded)
            successes.append(flow.success)
            failures.append(flow.failure)
            reasons |= flow.reasons
            if state is None:
                break
            state = flow.failure
        return Flow(meet(*successes), meet(*failures) if state is not None else None, reasons)

    def _parallel(self, block: Block, state: frozenset[str], guarded: bool) -> Flow:
        flows: list[Flow] = []
        moving = 0
        for child in block.nodes:
            flows.append(self._flow(child, state, guarded=guarded))
            if self._moves(child):
                moving += 1
                if moving == 2:
                    self._room.wrong("parallel-motion", child.mark, "two branches of a parallel both move the arm")
        ends = [flow.success for flow in flows]
        reached = [end for end in ends if end is not None]
        if block.options.get("success") == "any":
            success = meet(*ends)
        else:
            success = frozenset().union(*reached) if len(reached) == len(ends) else None
        return Flow(success, state, frozenset().union(*(flow.reasons for flow in flows)))

    def _match(self, block: Block, state: frozenset[str], guarded: bool) -> Flow:
        done = block.at("do")
        first = self._flow(done, state, guarded=guarded) if done else Flow(state, state, frozenset(REASONS))
        if done and len(block.branches) == 1:
            self._room.wrong("match", block.mark, "'match' names no outcome", "Write one, such as unsure: NODE.")
        unnamed = first.reasons
        successes, failures, reasons = [first.success], [], frozenset[str]()
        named = [branch for branch in block.branches if branch.role != "do"]
        for branch in sorted(named, key=lambda branch: (branch.role in FAMILIES) + 2 * (branch.role == "else")):
            taken = frozenset(reason for reason in unnamed if covers(branch.role, reason))
            if (
                not taken
                and not (self._room.incomplete or branch.role == "else")
                and branch.role in (*REASONS, *FAMILIES)
            ):
                can = [reason for reason in REASONS if reason in first.reasons]
                self._room.wrong(
                    "dead-branch",
                    branch.mark,
                    f"it never ends with {branch.role!r}",
                    f"It can end with: {one_of(can)}.",
                )
            flow = self._flow(branch.node, first.failure if first.failure is not None else state, guarded=guarded)
            successes.append(flow.success)
            failures.append(flow.failure)
            reasons |= flow.reasons
            unnamed -= taken
        if unnamed:
            failures.append(first.failure)
        return Flow(meet(*successes), meet(*failures), unnamed | reasons)

    def _guard(self, block: Block, state: frozenset[str]) -> Flow:
        for role in ("while", "otherwise"):
            node = block.at(role)
            if node is not None:
                self._flow(node, state, guarded=True)
                self._instant(node, role)
        child = block.at("do")
        return self._flow(child, state, guarded=True) if child else Flow(state, state, frozenset())

    def _instant(self, node: Node, role: str) -> None:
        card = self._room.words.card(node.skill) if isinstance(node, Call) else None
        if isinstance(node, Call) and card is None:
            return
        part = "condition of a guard" if role == "while" else "'otherwise' of a guard"
        if card is None or not card.instant:
            waits = f"{card.name!r} waits" if card else "a block may wait"
            self._room.wrong(
                "guard-waits",
                node.mark,
                f"the {part} answers at once, and {waits}",
                f"These answer at once: {one_of(self._room.words.instant())}.",
            )
        elif card.safety == "moves":
            self._room.wrong("guard-moves", node.mark, f"the {part} can't move the arm, and {card.name!r} does")

    def _repeat(self, block: Block, state: frozenset[str], guarded: bool) -> Flow:
        until, body = block.at("until"), block.at("do")
        ends = self._flow(until, state, guarded=guarded) if until else Flow(state, state, frozenset())
        round_ = (
            self._flow(body, ends.failure if ends.failure is not None else state, guarded=guarded) if body else ends
        )
        return Flow(ends.success, meet(ends.failure, round_.failure), ends.reasons | round_.reasons)

    def _decorator(self, block: Block, state: frozenset[str], guarded: bool) -> Flow:
        child = block.at("do")
        start = state
        if block.kind == "for_each":
            self._walkable(block, state)
            item = block.options.get("item")
            start = state | {item.name} if isinstance(item, Variable) else state
        none = frozenset[str]()
        flow = self._flow(child, start, guarded=guarded) if child else Flow(start, None, none)
        borne = frozenset(r for r in FAULTS if any(covers(name, r) for name in block.options.get("on", ())))
        faults = flow.reasons & FAULTS
        either = meet(flow.success, flow.failure)
        if block.kind == "for_each":
            return Flow(state, flow.failure, flow.reasons)
        if block.kind == "timeout":
            return Flow(flow.success, state, flow.reasons | {"timed_out"})
        if block.kind == "invert":
            return Flow(flow.failure, either, faults | {"no"})
        if block.kind == "always_succeed":
            return Flow(either, flow.failure if faults - borne else None, faults - borne)
        if block.kind == "always_fail":
            return Flow(None, either, faults | {block.options.get("reason") or "no"})
        return flow

    def _walkable(self, block: Block, state: frozenset[str]) -> None:
        items = block.options.get("in")
        if isinstance(items, Variable):
            typed = self._variables.read(items, state)
            if typed is not None and not typed.kind.items:
                lists = [kind.name for kind in KINDS.values() if kind.items]
                self._room.wrong(
                    "type", items.mark, f"{items} is a {typed.kind}, not a list", f"Lists: {one_of(lists)}."
                )
        elif items is not None:
            problems: list[Problem] = []
            parse = KINDS["texts"].parse
            assert parse is not None
            parse(items, problems)
            self._room.add(problems)

    # Calls

    def _call(self, call: Call, state: frozenset[str], guarded: bool) -> Flow:
        card = self._room.words.card(call.skill)
        if card is None:
            self._room.incomplete = True
            if call.skill not in self._room.words.names:
                names = [*self._room.words.names, *BLOCKS]
                self._room.wrong(
                    "unknown-skill",
                    call.mark,
                    f"there is no skill {call.skill!r}",
                    did_you_mean(call.skill, names).strip(),
                )
            return Flow(state, state, frozenset(REASONS))
        if call.broken is not None:
            self._room.incomplete = True
            self._room.add([call.broken])
            return Flow(state, state, frozenset(REASONS))
        safety, reasons, open_motion = card.safety, frozenset(card.reasons), card.safety == "moves"
        if not card.instant and not card.body:
            reasons |= FAULTS
        if card.body is not None:
            summary = self._room.subtree(card, frozenset())
            if summary is None:
                self._room.wrong("recursion", call.mark, f"skill {call.skill!r} contains itself")
                return Flow(state, state, frozenset(REASONS))
            safety, reasons, open_motion = summary.safety, summary.reasons, summary.open_motion
            if "timeout_s" in call.arguments or card.timeout_s is not None:
                reasons |= {"timed_out"}
        self._safety(call, safety, open_motion=open_motion, guarded=guarded)
        written = self._calls.check(call, card, state)
        return Flow(state | written, state if reasons else None, reasons)

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

    def _moves(self, node: Node) -> bool:
        for below in walk(node):
            card = self._room.words.card(below.skill) if isinstance(below, Call) else None
            summary = self._room.subtree(card, frozenset()) if card and card.body else None
            if card and (summary.safety if summary else card.safety) == "moves":
                return True
        return False

    # Outputs of the body

    def _outputs(self, state: State) -> None:
        for name, spec in self._room.body.outputs.items():
            typed = self._room.types.get(spec.source)
            if spec.type and spec.type not in KINDS:
                problems: list[Problem] = []
                unknown_type(spec, problems)
                self._room.add(problems)
            if typed is None or state is None or spec.source not in state:
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
