"""`vlm-bt check`: forms and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vlm_bt.cli import app
from vlm_bt.cli.check import annotation
from vlm_bt.tree import Finding


def check(*arguments: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["check", *map(str, arguments)])
    return done.exit_code, done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "good.yaml").write_text("tree: good\nroot: everything_is_there\n")
    (tmp_path / "bad.yaml").write_text("tree: bad\nroot: go_hom\n")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "everything_is_there.yaml").write_text(
        "skill: everything_is_there\nsummary: x\ntree: {log: all is there}\n"
    )
    return tmp_path


def test_exit_codes_tell_fine_from_findings_from_files_that_are_not_there(folder: Path) -> None:
    mine = ["--skills", folder / "mine"]
    assert check(folder / "good.yaml", *mine) == (0, "1 tree, no findings\n")
    assert check(folder / "good.yaml")[0] == 1
    assert check(folder / "bad.yaml", folder / "good.yaml", *mine)[0] == 1
    code, text = check(folder / "nowhere.yaml", folder / "bad.yaml")
    assert code == 2 and "there is no such file" in text and "there is no skill 'go_hom'" in text
    (folder / "empty").mkdir()
    assert check(folder / "empty")[0] == 2
    assert check(folder / "good.yaml", "--skills", folder / "nowhere")[0] != 0


def test_findings_as_json_and_as_annotations(folder: Path) -> None:
    code, text = check(folder / "bad.yaml", folder / "nowhere.yaml", "--json")
    rows = json.loads(text)
    assert code == 2 and [row["rule"] for row in rows] == ["file", "unknown-skill"]
    code, text = check(folder / "bad.yaml", "--github")
    assert (code, text) == (
        1,
        f"::error file={folder}/bad.yaml,line=2,col=7,endColumn=13,title=unknown-skill::"
        "there is no skill 'go_hom'%0ADid you mean 'go_home'?\n",
    )


def test_an_annotation_can_not_be_broken_out_of() -> None:
    line = annotation(Finding("type", "a,b:c.yaml", 1, 1, 1, "50% of\n::error::x"))
    assert line == "::error file=a%2Cb%3Ac.yaml,line=1,col=1,endColumn=2,title=type::50%25 of%0A::error::x"


def test_the_rules_are_listed_with_those_that_can_be_silenced() -> None:
    code, text = check("--rules")
    assert code == 0 and "\nabsolute-path       * no paths" in text and "\ntrust                 no claim" in text


def test_cards_are_checked_too(folder: Path) -> None:
    assert check(folder / "mine")[0] == 0
    (folder / "mine" / "other.yaml").write_text("skill: other\nsummary: x\ntree: everything_is_ther\n")
    code, text = check(folder / "mine")
    assert code == 1 and "Did you mean 'everything_is_there'?" in text
