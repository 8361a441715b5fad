"""The reference page: written by the code, whole, and with examples that are right."""

from __future__ import annotations

from pathlib import Path

import pytest
from jsonschema import Draft7Validator
from test_schema import plain

from vlm_bt.leaves.table import LEAVES
from vlm_bt.tree import source, vocabulary
from vlm_bt.tree.findings import Problem
from vlm_bt.tree.kinds import KINDS
from vlm_bt.tree.mission import KEYS
from vlm_bt.tree.parse import Parser
from vlm_bt.tree.reference import EXAMPLES, reference, skill_text
from vlm_bt.tree.schema import tree_schema
from vlm_bt.tree.syntax import BLOCKS, Block
from vlm_bt.types import REASONS

CHECKOUT = Path(__file__).parent.parent
CARDS = vocabulary(LEAVES)
PAGE = reference(CARDS)
SCHEMA = Draft7Validator(tree_schema(CARDS))


def test_the_page_in_the_folder_is_the_one_that_the_code_writes() -> None:
    shipped = (CHECKOUT / "docs" / "reference.md").read_text()
    assert shipped == PAGE, "run: vlm-bt reference --out docs/reference.md"


def test_the_page_tells_of_every_node_skill_type_and_outcome() -> None:
    assert all(f"\n- `{key}`: " in PAGE for key in KEYS)
    headings = [line[4:] for line in PAGE.splitlines() if line.startswith("### ")]
    assert headings == [*BLOCKS, *(card.name for card in CARDS)]
    for name in (*KINDS, *(reason for reason in REASONS if reason != "done")):
        assert f"\n| {name} | " in PAGE


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_a_skill_is_told_with_all_that_it_takes_gives_and_may_end_with(card: object) -> None:
    from vlm_bt.tree import Card

    assert isinstance(card, Card)
    text = skill_text(card)
    assert card.summary in text and f"**{card.safety}**" in text
    for port in (*card.inputs.values(), *card.outputs.values()):
        assert f"`{port.name}`: {port.kind}" in text and port.help in text
    for reason in card.reasons:
        assert f"`{reason}`" in text and card.reasons_help.get(reason, "") in text
    if card.timeout_s is not None:
        assert f"{card.timeout_s:g} s" in text
    assert "```yaml\n" + card.name in text, "an example"


@pytest.mark.parametrize("kind", BLOCKS)
def test_every_node_has_an_example_that_the_language_understands(kind: str) -> None:
    value = source.parse(EXAMPLES[kind], kind).value
    assert value is not None
    problems: list[Problem] = []
    node = Parser(problems).node(value)
    assert problems == [] and isinstance(node, Block) and node.kind == kind
    assert [error.message for error in SCHEMA.iter_errors({"tree": "t", "root": plain(value)})] == []


def test_every_option_of_a_node_is_told() -> None:
    for kind, form in BLOCKS.items():
        section = PAGE.split(f"\n### {kind}\n")[1].split("\n### ")[0]
        assert all(f"- `{key}`" in section for key in form.keys if key != "name")
