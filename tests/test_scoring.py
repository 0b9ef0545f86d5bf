"""Scores are the numbers computed by hand."""

import math

import numpy as np
import pytest
from sklearn.metrics import f1_score

from kdmodels.classification import compare, cross_entropy_scores
from kdmodels.comparison import Bootstrap
from kdmodels.scoring import (
    class_table,
    confusion,
    gap_closed,
    majority,
    mean_share_equal,
    reliability,
    scores,
    share_equal,
)
from kdmodels.speed import sentences_per_second

DRAWS = Bootstrap(resamples=200, confidence=0.95, seed=1)
# Four texts, two classes: the answers 0, 0, 1, 1 with confidence 0.9, 0.6, 0.8, 0.8 where 0, 1, 1, 1 is right.
LOGITS = np.log(np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.2, 0.8]], dtype=np.float32))
ACTUAL = np.array([0, 1, 1, 1])


def test_accuracy_macro_f1_and_calibration_by_hand() -> None:
    found = scores([LOGITS], ACTUAL, bins=10, draws=DRAWS)
    assert found["accuracy"]["value"] == 0.75
    # class 0: precision 1/2, recall 1, F1 2/3; class 1: precision 1, recall 2/3, F1 4/5
    assert found["macro_f1"]["value"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    # |1 - 0.9| / 4 + |0 - 0.6| / 4 + 2 |1 - 0.8| / 4
    assert found["expected_calibration_error"]["value"] == pytest.approx((0.1 + 0.6 + 0.4) / 4, abs=1e-6)


def test_an_interval_holds_its_value_and_is_the_same_each_time() -> None:
    one, two = (scores([LOGITS], ACTUAL, bins=10, draws=DRAWS) for _ in range(2))
    assert one == two
    for score in one.values():
        assert score["low"] <= score["value"] <= score["high"]
    assert one["accuracy"]["low"] < one["accuracy"]["high"]


def test_of_several_trainings_there_is_the_mean_and_an_interval_over_them_and_the_items() -> None:
    """Three right of four, and all four: 7/8. Where no item differs, the interval is that of the trainings alone."""
    perfect = np.log(np.array([[0.9, 0.1], [0.1, 0.9], [0.2, 0.8], [0.2, 0.8]], dtype=np.float32))
    assert scores([LOGITS, perfect], ACTUAL, bins=10, draws=DRAWS)["accuracy"]["value"] == 7 / 8
    assert scores([LOGITS], ACTUAL, bins=10, draws=DRAWS)["accuracy"] == share_equal(LOGITS.argmax(1), ACTUAL, DRAWS)
    ones, zeros = np.ones(50), np.zeros(50)
    found = mean_share_equal([(ones, ones), (ones, zeros)], DRAWS)
    assert (found["value"], found["low"], found["high"]) == (0.5, 0.0, 1.0)


def test_an_interval_has_the_width_that_the_normal_distribution_gives() -> None:
    equal = np.arange(1000) % 2
    score = share_equal(equal, np.ones(1000, dtype=int), Bootstrap(2000, 0.95, 1))
    assert score["high"] - score["low"] == pytest.approx(2 * 1.96 * math.sqrt(0.25 / 1000), rel=0.1)


def test_the_majority_class_and_the_gap_closed() -> None:
    assert majority(ACTUAL, DRAWS)["value"] == 0.75
    assert gap_closed(0.7, 0.8, 0.3) == pytest.approx(0.8)
    assert gap_closed(0.7, 0.3, 0.3) is None


def test_confusion_classes_and_reliability() -> None:
    assert confusion(LOGITS, ACTUAL).tolist() == [[1, 0], [1, 2]]
    assert class_table(LOGITS, ACTUAL, ["a", "b"])["items"].tolist() == [1, 3]
    bins = reliability(LOGITS, ACTUAL, 10)
    assert bins["items"].tolist() == [1, 2, 1]
    assert bins["accuracy"].tolist() == [0.0, 1.0, 1.0]


def test_a_checkpoint_is_chosen_by_agreement_and_divergence_decides_only_between_equals() -> None:
    teacher = np.array([[2.0, 0.0], [0.0, 2.0]], dtype=np.float32)
    near, far = teacher * 0.9, teacher * 0.1
    wrong = np.array([[2.0, 0.0], [0.1, 0.0]], dtype=np.float32)
    assert compare(teacher, teacher) == {"agreement": 1.0, "divergence": 0.0, "selection": 1.0}
    assert compare(near, teacher)["selection"] > compare(far, teacher)["selection"]
    assert compare(far, teacher)["selection"] > compare(wrong, teacher)["selection"]
    # KL of (1/2, 1/2) from (3/4, 1/4)
    found = compare(np.zeros((1, 2), dtype=np.float32), np.array([[math.log(3), 0.0]], dtype=np.float32))
    assert found["divergence"] == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5), abs=1e-6)


def test_the_teachers_epoch_is_chosen_by_accuracy_then_loss() -> None:
    found = cross_entropy_scores(LOGITS, ACTUAL)
    assert found["accuracy"] == 0.75
    assert found["loss"] == pytest.approx(-(math.log(0.9) + math.log(0.4) + 2 * math.log(0.8)) / 4, abs=1e-6)


def test_speed_takes_turns_and_leaves_the_first_out() -> None:
    turns: list[str] = []
    speeds = sentences_per_second({name: lambda name=name: turns.append(name) or 8 for name in "ab"}, repeats=2)
    assert turns == ["a", "b"] * 3
    assert set(speeds) == {"a", "b"}


@pytest.mark.parametrize("classes", [2, 5, 9])
def test_macro_f1_is_that_of_scikit_learn(classes: int) -> None:
    random = np.random.default_rng(classes)
    logits = random.normal(size=(40, classes)).astype(np.float32)
    actual = random.integers(0, max(2, classes - 1), size=40)  # one class is only ever predicted
    found = scores([logits], actual, bins=5, draws=Bootstrap(100, 0.95, 1))["macro_f1"]["value"]
    expected = f1_score(actual, logits.argmax(axis=1), labels=range(classes), average="macro", zero_division=0)
    assert found == pytest.approx(expected, abs=1e-12)
