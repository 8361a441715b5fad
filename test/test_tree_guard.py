"""The guard suspends and never throws work away; nothing moves while it fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tree_words import Bench, under_guard, word

from vlm_bt.leaves.leaf import Leaf, Steps
from vlm_bt.types import Outcome

FETCH = """
sequence:
  - find: {into: $c}
  - verify: {candidate: $c, into: $tool}
  - pick: {tool: $tool, into: $held}
  - place: {held: $held, zone: left}
"""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def statuses(bench: Bench) -> dict[str, str]:
    return {node.name.split(" (")[0]: node.status.value for node in bench.open[-1].root.iterate()}


def test_a_failing_guard_holds_the_arm_and_leaves_its_child_running(bench: Bench) -> None:
    built = bench.build(under_guard(FETCH), Clear=["done", "no", "no", "done"], Pick=["wait"])
    assert bench.tick(built) == "RUNNING"
    assert bench.arm.told == []
    assert bench.tick(built, 2) == "RUNNING"
    assert statuses(bench)["pick"] == "RUNNING"
    assert "Pick cancelled" not in bench.script.log
    assert bench.arm.told == ["hold", "hold"]
    assert bench.script.log.count("Hold()") == 2
    assert built.root.feedback_message == "suspended: clear says no: Clear says so"


def test_the_child_goes_on_where_it_was_when_the_guard_clears(bench: Bench) -> None:
    built = bench.build(under_guard(FETCH), Clear=["done", "no", "done"], Pick=["wait"])
    bench.tick(built, 2)
    bench.tick(built)
    assert bench.arm.told == ["hold", "resume"]
    bench.end("Pick")
    assert bench.tick(built) == "SUCCESS"
    assert [entry.split("(")[0] for entry in bench.script.log if entry.startswith(("Find", "Pick", "Place"))] == [
        "Find",
        "Pick",
        "Place",
    ]
    assert built.root.outcome.ok


def test_a_motion_that_ends_while_it_is_suspended_is_seen_only_when_the_guard_clears(bench: Bench) -> None:
    built = bench.build(under_guard(FETCH), Clear=["done", "no", "no", "done"], Place=["wait"])
    bench.tick(built, 2)
    bench.end("Place", "dropped")
    assert bench.tick(built) == "RUNNING"
    assert bench.tick(built) == "FAILURE"
    assert built.root.outcome.reason == "dropped"


def test_a_guard_that_fails_before_its_child_ever_ran_begins_it_when_it_clears(bench: Bench) -> None:
    built = bench.build(under_guard(FETCH), Clear=["no", "no", "done"])
    bench.tick(built, 2)
    assert [entry for entry in bench.script.log if entry.startswith("Find")] == []
    assert bench.arm.told == ["hold", "hold"]
    assert bench.tick(built) == "SUCCESS"
    assert bench.arm.told[-1] == "resume"


RESTART = "otherwise: hold\n    on_clear: restart\n    secure: {say: {text: put down}}\n"


def test_a_restart_of_motion_without_a_way_to_put_things_down_is_refused(bench: Bench) -> None:
    text = under_guard(FETCH).replace("otherwise: hold\n", "otherwise: hold\n    on_clear: restart\n")
    assert [(f.rule, f.line, f.column) for f in bench.check(text)] == [("insecure-restart", 6, 15)]
    assert bench.check(under_guard(FETCH).replace("otherwise: hold\n", RESTART)) == []


def test_before_a_restart_what_is_held_is_secured_and_only_then_the_child_begins(bench: Bench) -> None:
    text = under_guard(FETCH).replace("otherwise: hold\n", RESTART)
    built = bench.build(text, Clear=["done", "no", "done"], Place=["wait", "done"], Say=["wait"])
    assert bench.tick(built, 4) == "RUNNING"
    assert sum(entry.startswith("Find") for entry in bench.script.log) == 1
    bench.end("Say")
    assert bench.run(built).ok
    assert sum(entry.startswith("Find") for entry in bench.script.log) == 2


def test_where_securing_fails_the_guard_fails_and_nothing_begins_anew(bench: Bench) -> None:
    text = under_guard(FETCH).replace("otherwise: hold\n", RESTART)
    built = bench.build(text, Clear=["done", "no", "done"], Place=["wait", "done"], Say=["arm_fault"])
    assert bench.run(built).reason == "arm_fault"
    assert sum(entry.startswith("Find") for entry in bench.script.log) == 1


def test_restart_interrupts_the_child_at_once_and_begins_it_anew(bench: Bench) -> None:
    text = under_guard(FETCH).replace("otherwise: hold\n", RESTART)
    built = bench.build(text, Clear=["done", "no", "no", "done"], Place=["wait", "done"])
    bench.tick(built, 2)
    assert "Place cancelled" in bench.script.log
    assert bench.script.log.index("Place cancelled") < bench.script.log.index("Hold()")
    bench.tick(built)
    assert bench.tick(built) == "SUCCESS"
    assert sum(entry.startswith("Find") for entry in bench.script.log) == 2
    assert bench.arm.told == ["hold", "hold", "resume"]


def test_an_interruption_while_suspended_cancels_the_child_before_the_arm_is_let_go(bench: Bench) -> None:
    built = bench.build(under_guard(FETCH), Clear=["done", "no"], Pick=["wait"])
    bench.tick(built, 2)
    told_at_cancel: list[list[str]] = []
    bench.script.tickets["Pick"]._on_cancel = lambda: told_at_cancel.append(list(bench.arm.told))
    built.close()
    assert told_at_cancel == [["hold"]]
    assert bench.arm.told == ["hold", "resume"]
    assert set(statuses(bench).values()) == {"INVALID"}
    assert built.root.outcome.reason == "cancelled"


def test_an_interruption_of_a_clear_guard_does_not_touch_the_brake(bench: Bench) -> None:
    built = bench.build(under_guard(FETCH), Pick=["wait"])
    bench.tick(built)
    built.close()
    assert bench.arm.told == []


def test_time_in_which_the_work_was_suspended_does_not_count_against_its_limit(bench: Bench) -> None:
    plan = ["done", *["no"] * 300, *["done"] * 300]
    built = bench.build(under_guard(FETCH), Clear=plan, Pick=["wait"])
    bench.tick(built, 301)
    assert bench.ticks_to_the_end(built) == 200, "10 s of work, and 15 s of suspension that do not count"
    assert built.root.outcome.reason == "timed_out"


def test_a_time_limit_inside_a_guard_does_not_count_suspended_time(bench: Bench) -> None:
    node = FETCH.replace(
        "  - pick: {tool: $tool, into: $held}", "  - timeout: {after_s: 2, do: {pick: {tool: $tool, into: $held}}}"
    )
    built = bench.build(under_guard(node), Clear=["done", *["no"] * 100, *["done"] * 60], Pick=["wait"])
    assert bench.ticks_to_the_end(built) == 1 + 100 + 40
    assert built.root.outcome.reason == "timed_out"


NESTED = """
tree: t
root:
  guard:
    while: outer
    otherwise: hold
    do:
      guard:
        while: clear
        otherwise: hold
        do:
          sequence:
            - find: {into: $c}
            - verify: {candidate: $c, into: $tool}
            - pick: {tool: $tool, into: $held}
