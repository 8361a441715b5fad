"""The schemas that editors read: equal to the code, true of all that is shipped, and as strict as they can be."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from test_tree_mutants import mutants
from tree_words import Bench
from typer.testing import CliRunner

from vlm_bt.leaves.table import LEAVES
from vlm_bt.tree import card_reader, check_tree, parse, source, vocabulary
from vlm_bt.tree.findings import Problem
from vlm_bt.tree.kinds import KINDS
from vlm_bt.tree.parse import Parser
from vlm_bt.tree.schema import OPTIONS, WRITTEN, as_text, card_schema, tree_schema

CHECKOUT = Path(__file__).parent.parent
FOLDER = CHECKOUT / "schema"
TREES = sorted((CHECKOUT / "trees").glob("*.yaml"))
TINY = sorted((CHECKOUT / "test" / "trees").glob("*.yaml"))
CARDS = sorted((CHECKOUT / "skills").glob("*.yaml"))
PAGES = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```yaml[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SKILLS = vocabulary(LEAVES)
OF_TREES, OF_CARDS = tree_schema(SKILLS), card_schema(SKILLS, LEAVES)
TREE, CARD = Draft7Validator(OF_TREES), Draft7Validator(OF_CARDS)


def plain(value: source.Value) -> Any:
    """A value without its positions, as an editor reads it."""
    if isinstance(value, source.Many):
        return [plain(item) for item in value.items]
    if isinstance(value, source.Mapping):
        return {key: plain(entry.value) for key, entry in value.entries.items()}
    return value.value


def read(text: str) -> Any:
    value = source.parse(text, "text").value
    assert value is not None
    return plain(value)


def documented() -> Iterator[Any]:
    """Every whole tree in the README and the documentation."""
    for page in PAGES:
        for text in BLOCK.findall(page.read_text(encoding="utf-8")):
            if text.startswith(("tree:", "# ")) and "\nroot:" in text:
                yield pytest.param(text, id=f"{page.stem}-{text.split(chr(10))[0]}")


@pytest.mark.parametrize(("name", "schema"), [("vlm_bt_tree", OF_TREES), ("vlm_bt_skill", OF_CARDS)])
def test_the_schema_in_the_folder_is_the_one_that_the_code_writes(name: str, schema: dict[str, Any]) -> None:
    of = "trees" if name == "vlm_bt_tree" else "skills"
    path = f"schema/{name}.schema.json"
    assert (CHECKOUT / path).read_text() == as_text(schema), f"run: vlm-bt schema --of {of} --out {path}"
    Draft7Validator.check_schema(schema)


@pytest.mark.parametrize("path", [*TREES, *TINY], ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_tree_that_comes_along_fits_the_schema_and_every_wrong_key_in_it_does_not(path: Path) -> None:
    assert_strict(TREE, read(path.read_text()))


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.stem)
def test_a_card_fits_the_schema_and_every_wrong_key_in_it_does_not(path: Path) -> None:
    assert_strict(CARD, read(path.read_text()))


@pytest.mark.parametrize("text", list(documented()))
def test_a_tree_in_the_documentation_fits_the_schema(text: str) -> None:
    assert [error.message for error in TREE.iter_errors(read(text))] == []


def assert_strict(schema: Draft7Validator, document: Any) -> None:
    assert [error.message for error in schema.iter_errors(document)] == []
    wrong = list(mistyped(document, ()))
    assert wrong
    for path, mutant in wrong:
        assert not schema.is_valid(mutant), f"{'/'.join(map(str, path))} is wrong and passes"


def mistyped(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """The document again and again, each time with one key spelt wrong where keys are not the author's own."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            for at, mutant in mistyped(item, (*path, index)):
                yield at, [*value[:index], mutant, *value[index + 1 :]]
    if isinstance(value, dict):
        for key, item in value.items():
            if not is_free(path):
                yield (*path, key), {(f"{k}x" if k == key else k): v for k, v in value.items()}
            for at, mutant in mistyped(item, (*path, key)):
                yield at, {**value, key: mutant}


def is_free(path: tuple[Any, ...]) -> bool:
    """Names of inputs, of outputs and of groups are the author's."""
    return path in (("inputs",), ("outputs",)) or path[-1:] in (("default",), ("groups",))


