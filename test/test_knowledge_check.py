from pathlib import Path

import pytest
from typer.testing import CliRunner

from vlm_bt import doctor
from vlm_bt.cli import app

HEAD = "kinds:\n  ruler:\n"
SIZES = "    length_m: [0.1, 0.4]\n    width_m: [0.01, 0.05]\n    height_m: [0.0, 0.01]\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "known.yaml"


def check(path: Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["check", str(path)])
    return done.exit_code, done.stdout


def test_the_knowledge_that_comes_along_is_in_order() -> None:
    code, text = check(Path("config/knowledge.yaml"))
    assert (code, "no findings" in text) == (0, True)


def test_every_fault_of_a_knowledge_file_is_told_at_its_line(path: Path) -> None:
    path.write_text(HEAD + SIZES.replace("[0.1, 0.4]", "[0.4, 0.1]") + "    shiny: true\n")
    code, text = check(path)
    assert code == 1 and "2 findings" in text
    assert f"{path}:3:1" in text and "no range" in text
    assert f"{path}:6:1" in text and "kinds.ruler.shiny" in text


def test_a_knowledge_file_that_is_no_yaml_is_told_at_its_place(path: Path) -> None:
    path.write_text(HEAD + "    length_m: [0.1, 0.4\n    width_m: 1\n")
    code, text = check(path)
    assert code == 1 and f"{path}:4:1" in text


def test_doctor_tells_each_fault_and_that_a_good_file_is_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (good,) = doctor.knowledge()
    assert good.ok and "kinds in" in good.value
    (path.parent / "knowledge.yaml").write_text(HEAD + SIZES.replace("[0.1, 0.4]", "[0.4, 0.1]") + "    shiny: true\n")
    monkeypatch.setattr(doctor, "share_dir", lambda name: path.parent)
    faults = list(doctor.knowledge())
    assert [(fault.ok, bool(fault.remedy)) for fault in faults] == [(False, True), (False, True)]
    assert "knowledge.yaml:3:" in faults[0].value and "knowledge.yaml:6:" in faults[1].value
