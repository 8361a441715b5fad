"""What a tree file may not say, and how its author hears of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tree_words import Bench, plain, under_guard, word

from vlm_bt.errors import TreeError
from vlm_bt.leaves.leaf import Leaf, Output, Steps


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def test_an_error_says_where_what_is_allowed_and_what_was_meant(bench: Bench) -> None:
    text = plain("sequence:\n  - find: {into: $c}\n  - verify: {candiate: $c, into: $tool}\n")
    assert bench.errors(text) == (
        "t.yaml:5:16: skill 'verify' has no input 'candiate'\n"
        "    - verify: {candiate: $c, into: $tool}\n"
        "               ^^^^^^^^\n"
        "It takes: candidate, error_rate, into, timeout_s. Did you mean 'candidate'?"
    )


def test_a_claim_can_not_reach_the_arm(bench: Bench) -> None:
    text = under_guard("sequence:\n  - find: {into: $c}\n  - pick: {tool: $c, into: $held}\n")
    assert bench.errors(text) == (
        "t.yaml:9:24: input 'tool' of skill 'pick' takes a verified_object, and $c is a detection, a claim\n"
        "    - pick: {tool: $c, into: $held}\n"
        "                   ^^\n"
        "What a model says may not move the arm until it is verified. These give a verified_object: ask, verify."
    )
    assert bench.check(text)[0].rule == "trust"


ONE_MISTAKE = [
    # (rule, tree, line:column, start of the message)
    ("unknown-skill", plain("piick: {tool: $t}"), "3:3", "there is no skill 'piick'"),
    ("unknown-skill", plain("sequnce:\n  - clear\n"), "3:3", "there is no skill 'sequnce'"),
    ("unknown-key", "tree: t\nrot: clear\nroot: clear\n", "2:1", "a tree file has no 'rot'"),
    ("missing-key", "tree: t\n", "1:1", "the tree file lacks 'root'"),
    ("missing-key", "root: clear\n", "1:1", "the tree file lacks 'tree'"),
    ("name", "tree: ../up\nroot: clear\n", "1:7", "'../up' can't be the name of a tree"),
    ("version", "tree: t\nversion: 2\nroot: clear\n", "2:10", "this is not version 1"),
    ("duplicate-key", "tree: t\ntree: u\nroot: clear\n", "2:1", "'tree' stands here twice"),
    ("node", plain("clear:\nhold:\n"), "4:3", "'hold' stands beside 'clear'"),
    ("node", plain("[clear]"), "3:3", "expected a skill or a block, not a list"),
    ("node", plain("Clear"), "3:3", "'Clear' is not the name of a skill or a block"),
    ("arguments", plain("say: hello"), "3:8", "expected the arguments of 'say', not 'hello'"),
    ("block", plain("sequence: clear"), "3:13", "'sequence' takes do, memory, name or a list of nodes, not 'clear'"),
    ("block", plain("sequence: []"), "3:13", "there is nothing to do in this list"),
    ("block", plain("retry"), "3:3", "'retry' takes do, at_most, on, name, not nothing"),
    ("block", plain("sequence:\n  do: clear\n"), "4:9", "expected a list of nodes, not 'clear'"),
    ("unknown-key", plain("retry: {at_mots: 3, at_most: 3, do: clear}"), "3:11", "'retry' has no 'at_mots'"),
    ("missing-key", plain("retry: {do: clear}"), "3:3", "'retry' lacks at_most"),
    ("missing-key", plain("repeat: {at_most: 2}"), "3:3", "'repeat' lacks until and do"),
    ("missing-key", plain("guard: {do: clear}"), "3:3", "'guard' lacks while"),
    ("type", plain("retry: {at_most: 0, do: clear}"), "3:20", "expected a whole number from 1, not 0, a number"),
    ("type", plain("retry: {at_most: yes, do: clear}"), "3:20", "expected a whole number from 1, not 'yes'"),
    ("type", plain("retry: {at_most: true, do: clear}"), "3:20", "expected a whole number from 1, not true, a boolean"),
    ("type", plain("timeout: {after_s: -1, do: clear}"), "3:22", "expected seconds, more than 0, not -1, a number"),
    ("type", plain("parallel: {success: some, do: [clear]}"), "3:23", "expected all, any or a number, not 's"),
    ("type", plain("guard: {while: clear, on_clear: resme, do: clear}"), "3:35", "expected resume or restart"),
    ("type", plain("sequence: {memory: no, do: [clear]}"), "3:22", "expected true or false, not 'no'"),
    ("unknown-outcome", plain("retry: {at_most: 2, on: [stail], do: clear}"), "3:28", "there is no outcome 'stail'"),
    ("unknown-outcome", plain("always_fail: {reason: fault, do: clear}"), "3:25", "there is no outcome 'fault'"),
    ("unknown-outcome", plain("match: {do: clear, nope: hold}"), "3:22", "there is no outcome 'nope'"),
    ("dead-branch", plain("match: {do: clear, unsure: hold}"), "3:22", "it never ends with 'unsure'"),
    ("dead-branch", plain("match: {do: clear, fault: hold}"), "3:22", "it never ends with 'fault'"),
    ("match", plain("match: {do: clear}"), "3:3", "'match' names no outcome"),
    ("unreachable", plain("sequence: [always_fail, clear, hold]"), "3:27", "nothing ever gets here"),
    ("unreachable", plain("selector: [always_succeed, clear]"), "3:30", "nothing ever gets here"),
    ("missing-input", plain("say"), "3:3", "skill 'say' lacks 'text'"),
    ("missing-input", plain("find"), "3:3", "skill 'find' lacks 'into'"),
    ("type", plain("say: {text: 5}"), "3:15", "'text' of 'say': expected text, not 5, a number"),
    ("type", plain("say: {text: [a]}"), "3:15", "'text' of 'say': expected text, not a list"),
    ("type", plain("say: {text: }"), "3:15", "'text' of 'say': expected text, not nothing"),
    ("type", plain("count: {of: pliers, into: $n}"), "3:15", "'of' of 'count': expected a list of text, not 'pliers'"),
    ("type", plain("say: {text: hi, timeout_s: 0}"), "3:30", "expected seconds, more than 0"),
    ("trust", under_guard("pick: {tool: pliers, into: $h}"), "7:20", "input 'tool' of skill 'pick' takes a verified"),
    ("variable", plain("say: {text: $Upper}"), "3:15", "'$Upper' is not a variable"),
    ("variable", plain("find: {into: candidate}"), "3:16", "'into' of 'find' names the variable that takes it"),
    ("variable", plain("find: {into: $c.object}"), "3:16", "'into' of 'find' names the variable that takes it"),
    ("unknown-variable", plain("say: {text: $who}"), "3:15", "nothing writes $who"),
    ("unknown-field", plain("sequence: [find: {into: $c}, say: {text: $c.lable}]"), "3:44", "a detection has no field"),
    ("type", plain("for_each: {item: $x, in: five, do: clear}"), "3:28", "expected a list of text, not 'five'"),
    ("variable", plain("for_each: {item: x, in: [a], do: clear}"), "3:20", "expected a variable, written $name"),
    ("type", "tree: t\ninputs: {a: nmber}\nroot: clear\n", "2:13", "there is no type 'nmber'"),
    ("type", "tree: t\ninputs: {a: {type: number, default: x}}\nroot: clear\n", "2:37", "expected a number, not 'x'"),
    ("trust", "tree: t\ninputs: {a: detection}\nroot: clear\n", "2:13", "a mission can't be given a detection"),
    ("missing-key", "tree: t\ninputs: {a: {default: 1}}\nroot: clear\n", "2:10", "input 'a' lacks a type"),
    ("name", "tree: t\ninputs: {do: number}\nroot: clear\n", "2:10", "'do' can't be the name of one of the inputs"),
    ("output-not-set", "tree: t\noutputs: {r: text}\nroot: clear\n", "2:11", "output 'r': $r is never written"),
    ("type", "tree: t\nsays: hello\nroot: clear\n", "2:7", "expected a list of sentences"),
    ("tree", "- a\n", "1:1", "a tree file is a mapping"),
]  # fmt: skip
LONGER = [
    (
        "type",
        plain("sequence: [find: {into: $c}, say: {text: $c}]"),
        "3:44",
        "input 'text' of skill 'say' takes text, and",
    ),
    (
        "read-before-written",
        plain("sequence: [say: {text: $x}, say: {text: a, into: $x}]"),
        "3:26",
        "$x may be read before",
    ),
    (
        "type",
        plain("sequence: [find: {into: $x}, look: {into: $x}]"),
        "3:45",
        "$x is a detection since line 3, and 'look'",
    ),
    (
        "loosened",
        plain("sequence: [find: {into: $c}, verify: {candidate: $c, into: $t, error_rate: 0.2}]"),
        "3:78",
        "an error rate",
    ),
    (
        "unguarded-motion",
        plain("sequence: [find: {into: $c}, verify: {candidate: $c, into: $t}, pick: {tool: $t, into: $h}]"),
        "3:67",
        "'pick' moves the arm and stands under no guard",
    ),
    (
        "guard-waits",
        plain("guard: {while: look: {into: $s}, do: hold}".replace("look: {into: $s}", "{look: {into: $s}}")),
        "3:19",
        "the condition of a guard answers at once, and 'look' waits",
    ),
    (
        "guard-waits",
        plain("guard: {while: {invert: clear}, do: hold}"),
        "3:19",
        "the condition of a guard answers at once, and a block may",
    ),
    (
        "guard-waits",
        plain("guard: {while: clear, otherwise: {say: {text: a}}, do: hold}"),
        "3:37",
        "the 'otherwise' of a guard answers",
    ),
    (
        "type",
        plain("sequence: [find: {into: $c}, for_each: {item: $x, in: $c, do: clear}]"),
        "3:57",
        "$c is a detection, not a list",
    ),
    (
        "type",
        "tree: t\ninputs: {a: verified_object}\nroot: clear\n",
        "2:13",
        "a mission can't be given a verified_object",
    ),
    (
        "type",
        "tree: t\noutputs: {r: number}\nroot: {say: {text: a, into: $r}}\n",
        "2:14",
        "output 'r' is declared a number",
    ),
]


@pytest.mark.parametrize(("rule", "text", "place", "message"), [*ONE_MISTAKE, *LONGER])
def test_one_mistake_is_one_finding_at_its_place(bench: Bench, rule: str, text: str, place: str, message: str) -> None:
    found = bench.check(text)
    assert [(f.rule, f"{f.line}:{f.column}") for f in found] == [(rule, place)], bench.errors(text)
    assert found[0].message.startswith(message)


def test_all_mistakes_of_a_file_come_together(bench: Bench) -> None:
    text = "tree: t\nsay: []\nroot:\n  sequence:\n    - loook\n    - say: {text: 5}\n    - retry: {do: clear}\n"
    assert [(f.line, f.rule) for f in bench.check(text)] == [
        (2, "unknown-key"),
        (5, "unknown-skill"),
        (6, "type"),
        (7, "missing-key"),
    ]
    with pytest.raises(TreeError) as raised:
        bench.load(text)
    assert len(raised.value.findings) == 4 and str(raised.value).count("t.yaml:") == 4


def test_a_misspelt_output_is_not_reported_again_where_its_variable_is_read(bench: Bench) -> None:
    text = plain("sequence:\n  - find: {itno: $c}\n  - verify: {candidate: $c, into: $t}\n")
    assert {f.line for f in bench.check(text)} == {4}


def test_a_good_tree_has_no_findings(bench: Bench) -> None:
    text = under_guard(
        """
