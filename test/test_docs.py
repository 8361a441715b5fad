"""The tutorials are executed as they stand: files are written, commands run, shown output must really come."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent.parent
BLOCK = re.compile(r"^```(\w+)[ ]*([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TUTORIALS = sorted((HERE / "docs").glob("[0-9]*.md"))


@pytest.mark.timeout(240)
@pytest.mark.parametrize("tutorial", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_does_what_it_says(tutorial, tmp_path):
    printed = ""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for language, note, text in BLOCK.findall(tutorial.read_text(encoding="utf-8")):
        if language == "yaml" and note:
            (tmp_path / note).write_text(text, encoding="utf-8")
        elif language == "bash":
            for command in text.strip().splitlines():
                done = subprocess.run(
                    command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200
                )
                printed = done.stdout + done.stderr
                assert (done.returncode != 0) == (note == "fails"), f"{command}\n{printed}"
        elif language == "text":
            for line in text.strip().splitlines():
                assert line in printed, f"not printed: {line}\n{printed}"


def test_there_is_a_tutorial():
    assert len(TUTORIALS) >= 3


def test_every_yaml_block_of_the_readme_loads(tmp_path):
    from vlm_bt.leaves.table import LEAVES
    from vlm_bt.tree.load import check_tree

    blocks = [text for language, _, text in BLOCK.findall((HERE / "README.md").read_text()) if language == "yaml"]
    assert blocks
    for number, text in enumerate(blocks):
        path = tmp_path / f"readme-{number}.yaml"
        path.write_text(text, encoding="utf-8")
        assert check_tree(path, LEAVES) == []
