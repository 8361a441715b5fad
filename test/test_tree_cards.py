"""Skill cards: they say what the leaf's code says, or less."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from tree_words import Bench

from vlm_bt.errors import TreeError
from vlm_bt.ports import Asker, Priority
from vlm_bt.questions import Reuse
from vlm_bt.tree import vocabulary
from vlm_bt.tree.terms import PRIORITIES, REUSES


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


CARDS = [
    # (rule, body, line:column, start of the message); the body begins in line 3
    ("unknown-leaf", "leaf: Lok\ntimeout_s: 1\n", "3:7", "there is no leaf 'Lok'"),
    ("card", "timeout_s: 1\n", "1:1", "skill 'new' needs a leaf or a tree, one of the two"),
    ("card", "leaf: Clear\ntree: clear\n", "1:1", "skill 'new' needs a leaf or a tree, one of the two"),
    ("wait-without-limit", "leaf: Look\n", "3:1", "skill 'new' waits and has no timeout_s"),
    ("unknown-key", "leaf: Clear\ninput: {}\n", "4:1", "a skill card with a leaf has no 'input'"),
    ("unknown-key", "tree: clear\nsafety: looks\n", "4:1", "a skill card with a tree has no 'safety'"),
    ("unknown-key", "leaf: Note\ninputs: {txt: what}\n", "4:10", "the leaf has no input 'txt'"),
    ("unknown-key", "leaf: Note\ninputs: {text: {hlp: x}}\n", "4:17", "input 'text' has no 'hlp'"),
    ("unknown-key", "leaf: Note\noutputs: {into: x}\n", "4:11", "the leaf has no output 'into'"),
    ("type", "leaf: Note\ninputs: {text: {default: 5}}\n", "4:26", "expected text, not 5, a number"),
    ("type", "leaf: Pick\ntimeout_s: 1\ninputs: {tool: {default: x}}\n", "5:26", "a verified_object can't be written"),
    ("type", "leaf: Note\ntimeout_s: soon\n", "4:12", "expected seconds, more than 0, not 'soon'"),
    ("unknown-outcome", "leaf: Clear\nreasons: {dropped: x}\n", "4:11", "the leaf never ends with 'dropped'"),
    ("unknown-key", "leaf: Note\nprompts: [a]\n", "4:1", "the leaf takes no prompts"),
    ("unknown-key", "leaf: Note\nerror_rate: 0.1\n", "4:1", "the leaf takes no error_rate"),
    ("type", "leaf: Verify\ntimeout_s: 1\nerror_rate: 0\n", "5:13", "an error rate lies between 0 and 1"),
    ("type", "leaf: Sure\ntimeout_s: 1\nprompts: a photo\n", "5:10", "expected a list of text, not 'a photo'"),
    ("type", "leaf: Look\ntimeout_s: 1\nvision: guard\n", "5:9", "expected priority and reuse by name, not 'guard'"),
    ("unknown-key", "leaf: Look\ntimeout_s: 1\nvision: {prio: guard}\n", "5:10", "'vision' has no 'prio'"),
    ("type", "leaf: Look\ntimeout_s: 1\nvision: {priority: high}\n", "5:20", "there is no priority 'high'"),
    ("type", "leaf: Look\ntimeout_s: 1\nvision: {reuse: similer}\n", "5:17", "there is no reuse 'similer'"),
    ("unknown-key", "leaf: Clear\nvision: {reuse: never}\n", "4:1", "the leaf answers at once and asks no model"),
    ("unknown-key", "tree: clear\nvision: {reuse: never}\n", "4:1", "a skill card with a tree has no 'vision'"),
    ("example", "leaf: Clear\nexample: hold\n", "4:10", "the example does not call 'new'"),
    ("type", "inputs: {a: nothing}\ntree: clear\n", "3:13", "there is no type 'nothing'"),
    ("name", "inputs: {a: text}\noutputs: {a: text}\ntree: clear\n", "4:11", "'a' is an input and an output"),
    ("output-not-set", "outputs: {a: text}\ntree: clear\n", "3:11", "output 'a': $a is never written"),
    ("type", "outputs: {a: {type: number, from: $c}}\ntree: {find: {into: $c}}\n", "3:21", "output 'a' is declared a"),
    # what would loosen the code
    ("loosened", "leaf: Ask\ntimeout_s: 1\nsafety: looks\n", "5:9", "the leaf counts as 'asks': a card can't make it"),
    ("loosened", "leaf: Pick\ntimeout_s: 1\noutputs: {into: {type: text}}\n", "5:24", "the leaf takes a held_object"),
    ("loosened", "leaf: Pick\ntimeout_s: 1\ninputs: {tool: {required: false}}\n", "5:27", "the leaf needs 'tool'"),
    ("loosened", "leaf: Verify\ntimeout_s: 1\nerror_rate: 0.2\n", "5:13", "the leaf errs at most at a rate of 0.05"),
]  # fmt: skip
LONGER = [
    (
        "loosened",
        "leaf: Verify\ntimeout_s: 1\nvision: {reuse: similar}\n",
        "5:17",
        "the leaf gives a verified_object: an earlier answer is no evidence for it",
    ),
    (
        "loosened",
        "leaf: Look\ntimeout_s: 1\nsafety: asks\nvision: {reuse: similar}\n",
        "6:17",
        "the leaf counts as 'asks': an earlier answer is no evidence for it",
    ),
    (
        "example",
        "leaf: Note\nexample: {new: {txt: a}}\n",
        "4:10",
        "the example is out of date: skill 'new' has no 'txt'",
    ),
    (
        "loosened",
        "leaf: Pick\ntimeout_s: 1\nsafety: looks\n",
        "5:9",
        "the leaf counts as 'moves': a card can't make it",
    ),
    (
        "loosened",
        "leaf: Pick\ntimeout_s: 1\ninputs: {tool: {type: detection}}\n",
        "5:23",
        "the leaf takes a verified_obj",
    ),
]


@pytest.mark.parametrize(("rule", "body", "place", "message"), [*CARDS, *LONGER])
def test_what_is_wrong_with_a_card_is_one_finding_at_its_place(
    bench: Bench, rule: str, body: str, place: str, message: str
) -> None:
    bench.card("new", body)
    with pytest.raises(TreeError) as raised:
        vocabulary(bench.leaves, skills_dirs=[bench.skills])
    found = raised.value.findings
    assert [(f.rule, f"{f.line}:{f.column}") for f in found] == [(rule, place)], str(raised.value)  # type: ignore[attr-defined]
    assert str(found[0].message).startswith(message)  # type: ignore[attr-defined]


def test_a_card_says_its_own_name(bench: Bench) -> None:
    (bench.skills / "one.yaml").write_text("skill: two\nsummary: x\nleaf: Clear\n")
    (bench.skills / "Big.yaml").write_text("skill: Big\nsummary: x\nleaf: Clear\n")
    (bench.skills / "retry.yaml").write_text("skill: retry\nsummary: x\nleaf: Clear\n")
    with pytest.raises(TreeError) as raised:
        vocabulary(bench.leaves, skills_dirs=[bench.skills])
    assert [f.message for f in raised.value.findings] == [  # type: ignore[attr-defined]
        "'Big' can't be the name of a skill",
        "skill 'two' stands in a file called one.yaml",
        "'retry' can't be the name of a skill",
    ]


def test_a_card_may_tighten_what_the_code_says(bench: Bench) -> None:
    bench.card(
        "strict",
        "leaf: Verify\ntimeout_s: 3\nsafety: moves\nerror_rate: 0.01\ninputs:\n  candidate: what to check\n",
    )
    bench.card("zoned", "leaf: Place\ntimeout_s: 3\ninputs: {zone: {type: zone, default: left}}\n")
    cards = {card.name: card for card in vocabulary(bench.leaves, skills_dirs=[bench.skills])}
    strict, zoned = cards["strict"], cards["zoned"]
    assert (strict.safety, strict.inputs["error_rate"].default, strict.timeout_s) == ("moves", 0.01, 3.0)
    assert strict.inputs["candidate"].help == "what to check"
    assert (zoned.inputs["zone"].kind.name, zoned.inputs["zone"].default) == ("zone", "left")
    assert not zoned.inputs["zone"].required


def test_a_card_says_on_which_terms_its_leaf_asks_models(bench: Bench) -> None:
    bench.card("chat", "leaf: Look\ntimeout_s: 3\nvision: {priority: chatter, reuse: similar}\n")
    bench.card("check", "leaf: Verify\ntimeout_s: 3\nvision: {priority: guard, reuse: never}\n")
    cards = {card.name: card for card in vocabulary(bench.leaves, skills_dirs=[bench.skills])}
    assert cards["chat"].asker == Asker("chat", Priority.CHATTER, reuse="similar")
    assert cards["check"].asker == Asker("check", Priority.GUARD, reuse="never")
    assert cards["look"].asker == Asker("look", Priority.MISSION, reuse="exact")


def test_the_words_for_terms_are_those_of_the_service() -> None:
    assert tuple(REUSES) == get_args(Reuse) and tuple(PRIORITIES) == tuple(known.name.lower() for known in Priority)


def test_the_vocabulary_tells_of_subtrees_what_follows_from_their_bodies(bench: Bench) -> None:
    bench.card(
        "fetch",
        "inputs: {tool: verified_object}\noutputs: {into: {from: $h, help: in the hand}}\n"
        "tree: {pick: {tool: $tool, into: $h}}\n",
    )
    cards = {card.name: card for card in vocabulary(bench.leaves, skills_dirs=[bench.skills])}
    fetch = cards["fetch"]
    assert fetch.safety == "moves"
    assert fetch.outputs["into"].kind.name == "held_object"
    assert {"grasp_failed", "arm_fault"} <= set(fetch.reasons)
    assert list(cards) == sorted(cards)