def test_the_inputs_of_a_leaf_card_are_those_of_its_leaf() -> None:
    card = {"skill": "pick", "summary": "x", "leaf": "Pick", "timeout_s": 5}
    assert CARD.is_valid({**card, "inputs": {"tool": "what to pick"}})
    assert not CARD.is_valid({**card, "inputs": {"tol": "what to pick"}})
    assert not CARD.is_valid({**card, "inputs": {"tool": {"type": "detection"}}}), "that would loosen it"
    assert not CARD.is_valid({**card, "safety": "looks"}), "that would loosen it"
    assert not CARD.is_valid({key: value for key, value in card.items() if key != "timeout_s"})
    assert not CARD.is_valid({**card, "tree": "go_home"})


def test_a_card_may_name_a_leaf_of_another_package_that_is_allowed() -> None:
    card = {
        "skill": "wave",
        "summary": "x",
        "leaf": "robot.leaves:Wave",
        "timeout_s": 5,
        "inputs": {"times": "how often"},
    }
    assert Draft7Validator(card_schema(SKILLS, LEAVES, allow=["robot.leaves:Wave"])).is_valid(card)
    assert not CARD.is_valid(card)


PROBES = ["true", "5", "0", "-1", "1.5", "all", "any", "resume", "stale", "fault", "[stale, fault]", "[1]", "[a]"]
PROBES += ["$x", "$x.y", "done", "words", "text", "groups", "{a: b}", "{}", "[]"]
PROBES += ["{a: {zone: left, kinds: [x]}}", "{a: {zone: left}}", "{a: {zone: left, kinds: []}}"]


@pytest.mark.parametrize("kind", OPTIONS)
def test_what_may_stand_as_an_option_is_what_the_parser_takes(kind: str) -> None:
    assert set(OPTIONS) == set(parse._OPTIONS)
    for probe in PROBES:
        problems: list[Problem] = []
        value = source.parse(probe, "probe").value
        assert value is not None
        parse._OPTIONS[kind](Parser(problems), value)
        fits = Draft7Validator(OPTIONS[kind]).is_valid(plain(value))
        # What is a constant and no list is told by the checker.
        assert fits == (not problems) or (kind == "list" and not fits), (probe, problems)


@pytest.mark.parametrize("kind", [kind for kind in KINDS.values() if kind.parse], ids=str)
def test_a_value_of_a_type_is_written_as_the_parser_reads_it(kind: Any) -> None:
    for probe in PROBES:
        problems: list[Problem] = []
        value = source.parse(probe, "probe").value
        assert value is not None
        kind.parse(value, problems)
        assert Draft7Validator(WRITTEN[kind.name]).is_valid(plain(value)) == (not problems), probe


def test_the_keys_of_a_file_are_those_that_are_read(tmp_path: Path) -> None:
    tree = tmp_path / "t.yaml"
    tree.write_text("tree: t\nroot: go_home\nwrong: 1\n")
    told = next(finding.help for finding in check_tree(tree, LEAVES) if finding.rule == "unknown-key")
    assert told.startswith(f"It takes: {', '.join(OF_TREES['properties'])}.")
    assert set(OF_CARDS["properties"]) == {*card_reader._OF_LEAVES, *card_reader._OF_TREES}


def test_what_the_checker_lets_pass_the_schema_lets_pass(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    schema = Draft7Validator(tree_schema(vocabulary(bench.leaves, skills_dirs=[bench.skills])))
    passed = 0
    for text in mutants(400, 7):
        if not bench.check(text):
            passed += 1
            assert [error.message for error in schema.iter_errors(read(text))] == [], text
    assert passed > 20


@pytest.mark.parametrize("path", [*TREES, *CARDS], ids=lambda path: path.stem)
def test_a_file_that_comes_along_names_its_schema_in_its_first_line(path: Path) -> None:
    line = path.read_text().split("\n")[0]
    assert line.startswith("# yaml-language-server: $schema=")
    named = (path.parent / line.partition("$schema=")[2]).resolve()
    assert named == FOLDER / f"vlm_bt_{'tree' if path.parent.name == 'trees' else 'skill'}.schema.json"


def test_the_command_writes_a_schema_that_knows_ones_own_skills(tmp_path: Path) -> None:
    from vlm_bt.cli import app

    (tmp_path / "tidy.yaml").write_text("skill: tidy\nsummary: Tidy up.\ntree: go_home\n")
    out = tmp_path / "my.schema.json"
    done = CliRunner().invoke(app, ["schema", "--skills", str(tmp_path), "--out", str(out)])
    assert done.exit_code == 0, done.output
    own = Draft7Validator(json.loads(out.read_text()))
    assert own.is_valid({"tree": "t", "root": "tidy"})
    assert not TREE.is_valid({"tree": "t", "root": "tidy"})