sequence:
  - find: {into: $c}
  - match:
      do: {verify: {candidate: $c, into: $tool}}
      unsure: {ask: {candidate: $c, into: $tool}}
      refuted: {always_fail: {note: {text: not there}}}
  - pick: {tool: $tool, into: $held}
  - place: {held: $held, zone: left}
"""
    )
    assert bench.errors(text) == ""
    assert bench.load(text).summary.safety == "moves"


def test_a_branch_that_succeeds_without_writing_is_found(bench: Bench) -> None:
    text = under_guard(
        """
sequence:
  - find: {into: $c}
  - match:
      do: {verify: {candidate: $c, into: $tool}}
      refuted: {note: {text: not there}}
  - pick: {tool: $tool, into: $held}
"""
    )
    assert bench.errors(text) == (
        "t.yaml:12:24: $tool may be read before it is written\n"
        "    - pick: {tool: $tool, into: $held}\n"
        "                   ^^^^^\n"
        "It is written in line 10, but not on every way to here."
    )


@pytest.mark.parametrize(
    ("node", "sure"),
    [
        ("selector: [{say: {text: a, into: $x}}, {say: {text: b, into: $x}}]", True),
        ("selector: [{say: {text: a, into: $x}}, clear]", False),
        ("parallel: [{say: {text: a, into: $x}}, clear]", True),
        ("parallel: {success: any, do: [{say: {text: a, into: $x}}, clear]}", False),
        ("retry: {at_most: 2, do: {say: {text: a, into: $x}}}", True),
        ("repeat: {until: clear, at_most: 2, do: {say: {text: a, into: $x}}}", False),
        ("repeat: {until: {say: {text: a, into: $x}}, at_most: 2, do: clear}", True),
        ("timeout: {after_s: 2, do: {say: {text: a, into: $x}}}", True),
        ("always_succeed: {say: {text: a, into: $x}}", False),
        ("invert: {say: {text: a, into: $x}}", False),
        ("for_each: {item: $y, in: [a], do: {say: {text: a, into: $x}}}", False),
        ("guard: {while: clear, do: {say: {text: a, into: $x}}}", True),
        ("match: {do: clear, 'no': {say: {text: a, into: $x}}}", False),
        ("match: {do: {say: {text: a, into: $x}}, else: {always_fail: clear}}", True),
    ],
)
def test_what_is_surely_written_after_each_block(bench: Bench, node: str, sure: bool) -> None:
    rules = [f.rule for f in bench.check(plain(f"sequence:\n  - {node}\n  - say: {{text: $x}}\n"))]
    assert rules == ([] if sure else ["read-before-written"])


def test_what_one_round_wrote_is_not_taken_for_written_in_the_next(bench: Bench) -> None:
    text = plain("repeat: {until: clear, at_most: 3, do: {sequence: [say: {text: $x}, say: {text: a, into: $x}]}}")
    assert [f.rule for f in bench.check(text)] == ["read-before-written"]


# Trust


def test_a_field_of_a_claim_is_a_claim(bench: Bench) -> None:
    text = under_guard(
        """
