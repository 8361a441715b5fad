"""A scripted model: which rule holds, what it answers, and what is wrong with a script."""

import textwrap
import time

import pytest
import yaml
from seeing import picture_frame
from stand_in import PICTURE, stand_in, written

from vlm_bt.errors import ConfigError
from vlm_bt.questions import (
    Choose,
    Describe,
    Embed,
    Found,
    Ground,
    HowMany,
    IsTrue,
    Look,
    ReadText,
)
from vlm_bt.types import Box
from vlm_bt.vision.backends import Surroundings, open_model, scripted
from vlm_bt.vision.backends.script import load_script
from vlm_bt.vision.model import Asked, Unsupported, VisionModel
from vlm_bt.vision.pictures import Picture
from vlm_bt.vision_settings import ScriptedModel

EVERYTHING = {
    "p_yes": 0.8,
    "outside": 0.1,
    "probabilities": {"hammer": 0.7},
    "boxes": [{"box": [1, 2, 9, 8], "score": 0.3}, {"box": [0, 0, 5, 5], "score": 0.9, "part": 2}],
    "number": 2,
    "numbers": [0.1, 0.2, 0.7],
    "text": "a bench",
    "lines": ["ACME", "10 mm"],
    "vector": [3, 4],
}


def model(tmp_path, *rules, **script):
    path = written(tmp_path / "script.yaml", rules, **script)
    return open_model(ScriptedModel(backend="scripted", script=path), Surroundings())


def asked(question, camera="overhead"):
    frames = {look.frame_id: picture_frame(look.frame_id, PICTURE, camera=camera) for look in question.looks}
    return Asked(question, tuple(Picture(frames[look.frame_id], look) for look in question.looks))


def claim(text, camera="overhead", **look):
    return asked(IsTrue((Look("f", **look),), text), camera)


def yes(model, *questions):
    """P(yes) of each, asked together; None where there is no answer."""
    return [None if isinstance(said, Unsupported) else said.probabilities[0] for said in model.answer(questions)]


def test_every_type_of_question_gets_its_answer_through_the_service(tmp_path):
    with stand_in(tmp_path, [EVERYTHING], revision="demo-1") as eyes:
        looks = (Look(eyes.show(PICTURE)),)
        true = eyes.ask(IsTrue(looks, "a hammer"))
        assert true.probabilities == pytest.approx((0.8, 0.1)) and true.outside == pytest.approx(0.1)
        which = eyes.ask(Choose(looks, "which?", ("screw", "hammer")))
        assert which.probabilities == (0.0, 0.7) and which.outside == pytest.approx(0.3)
        found = eyes.ask(Ground(looks, "hammer"))
        assert found.found == (Found(Box(0, 0, 5, 5), 0.9, part=2), Found(Box(1, 2, 9, 8), 0.3))
        assert found.model == "demo-1" and found.frame_id == looks[0].frame_id
        assert eyes.ask(HowMany(looks, "hammer")).probabilities == (0.1, 0.2, 0.7)
        assert eyes.ask(Describe(looks)).text == "a bench"
        assert eyes.ask(ReadText(looks)).text == "ACME\n10 mm"
        assert eyes.ask(Embed((), "hammer")).vector == pytest.approx((0.6, 0.8))


def test_it_is_a_vision_model(tmp_path):
    assert isinstance(model(tmp_path, EVERYTHING), VisionModel)


def test_the_first_rule_that_fits_holds(tmp_path):
    said = model(
        tmp_path,
        {"when": {"question": ["ground", "is_true"], "about": "red hammer"}, "p_yes": 0.1},
        {"when": {"about": "*hammer"}, "p_yes": 0.2},
        {"when": {"camera": "wrist"}, "p_yes": 0.3},
        {"when": {"part": 4}, "p_yes": 0.4},
        {"when": {"question": "choose"}, "p_yes": 0.5},
    )
    questions = claim("red hammer"), claim("a hammer"), claim("x", "wrist"), claim("x", part=4), claim("x")
    assert yes(said, *questions) == [0.1, 0.2, 0.3, 0.4, None]


def test_brackets_in_a_claim_can_be_written_as_they_are(tmp_path):
    assert yes(model(tmp_path, {"when": {"about": "nut [M8]"}, "p_yes": 1.0}), claim("nut [M8]")) == [1.0]


def test_a_rule_is_passed_over_by_questions_that_it_has_no_answer_to(tmp_path):
    said = model(tmp_path, {"boxes": []}, {"p_yes": 0.9})
    assert yes(said, claim("x")) == [0.9]


def test_a_rule_may_hold_for_the_first_questions_only_also_within_one_batch(tmp_path):
    said = model(tmp_path, {"times": 2, "p_yes": 0.1}, {"p_yes": 0.9})
    assert yes(said, claim("a"), claim("b"), claim("c")) == [0.1, 0.1, 0.9]
    assert yes(said, claim("d")) == [0.9]


