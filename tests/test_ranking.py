"""Designs are ranked on held-out pairs, and a difference is claimed only where it is more than chance."""

import numpy as np
import pytest

from kdmodels.comparison import Bootstrap
from kdmodels.ranking import holm, kendall_tau, ranked

DRAWS = Bootstrap(resamples=1000, confidence=0.95, seed=1)


def test_holm_by_hand() -> None:
    # sorted 0.01, 0.02, 0.04: times 3, 2, 1 = 0.03, 0.04, 0.04
    assert holm([0.04, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    # 0.01 * 2 = 0.02; 0.015 * 1 = 0.015 may not fall below it
    assert holm([0.01, 0.015]) == pytest.approx([0.02, 0.02])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_kendalls_tau_by_hand() -> None:
    # of the three pairs of (1, 2, 3) and (1, 3, 2) two are in order: (2 - 1) / 3
    assert kendall_tau([1, 2, 3], [1, 3, 2]) == pytest.approx(1 / 3)
    assert kendall_tau([1, 2, 3], [6, 5, 4]) == pytest.approx(-1)
    assert kendall_tau([1, 2], [3, 3]) is None
    assert kendall_tau([1], [1]) is None


def test_the_best_comes_first_and_only_a_sure_difference_is_claimed() -> None:
    random = np.random.default_rng(0)
    base = (random.random((3, 400)) < 0.7).astype(float)
    better = np.maximum(base, (random.random((3, 400)) < 0.3).astype(float))
    alike = base.copy()
    alike[:, :2] = 1.0
    worse = np.minimum(base, (random.random((3, 400)) < 0.8).astype(float))
    designs = {"base": base, "better": better, "alike": alike, "worse": worse}
    divergence = {name: np.full((3, 400), 0.5) for name in designs}
    found = ranked(designs, divergence, reference="base", level=0.05, draws=DRAWS)
    assert [place.name for place in found] == ["better", "alike", "base", "worse"]
    assert [place.better for place in found] == [True, False, False, False]
    by_name = {place.name: place for place in found}
    assert by_name["base"].p_value == 1.0
    assert by_name["base"].difference["value"] == 0.0
    assert by_name["better"].p_value == pytest.approx(3 * 2 / 1000), (
        "no smaller than the resamples can tell, times three"
    )
    assert by_name["worse"].difference["high"] < 0
    assert by_name["base"].agreement["value"] == pytest.approx(base.mean())
    assert by_name["base"].agreement["low"] < base.mean() < by_name["base"].agreement["high"]


def test_of_equal_agreement_the_nearer_distribution_comes_first() -> None:
    same = np.ones((1, 10))
    found = ranked({"a": same, "b": same}, {"a": same * 0.4, "b": same * 0.3}, reference="a", level=0.05, draws=DRAWS)
    assert [place.name for place in found] == ["b", "a"]
