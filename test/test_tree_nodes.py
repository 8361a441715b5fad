"""Two ends, many outcomes: what each block makes of its children's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import py_trees
import pytest
from tree_words import Bench, plain

from vlm_bt.tree.outcomes import covers, outcome_of, passes
from vlm_bt.types import Outcome


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def words(bench: Bench) -> list[str]:
    return [entry.split("(")[0] for entry in bench.script.log]


FIND = "{find: {into: $c}}"
SAY = "{say: {text: a}}"


def test_a_sequence_ends_with_the_outcome_of_the_child_that_failed(bench: Bench) -> None:
    built = bench.build(plain(f"sequence: [{SAY}, {FIND}, note]"), Find=["not_found"])
    assert bench.run(built).reason == "not_found"
    assert words(bench) == ["Say", "Find"]


def test_a_sequence_goes_on_where_it_was(bench: Bench) -> None:
    built = bench.build(plain(f"sequence: [{SAY}, {FIND}, note]"), Find=["wait"])
    assert bench.tick(built, 3) == "RUNNING"
    bench.end("Find")
    assert bench.tick(built) == "SUCCESS"
    assert words(bench) == ["Say", "Find", "Note"]


def test_a_sequence_without_memory_asks_again_from_the_top(bench: Bench) -> None:
    built = bench.build(plain(f"sequence: {{memory: false, do: [clear, {FIND}]}}"), Find=["wait"], Clear=["done", "no"])
    assert bench.tick(built) == "RUNNING"
    assert bench.tick(built) == "FAILURE"
    assert words(bench) == ["Clear", "Find", "Clear", "Find cancelled"]
    assert built.root.outcome.reason == "no"


def test_a_selector_takes_the_next_way_after_an_ordinary_failure(bench: Bench) -> None:
    built = bench.build(plain(f"selector: [{FIND}, {SAY}]"), Find=["not_found"])
    assert bench.run(built).ok
    assert words(bench) == ["Find", "Say"]


def test_a_selector_fails_with_the_last_outcome(bench: Bench) -> None:
    built = bench.build(plain(f"selector: [{FIND}, clear]"), Find=["not_found"], Clear=["no"])
    assert bench.run(built).reason == "no"


def test_a_fault_goes_past_a_selector(bench: Bench) -> None:
    built = bench.build(plain(f"selector: [{FIND}, {SAY}]"), Find=["camera_lost"])
    assert bench.run(built).reason == "camera_lost"
    assert words(bench) == ["Find"]


def test_a_selector_bears_the_faults_that_it_names(bench: Bench) -> None:
    built = bench.build(plain(f"selector: {{on: [camera_lost], do: [{FIND}, {SAY}]}}"), Find=["camera_lost"])
    assert bench.run(built).ok


def test_a_fault_in_a_selector_without_memory_stops_what_was_running_below(bench: Bench) -> None:
    text = plain(f"selector: {{memory: false, do: [{FIND}, {SAY}]}}")
    built = bench.build(text, Find=["not_found", "model_lost"], Say=["wait"])
    assert bench.tick(built) == "RUNNING"
    assert bench.tick(built) == "FAILURE"
    assert words(bench)[-1] == "Say cancelled"
    assert built.root.outcome.reason == "model_lost"


def test_a_parallel_ends_with_the_child_that_failed_and_cancels_the_others(bench: Bench) -> None:
    built = bench.build(plain(f"parallel: [{SAY}, {FIND}]"), Say=["wait"], Find=["not_found"])
    assert bench.run(built).reason == "not_found"
    assert words(bench)[-1] == "Say cancelled"


def test_a_parallel_waits_for_all_and_does_nothing_twice(bench: Bench) -> None:
    built = bench.build(plain(f"parallel: [{SAY}, {FIND}]"), Find=["wait"])
    assert bench.tick(built, 3) == "RUNNING"
    bench.end("Find")
    assert bench.tick(built) == "SUCCESS"
    assert words(bench) == ["Say", "Find"]


def test_a_parallel_can_be_content_with_one(bench: Bench) -> None:
    built = bench.build(plain(f"parallel: {{success: any, do: [{SAY}, {FIND}]}}"), Find=["wait"])
    assert bench.tick(built) == "SUCCESS"
    assert words(bench)[-1] == "Find cancelled"


# match


MATCH = """
match:
  do: {verify: {candidate: $c, into: $t}}
  unsure: {say: {text: named}}
  answer: {say: {text: family}}
  else: {say: {text: else}}
  stale: {say: {text: fault}}
