"""A paired difference is the mean difference, with an interval over seeds and items together."""

import numpy as np
import pytest

from kdmodels.comparison import Bootstrap, paired_difference

DRAWS = Bootstrap(resamples=2000, confidence=0.95, seed=1)


def test_equal_systems_do_not_differ() -> None:
    right = np.array([[1.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]])
    assert paired_difference(right, right, None, DRAWS) == {"value": 0.0, "low": 0.0, "high": 0.0, "above_zero": 0.5}


def test_the_value_and_a_sure_difference_by_hand() -> None:
    left, right = np.ones((2, 50)), np.zeros((2, 50))
    assert paired_difference(left, right, None, DRAWS) == {"value": 1.0, "low": 1.0, "high": 1.0, "above_zero": 1.0}
    half = paired_difference(np.array([[1.0, 0.0]]), np.array([[0.0, 0.0]]), None, DRAWS)
    assert half["value"] == 0.5
    assert (half["low"], half["high"]) == (0.0, 1.0)
    assert half["above_zero"] == pytest.approx(0.75 + 0.25 / 2, abs=0.03)  # both items drawn as the second: a tie


def test_the_interval_of_one_seed_is_that_of_its_items() -> None:
    random = np.random.default_rng(0)
    left, right = (random.random((1, 400)) < share for share in (0.7, 0.6))
    found = paired_difference(left, right, None, DRAWS)
    spread = (left.astype(float) - right)[0].std() / np.sqrt(400)
    assert found["high"] - found["low"] == pytest.approx(2 * 1.96 * spread, rel=0.08)


def test_seeds_that_differ_make_the_interval_wider() -> None:
    random = np.random.default_rng(0)
    items = (random.random(300) < 0.5).astype(float)
    alike = np.tile(items, (4, 1))
    unlike = alike.copy()
    unlike[0], unlike[1] = 1.0, 0.0
    base = np.zeros((4, 300))
    narrow, wide = (paired_difference(one, base, None, DRAWS) for one in (alike, unlike))
    assert wide["high"] - wide["low"] > 3 * (narrow["high"] - narrow["low"])


def test_items_of_one_group_are_drawn_together() -> None:
    random = np.random.default_rng(0)
    once = (random.random((1, 100)) < 0.6).astype(float)
    thrice = np.repeat(once, 3, axis=1)
    base = np.zeros((1, 300))
    grouped = paired_difference(thrice, base, np.repeat(np.arange(100), 3), DRAWS)
    alone = paired_difference(once, base[:, :100], None, DRAWS)
    assert grouped["high"] - grouped["low"] == pytest.approx(alone["high"] - alone["low"], rel=0.05)