sequence:
  - find: {into: $c}
  - verify: {candidate: $c, into: $tool}
  - pick: {tool: $tool, into: $held}
  - place: {held: $held, zone: $c.label}
"""
    )
    assert bench.errors(text) == (
        "t.yaml:11:38: input 'zone' of skill 'place' takes text it can trust, and $c.label is a claim\n"
        "    - place: {held: $held, zone: $c.label}\n"
        "                                 ^^^^^^^^\n"
        "What a model says may not move the arm until it is verified."
    )


def test_a_claim_that_a_loop_writes_later_is_a_claim_in_the_next_round(bench: Bench) -> None:
    body = """
sequence:
  - say: {text: left, into: $where}
  - find: {into: $c}
  - verify: {candidate: $c, into: $tool}
  - pick: {tool: $tool, into: $held}
  - repeat:
      until: clear
      at_most: 2
      do:
        sequence:
          - place: {held: $held, zone: $where}
          - guess: {into: $where}
"""
    bench.leaves["Guess"] = word("Guess", gives={"into": Output("answer")})
    bench.card("guess", "inputs: {}\noutputs: {into: {from: $best}}\ntree: {for_each_claim: {into: $best}}\n")
    bench.card("for_each_claim", "leaf: Guess\ntimeout_s: 5\n")
    found = bench.check(under_guard(body))
    assert ("type", 18) in [(f.rule, f.line) for f in found]
    bench.card(
        "guess",
        "outputs: {into: {from: $b}}\n"
        "tree: {sequence: [for_each_claim: {into: $a}, echo: {text: $a.best, into: $b}]}\n",
    )
    bench.card("echo", "inputs: {text: text}\noutputs: {into: {from: $text}}\ntree: clear\n")
    assert [(f.rule, f.line) for f in bench.check(under_guard(body))] == [("trust", 17)]


def test_trust_is_followed_into_a_subtree(bench: Bench) -> None:
    bench.card(
        "put",
        "inputs: {held: held_object, where: text}\n"
        "tree: {guard: {while: clear, do: {place: {held: $held, zone: $where}}}}\n",
    )
    before = "sequence:\n  - find: {into: $c}\n  - verify: {candidate: $c, into: $tool}\n"
    before += "  - pick: {tool: $tool, into: $held}\n"
    assert bench.errors(under_guard(before + "  - put: {held: $held, where: left}\n")) == ""
    assert bench.errors(under_guard(before + "  - put: {held: $held, where: $c.label}\n")) == (
        "t.yaml:11:37: $c.label is a claim, and skill 'put' hands it to a motion in skills/put.yaml:4:62\n"
        "    - put: {held: $held, where: $c.label}\n"
        "                                ^^^^^^^^\n"
        "What a model says may not move the arm until it is verified."
    )


def test_a_claim_is_still_a_claim_when_a_subtree_gives_it_back(bench: Bench) -> None:
    bench.card("echo", "inputs: {text: text}\noutputs: {into: {from: $text}}\ntree: clear\n")
    text = under_guard(
        """
