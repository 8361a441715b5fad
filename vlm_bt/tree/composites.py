"""py_trees' composites with an outcome: that of the child that decided. Faults are passed on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import py_trees
from py_trees.behaviour import Behaviour
from py_trees.common import ParallelPolicy, Status

from vlm_bt.tree.outcomes import covers, outcome_of, passes
from vlm_bt.types import DONE, REASONS, Outcome

CANCELLED = Outcome("cancelled")


class InOrder(py_trees.composites.Sequence):
    """A sequence; py_trees does the work."""

    outcome: Outcome = DONE

    def terminate(self, new_status: Status) -> None:
        decided = new_status != Status.INVALID and self.current_child is not None
        self.outcome = outcome_of(self.current_child) if decided and self.current_child else CANCELLED


class FirstThatWorks(py_trees.composites.Selector):
    """A selector that a fault ends, unless `on` names it: a dead camera is no reason to try the next way."""

    outcome: Outcome = DONE

    def __init__(self, name: str, memory: bool, children: Sequence[Behaviour], on: Sequence[str] = ()) -> None:
        super().__init__(name, memory, children)
        self.on = tuple(on)

    def tick(self) -> Iterator[Behaviour]:
        for node in super().tick():
            yield node
            if node.parent is self and node.status == Status.FAILURE:
                self.outcome = outcome_of(node)
                if passes(self.outcome, self.on):
                    break
        else:
            return
        self.current_child = node
        self._stop_others(node)
        self.stop(Status.FAILURE)
        yield self

    def terminate(self, new_status: Status) -> None:
        if new_status == Status.SUCCESS and self.current_child is not None:
            self.outcome = outcome_of(self.current_child)
        elif new_status == Status.INVALID:
            self.outcome = CANCELLED

    def _stop_others(self, decided: Behaviour) -> None:
        for child in self.children:
            if child is not decided and child.status == Status.RUNNING:
                child.stop(Status.INVALID)


class AtOnce(py_trees.composites.Parallel):
    """A parallel; done when so many of its children are. It fails as soon as that can't be reached any more.

    py_trees' own lets the first failure end it, whatever its policy; that is what is meant only where all must succeed.
    A fault ends it unless `on` names it.
    """

    outcome: Outcome = DONE

    def __init__(
        self, name: str, children: Sequence[Behaviour], success: str | int = "all", on: Sequence[str] = ()
    ) -> None:
        super().__init__(name, ParallelPolicy.SuccessOnAll(synchronise=True), children)
        self.needed = {"all": len(children), "any": 1}.get(str(success)) or int(success)
        self.on = tuple(on)

    def tick(self) -> Iterator[Behaviour]:
        if self.needed == len(self.children):
            yield from super().tick()
            return
        if self.status != Status.RUNNING:
            for child in self.children:
                if child.status != Status.INVALID:
                    child.stop(Status.INVALID)
            self.initialise()
        for child in self.children:
            if child.status not in (Status.SUCCESS, Status.FAILURE):
                yield from child.tick()
        self.current_child, status = self._decided()
        if status != Status.RUNNING:
            self.stop(status)
        self.status = status
        yield self

    def _decided(self) -> tuple[Behaviour, Status]:
        done = [child for child in self.children if child.status == Status.SUCCESS]
        failed = [child for child in self.children if child.status == Status.FAILURE]
        broken = next((child for child in failed if passes(outcome_of(child), self.on)), None)
        if len(done) >= self.needed:
            return done[-1], Status.SUCCESS
        if broken is not None:
            return broken, Status.FAILURE
        if len(self.children) - len(failed) < self.needed:
            return failed[-1], Status.FAILURE
        return self.children[-1], Status.RUNNING

    def terminate(self, new_status: Status) -> None:
        decided = new_status != Status.INVALID and self.current_child is not None
        self.outcome = outcome_of(self.current_child) if decided and self.current_child else CANCELLED


class Match(py_trees.composites.Composite):
    """Does one thing; where that fails with an outcome that a branch names, the branch's result is the result.

    A reason goes before its family, and both before `else`, which takes answers and mishaps but no fault.
    """

    def __init__(self, name: str, do: Behaviour, branches: Mapping[str, Behaviour]) -> None:
        super().__init__(name, [do, *branches.values()])
        self.do = do
        self.branches = dict(branches)
        self.outcome = DONE

    def tick(self) -> Iterator[Behaviour]:
        if self.status != Status.RUNNING:
            for child in self.children:
                if child.status != Status.INVALID:
                    child.stop(Status.INVALID)
            self.current_child = self.do
            self.initialise()
        assert self.current_child is not None
        yield from self.current_child.tick()
        if self.current_child is self.do and self.do.status == Status.FAILURE:
            branch = self._branch(outcome_of(self.do))
            if branch is not None:
                self.current_child = branch
                yield from branch.tick()
        if self.current_child.status == Status.RUNNING:
            self.status = Status.RUNNING
        else:
            self.stop(self.current_child.status)
        yield self

    def terminate(self, new_status: Status) -> None:
        decided = new_status != Status.INVALID and self.current_child is not None
        self.outcome = outcome_of(self.current_child) if decided and self.current_child else CANCELLED

    def _branch(self, outcome: Outcome) -> Behaviour | None:
        names = (outcome.reason, REASONS[outcome.reason], "else")
        return next((self.branches[n] for n in names if n in self.branches and covers(n, outcome.reason)), None)


class Rounds(py_trees.composites.Composite):
    """Round after round until the first child succeeds.

    A round that fails counts and the next one begins, each in a new tick. A fault of either child ends the loop unless
    `on` names it. After `at_most` rounds and a last look at `until` it fails, with the outcome of what failed last.
    """

    def __init__(self, name: str, until: Behaviour, do: Behaviour, at_most: int, on: Sequence[str] = ()) -> None:
        super().__init__(name, [until, do])
        self.until = until
        self.do = do
        self.at_most = at_most
        self.on = tuple(on)
        self.rounds = 0
        self.outcome = DONE
        self._last = DONE

    def initialise(self) -> None:
        self.rounds = 0
        self._last = DONE

    def tick(self) -> Iterator[Behaviour]:
        if self.status != Status.RUNNING:
            self.current_child = self.until
            self.initialise()
        if self.current_child is self.until:
            yield from self.until.tick()
            ended = self._after_until()
            if ended is None and self.current_child is self.do:
                yield from self.do.tick()
                ended = self._after_round()
        else:
            yield from self.do.tick()
            ended = self._after_round()
        if ended is None:
            self.status = Status.RUNNING
        else:
            self.outcome = ended
            self.stop(Status.SUCCESS if ended.ok else Status.FAILURE)
        yield self

    def terminate(self, new_status: Status) -> None:
        if new_status == Status.INVALID:
            self.outcome = CANCELLED

    def _after_until(self) -> Outcome | None:
        if self.until.status == Status.RUNNING:
            return None
        outcome = outcome_of(self.until)
        if self.until.status == Status.SUCCESS or passes(outcome, self.on):
            return outcome
        if self.rounds >= self.at_most:
            failed = outcome if self._last.ok else self._last
            return Outcome(
                failed.reason, f"not done after {self.rounds} rounds; last: {failed}", failed.evidence, failed.grounds
            )
        self.current_child = self.do
        return None

    def _after_round(self) -> Outcome | None:
        if self.do.status == Status.RUNNING:
            return None
        self.rounds += 1
        self._last = outcome_of(self.do)
        self.feedback_message = f"round {self.rounds} of at most {self.at_most}: {self._last}"
        self.current_child = self.until
        return self._last if passes(self._last, self.on) else None
