"""What the page for people who know other libraries shows is loaded, built and imported as it stands."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import py_trees
import pytest

from vlm_bt.leaves.table import LEAVES
from vlm_bt.tree import check_tree, vocabulary
from vlm_bt.tree.btcpp import import_xml
from vlm_bt.tree.btcpp_words import NO_EQUAL
from vlm_bt.tree.syntax import BLOCKS

PAGE = Path(__file__).parent.parent / "docs" / "coming-from-py-trees-and-behaviortree-cpp.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TABLE = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in TEXT.splitlines() if row.startswith("| ")]


def blocks(language: str) -> list[str]:
    return [text for found, text in BLOCK.findall(TEXT) if found == language]


@pytest.mark.parametrize("text", blocks("yaml"))
def test_every_tree_on_the_page_loads(text: str, tmp_path: Path) -> None:
    path = tmp_path / "page.yaml"
    path.write_text(text)
    assert [str(finding) for finding in check_tree(path, LEAVES)] == []


@pytest.mark.parametrize("text", blocks("xml"))
def test_every_xml_on_the_page_has_an_equal(text: str) -> None:
    imported = import_xml(text.encode(), "page.xml", vocabulary(LEAVES))
    assert imported.tree and not imported.findings


@pytest.mark.parametrize("text", blocks("python"))
def test_every_python_on_the_page_runs(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "page.py").write_text(text)
    runpy.run_path(str(tmp_path / "page.py"))
    assert "vlm_bt" not in text or "root:\n  sequence:" in capsys.readouterr().out


def nodes_of(short: str) -> list[str]:
    """The YAML that the last column of the table writes, as whole trees of known skills."""
    written = [text for text in re.findall(r"`([^`]+)`", short) if ":" in text and "..." not in text]
    return [re.sub(r"\b[abc]\b", "describe_bench", text) for text in written if text.split(":")[0] in BLOCKS]


@pytest.mark.parametrize("row", TABLE[1:], ids=lambda row: row[1][:30])
def test_what_the_table_writes_is_a_node_of_the_language(row: list[str], tmp_path: Path) -> None:
    assert len(row) == 3
    skills = tmp_path / "skills"
    skills.mkdir()
    (skills / "describe_bench.yaml").write_text("skill: describe_bench\nsummary: x\nleaf: HoldStill\n")
    for number, text in enumerate(nodes_of(row[2])):
        path = tmp_path / f"t{number}.yaml"
        path.write_text(f"tree: t\nroot: {{{text}}}\n")
        found = check_tree(path, LEAVES, skills_dirs=[skills])
        assert {finding.rule for finding in found} <= {"unreachable", "dead-branch"}, [str(one) for one in found]


DIRECT = [
    (tag[1], tag[2], row[2].split("`")[1])
    for row in TABLE[1:]
    if (tag := re.match(r"`<(\w+)([^>.]*)>`$", row[1])) and tag[1] not in (*NO_EQUAL, "SubTree", "SetBlackboard")
]


@pytest.mark.parametrize(("tag", "attributes", "ours"), DIRECT)
def test_xml_in_the_table_with_a_direct_equal_imports_to_it(tag: str, attributes: str, ours: str) -> None:
    children = "".join(f"<{name.upper()}/>" for name in re.findall(r"\b[abc]\b", ours)) or "<A/>" * (tag != "Sleep")
    head = '<root BTCPP_format="4"><BehaviorTree ID="T">'
    imported = import_xml(
        f"{head}<{tag}{attributes}>{children}</{tag}></BehaviorTree></root>".encode(), "table.xml", vocabulary(LEAVES)
    )
    assert not imported.findings
    assert f"root:\n  {ours.split(':')[0]}" in imported.tree


def test_what_the_table_calls_py_trees_is_in_py_trees() -> None:
    rooms = [py_trees.composites, py_trees.decorators, py_trees.behaviours, py_trees.idioms, py_trees.timers]
    named = re.findall(r"`(?:idioms\.|timers\.)?(\w+)[`(]", " ".join(row[0] for row in TABLE[1:]))
    assert len(named) >= 15
    assert [name for name in named if not any(hasattr(room, name) for room in rooms)] == []


def test_the_table_holds_most_of_what_imports_directly() -> None:
    assert len(DIRECT) >= 12