sequence:
  - find: {into: $c}
  - echo: {text: $c.label, into: $name}
  - echo: {text: left, into: $zone}
  - verify: {candidate: $c, into: $tool}
  - pick: {tool: $tool, into: $held}
  - place: {held: $held, zone: $zone}
  - place: {held: $held, zone: $name}
"""
    )
    assert [(f.rule, f.line) for f in bench.check(text)] == [("trust", 14)]


def test_an_item_of_a_list_of_claims_is_a_claim(bench: Bench) -> None:
    text = under_guard(
        """
sequence:
  - look: {into: $scene}
  - for_each:
      item: $thing
      in: $scene.detections
      do: {pick: {tool: $thing, into: $held}}
"""
    )
    assert [(f.rule, f.line, f.column) for f in bench.check(text)] == [("trust", 12, 31)]


def test_motion_inside_a_subtree_needs_a_guard_too(bench: Bench) -> None:
    bench.card(
        "fetch", "inputs: {tool: verified_object}\noutputs: {into: {from: $h}}\ntree: {pick: {tool: $tool, into: $h}}\n"
    )
    before = "sequence:\n  - find: {into: $c}\n  - verify: {candidate: $c, into: $tool}\n"
    text = before + "  - fetch: {tool: $tool, into: $held}\n"
    assert bench.errors(under_guard(text)) == ""
    assert [(f.rule, f.line) for f in bench.check(plain(text))] == [("unguarded-motion", 6)]


def test_two_branches_of_a_parallel_can_not_both_move_the_arm(bench: Bench) -> None:
    text = under_guard(
        """
