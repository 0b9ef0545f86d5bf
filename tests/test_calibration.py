"""Calibration gives the numbers computed by hand, and a temperature that mends what was made wrong on purpose."""

import math

import numpy as np
import pytest

from kdmodels.calibration import (
    calibration_scores,
    cross_fitted,
    expected_calibration_error,
    fit_temperature,
    one_hot,
    tempered,
)


def test_the_scores_by_hand() -> None:
    # right with 0.9, wrong with 0.6 on another class: in bins of width 1/2 both confidences share one:
    # |mean confidence 0.75 - accuracy 0.5|; -(ln 0.9 + ln 0.4) / 2; (0.1^2 + 0.1^2 + 0.6^2 + 0.6^2) / 2
    found = calibration_scores(np.array([[0.9, 0.1], [0.6, 0.4]]), np.array([0, 1]), bins=2)
    assert found["expected_calibration_error"] == pytest.approx(0.25, abs=1e-6)
    assert found["negative_log_likelihood"] == pytest.approx(-(math.log(0.9) + math.log(0.4)) / 2)
    assert found["brier_score"] == pytest.approx((0.02 + 0.72) / 2)


def test_perfect_probabilities_score_nothing_and_impossible_ones_stay_finite() -> None:
    perfect = calibration_scores(np.eye(3), np.array([0, 1, 2]), bins=5)
    assert list(perfect.values()) == pytest.approx([0.0, 0.0, 0.0], abs=1e-6)
    wrong = calibration_scores(np.eye(3), np.array([1, 2, 0]), bins=5)
    assert math.isfinite(wrong["negative_log_likelihood"])
    assert wrong["brier_score"] == pytest.approx(2.0)


def test_a_temperature_that_was_put_in_is_found_again() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(size=(4000, 5)) * 2
    target = tempered(logits, 1.0)
    assert fit_temperature(logits * 3, target) == pytest.approx(3.0, rel=1e-3)
    assert fit_temperature(logits / 2, target) == pytest.approx(0.5, rel=1e-3)


def test_rows_that_are_ranked_perfectly_end_at_the_bound() -> None:
    assert fit_temperature(np.eye(3) / 2, one_hot(np.array([0, 1, 2]), 3)) == pytest.approx(0.05, rel=1e-2)
    assert fit_temperature(np.eye(3) * 4, one_hot(np.array([1, 2, 0]), 3)) == pytest.approx(20.0, rel=1e-2)


def test_scores_after_the_temperature_are_of_rows_it_was_not_fitted_on() -> None:
    random = np.random.default_rng(1)
    logits = random.normal(size=(2000, 4)) * 2
    actual = np.array([random.choice(4, p=row) for row in tempered(logits, 1.0)])
    temperature, scores = cross_fitted(logits * 4, actual, bins=10)
    assert temperature == pytest.approx(4.0, rel=0.15)
    for name in ("expected_calibration_error", "negative_log_likelihood", "brier_score"):
        assert scores["after"][name] < scores["before"][name]
    alone, _ = cross_fitted(logits[:1], actual[:1], bins=10)
    assert 0.05 <= alone <= 20.0


def test_the_expected_calibration_error_is_that_of_torchmetrics() -> None:
    import torch
    from torchmetrics.functional.classification import multiclass_calibration_error

    random = np.random.default_rng(5)
    shares = random.dirichlet(np.full(4, 0.4), size=500)
    shares[0] = [1, 0, 0, 0]  # the end of the last bin
    actual = random.integers(4, size=500)
    theirs = multiclass_calibration_error(torch.from_numpy(shares), torch.from_numpy(actual), num_classes=4, n_bins=15)
    ours = expected_calibration_error(shares.max(axis=1), shares.argmax(axis=1) == actual, 15)
    assert ours == pytest.approx(float(theirs), abs=1e-6)