def test_a_tally_outlives_the_process(tmp_path):
    rules = {"times": 1, "p_yes": 0.1}, {"p_yes": 0.9}
    assert yes(model(tmp_path, *rules, tally="counts.json"), claim("a")) == [0.1]
    assert yes(model(tmp_path, *rules, tally="counts.json"), claim("a")) == [0.9]
    assert (tmp_path / "counts.json").is_file()


def test_a_batch_takes_as_long_as_its_slowest_question(tmp_path):
    said = model(tmp_path, {"when": {"about": "slow"}, "takes_s": 0.2, "p_yes": 1}, {"takes_s": 0.1, "p_yes": 1})
    began = time.perf_counter()
    said.answer([claim("slow"), claim("quick"), claim("quick too")])
    assert 0.2 <= time.perf_counter() - began < 0.3 + 2.0


def test_memory_runs_out_where_too_many_are_asked_together_and_the_rule_is_not_used_up_by_those_that_fit(tmp_path):
    said = model(tmp_path, {"when": {"about": "big"}, "times": 1, "out_of_memory": 1}, {"p_yes": 1})
    with pytest.raises(MemoryError):
        said.answer([claim("big"), claim("small")])
    assert yes(said, claim("big"), claim("small")) == [1, 1]


def test_faults_of_one_question_alone(tmp_path):
    said = model(
        tmp_path,
        {"when": {"about": "a"}, "unsupported": "too small"},
        {"when": {"about": "b"}, "garbage": True},
        {"when": {"about": "c"}, "raise": "a bug"},
        {"p_yes": 1},
    )
    small, garbage, good = said.answer([claim("a"), claim("b"), claim("d")])
    assert str(small) == "too small" and isinstance(small, Unsupported)
    assert garbage == "garbage" and good.probabilities == (1, 0)
    with pytest.raises(RuntimeError, match="a bug"):
        said.answer([claim("c")])


def test_a_question_without_a_rule_is_told_with_the_file(tmp_path):
    (refused,) = model(tmp_path).answer([claim("a hammer")])
    assert str(refused) == f"{tmp_path / 'script.yaml'}: no rule answers is_true about 'a hammer'"


def test_it_says_which_questions_it_answers(tmp_path):
    assert model(tmp_path, answers=["ground"]).answers == {Ground}


def test_the_example_in_the_docs_is_a_script(tmp_path):
    lines = scripted.__doc__.split("\n\n")[1]
    path = tmp_path / "script.yaml"
    path.write_text(textwrap.dedent(lines), encoding="utf-8")
    script = load_script(path)
    assert len(script.rules) == 11
    assert sorted(fault for rule in script.rules for fault in rule.faults) == sorted(
        ("hang", "raise", "out_of_memory", "exit", "kill", "garbage", "unsupported")
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("rules: [{p_yes: 2}]", "rules.0.p_yes: Input should be less than or equal to 1"),
        ("rules: [{p_yes: 0.9, outside: 0.2}]", "rules.0: Value error, p_yes and outside are more than 1 together"),
        ("rules: [{p_yse: 1}]", "rules.0.p_yse: Extra inputs are not permitted"),
        ("rules: [{when: {about: x}}]", "rules.0: Value error, give an answer (boxes, p_yes, probabilities, number, "),
        ("rules: [{hang: true, kill: true}]", "rules.0: Value error, give one fault, not hang and kill"),
        ("rules: [{when: {question: groun}, p_yes: 1}]", "rules.0.when.question: Value error, no question is called "),
        ("rules: [{probabilities: [0.9, 0.2]}]", "rules.0: Value error, probabilities and outside are each "),
        ("rules: [{vector: [0, 0]}]", "rules.0: Value error, vector has no direction"),
        ("starting: {garbage: true}", "starting: Value error, garbage is no fault of a start"),
        ("rules: [", "is not YAML"),
        ("- x", "file: Input should be a valid dictionary or instance of Script"),
    ],
)
def test_what_is_wrong_with_a_script_is_told_with_file_and_key(tmp_path, text, told):
    path = tmp_path / "script.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load_script(path)
    assert str(error.value).startswith(f"{path}: ") and told in str(error.value)


def test_a_script_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ConfigError, match=r"none.yaml: cannot be read \(No such file"):
        load_script(tmp_path / "none.yaml")


def test_a_script_survives_being_written_and_read(tmp_path):
    path = written(tmp_path / "script.yaml", [EVERYTHING])
    assert yaml.safe_load(path.read_text())["rules"] == [EVERYTHING]
    assert load_script(path).rules[0].numbers == (0.1, 0.2, 0.7)