sequence:
  - find: {into: $c}
  - verify: {candidate: $c, into: $tool}
  - parallel:
      - pick: {tool: $tool, into: $a}
      - pick: {tool: $tool, into: $b}
"""
    )
    assert [(f.rule, f.line) for f in bench.check(text)] == [("parallel-motion", 12)]


def test_a_leaf_from_elsewhere_is_refused_unless_it_is_allowed_and_then_counts_as_moving(bench: Bench) -> None:
    from vlm_bt.tree import check_tree

    class Foreign(Leaf):
        def act(self) -> Steps:
            raise NotImplementedError
            yield

    Foreign.__module__ = "somebody.elses"
    bench.leaves["Foreign"] = Foreign
    bench.card("foreign", "leaf: Foreign\ntimeout_s: 5\n")
    assert bench.errors(plain("foreign")).startswith(
        "skills/foreign.yaml:3:7: leaf 'Foreign' comes from somebody.elses, outside vlm_bt, and is not allowed\n"
    )
    found = check_tree(bench.path, bench.leaves, skills_dirs=[bench.skills], allow=["Foreign"])
    assert [f.rule for f in found] == ["unguarded-motion"]


def test_a_skill_that_contains_itself_is_refused(bench: Bench) -> None:
    bench.card("one", "tree: two\n")
    bench.card("two", "tree: {retry: {at_most: 2, do: one}}\n")
    assert [(Path(f.path).name, f.rule) for f in bench.check(plain("one"))] == [("two.yaml", "recursion")]


def test_the_mistakes_of_a_used_skill_come_with_those_of_the_tree(bench: Bench) -> None:
    bench.card("broken", "tree: {say: {txt: a}}\n")
    bench.card("unused", "tree: [\n")
    found = bench.check(plain("sequence: [broken, {say: {text: 5}}]"))
    assert [(Path(f.path).name, f.rule) for f in found] == [
        ("t.yaml", "type"),
        ("broken.yaml", "unknown-input"),
    ]


def test_a_skill_in_two_folders_is_an_error(bench: Bench, tmp_path: Path) -> None:
    from vlm_bt.tree import check_tree

    other = tmp_path / "other"
    other.mkdir()
    (other / "say.yaml").write_text("skill: say\nsummary: test\ntree: clear\n")
    bench.path.write_text(plain("clear"))
    found = check_tree(bench.path, bench.leaves, skills_dirs=[bench.skills, other])
    assert [f.message for f in found] == [f"skill 'say' is also in {bench.skills / 'say.yaml'}"]
