"""Conformal sets: what is promised at an error rate, and that nothing is sure without a calibration that fits."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from vlm_bt.vision.calibration import Calibration, Tail
from vlm_bt.vision.vocabulary import OTHER

OPTIONS = ("wrench", "pliers", "screw")


def drawn(count: int, seed: int) -> tuple[np.ndarray, list[str]]:
    """Probabilities of a model that is mostly right and sometimes not, and the truth."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 4, count)
    scores = rng.normal(0.0, 1.3, (count, 4))
    scores[np.arange(count), truth] += 4.0
    shares = np.exp(scores)
    return shares / shares.sum(1, keepdims=True), [(*OPTIONS, OTHER)[t] for t in truth]


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    return Calibration.fit("rev", *drawn(4000, 0), OPTIONS)


@pytest.mark.parametrize("error_rate", [0.01, 0.05, 0.2])
def test_the_true_option_is_missing_from_a_set_about_as_often_as_stated(
    calibration: Calibration, error_rate: float
) -> None:
    rows, truth = drawn(6000, 1)
    sets = [calibration.plausible(row, OPTIONS, error_rate) or (OTHER,) for row in rows]
    missed = np.mean([label not in found for label, found in zip(truth, sets, strict=True)])
    assert missed <= error_rate * 1.25
    # A set that would be empty is filled up, so that at high rates less is missed than stated.
    assert missed >= error_rate * 0.4 or error_rate > 0.1


def test_a_thing_that_is_no_option_is_rarely_sure_to_be_one(calibration: Calibration) -> None:
    rows, truth = drawn(6000, 2)
    odd = [calibration.plausible(row, OPTIONS, 0.05) for row, label in zip(rows, truth, strict=True) if label == OTHER]
    assert np.mean([len(found) == 1 for found in odd]) <= 0.06


def test_one_likely_option_is_sure_and_two_are_named_likeliest_first(calibration: Calibration) -> None:
    assert calibration.plausible((0.997, 0.001, 0.001, 0.001), OPTIONS, 0.05) == ("wrench",)
    found = calibration.plausible((0.40, 0.58, 0.01, 0.01), OPTIONS, 0.01)
    assert found[:2] == ("pliers", "wrench")


def test_only_something_else_means_that_none_fits(calibration: Calibration) -> None:
    assert calibration.plausible((0.001, 0.001, 0.001, 0.997), OPTIONS, 0.05) == ()


def test_what_looks_like_no_usual_example_is_doubt_and_not_none() -> None:
    strict = Calibration.fit(
        "rev", np.repeat(np.eye(4), 200, axis=0), [x for x in (*OPTIONS, OTHER) for _ in range(200)], OPTIONS
    )
    found = strict.plausible((0.5, 0.45, 0.03, 0.02), OPTIONS, 0.05)
    assert found[:2] == ("wrench", "pliers")


def test_too_few_examples_rule_nothing_out() -> None:
    assert Tail.of([0.1] * 9).threshold(0.05) == math.inf
    assert Tail.of([0.1] * 19).threshold(0.05) == pytest.approx(0.1)


def test_an_option_that_was_never_calibrated_is_never_ruled_out(calibration: Calibration) -> None:
    found = calibration.plausible((0.98, 0.001, 0.019), ("wrench", "banana"), 0.05)
    assert "banana" in found and len(found) > 1


def test_a_file_comes_back_as_it_was_written(calibration: Calibration, tmp_path: Path) -> None:
    calibration.save(tmp_path / "c.json")
    loaded = Calibration.load(tmp_path / "c.json", "rev")
    rows, _ = drawn(300, 3)
    assert loaded.valid
    for rate in (0.01, 0.05, 0.3):
        assert [loaded.plausible(r, OPTIONS, rate) for r in rows] == [
            calibration.plausible(r, OPTIONS, rate) for r in rows
        ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no calibration at"),
        ("{", "cannot be read"),
        ('{"form": 99}', "cannot be read"),
        (
            '{"form": 1, "revision": "rev", "true": {"wrench": {"count": 3, "worst": []}}, "false": {}}',
            "cannot be read",
        ),
    ],
)
def test_a_missing_or_broken_file_makes_everything_unsure(
    content: str | None, said: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "c.json"
    if content is not None:
        path.write_text(content)
    loaded = Calibration.load(path, "rev")
    assert not loaded.valid
    assert said in loaded.note and "unsure" in caplog.text
    assert loaded.plausible((1.0, 0.0, 0.0, 0.0), OPTIONS, 0.05) == (*OPTIONS, OTHER)
    assert loaded.decide("wrench", 1.0, 0.05) == "unsure"


def test_a_calibration_made_for_other_weights_counts_as_absent(calibration: Calibration, tmp_path: Path) -> None:
    calibration.save(tmp_path / "c.json")
    loaded = Calibration.load(tmp_path / "c.json", "another")
    assert not loaded.valid
    assert "made for model rev, this is another" in loaded.note


def test_a_single_option_without_calibration_is_not_sure() -> None:
    assert len(Calibration.absent("rev", "").plausible((1.0, 0.0), ("wrench",), 0.05)) == 2


def test_yes_and_no_need_the_other_answer_ruled_out(calibration: Calibration) -> None:
    assert calibration.decide("wrench", 0.999, 0.02) == "yes"
    assert calibration.decide("wrench", 0.0005, 0.02) == "no"
    assert calibration.decide("wrench", 0.2, 0.005) == "unsure"
    assert calibration.decide("banana", 0.999, 0.02) == "unsure"


def test_a_row_of_the_wrong_length_is_refused(calibration: Calibration) -> None:
    with pytest.raises(ValueError, match="4 probabilities are needed"):
        calibration.plausible((0.5, 0.5), OPTIONS, 0.05)


def test_a_stored_calibration_is_small(calibration: Calibration, tmp_path: Path) -> None:
    calibration.save(tmp_path / "c.json")
    assert json.loads((tmp_path / "c.json").read_text())["revision"] == "rev"
    assert (tmp_path / "c.json").stat().st_size < 300_000
