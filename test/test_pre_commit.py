"""The hook that checks trees before each commit."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from vlm_bt.cli import app

CHECKOUT = Path(__file__).parent.parent
HOOKS = {hook["id"]: hook for hook in yaml.safe_load((CHECKOUT / ".pre-commit-hooks.yaml").read_text())}


@pytest.mark.parametrize("hook", HOOKS.values(), ids=lambda hook: hook["id"])
def test_the_hook_looks_at_trees_and_cards_and_at_nothing_else(hook: dict[str, str]) -> None:
    for path in (*(CHECKOUT / "trees").glob("*.yaml"), *(CHECKOUT / "skills").glob("*.yaml")):
        assert re.search(hook["files"], path.relative_to(CHECKOUT).as_posix())
    assert not re.search(hook["files"], "config/embedded.yaml")
    assert not re.search(hook["files"], "trees/README.md")


@pytest.mark.parametrize(("root", "code"), [("go_hme", 1), ("describe_scene: {into: $x}", 0)])
def test_the_hook_fails_where_a_tree_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: str, code: int
) -> None:
    (tmp_path / "trees").mkdir()
    (tmp_path / "trees" / "t.yaml").write_text(
        f"tree: t\nroot: {{{root}}}\n" if ":" in root else f"tree: t\nroot: {root}\n"
    )
    monkeypatch.chdir(tmp_path)
    for hook in HOOKS.values():
        program, *arguments = hook["entry"].split()
        assert program == "vlm-bt"
        done = CliRunner().invoke(app, [*arguments, *(["trees/t.yaml"] if hook.get("pass_filenames", True) else [])])
        assert done.exit_code == code, done.output
