"""`vlm-bt evaluate`: what is asked, how answers are judged, and that nothing is lost or invented on the way."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from stand_in import written
from typer.testing import CliRunner

from vlm_bt.bench.form import Figure
from vlm_bt.cli import app
from vlm_bt.evaluation import SUITES
from vlm_bt.evaluation.answered import NOTHING, Answered, Item, Place
from vlm_bt.evaluation.changes import CHANGES
from vlm_bt.evaluation.covering import saved
from vlm_bt.evaluation.judging import Said, judged, likeliest
from vlm_bt.evaluation.keeping import Kept
from vlm_bt.evaluation.relations import side_of
from vlm_bt.evaluation.scene import Scene
from vlm_bt.evaluation.sheet import worst
from vlm_bt.evaluation.suite import BLOCK, FIRST_SEED
from vlm_bt.evaluation.writing import changed
from vlm_bt.questions import WHAT_IS_IT, Choose, Counted, Found, Ground, Grounded, HowMany, Look
from vlm_bt.training.staged import Staged, Truth
from vlm_bt.training.wanted import Wanted, by_kind, misspelt, who_fits
from vlm_bt.types import Answer, Box, Footprint
from vlm_bt.vision.geometry import SeenRegion
from vlm_bt.vision.vocabulary import OTHER

LOOKS = (Look("f"),)
BOX = Box(100, 100, 140, 160)


def truth(name="a", kind="hammer", colour="red", box=BOX, **how):
    made = Truth(name, kind, colour, ("claw",), 0.2, (0.4, 0.1, 0.01), 0.0, box, 1.0, None, (), "")
    return replace(made, **how)


def choice(probabilities, outside=0.0, right="hammer", **how):
    options = ("hammer", "pliers")
    item = Item(Choose(LOOKS, WHAT_IS_IT, options), right)
    said = Answer(WHAT_IS_IT, options, probabilities, outside=outside, **how)
    return judged("s", "s/1/0", 0, item, Said(said, 1.0), ())


def grounded(places, *found):
    item = Item(Ground(LOOKS, "the hammer"), places)
    region = SeenRegion(4, BOX, Footprint((0.402, 0.1), 0.2, 0.04, 0.0, 0.02, 0.004))
    return judged("s", "s/1/0", 0, item, Said(Grounded("the hammer", found), 1.0), (region,))


def test_every_suite_has_seeds_of_its_own_that_no_other_run_touches():
    seeds = [
        suite.seed_of(stage, seed)
        for suite in SUITES.values()
        for seed in (0, 19)
        for stage in {stage.shift: stage for stage in suite.stages(False)}.values()
    ]
    assert len(seeds) == len(set(seeds)) and min(seeds) >= FIRST_SEED and max(seeds) < FIRST_SEED + 40 * BLOCK


def test_a_seed_that_would_run_into_another_suite_is_refused():
    suite = SUITES["counting"]
    with pytest.raises(ValueError, match="from 0 to 19"):
        suite.seed_of(suite.stages(True)[0], 20)


def test_success_is_staged_as_often_as_what_fails():
    counts = {stage.order.event: stage.scenes for stage in CHANGES.stages(False)}
    failures = [counts[event] for event in ("missed_grasp", "dropped", "wrong_zone", "knocked_over")]
    assert counts["placed"] == sum(failures)


def test_none_of_the_options_is_an_answer_like_others():
    sure = choice((0.05, 0.05), outside=0.9, right=OTHER, calibrated=True)
    assert sure.right and sure.members == (OTHER,) and sure.sure and sure.covered
    assert not choice((0.05, 0.05), outside=0.9, calibrated=True).covered


def test_without_a_calibration_the_likeliest_answers_stand_for_a_set():
    one = choice((0.7, 0.2), outside=0.1, plausible=("hammer", "pliers"))
    assert set(one.members) == {"hammer", "pliers", OTHER} and not one.sure and one.right
    assert choice((0.995, 0.005)).wrong_and_sure is False
    assert choice((0.005, 0.995)).wrong_and_sure


def test_a_set_reaches_what_is_asked_for():
    assert likeliest((0.1, 0.85, 0.05), 0.05) == [1, 0]
    assert likeliest((0.0, 1.0), 0.01) == [1]


def test_no_answer_is_neither_right_nor_confident():
    item = Item(HowMany(LOOKS, "screws"), 3)
    one = judged("s", "s/1/0", 0, item, Said(None, 1.0, failed="unsupported: no"), ())
    assert not one.right and not one.sure and one.size == 21 and one.failed


def test_a_number_is_judged_by_its_own_probability():
    item = Item(HowMany(LOOKS, "screws"), 3)
    one = judged("s", "s/1/0", 0, item, Said(Counted("screws", 2, (0.0, 0.005, 0.99, 0.005)), 1.0), ())
    assert not one.right and one.confidence == pytest.approx(0.99) and one.wrong_and_sure and not one.covered
    bare = judged("s", "s/1/0", 0, item, Said(Counted("screws", 2), 1.0), ())
    assert not bare.sure and bare.confidence is None


def test_a_place_is_right_where_the_boxes_agree_and_is_measured_on_the_bench():
    place = Place(BOX, (0.4, 0.1))
    right = grounded((place,), Found(BOX, 0.999, part=4))
    assert right.right and right.off_mm == pytest.approx(2.0) and right.sure
    aside = grounded((place,), Found(Box(300, 300, 340, 360), 0.999))
    assert not aside.right and aside.off_mm is None and aside.wrong_and_sure and not aside.covered


def test_what_is_absent_is_refused_by_pointing_nowhere_or_by_a_low_score():
    assert grounded(()).said == NOTHING and grounded(()).right
    assert grounded((), Found(BOX, 0.1)).right
    assert grounded((), Found(BOX, 0.6)).right is False
    assert grounded((Place(BOX),)).wrong_and_sure


def test_a_phrase_is_not_asked_where_people_would_differ():
    things = [truth(kind="needle-nose pliers")]
    assert who_fits(by_kind("pliers"), things) is None
    assert who_fits(by_kind("needle-nose pliers"), things) == things
    assert who_fits(Wanted("grey hammer", "colour and kind", "hammer", "grey"), [truth(colour="silver")]) is None
    assert who_fits(Wanted("blue hammer", "colour and kind", "hammer", "blue"), [truth()]) == []
    assert who_fits(Wanted("banana", "absent"), [truth()]) == []


def test_a_slip_changes_a_word_and_leaves_its_first_letter():
    rng = np.random.default_rng(0)
    for _ in range(200):
        slip = misspelt("adjustable wrench", rng)
        assert slip != "adjustable wrench" and slip[0] == "a" and " w" in slip


def test_left_and_right_are_those_of_the_picture_and_nothing_is_said_of_what_lies_aslant():
    left, right = Box(0, 0, 20, 20), Box(100, 5, 120, 25)
    assert side_of(left, right) == "left of" and side_of(right, left) == "right of"
    assert side_of(Box(0, 0, 20, 20), Box(5, 90, 25, 110)) == "above"
    assert side_of(left, Box(80, 80, 100, 100)) == ""


def test_questions_about_changes_show_both_pictures():
    staged = Staged(1, (), ((truth(),), (truth(),)), "dropped", "a", "left", (), ())
    items = CHANGES.ask(Scene(staged, ("before", "after"), ((), ())), np.random.default_rng(0))
    assert {item.question.looks for item in items} == {(Look("before"), Look("after"))}
    assert {item.question.claim: item.truth for item in items}["the hammer was put into the left zone"] == "no"


def test_what_was_placed_is_true_to_have_been_put_there():
    staged = Staged(1, (), ((truth(),), (truth(),)), "placed", "a", "left", (), ())
    items = CHANGES.ask(Scene(staged, ("before", "after"), ((), ())), np.random.default_rng(0))
    assert [item.truth for item in items if "put into" in item.question.claim] == ["yes"]


def of_label(labels, said, *, number="0", sure=True, written="WRENCH"):
    tags = {
        "labels": labels,
        "seed": "1",
        "number": number,
        "thing": "a",
        "written": "" if labels == "none" else written,
    }
    size = 1 if sure else 2
    return Answered("text", f"text/{labels}/{number}", 0, "choose", "?", "hammer", said, said == "hammer", 0.9, (said,),
                    size, True, tags=tags)  # fmt: skip


def test_a_label_changes_a_decision_also_where_it_makes_the_model_ask():
    same = (of_label("none", "hammer"), of_label("lying", "hammer"))
    asks = (of_label("none", "hammer"), of_label("lying", "hammer", number="1", sure=False))
    lost = (of_label("none", "hammer"), of_label("lying", "pliers", number="2"))
    scenes, things = changed([same, asks, lost, same])
    assert scenes.value == pytest.approx(2 / 3) and things.value == pytest.approx(1 / 2)


def covering(right, confidence, size):
    return Answered("c", "c/1/0", 0, "choose", "?", "a", "a" if right else "b", right, confidence, (), size, True)


def test_questions_are_compared_at_equal_error():
    """Sets ask once and err once; a threshold that errs no more has to ask about everything below 0.9."""
    answers = [covering(True, 0.95, 1), covering(False, 0.9, 1), covering(False, 0.8, 2), covering(True, 0.7, 1)]
    fewer, asked, threshold = saved(answers)
    assert (asked, threshold) == (1, 2) and fewer == pytest.approx(0.5)


def test_an_interrupted_run_goes_on_and_another_program_starts_anew(tmp_path):
    kept = Kept(tmp_path, {"program": "a", "seed": 0})
    one = choice((0.9, 0.1))
    kept.add("s", "s/1/0", [one])
    kept.add("s", "s/1/1", [one])
    path = tmp_path / "answers" / "s.jsonl"
    path.write_text(path.read_text()[:-40])
    again = Kept(tmp_path, {"program": "a", "seed": 0})
    assert again.answers("s") == {"s/1/0": [one]}
    again.add("s", "s/1/1", [one])
    assert again.answers("s").keys() == {"s/1/0", "s/1/1"}
    assert Kept(tmp_path, {"program": "b", "seed": 0}).answers("s") == {}


def test_the_worst_failures_are_the_confident_ones_and_not_all_of_one_kind():
    alike = [replace(choice((0.0, 1.0)), index=n) for n in range(20)]
    other = replace(choice((0.3, 0.7)), kind="how_many")
    shown = worst([*alike, other, choice((1.0, 0.0))], 3)
    assert shown[:2] == [alike[0], other] and len(shown) == 3


@pytest.fixture
def tools(tmp_path):
    """Four pictures of two labels, and a model that takes everything for a hammer."""
    folder = tmp_path / "tools"
    folder.mkdir()
    rows = ["file,label"]
    for number, label in enumerate(("hammer", "hammer", "hammer", "saw")):
        Image.new("RGB", (60, 40), (50 * number, 90, 90)).save(folder / f"{number}.png")
        rows.append(f"{number}.png,{label}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    script = written(tmp_path / "script.yaml", [{"probabilities": [0.99, 0.01]}])
    config = tmp_path / "mine.yaml"
    config.write_text(
        f"based_on: embedded\nvision:\n  models:\n    mine: {{backend: scripted, script: {script}}}\n  route: mine\n"
    )
    return folder, config


def test_a_folder_of_ones_own_pictures_is_evaluated_and_told(tools, tmp_path):
    folder, config = tools
    out = tmp_path / "out"
    args = [
        "evaluate",
        "--folder",
        str(folder),
        "--config",
        str(config),
        "--model",
        "mine",
        "--out",
        str(out),
        "--json",
    ]
    first = CliRunner().invoke(app, args)
    assert first.exit_code == 0, first.output
    found = {row["name"]: row["value"] for row in json.loads(first.output.splitlines()[-1])["figures"]}
    assert found["folder: right"] == 0.75 and found["folder: balanced accuracy"] == 0.5
    assert found["folder: wrong and confident"] == 0.25
    place = next(out.iterdir())
    stored = json.loads((place / "report.json").read_text())
    assert [one["truth"] for one in stored["answers"]["folder"]] == ["hammer", "hammer", "hammer", "saw"]
    page = (place / "report.md").read_text()
    assert "saw taken for hammer | 1" in page
    for name in ("plots/folder-reliability.png", "failures/folder.png"):
        assert f"({name})" in page and Image.open(place / name).size[0] > 100


def test_a_suite_that_does_not_exist_is_told_with_those_that_do(tmp_path):
    result = CliRunner().invoke(app, ["evaluate", "guessing"])
    assert result.exit_code != 0 and "grounding" in str(result.exception)


def test_a_suite_that_asks_nothing_does_not_hold():
    from vlm_bt.evaluation.evaluate import _figures

    (figure,) = _figures(SUITES["latency"], [])
    assert isinstance(figure, Figure) and not figure.holds
