"""How each block can end, and what is written then: the checker's part for blocks."""

from __future__ import annotations

from typing import Protocol

from vlm_bt.tree.findings import Problem, one_of
from vlm_bt.tree.kinds import KINDS, WRITABLE, a, constant_kind, describe
from vlm_bt.tree.meaning import FAULTS, Flow, Reach, Room, State, meet
from vlm_bt.tree.outcomes import covers
from vlm_bt.tree.parse import FAMILIES
from vlm_bt.tree.source import Many
from vlm_bt.tree.syntax import Block, Call, Node, Variable
from vlm_bt.tree.variables import Variables
from vlm_bt.types import REASONS

_NONE: frozenset[str] = frozenset()


class FlowOf(Protocol):
    """Works out any node, from what is surely written before it."""

    def __call__(self, node: Node, state: State, *, guarded: bool) -> Flow: ...


class Blocks:
    """Works out the blocks of one body."""

    def __init__(self, room: Room, variables: Variables, flow: FlowOf) -> None:
        self._room = room
        self._variables = variables
        self._flow = flow
        self._reach: dict[int, Reach] = {}

    def flow(self, block: Block, state: int, guarded: bool) -> Flow:
        match block.kind:
            case "sequence":
                return self._sequence(block, state, guarded)
            case "selector":
                return self._selector(block, state, guarded)
            case "parallel":
                return self._parallel(block, state, guarded)
            case "match":
                return self._match(block, state, guarded)
            case "guard":
                return self._guard(block, state)
            case "repeat":
                return self._repeat(block, state, guarded)
            case "for_each":
                return self._for_each(block, state, guarded)
            case "wait":
                return Flow(state, None, _NONE)
            case "set":
                return self._set(block, state)
            case "log":
                return self._log(block, state)
        return self._decorator(block, state, guarded)

    # Composites

    def _sequence(self, block: Block, start: int, guarded: bool) -> Flow:
        state: State = start
        failure: State = None
        reasons = _NONE
        for child in block.nodes:
            flow = self._flow(child, state, guarded=guarded)
            failure = meet(failure, flow.failure)
            reasons |= flow.reasons
            if state is None:
                break
            state = flow.success
        return Flow(state, failure, reasons)

    def _selector(self, block: Block, start: int, guarded: bool) -> Flow:
        state: State = start
        success: State = None
        failure: State = None
        reasons = _NONE
        for child in block.nodes:
            flow = self._flow(child, state, guarded=guarded)
            success = meet(success, flow.success)
            failure = meet(failure, flow.failure)
            reasons |= flow.reasons
            if state is None:
                break
            state = flow.failure
        return Flow(success, failure if state is not None else None, reasons)

    def _parallel(self, block: Block, state: int, guarded: bool) -> Flow:
        flows: list[Flow] = []
        moving, written = 0, 0
        for child in block.nodes:
            flows.append(self._flow(child, state, guarded=guarded))
            reach = self._reaches(child)
            moving += reach.moves
            if reach.moves and moving == 2:
                self._room.wrong("parallel-motion", child.mark, "two branches of a parallel both move the arm")
            both = [f"${name}" for name, bit in self._room.bits.items() if bit & written & reach.writes]
            if both:
                self._room.wrong(
                    "parallel-write", child.mark, f"two branches of a parallel both write {' and '.join(both)}"
                )
            written |= reach.writes
        reasons = _NONE.union(*(flow.reasons for flow in flows))
        return Flow(self._enough(block, flows), state, reasons)

    def _enough(self, block: Block, flows: list[Flow]) -> State:
        """What is written when so many have succeeded: that which fewer than the others could leave out."""
        said = block.options.get("success", "all")
        needed = len(flows) if said == "all" else 1 if said == "any" else int(said)
        if needed > len(flows):
            self._room.wrong(
                "type", block.option_marks["success"], f"{needed} can't succeed: there are {len(flows)} branches"
            )
        ends = [flow.success for flow in flows if flow.success is not None]
        if needed > len(ends):
            return None
        written = 0
        for bit in self._room.bits.values():
            if sum(bool(end & bit) for end in ends) > len(ends) - needed:
                written |= bit
        return written

    def _match(self, block: Block, state: int, guarded: bool) -> Flow:
        done = block.at("do")
        first = self._flow(done, state, guarded=guarded) if done else Flow(state, state, frozenset(REASONS))
        if done and len(block.branches) == 1:
            self._room.wrong("match", block.mark, "'match' names no outcome", "Write one, such as unsure: NODE.")
        unnamed = first.reasons
        success, failure, reasons = first.success, None, _NONE
        named = [branch for branch in block.branches if branch.role != "do"]
        for branch in sorted(named, key=lambda branch: (branch.role in FAMILIES) + 2 * (branch.role == "else")):
            taken = frozenset(reason for reason in unnamed if covers(branch.role, reason))
            if not taken and branch.role in (*REASONS, *FAMILIES) and not self._room.incomplete:
                can = [reason for reason in REASONS if reason in first.reasons]
                self._room.wrong(
                    "dead-branch",
                    branch.mark,
                    f"it never ends with {branch.role!r}",
                    f"It can end with: {one_of(can)}.",
                )
            flow = self._flow(branch.node, first.failure if first.failure is not None else state, guarded=guarded)
            success = meet(success, flow.success)
            failure = meet(failure, flow.failure)
            reasons |= flow.reasons
            unnamed -= taken
        if unnamed:
            failure = meet(failure, first.failure)
        return Flow(success, failure, unnamed | reasons)

    # Guards and loops

    def _guard(self, block: Block, state: int) -> Flow:
        for role in ("while", "otherwise"):
            node = block.at(role)
            if node is not None:
                self._flow(node, state, guarded=True)
                self._instant(node, role)
        child, secure = block.at("do"), block.at("secure")
        flow = self._flow(child, state, guarded=True) if child else Flow(state, state, _NONE)
        restart = block.options.get("on_clear") == "restart"
        if secure is not None:
            if not restart:
                self._room.wrong("dead-branch", secure.mark, "'secure' is for a guard with on_clear: restart")
            ends = self._flow(secure, state, guarded=True)
            return Flow(flow.success, meet(flow.failure, ends.failure), flow.reasons | ends.reasons)
        if restart and child is not None and self._reaches(child).moves:
            self._room.wrong(
                "insecure-restart",
                block.option_marks["on_clear"],
                "what moves the arm begins anew here, and the arm may still hold something",
                "Say how it is put down, as secure: NODE; or take on_clear: resume.",
            )
        return flow

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

    def _repeat(self, block: Block, state: int, guarded: bool) -> Flow:
        until, body = block.at("until"), block.at("do")
        ends = self._flow(until, state, guarded=guarded) if until else Flow(state, state, _NONE)
        if until is not None and ends.success is None:
            self._room.wrong(
                "endless-repeat", until.mark, "this never succeeds, so the repeat only ends by running out of rounds"
            )
        round_ = self._flow(body, ends.failure, guarded=guarded) if body else ends
        return Flow(ends.success, meet(ends.failure, round_.failure), ends.reasons | round_.reasons)

    def _for_each(self, block: Block, state: int, guarded: bool) -> Flow:
        items, item, child = block.options.get("in"), block.options.get("item"), block.at("do")
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
            if isinstance(items, Many) and not items.items:
                self._room.wrong("unreachable", items.mark, "the list is empty: nothing is ever done for it")
        start = state | self._room.bit(item.name) if isinstance(item, Variable) else state
        flow = self._flow(child, start, guarded=guarded) if child else Flow(start, None, _NONE)
        return Flow(state, flow.failure, flow.reasons)

    def _decorator(self, block: Block, state: int, guarded: bool) -> Flow:
        child = block.at("do")
        flow = self._flow(child, state, guarded=guarded) if child else Flow(state, None, _NONE)
        borne = frozenset(r for r in FAULTS if any(covers(name, r) for name in block.options.get("on", ()) if name))
        faults = flow.reasons & FAULTS
        either = meet(flow.success, flow.failure)
        match block.kind:
            case "timeout":
                return Flow(flow.success, state, flow.reasons | {"timed_out"})
            case "invert":
                return Flow(flow.failure, either, faults | {"no"})
            case "always_succeed":
                return Flow(either, flow.failure if faults - borne else None, faults - borne)
            case "always_fail":
                return Flow(None, either, faults | {block.options.get("reason") or "no"})
        return flow

    # Leaves of the language

    def _set(self, block: Block, state: int) -> Flow:
        variable, to, named = (block.options.get(key) for key in ("variable", "to", "type"))
        wanted = KINDS.get(named or "")
        if isinstance(to, Variable):
            typed = self._variables.read(to, state)
            if typed and wanted and not typed.kind.fits(wanted):
                self._room.wrong("type", to.mark, f"{to} is {a(typed.kind)}, not {a(wanted)}")
        elif to is not None:
            kind = constant_kind(to, named or "")
            problems: list[Problem] = []
            if kind is None:
                problems = [Problem("type", to.mark, f"a variable can't be set to {describe(to)}", "Name its type.")]
            elif kind.parse is None:
                problems = [Problem("type", to.mark, f"{a(kind)} can't be written in a tree: it comes from a skill")]
            else:
                kind.parse(to, problems)
            self._room.add(problems)
        if not isinstance(variable, Variable):
            return Flow(state, None, _NONE)
        given, known = self._variables.set_to(block), self._room.types.get(variable.name)
        if given and known and not given.kind.fits(known.kind):
            self._room.wrong(
                "type", variable.mark, f"{variable} is {a(known.kind)}, and is set to {a(given.kind)}", "Take another."
            )
        return Flow(state | self._room.bit(variable.name), None, _NONE)

    def _log(self, block: Block, state: int) -> Flow:
        for part in block.options.get("text", ()):
            typed = self._variables.read(part, state) if isinstance(part, Variable) else None
            if typed is not None and typed.kind.name not in WRITABLE:
                fields = f"Take a field of it: {one_of(typed.kind.fields)}." if typed.kind.fields else ""
                self._room.wrong("type", part.mark, f"{part} is {a(typed.kind)}, which is no text", fields)
        return Flow(state, None, _NONE)

    # What a branch may do

    def _reaches(self, node: Node) -> Reach:
        """Worked out once for each node."""
        known = self._reach.get(id(node))
        if known is None:
            known = self._reach[id(node)] = self._of_call(node) if isinstance(node, Call) else self._of_block(node)
        return known

    def _of_call(self, call: Call) -> Reach:
        card = self._room.words.card(call.skill)
        if card is None:
            return Reach(False, 0)
        summary = self._room.subtree(card, _NONE) if card.body else None
        writes = 0
        for name, argument in call.arguments.items():
            if name in card.outputs and isinstance(argument.value, Variable):
                writes |= self._room.bit(argument.value.name)
        return Reach((summary.safety if summary else card.safety) == "moves", writes)

    def _of_block(self, block: Block) -> Reach:
        below = [self._reaches(child) for child in block.nodes]
        writes = 0
        for reach in below:
            writes |= reach.writes
        own = block.options.get({"set": "variable", "for_each": "item"}.get(block.kind, ""))
        if isinstance(own, Variable):
            writes |= self._room.bit(own.name)
        return Reach(any(reach.moves for reach in below), writes)
