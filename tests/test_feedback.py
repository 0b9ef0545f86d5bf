"""What students could not follow becomes weights and smoothings of the teacher's classes, by numbers done by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kdmodels.errors import BadInputError
from kdmodels.feedback import (
    NEUTRAL,
    Answers,
    Feedback,
    by_class,
    next_feedback,
    of_texts,
    read_feedback,
    teaches,
    write_feedback,
)

LABELS = ["a", "b"]
# of class a one of four answers differs, of class b three of four; confidence 0.9 for a, 0.5 for b
ANSWERS = Answers(["a"] * 4 + ["b"] * 4, ["a", "a", "a", "b", "b", "a", "a", "a"], np.array([0.9] * 4 + [0.5] * 4))


def told(before: Feedback = NEUTRAL, answers: Answers = ANSWERS, **changes: float) -> Feedback:
    numbers = {"strength": 1.0, "smoothing": 0.2, "limit": 100.0, "prior": 4.0} | changes
    return next_feedback(before, answers, LABELS, **numbers)


def test_disagreement_and_doubt_of_each_class_are_drawn_to_their_mean() -> None:
    disagreement, doubt = by_class(ANSWERS, LABELS, prior=4.0)
    # the mean disagreement is 4/8: (1 + 4/2) / 8 and (3 + 4/2) / 8; the mean doubt 0.3: (0.4 + 1.2) / 8, (2 + 1.2) / 8
    assert disagreement == pytest.approx([0.375, 0.625])
    assert doubt == pytest.approx([0.2, 0.4])


def test_a_class_that_no_pair_has_counts_as_the_mean() -> None:
    disagreement, _ = by_class(ANSWERS, [*LABELS, "c"], prior=4.0)
    assert disagreement[2] == pytest.approx(0.5)


def test_the_next_round_by_hand() -> None:
    found = told()
    # (0.375 / 0.5, 0.625 / 0.5) = (0.75, 1.25), over their geometric mean 0.9682
    assert found.round == 1
    assert found.weight == pytest.approx({"a": 0.7746, "b": 1.2910})
    assert found.smoothing == pytest.approx({"a": 0.04, "b": 0.08})
    again = told(found)
    assert again.round == 2
    assert again.weight == pytest.approx({"a": 0.6, "b": 1.6667}, abs=2e-4), "0.75 / 1.25 twice, over its root"


def test_no_strength_leaves_the_weights_and_the_limit_holds_them() -> None:
    assert told(strength=0.0).weight == {"a": 1.0, "b": 1.0}
    held = told(strength=10.0, limit=2.0).weight
    assert held == pytest.approx({"a": 0.5, "b": 2.0})


def test_students_that_agree_everywhere_change_no_weight() -> None:
    same = Answers(["a", "b"], ["a", "b"], np.array([1.0, 1.0]))
    found = told(answers=same)
    assert found.weight == {"a": 1.0, "b": 1.0} and found.smoothing == {"a": 0.0, "b": 0.0}


def test_texts_take_what_is_said_of_their_class() -> None:
    weight, smoothing = of_texts(Feedback(1, {"b": 3.0}, {"a": 0.1, "b": 0.95}), LABELS, np.array([0, 1, 1]), 0.05)
    assert weight.tolist() == [1.0, 3.0, 3.0]
    assert smoothing == pytest.approx([0.15, 0.9, 0.9]), "labels that still say something"
    weight, smoothing = of_texts(NEUTRAL, LABELS, np.array([0, 1]), 0.05)
    assert (weight.tolist(), smoothing.tolist()) == ([1.0, 1.0], [0.05, 0.05])


def test_a_text_teaches_or_judges_by_its_own_hash_and_about_half_do_each() -> None:
    hashes = [f"{number:032x}" for number in range(2000)]
    chosen = teaches(hashes)
    assert 900 < chosen.sum() < 1100
    assert (teaches(hashes[::-1]) == chosen[::-1]).all(), "whatever stands around it"


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_feedback(tmp_path / "feedback.json", told())
    assert read_feedback(tmp_path / "feedback.json", LABELS) == told()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight": {"c": 1.0}}, r"weight names the class 'c', which is none of a, b.*distilingua feedback --neutral"),
        ({"weight": {"a": 0}}, r"weight of 'a' is 0; allowed: a number above 0"),
        ({"weight": {"a": "2"}}, r"weight of 'a' is '2'; allowed"),
        ({"weight": {"a": True}}, r"weight of 'a' is True; allowed"),
        ({"weight": [1.0]}, r"weight is \[1\.0\]; a number for each class is expected"),
        ({"smoothing": {"b": 1.0}}, r"smoothing of 'b' is 1\.0; allowed: a number from 0 to below 1"),
        ({"round": -1}, r"round is -1; a whole number from 0"),
        ({"rounds": 3}, r"round, weight and smoothing are expected in it"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = tmp_path / "feedback.json"
    path.write_text(json.dumps({"round": 1, "weight": {}, "smoothing": {}} | change))
    with pytest.raises(BadInputError, match=message):
        read_feedback(path, LABELS)
