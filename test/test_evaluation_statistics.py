"""The numbers of an evaluation, against ones worked out by hand or by trying everything."""

import math

import numpy as np
import pytest

from vlm_bt.evaluation.answered import Answered
from vlm_bt.evaluation.statistics import balanced, best_threshold, clustered, coverage, reliability, wilson


def answered(right=True, confidence=1.0, *, truth="yes", scene="s/1/0", size=1, covered=True, failed=""):
    said = truth if right else "no"
    return Answered(
        "s", scene, 0, "is_true", "?", truth, said, right, confidence, (said,), size, covered, failed=failed
    )


def test_wilsons_interval_is_the_one_in_the_books():
    none, half = wilson(0, 10), wilson(5, 10)
    assert (none.low, none.high) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert (half.low, half.high) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert math.isnan(wilson(0, 0).value)


def test_answers_about_one_picture_are_not_taken_for_independent():
    hits = [True] * 50 + [False] * 50
    alone = clustered(hits, [str(n) for n in range(100)])
    together = clustered(hits, [str(n // 25) for n in range(100)])
    assert together.value == alone.value == 0.5
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_a_share_of_all_still_knows_doubt():
    assert clustered([True] * 30, [str(n // 10) for n in range(30)]).low == pytest.approx(wilson(3, 3).low)


def test_the_calibration_error_is_the_mean_distance_weighted_by_how_many():
    answers = [answered(n < 6, 0.9) for n in range(10)] + [answered(n < 5, 0.5) for n in range(10)]
    assert reliability(answers).error == pytest.approx(0.5 * 0.3)


def test_answers_without_a_probability_have_no_calibration_error():
    assert math.isnan(reliability([answered(confidence=None), answered(failed="busy", confidence=None)]).error)


def test_the_best_threshold_is_the_one_that_trying_all_finds():
    rng = np.random.default_rng(3)
    for _ in range(50):
        confidence = rng.integers(0, 8, 30) / 8
        right = rng.random(30) < 0.3 + 0.6 * confidence
        errors = int(rng.integers(0, 6))
        fewest = 30
        for threshold in np.unique(confidence):
            acted = confidence >= threshold
            if (~right[acted]).sum() <= errors:
                fewest = min(fewest, int((~acted).sum()))
        assert best_threshold(confidence, right, errors)[1] == fewest


def test_balanced_accuracy_is_not_bought_by_the_frequent_answer():
    answers = [answered(True, truth="yes")] * 90 + [answered(False, truth="no ")] * 10
    assert balanced(answers) == 0.5


def test_coverage_counts_sets_with_the_truth_in_them():
    assert coverage([answered(), answered(False, covered=True, size=2), answered(False, covered=False)]).value == (
        pytest.approx(2 / 3)
    )
