"""Conformal sets: what is promised at an error rate, and that nothing is sure without a calibration that fits."""

from __future__ import annotations

import datetime
import math
from pathlib import Path

import numpy as np
import pytest

from vlm_bt.questions import MOST_COUNTED, WHAT_IS_IT, YES_NO, Choose, Counted, HowMany, IsTrue, Look
from vlm_bt.training.calibration_fit import Example, fit, nll
from vlm_bt.types import Answer, Frame, Intrinsics, Pose
from vlm_bt.vision.calibration import KIND_SKILL, Calibration, Calibrations, skill_of
from vlm_bt.vision.calibration_file import CalibrationFile, CameraId, ModelId
from vlm_bt.vision.conformal import RATES, Thresholds, counted, least_examples, scaled
from vlm_bt.vision.pictures import Picture
from vlm_bt.vision.vocabulary import OTHER

OPTIONS = ("wrench", "pliers", "screw")
CAMERA = CameraId(name="overhead", width=64, height=48)
TODAY = datetime.date(2026, 11, 23)
FROM = {"seeds": (5000, 5001)}


def drawn(count: int, seed: int) -> tuple[np.ndarray, list[str]]:
    """Scores of a model that is usually right, and the truth; something else is common and looks like anything."""
    rng = np.random.default_rng(seed)
    truth = [(*OPTIONS, OTHER)[i] for i in rng.choice(4, count, p=(0.3, 0.3, 0.2, 0.2))]
    rows = rng.normal(size=(count, 4))
    for row, label in zip(rows, truth, strict=True):
        row[(*OPTIONS, OTHER).index(label)] += 3.0
    shares = np.exp(rows)
    return shares / shares.sum(1, keepdims=True), truth