"""


@pytest.fixture
def nested(bench: Bench) -> Bench:
    bench.leaves["Outer"] = word("Outer", instant=True, reasons=("no",))
    bench.card("outer", "leaf: Outer\n")
    return bench


def test_an_inner_guard_holds_again_when_an_outer_one_lets_go(nested: Bench) -> None:
    built = nested.build(NESTED, Outer=["done", "no", "done"], Clear=["done", "no", "done"], Pick=["wait"])
    nested.tick(built, 2)
    assert nested.arm.told == ["hold"]
    nested.tick(built)
    assert nested.arm.told == ["hold", "resume", "hold"], "released by the outer, held by the inner in the same tick"
    nested.tick(built)
    assert nested.arm.told[-1] == "resume"
    nested.end("Pick")
    assert nested.tick(built) == "SUCCESS"


def test_suspended_time_of_two_guards_is_counted_once(nested: Bench) -> None:
    outer = ["done", "done", *["no"] * 100, *["done"] * 500]
    inner = ["done", *["no"] * 51, *["done"] * 500]
    built = nested.build(NESTED, Outer=outer, Clear=inner, Pick=["wait"])
    # One tick of work; the inner guard suspends, 100 ticks of it under the outer one, 151 in all; then it goes on.
    assert nested.ticks_to_the_end(built) == 1 + 151 + 200
    assert built.root.outcome.reason == "timed_out"


def test_a_condition_that_does_not_answer_counts_as_unsafe(bench: Bench) -> None:
    class Liar(Leaf):
        __module__ = "vlm_bt.leaves.liar"
        instant = True

        def act(self) -> Steps:
            from vlm_bt.ports import Ticket

            yield Ticket("never")
            return Outcome()

    bench.leaves["Liar"] = Liar
    bench.card("liar", "leaf: Liar\ntimeout_s: 5\n")
    built = bench.build(under_guard(FETCH).replace("while: clear", "while: liar"))
    assert bench.tick(built, 3) == "RUNNING"
    assert bench.script.log == ["Hold()"] * 3


def test_a_finished_guard_can_run_again(bench: Bench) -> None:
    built = bench.build(under_guard(FETCH), Clear=["done", "no", "done"])
    assert bench.tick(built) == "SUCCESS"
    assert bench.tick(built) == "RUNNING"
    assert built.root.children[1].status.value != "RUNNING", "it was suspended before its child began again"
    assert bench.tick(built) == "SUCCESS"