"""


@pytest.mark.parametrize(
    ("reason", "branch"),
    [("unsure", "named"), ("refuted", "family"), ("blocked", "else"), ("stale", "fault"), ("timed_out", None)],
)
def test_match_takes_the_reason_before_the_family_and_else_never_takes_a_fault(
    bench: Bench, reason: str, branch: str | None
) -> None:
    lines = "\n".join("    " + line for line in MATCH.strip().splitlines())
    text = f"tree: t\nroot:\n  sequence:\n  - find: {{into: $c}}\n  -{lines[3:]}\n"
    built = bench.build(text, Verify=[reason])
    assert bench.run(built) == (Outcome() if branch else Outcome(reason, "Verify says so"))
    assert bench.script.log[2:] == ([f"Say(text={branch})"] if branch else [])


def test_a_branch_that_takes_time_is_not_decided_again(bench: Bench) -> None:
    built = bench.build(plain(f"match: {{do: {FIND}, not_found: {SAY}}}"), Find=["not_found"], Say=["wait"])
    assert bench.tick(built, 3) == "RUNNING"
    bench.end("Say", "timed_out")
    assert bench.tick(built) == "FAILURE"
    assert built.root.outcome.reason == "timed_out"
    assert words(bench) == ["Find", "Say"]


def test_an_interrupted_match_cancels_its_branch_and_begins_anew(bench: Bench) -> None:
    built = bench.build(plain(f"match: {{do: {FIND}, not_found: {SAY}}}"), Find=["not_found", "done"], Say=["wait"])
    bench.tick(built)
    built.root.stop(py_trees.common.Status.INVALID)
    assert words(bench)[-1] == "Say cancelled"
    assert built.root.outcome.reason == "cancelled"
    assert bench.tick(built) == "SUCCESS"


# retry


def test_retry_tries_again_until_it_works(bench: Bench) -> None:
    built = bench.build(plain(f"retry: {{at_most: 3, do: {FIND}}}"), Find=["not_found", "grasp_failed", "done"])
    assert bench.ticks_to_the_end(built) == 3
    assert built.root.outcome.ok


def test_retry_gives_up_with_the_last_outcome(bench: Bench) -> None:
    built = bench.build(plain(f"retry: {{at_most: 2, do: {FIND}}}"), Find=["not_found", "dropped"])
    assert bench.run(built).reason == "dropped"
    assert words(bench) == ["Find", "Find"]


def test_a_fault_goes_past_a_retry(bench: Bench) -> None:
    built = bench.build(plain(f"retry: {{at_most: 3, do: {FIND}}}"), Find=["camera_lost"])
    assert bench.run(built).reason == "camera_lost"
    assert words(bench) == ["Find"]


@pytest.mark.parametrize("named", ["stale", "fault"])
def test_a_retry_bears_the_faults_that_it_names(bench: Bench, named: str) -> None:
    built = bench.build(plain(f"retry: {{at_most: 3, on: [{named}], do: {FIND}}}"), Find=["stale", "done"])
    assert bench.run(built).ok


# repeat


REPEAT = plain(f"repeat: {{until: clear, at_most: 3, do: {FIND}}}")


def test_repeat_goes_round_until_its_condition_holds(bench: Bench) -> None:
    built = bench.build(REPEAT, Clear=["no", "no", "done"])
    assert bench.run(built).ok
    assert words(bench) == ["Clear", "Find", "Clear", "Find", "Clear"]


def test_repeat_does_nothing_where_the_condition_holds_already(bench: Bench) -> None:
    assert bench.run(bench.build(REPEAT)).ok
    assert words(bench) == ["Clear"]


def test_a_failed_round_counts_and_the_loop_goes_on(bench: Bench) -> None:
    built = bench.build(REPEAT, Clear=["no", "no", "done"], Find=["dropped", "not_found"])
    assert bench.run(built).ok


def test_repeat_looks_once_more_after_its_last_round_and_then_fails(bench: Bench) -> None:
    built = bench.build(REPEAT, Clear=["no"], Find=["done", "done", "dropped"])
    outcome = bench.run(built)
    assert (outcome.reason, outcome.detail) == ("dropped", "not done after 3 rounds; last: dropped: Find says so")
    assert words(bench) == ["Clear", "Find"] * 3 + ["Clear"]
    built = bench.build(REPEAT, Clear=["no", "no", "no", "done"], Find=["dropped"])
    assert bench.run(built).ok


def test_where_every_round_worked_the_condition_says_why_repeat_failed(bench: Bench) -> None:
    assert bench.run(bench.build(REPEAT, Clear=["no"])).reason == "no"


def test_a_fault_ends_a_repeat_unless_it_is_named(bench: Bench) -> None:
    assert bench.run(bench.build(REPEAT, Clear=["no"], Find=["arm_fault"])).reason == "arm_fault"
    named = REPEAT.replace("at_most: 3", "at_most: 3, on: [arm_fault]")
    assert bench.run(bench.build(named, Clear=["no", "done"], Find=["arm_fault"])).ok


def test_a_fault_of_the_condition_ends_a_repeat_unless_it_is_named(bench: Bench) -> None:
    assert bench.run(bench.build(REPEAT, Clear=["stale"])).reason == "stale"
    assert words(bench) == ["Clear"]
    named = REPEAT.replace("at_most: 3", "at_most: 3, on: stale")
    assert bench.run(bench.build(named, Clear=["stale", "done"])).ok


def test_the_condition_of_a_repeat_may_take_time_and_is_not_asked_during_a_round(bench: Bench) -> None:
    text = plain(f"repeat: {{until: {SAY}, at_most: 3, do: {FIND}}}")
    built = bench.build(text, Say=["wait", "done"], Find=["wait"])
    assert bench.tick(built, 2) == "RUNNING"
    bench.end("Say", "unsure")
    bench.tick(built, 3)
    assert words(bench) == ["Say", "Find"]
    bench.end("Find")
    assert bench.tick(built, 2) == "SUCCESS"


def test_an_interrupted_repeat_cancels_its_round_and_counts_anew(bench: Bench) -> None:
    built = bench.build(REPEAT, Clear=["no"], Find=["done", "done", "wait", "done"])
    bench.tick(built, 3)
    built.root.stop(py_trees.common.Status.INVALID)
    assert words(bench)[-1] == "Find cancelled"
    bench.script.log.clear()
    bench.run(built)
    assert words(bench).count("Find") == 3


# one child


@pytest.mark.parametrize(("reason", "outcome"), [("done", "no"), ("not_found", "done"), ("camera_lost", "camera_lost")])
def test_invert_never_turns_a_fault_into_success(bench: Bench, reason: str, outcome: str) -> None:
    assert bench.run(bench.build(plain(f"invert: {FIND}"), Find=[reason])).reason == outcome


@pytest.mark.parametrize(("reason", "outcome"), [("done", "done"), ("dropped", "done"), ("arm_fault", "arm_fault")])
def test_always_succeed_forgives_everything_but_faults(bench: Bench, reason: str, outcome: str) -> None:
    assert bench.run(bench.build(plain(f"always_succeed: {FIND}"), Find=[reason])).reason == outcome


def test_always_succeed_forgives_a_fault_that_it_names(bench: Bench) -> None:
    built = bench.build(plain(f"always_succeed: {{on: fault, do: {FIND}}}"), Find=["arm_fault"])
    assert bench.run(built) == Outcome("done", "in spite of arm_fault: Find says so")


@pytest.mark.parametrize(("reason", "outcome"), [("done", "refuted"), ("dropped", "refuted"), ("stale", "stale")])
def test_always_fail_fails_with_the_reason_that_the_author_gave(bench: Bench, reason: str, outcome: str) -> None:
    built = bench.build(plain(f"always_fail: {{reason: refuted, do: {FIND}}}"), Find=[reason])
    assert bench.run(built).reason == outcome


def test_always_succeed_and_always_fail_stand_alone_too(bench: Bench) -> None:
    assert bench.run(bench.build(plain("always_succeed"))).ok
    assert bench.run(bench.build(plain("always_fail"))).reason == "no"


def test_a_timeout_counts_on_the_missions_clock_and_cancels(bench: Bench) -> None:
    built = bench.build(plain(f"timeout: {{after_s: 1.5, do: {FIND}}}"), Find=["wait"])
    assert bench.ticks_to_the_end(built) == 31
    assert built.root.outcome == Outcome("timed_out", "find took longer than 1.5 s")
    assert words(bench)[-1] == "Find cancelled"


def test_a_skills_own_time_limit_comes_from_the_call_or_else_from_the_card(bench: Bench) -> None:
    assert bench.ticks_to_the_end(bench.build(plain("find: {into: $c, timeout_s: 2}"), Find=["wait"])) == 41
    assert bench.ticks_to_the_end(bench.build(plain("find: {into: $c}"), Find=["wait"])) == 201


def test_for_each_sets_its_variable_and_ticks_one_child_again_and_again(bench: Bench) -> None:
    built = bench.build(plain("for_each: {item: $x, in: [a, b, c], do: {say: {text: $x}}}"))
    nodes = list(built.root.iterate())
    assert bench.ticks_to_the_end(built) == 3
    assert bench.script.log == ["Say(text=a)", "Say(text=b)", "Say(text=c)"]
    assert list(built.root.iterate()) == nodes


def test_for_each_ends_at_the_first_failure_and_begins_anew(bench: Bench) -> None:
    text = plain("for_each: {item: $x, in: [a, b, c], do: {say: {text: $x}}}")
    built = bench.build(text, Say=["done", "dropped", "done"])
    assert bench.run(built).reason == "dropped"
    bench.script.log.clear()
    assert bench.run(built).ok
    assert len(bench.script.log) == 3


def test_for_each_over_nothing_succeeds_without_ticking_its_child(bench: Bench) -> None:
    text = "tree: t\ninputs: {names: texts}\nroot: {for_each: {item: $x, in: $names, do: {say: {text: $x}}}}\n"
    built = bench.build(text, {"names": ()})
    assert bench.run(built).ok
    assert bench.script.log == []


# what they share


def test_a_foreign_node_gets_an_outcome_from_its_status() -> None:
    node = py_trees.behaviours.Failure("broken")
    node.tick_once()
    assert outcome_of(node).reason == "no"


def test_a_leftover_outcome_is_not_believed_against_the_status() -> None:
    node = py_trees.behaviours.Success("fine")
    node.outcome = Outcome("dropped")  # type: ignore[attr-defined]
    node.tick_once()
    assert outcome_of(node).ok


def test_only_a_named_fault_is_borne() -> None:
    assert passes(Outcome("stale"), ()) and passes(Outcome("stale"), ("timed_out", "answer"))
    assert not passes(Outcome("stale"), ("stale",)) and not passes(Outcome("stale"), ("fault",))
    assert not passes(Outcome("dropped"), ())
    assert covers("else", "dropped") and not covers("else", "stale")
