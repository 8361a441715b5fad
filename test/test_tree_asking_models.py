"""Skills that ask models, in trees: what they give is a claim, and a mission starts only where they are answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from missions import messages, mission

from vlm_bt.errors import ConfigError
from vlm_bt.leaves.table import LEAVES
from vlm_bt.tree import check_tree

TINY = Path(__file__).parent / "trees"


def findings(folder: Path, steps: str) -> list[tuple[str, str]]:
    path = folder / "t.yaml"
    path.write_text(
        "tree: t\nroot:\n  guard:\n    while: workspace_is_clear\n    otherwise: hold_still\n    do:\n      sequence:\n"
        + "".join(f"        - {step}\n" for step in steps.strip().splitlines())
    )
    return [(finding.rule, finding.message) for finding in check_tree(path, LEAVES)]


HELD = """
find_tools: {first: $candidate}
verify_grounding: {candidate: $candidate, into: $tool}
pick: {tool: $tool, into: $held}
"""


@pytest.mark.parametrize(
    "steps",
    [
        "describe_view: {into: $words}\nplace: {held: $held, zone: $words}",
        "set: {variable: $words, to: left, type: text}\ndescribe_view: {into: $words}\n"
        "hand_over: {held: $held, answer_within_s: 3, timeout_s: 9}\nplace: {held: $held, zone: $words}",
        'choose: {question: "where?", options: [left, right], into: $said}\nplace: {held: $held, zone: $said.best}',
        "how_many: {phrase: tools, into: $n}\nhand_over: {held: $held, answer_within_s: $n.total}",
        "ground: {phrase: the red tool, first: $it}\npick: {tool: $it, into: $other}",
    ],
)
def test_nothing_that_a_model_says_reaches_a_motion(tmp_path: Path, steps: str) -> None:
    found = findings(tmp_path, HELD + steps)
    assert found and {rule for rule, _ in found} <= {"trust", "type"}, found
    assert any("claim" in message for _, message in found)


def test_what_a_model_says_may_be_written_down_and_shown_to_a_person(tmp_path: Path) -> None:
    steps = """
read_text: {zone: left, into: $lines}
for_each: {item: $line, in: $lines, do: {log: "it says $line"}}
describe_view: {into: $words}
ask_human: {question: $words, options: [$words, leave it], expect: leave it}
"""
    assert [rule for rule, _ in findings(tmp_path, steps.replace("$words, leave it]", "a, leave it]"))] == []


@pytest.mark.parametrize("value", ["1.5", "-0.1", "high"])
def test_a_probability_that_is_none_is_told_at_load(tmp_path: Path, value: str) -> None:
    ((rule, message),) = findings(tmp_path, f"is_true: {{claim: a hand, sure_above: {value}}}")
    assert rule == "type" and message.startswith("'sure_above' of 'is_true': expected a number")


@pytest.mark.timeout(120)
def test_a_mission_does_not_start_where_no_model_answers_what_a_skill_asks(tmp_path: Path) -> None:
    with mission(tmp_path, tree=TINY / "read_text.yaml") as built, pytest.raises(ConfigError) as raised:
        built.run()
    told = str(raised.value)
    assert told.startswith("tree 'read_text': skill 'read_text' (read text (zone left)) asks read_text, which shipped")
    assert told.endswith("name a model that does: vision.route: {read_text: MODEL}")
    assert built.clock.tick == 0


@pytest.mark.timeout(120)
def test_a_model_that_does_not_answer_passes_the_question_on_in_the_name_of_the_skill(tmp_path: Path) -> None:
    (tmp_path / "script.yaml").write_text("answers: [read_text]\nrules:\n  - lines: [ACME]\n")
    models: dict[str, Any] = {
        "shipped": {"backend": "embedded"},
        "reader": {"backend": "scripted", "script": tmp_path / "script.yaml"},
    }
    route = {"default": "shipped", "read_text": ["shipped", "reader"]}
    with mission(tmp_path, tree=TINY / "read_text.yaml", vision__models=models, vision__route=route) as built:
        assert built.run().outcome == "done"
    (query,) = [row for row in messages(tmp_path / "mission.mcap", "query") if row["kind"] == "ReadText"]
    assert query["skill"] == "read_text"
    assert "ACME" in [row.get("text") for row in messages(tmp_path / "mission.mcap", "event")]
