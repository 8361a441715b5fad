"""Files are brought to the present version; everything but the words that change stays as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from tree_words import Bench
from typer.testing import CliRunner

from vlm_bt.cli import app
from vlm_bt.errors import TreeError
from vlm_bt.tree.migrate import migrate

OLD = """# A comment of the author's.
version: 0   # the first drafts
tree: t
root:
    fallback:            # the first way

    - inverter: {say: {text: "fallback"}}   # kept: 'as it is'
    - { one_shot:   clear }
"""

NEW = """# A comment of the author's.
version: 1   # the first drafts
tree: t
root:
    selector:            # the first way

    - invert: {say: {text: "fallback"}}   # kept: 'as it is'
    - { once:   clear }
"""


def test_only_the_words_that_change_are_replaced(tmp_path: Path) -> None:
    text, told = migrate(OLD, "t.yaml")
    assert text == NEW
    assert told == [
        "t.yaml:2: version 0 is now version 1",
        "t.yaml:5: 'fallback' is now 'selector'",
        "t.yaml:7: 'inverter' is now 'invert'",
        "t.yaml:8: 'one_shot' is now 'once'",
    ]
    assert migrate(NEW, "t.yaml") == (NEW, [])
    bench = Bench(tmp_path)
    assert "version" in {finding.rule for finding in bench.check(OLD)}
    assert bench.check(NEW) == []


def test_a_file_without_a_version_is_given_one_and_a_card_needs_none() -> None:
    text, told = migrate("# why\ntree: t\r\nroot: clear\r\n", "t.yaml")
    assert text == "# why\nversion: 1\ntree: t\r\nroot: clear\r\n" and len(told) == 1
    card = "skill: s\nsummary: x\ntree: {switch: {do: clear, 'no': hold}}\n"
    assert migrate(card, "s.yaml")[0] == card.replace("switch", "match")


@pytest.mark.parametrize("version", ["2", "next", "true", "[1]"])
def test_a_version_that_is_not_known_is_refused(version: str) -> None:
    with pytest.raises(TreeError, match=r"t\.yaml:2:10: this is not a version that is known"):
        migrate(f"tree: t\nversion: {version}\nroot: clear\n", "t.yaml")


def test_the_command_rewrites_files_and_says_what_it_did(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(OLD)
    dry = CliRunner().invoke(app, ["migrate", str(path), "--dry-run"])
    assert dry.exit_code == 0 and path.read_text() == OLD
    done = CliRunner().invoke(app, ["migrate", str(path)])
    assert done.exit_code == 0 and done.stdout == dry.stdout and path.read_text() == NEW
    assert CliRunner().invoke(app, ["migrate", str(path)]).stdout == f"{path}: nothing to change\n"
    assert [item.name for item in tmp_path.iterdir()] == ["t.yaml"]