def kinds(count: int, seed: int) -> list[Example]:
    rows, truth = drawn(count, seed)
    return [
        Example(KIND_SKILL, n // 8, n % 2, WHAT_IS_IT, label, OPTIONS, tuple(row.tolist()))
        for n, (row, label) in enumerate(zip(rows, truth, strict=True))
    ]


def claims(count: int, seed: int, sharpness: float = 1.0) -> list[Example]:
    """A model whose logits are too sharp by `sharpness`."""
    rng = np.random.default_rng(seed)
    said = rng.normal(0.0, 3.0, count)
    true = rng.random(count) < 1 / (1 + np.exp(-said))
    p = 1 / (1 + np.exp(-sharpness * said))
    return [
        Example("is_true.scene", n, 0, "a red wrench", "yes" if t else "no", YES_NO, (float(x), 1 - float(x), 0.0))
        for n, (x, t) in enumerate(zip(p, true, strict=True))
    ]


def counts(count: int, seed: int, exact: bool = False) -> list[Example]:
    """One in seven is one too few; half of the time the model hesitates."""
    rng = np.random.default_rng(seed)
    out = []
    for n in range(count):
        number = int(rng.integers(0, 9))
        row = np.zeros(12)
        row[number] = 1.0 if exact or rng.random() < 0.5 else 0.7
        row[number + 1] = 1.0 - row[number]
        truth = number if exact else number + int(rng.random() < 1 / 7)
        out.append(Example("how_many.scene", n, 0, "screws", str(truth), (), tuple(row.tolist()), number))
    return out


def stored(**skills: list[Example]) -> CalibrationFile:
    made = {name.replace("__", "."): fit(name.replace("__", "."), some, FROM, TODAY) for name, some in skills.items()}
    return CalibrationFile(model=ModelId(name="tested", revision="rev", head="h"), camera=CAMERA, skills=made)


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    return Calibration.of(
        stored(
            what_is_it=kinds(5000, 0),
            is_true__scene=claims(4000, 1, sharpness=3.0),
            how_many__scene=counts(3000, 2),
            choose__scene=[
                Example("choose.scene", n, 0, "which colour?", t, ("red", "blue"), (0.9, 0.05, 0.05))
                for n, t in enumerate(["red"] * 390 + [OTHER] * 10)
            ],
        )
    )


def shown(camera: str = "overhead", width: int = 64, pictures: int = 1, thing: object = None) -> tuple[Picture, ...]:
    lens = Intrinsics(width, 48, 60.0, 60.0, 32.0, 24.0)
    blank = np.zeros((48, width, 3), np.uint8)
    frame = Frame("f", camera, blank, np.zeros((48, width), np.float32), lens, Pose((0, 0, 1)), 0.0)
    return tuple(Picture(frame, Look("f"), thing) for _ in range(pictures))  # type: ignore[arg-type]


def said(yes: float, claim: str = "a red wrench") -> Answer:
    return Answer(claim, YES_NO, (yes, 1.0 - yes))


@pytest.mark.parametrize("error_rate", [0.02, 0.05, 0.10])
def test_the_true_option_is_missing_at_most_as_often_as_promised_for_every_option(
    calibration: Calibration, error_rate: float
) -> None:
    rows, truth = drawn(8000, 1)
    sets = [calibration.plausible(row, OPTIONS, error_rate) or (OTHER,) for row in rows]
    missed = [
        float(np.mean([label not in s for s, t in zip(sets, truth, strict=True) if t == label]))
        for label in (*OPTIONS, OTHER)
    ]
    assert max(missed) <= error_rate + 0.02 and np.mean(missed) >= error_rate * 0.15


def test_a_thing_that_is_no_option_is_rarely_sure_to_be_one(calibration: Calibration) -> None:
    rows, truth = drawn(6000, 2)
    odd = [calibration.plausible(row, OPTIONS, 0.05) for row, label in zip(rows, truth, strict=True) if label == OTHER]
    assert np.mean([len(found) == 1 for found in odd]) <= 0.07


def test_one_likely_option_is_sure_and_two_are_named_likeliest_first(calibration: Calibration) -> None:
    assert calibration.plausible((0.997, 0.001, 0.001, 0.001), OPTIONS, 0.05) == ("wrench",)
    found = calibration.plausible((0.40, 0.58, 0.01, 0.01), OPTIONS, 0.01)
    assert found[:2] == ("pliers", "wrench")


def test_only_something_else_means_that_none_fits(calibration: Calibration) -> None:
    assert calibration.plausible((0.001, 0.001, 0.001, 0.997), OPTIONS, 0.05) == ()


def test_what_looks_like_no_usual_example_is_doubt_and_not_none() -> None:
    certain = [
        Example(KIND_SKILL, n, 0, WHAT_IS_IT, (*OPTIONS, OTHER)[n % 4], OPTIONS, tuple(np.eye(4)[n % 4].tolist()))
        for n in range(800)
    ]
    strict = Calibration.of(stored(what_is_it=certain))
    assert strict.plausible((0.5, 0.45, 0.03, 0.02), OPTIONS, 0.05)[:2] == ("wrench", "pliers")


def test_too_few_examples_rule_nothing_out() -> None:
    assert Thresholds.of([0.1] * 9).at(0.05) == math.inf
    assert Thresholds.of([0.1] * 19).at(0.05) == pytest.approx(0.1)
    assert [least_examples(rate) for rate in (0.5, 0.1, 0.05, 0.01, 0.005)] == [1, 9, 19, 99, 199]


def test_an_error_rate_between_two_kept_ones_is_served_by_the_stricter() -> None:
    found = Thresholds.of(np.linspace(0, 1, 5000))
    assert found.at(0.04) == found.at(0.03) > found.at(0.05)
    assert found.at(min(RATES) / 2) == math.inf


def test_rounding_a_threshold_lets_nothing_through() -> None:
    scores = np.random.default_rng(0).random(999) * 1e-3
    assert Thresholds.of(scores).at(0.1) >= np.sort(scores)[899]


def test_an_option_that_was_never_calibrated_is_never_ruled_out(calibration: Calibration) -> None:
    found = calibration.plausible((0.98, 0.001, 0.019), ("wrench", "banana"), 0.05)
    assert "banana" in found and len(found) > 1


def test_a_temperature_that_fits_makes_the_truth_likelier_on_other_examples(calibration: Calibration) -> None:
    temperature = calibration.skills["is_true.scene"].temperature
    fresh = claims(3000, 9, sharpness=3.0)
    assert temperature == pytest.approx(3.0, rel=0.15)
    assert nll(fresh, temperature) < nll(fresh, 1.0) - 0.1


def test_scaling_keeps_the_order_and_makes_probabilities() -> None:
    row = np.array([0.7, 0.2, 0.1, 0.0])
    flat = scaled(row, 4.0)
    assert flat.sum() == pytest.approx(1.0) and flat.argmax() == 0 and flat[0] < 0.7 and flat[3] > 0
    assert scaled(row, 1.0) is row or np.array_equal(scaled(row, 1.0), row)


@pytest.mark.parametrize("error_rate", [0.02, 0.10])
def test_sure_yes_and_sure_no_are_wrong_at_most_as_often_as_promised(
    calibration: Calibration, error_rate: float
) -> None:
    fresh = claims(8000, 5, sharpness=3.0)
    found = [
        (calibration.judged(said(e.probabilities[0]), IsTrue((), e.asked, 0, error_rate), shown()), e.truth)
        for e in fresh
    ]
    assert all(answer.calibrated for answer, _ in found)
    for truth in YES_NO:
        missed = np.mean([truth not in answer.plausible for answer, t in found if t == truth])
        assert missed <= error_rate + 0.02
    sure = {answer.plausible for answer, _ in found}
    assert {("yes",), ("no",)} <= sure and any(len(one) == 2 for one in sure)


@pytest.mark.parametrize("error_rate", [0.02, 0.10])
def test_the_number_is_among_the_plausible_ones_as_often_as_promised(
    calibration: Calibration, error_rate: float
) -> None:
    fresh = counts(3000, 6)
    found = [
        calibration.judged(Counted("screws", e.number, e.probabilities), HowMany((), "screws", error_rate), shown())
        for e in fresh
    ]
    missed = np.mean([int(e.truth) not in answer.plausible for answer, e in zip(found, fresh, strict=True)])
    assert missed <= error_rate + 0.02
    assert np.mean([len(answer.plausible) for answer in found]) < 5


def test_a_count_without_probabilities_gets_a_span_of_numbers() -> None:
    only = [Example("how_many.scene", n, 0, "screws", str(5 + (n % 10 == 0)), (), (), 5) for n in range(1000)]
    made = Calibration.of(stored(how_many__scene=only))
    strict, lax = (made.judged(Counted("screws", 7), HowMany((), "screws", rate), shown()) for rate in (0.02, 0.2))
    assert {7, 8} <= set(strict.plausible) and lax.plausible == (7,)
    assert 0.9 < sum(strict.probabilities) <= 1.0


def test_an_exact_counter_is_sure_of_one_number() -> None:
    made = Calibration.of(stored(how_many__scene=counts(1000, 3, exact=True)))
    (row,) = counted(np.array([4]), np.array([[0, 0, 0, 0, 1.0]]), 1.0)
    assert row.argmax() == 4 and len(row) == MOST_COUNTED + 1
    assert made.judged(Counted("screws", 4, (0, 0, 0, 0, 1.0)), HowMany((), "screws"), shown()).plausible == (4,)


def test_a_choice_with_other_options_shares_one_threshold_and_never_rules_out_a_new_word(
    calibration: Calibration,
) -> None:
    asked = Choose((), "which colour?", ("blue", "red"), error_rate=0.05)
    row = Answer("which colour?", ("blue", "red"), (0.02, 0.97), outside=0.01)
    assert calibration.judged(row, asked, shown()).plausible == ("red",)
    strange = Choose((), "which colour?", ("mauve", "red"), error_rate=0.05)
    assert (
        "mauve"
        in calibration.judged(
            Answer("which colour?", ("mauve", "red"), (0.02, 0.97), outside=0.01), strange, shown()
        ).plausible
    )


@pytest.mark.parametrize(
    ("claim", "wording", "pictures", "why"),
    [
        ("a red wrench", 1, shown(), "wording 1 of is_true.scene is not calibrated"),
        ("a red giraffe", 0, shown(), "without the word 'giraffe'"),
        ("a red wrench", 0, shown(width=96), "calibrated for camera overhead 64x48, this is overhead 96x48"),
        ("a red wrench", 0, shown(pictures=2), "is_true.change is not calibrated"),
        ("a red wrench", 0, shown(thing=object()), "is_true.thing is not calibrated"),
    ],
)
def test_what_the_calibration_does_not_speak_of_is_never_sure_and_says_why(
    calibration: Calibration, claim: str, wording: int, pictures: tuple[Picture, ...], why: str
) -> None:
    found = calibration.judged(said(1.0, claim), IsTrue((), claim, wording, 0.1), pictures)
    assert not found.calibrated and found.plausible == YES_NO and why in found.uncalibrated


def test_what_a_thing_is_is_a_skill_of_its_own() -> None:
    kind = Choose((Look("f", 0),), WHAT_IS_IT, OPTIONS)
    assert skill_of(kind, shown(thing=object())) == KIND_SKILL
    assert skill_of(kind, shown()) == "choose.scene"
    assert skill_of(HowMany((), "screws"), shown()) == "how_many.scene"


def test_a_file_comes_back_as_it_was_written_and_is_small(tmp_path: Path) -> None:
    made = stored(what_is_it=kinds(2000, 0), how_many__scene=counts(400, 1))
    made.write(tmp_path / "tested-overhead.json")
    assert CalibrationFile.read(tmp_path / "tested-overhead.json") == made
    text = (tmp_path / "tested-overhead.json").read_text()
    assert len(text) < 6000 and len(text.splitlines()) < 100
    loaded, rows = Calibration.load(tmp_path / "tested-overhead.json", "rev"), drawn(300, 3)[0]
    for rate in (0.01, 0.05, 0.3):
        assert [loaded.plausible(r, OPTIONS, rate) for r in rows] == [
            Calibration.of(made).plausible(r, OPTIONS, rate) for r in rows
        ]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (None, "no calibration at"),
        ("{", "cannot be read"),
        (('"form": 2', '"form": 99'), "cannot be read"),
        (('"0.05"', '"-1"'), "cannot be read"),
        (('"overhead"', '"overhead", "surprise": 1'), "cannot be read"),
        (('"revision": "rev"', '"revision": "other"'), "made for model other, this is rev"),
    ],
)
def test_a_file_that_is_missing_broken_or_of_other_weights_makes_everything_unsure(
    change: tuple[str, str] | str | None, told: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "tested-overhead.json"
    if change is not None:
        stored(what_is_it=kinds(500, 0)).write(path)
        text = path.read_text()
        path.write_text(change if isinstance(change, str) else text.replace(*change))
        assert path.read_text() != text
    loaded = Calibration.load(path, "rev")
    assert not loaded.valid
    assert told in loaded.note and "unsure" in caplog.text
    assert loaded.plausible((1.0, 0.0, 0.0, 0.0), OPTIONS, 0.05) == (*OPTIONS, OTHER)
    found = Calibrations.open(tmp_path, "tested", "rev").judged(said(1.0), IsTrue((), "a red wrench"), shown())
    assert not found.calibrated and found.plausible == YES_NO and told in found.uncalibrated


def test_another_question_head_keeps_what_a_thing_is_and_loses_the_rest(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stored(what_is_it=kinds(500, 0), is_true__scene=claims(500, 0)).write(tmp_path / "tested-overhead.json")
    same, other = (Calibrations.open(tmp_path, "tested", "rev", head) for head in ("h", "i"))
    assert set(same.by_camera["overhead"].skills) == {KIND_SKILL, "is_true.scene"} and not same.note
    assert set(other.by_camera["overhead"].skills) == {KIND_SKILL}
    assert "is_true.scene" in other.note and "question head" in caplog.text


def test_each_camera_has_its_own_file_and_one_without_is_told(tmp_path: Path) -> None:
    made = stored(is_true__scene=claims(500, 0))
    made.write(tmp_path / "tested-overhead.json")
    made.model_copy(update={"camera": CameraId(name="wrist", width=64, height=48)}).write(
        tmp_path / "tested-wrist.json"
    )
    known = Calibrations.open(tmp_path, "tested", "rev", "h")
    asked = IsTrue((), "a red wrench", 0, 0.1)
    assert known.covers == ("overhead 64x48: is_true.scene", "wrist 64x48: is_true.scene")
    assert known.judged(said(0.5), asked, shown("wrist")).calibrated
    side = known.judged(said(0.5), asked, shown("side"))
    assert not side.calibrated and "no calibration for camera 'side'" in side.uncalibrated


def test_a_single_option_without_calibration_is_not_sure() -> None:
    assert len(Calibration.absent("rev", "").plausible((1.0, 0.0), ("wrench",), 0.05)) == 2


def test_a_row_of_the_wrong_length_is_refused(calibration: Calibration) -> None:
    with pytest.raises(ValueError, match="4 probabilities are needed"):
        calibration.plausible((0.5, 0.5), OPTIONS, 0.05)


def test_thresholds_are_those_of_mapie_on_the_same_scores() -> None:
    """An independent implementation (scikit-learn-contrib/MAPIE, conformity score "lac") gives the same sets."""
    mapie = pytest.importorskip("mapie.classification")
    base = pytest.importorskip("sklearn.base")

    class Fixed(base.ClassifierMixin, base.BaseEstimator):  # type: ignore[misc,name-defined]
        """Says the probabilities that it is given."""

        def __init__(self) -> None:
            self.classes_ = np.arange(4)
            self.fitted_ = True

        def fit(self, x: np.ndarray, y: np.ndarray) -> Fixed:
            return self

        def predict_proba(self, x: np.ndarray) -> np.ndarray:
            return x

        def predict(self, x: np.ndarray) -> np.ndarray:
            return x.argmax(1)

    rows, truth = drawn(700, 4)
    labels = np.array([(*OPTIONS, OTHER).index(label) for label in truth])
    fresh, _ = drawn(400, 5)
    for rate in (0.02, 0.05, 0.1):
        judge = mapie.SplitConformalClassifier(Fixed(), confidence_level=1 - rate, conformity_score="lac", prefit=True)
        theirs = judge.conformalize(rows, labels).predict_set(fresh)[1][:, :, 0]
        limit = Thresholds.of(1.0 - rows[np.arange(700), labels]).at(rate)
        assert np.array_equal(theirs, 1.0 - fresh <= limit)
