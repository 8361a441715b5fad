"""Making a calibration: questions with right answers, too few of them, stopping and going on, the command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from vlm_bt.cli import app
from vlm_bt.errors import ConfigError
from vlm_bt.questions import HowMany, IsTrue, Look
from vlm_bt.training.calibrate import Plan, calibrate
from vlm_bt.training.calibration_fit import coverage
from vlm_bt.training.calibration_questions import Case, of_scene
from vlm_bt.training.staged import Staged, Truth
from vlm_bt.types import Box, Frame, Intrinsics, Pose
from vlm_bt.vision.calibration import Calibrations, words_of
from vlm_bt.vision.calibration_file import CalibrationFile, CameraId
from vlm_bt.vision.pictures import Picture
from vlm_bt.vision_settings import ScriptedModel

SCRIPT = """
revision: stand-in-1
answers: [is_true, how_many, choose]
rules:
  - {when: {question: is_true, about: "*red*"}, p_yes: 0.9}
  - {when: {question: is_true, about: "*blue*"}, p_yes: 0.1}
  - {when: {question: is_true}, p_yes: 0.5}
  - {when: {question: how_many}, number: 3}
  - {when: {question: choose}, probabilities: [0.8, 0.1]}
"""
CAMERA = CameraId(name="overhead", width=64, height=48)


def frame(name: str = "f", width: int = 1280, height: int = 720) -> Frame:
    lens = Intrinsics(width, height, 937.8, 937.8, width / 2, height / 2)
    down = Pose((0.33, 0.0, 1.15), (0.0, 0.7071068, -0.7071068, 0.0))
    blank = np.zeros((height, width, 3), np.uint8)
    return Frame(name, "overhead", blank, np.zeros((height, width), np.float32), lens, down, 0.0)


def cases(number: int) -> list[Case]:
    """A red thing is there nine times of ten where it is claimed, a blue one once; three things are four at times."""
    rng = np.random.default_rng(number)
    small = frame(width=64, height=48)
    look = (Look("f"),)
    shown = (Picture(small, look[0]),)
    return [
        Case(IsTrue(look, "something red"), shown, "yes" if rng.random() < 0.9 else "no"),
        Case(IsTrue(look, "something blue"), shown, "yes" if rng.random() < 0.1 else "no"),
        Case(HowMany(look, "screws"), shown, "3" if rng.random() < 0.97 else "4"),
    ]


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    (tmp_path / "script.yaml").write_text(SCRIPT)
    settings = ScriptedModel.model_validate({"backend": "scripted", "script": tmp_path / "script.yaml"})
    skills = ("is_true.scene", "how_many.scene")
    out = tmp_path / "made" / "stand-in-overhead.json"
    return Plan("stand-in", settings, out, tmp_path / "work", CAMERA, skills, 300, 0.1)


def changed(plan: Plan, **changes: object) -> Plan:
    return Plan(**{**vars(plan), **changes})


def made(plan: Plan, scenes=cases, **more):
    return calibrate(plan, lambda text: None, scenes=scenes, origin={"folder": "pictures"}, **more)


def test_what_is_made_is_what_the_vision_process_reads_and_it_keeps_its_promise(plan: Plan) -> None:
    found = made(plan)
    known = Calibrations.open(plan.out.parent, "stand-in", found.stored.model.revision)
    assert known.valid and known.covers == ("overhead 64x48: is_true.scene, how_many.scene",)
    row = next(row for row in found.rows if row.skill == "is_true.scene")
    assert row.examples == 600 and row.coverage >= 1 - 0.1 - 0.03
    counts = found.stored.skills["how_many.scene"]
    assert counts.data.folder == "pictures" and counts.data.examples == 300
    assert counts.threshold("3", 0.1) < counts.threshold("3", 0.01)


def test_a_stopped_run_goes_on_and_asks_nothing_twice(plan: Plan) -> None:
    asked: list[int] = []

    def until(stop: int):
        def scene(number: int) -> list[Case]:
            if number == stop:
                raise KeyboardInterrupt
            asked.append(number)
            return cases(number)

        return scene

    with pytest.raises(KeyboardInterrupt):
        made(plan, until(40))
    assert not plan.out.exists()
    told: list[int] = []
    first = made(plan, until(-1), progress=lambda done, of: told.append(done))
    assert asked == list(range(300)) and told == list(range(1, 301))
    plan.out.unlink()
    for kept in plan.work.rglob("*.json"):
        kept.unlink()
    assert made(plan).stored == first.stored


def test_too_few_examples_are_refused_with_the_number_that_would_do(plan: Plan) -> None:
    with pytest.raises(ConfigError, match=r"fewer than 99 examples: .*about \d+ scenes.*or state a laxer rate"):
        made(changed(plan, scenes=20, error_rate=0.01, skills=("is_true.scene",)))
    assert not plan.out.exists()


def test_one_skill_anew_keeps_the_others_of_the_same_model_only(plan: Plan, tmp_path: Path) -> None:
    before = made(plan).stored
    after = made(changed(plan, skills=("how_many.scene",), scenes=200)).stored
    assert after.skills["is_true.scene"] == before.skills["is_true.scene"]
    assert after.skills["how_many.scene"].data.examples == 200
    (tmp_path / "script.yaml").write_text(SCRIPT.replace("stand-in-1", "stand-in-2"))
    assert set(made(changed(plan, skills=("how_many.scene",))).stored.skills) == {"how_many.scene"}


def test_a_question_that_the_model_does_not_answer_is_told_and_left_out(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "script.yaml").write_text(SCRIPT.replace("[is_true, how_many, choose]", "[is_true]"))
    found = made(plan)
    assert set(found.stored.skills) == {"is_true.scene"}
    assert any(note.startswith("how_many.scene: ") and "does not answer how_many" in note for note in found.notes)


def truth(name: str, kind: str, colour: str, zone: str | None = None) -> Truth:
    return Truth(name, kind, colour, (), 0.15, (0.3, 0.0, 0.0), 0.0, Box(0, 0, 9, 9), 1.0, zone, (), "")


def test_claims_about_a_scene_are_right_balanced_and_numbers_are_those_that_are_there() -> None:
    truths = (
        truth("a", "hammer", "red", "left"),
        truth("b", "screw", "silver", "left"),
        truth("c", "screw", "silver"),
        truth("d", "pliers", "blue", "right"),
    )
    answers: list[str] = []
    for seed in range(60):
        staged = Staged(seed, (frame(),), (truths,), "nothing", None, None, (), ())
        for case in of_scene(staged, np.random.default_rng(seed)):
            question = case.question
            whole = case.pictures[0].look.part is None
            if isinstance(question, HowMany) and whole:
                right = {"things": 4, "screws": 2, "hammers": 1, "pliers": 1}.get(question.phrase, 0)
                assert case.truth == str(right), question.phrase
            elif isinstance(question, IsTrue):
                answers.append(case.truth)
                words = words_of(question.claim)
                if whole and {"red", "hammer"} <= words:
                    assert case.truth == "yes"
                if {"tape"} <= words and not words & {"no"}:
                    assert case.truth == "no"
    assert 0.42 < answers.count("yes") / len(answers) < 0.58


def test_what_happened_between_two_pictures_is_asked_of_both() -> None:
    before, after = frame("before"), frame("after")
    staged = Staged(
        1, (before, after), ((truth("a", "hammer", "red"),), (truth("a", "hammer", "red"),)),
        "placed", "a", "left", (), (),
    )  # fmt: skip
    found = {case.question.claim: case for case in of_scene(staged, np.random.default_rng(0))}
    assert found["the hammer was put into the left zone"].truth == "yes"
    assert found["nothing has changed"].truth == "no"
    assert {case.skill for case in found.values()} == {"is_true.change"}


def test_coverage_is_measured_on_scenes_that_the_thresholds_did_not_see(plan: Plan) -> None:
    examples = made(plan).examples["is_true.scene"]
    row = coverage("is_true.scene", examples, 0.15)
    assert row.coverage == pytest.approx(0.9, abs=0.04) and row.asked == 0
    assert row.wrong == pytest.approx(1 - row.coverage)
    assert row.scaled_nll <= row.nll + 0.02


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    rows = ["file,label"]
    for n in range(60):
        Image.new("RGB", (64, 48), (n, 0, 0)).save(folder / f"{n:03d}.png")
        rows.append(f"{n:03d}.png,{'red thing' if n % 2 else 'blue thing'}")
    (folder / "labels.csv").write_text("\n".join(rows))
    return folder


def command(tmp_path: Path, *more: str):
    (tmp_path / "script.yaml").write_text(SCRIPT)
    config = tmp_path / "cell.yaml"
    config.write_text("based_on: embedded\nvision: {models: {mine: {backend: scripted, script: script.yaml}}}\n")
    args = ["calibrate", "--config", str(config), "--model", "mine", "--out", str(tmp_path / "out")]
    return CliRunner().invoke(app, [*args, "--work", str(tmp_path / "work"), *more])


def test_the_command_calibrates_on_a_folder_of_pictures(photographs: Path, tmp_path: Path) -> None:
    options = ("--pictures", str(photographs), "--camera", "side", "--error-rate", "0.1")
    ran = command(tmp_path, *options, "--skill", "is_true.scene", "--json")
    assert ran.exit_code == 0, ran.output
    said = json.loads(ran.stdout.splitlines()[-1])
    stored = CalibrationFile.read(tmp_path / "out" / "mine-side.json")
    assert said["file"].endswith("mine-side.json") and Path(said["plot"]).stat().st_size > 5000
    assert str(stored.camera) == "side 64x48" and stored.skills["is_true.scene"].data.folder == "photos"
    table = command(tmp_path, *options, "--skill", "is_true.scene")
    assert "Held-out halves, error rate 0.1" in table.stdout and "mine-side.json" in table.stdout


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--skill", "is_tru"), "no skill is called 'is_tru' here; there are: what_is_it"),
        (("--camera", "wrist"), "the simulation shows the camera 'overhead' alone"),
        (("--camera", "overhead:big"), "write NAME:WIDTHxHEIGHT"),
        (("--model", "nobody"), "no model is called 'nobody'"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_asked(options: tuple[str, ...], told: str, tmp_path: Path) -> None:
    assert told in str(command(tmp_path, *options).exception)
