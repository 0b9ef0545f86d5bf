"""What a labelled target test set tells: how good student and controls are, and whether the student is better."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdmodels.comparison import Bootstrap, paired_difference
from kdmodels.scoring import gap_closed, majority, scores, share_equal
from tasks.systems import Logits, Reader

Texts = dict[str, list[str]]
Answers = Mapping[str, Sequence[tuple[int | None, Logits]]]


def put_scores(
    metrics: dict[str, Any],
    answers: Answers,
    teacher: Reader,
    actual: NDArray[np.int64],
    source: Texts,
    target: Texts,
    bins: int,
    draws: Bootstrap,
) -> None:
    """Put the scores that need a labelled target test set into the metrics, and what follows from them.

    Where a system was trained more than once its scores are means, with intervals over trainings and items together, and
    so are the differences, over the seeds that both have.

    Args:
        answers: of student and controls, of each training its seed and its logits on the test texts; the first training
            is the one that the folder of models holds
        actual: the class of each test text
    """
    labels = teacher.labels
    metrics["majority"] = {"accuracy": majority(actual, draws)}
    metrics["student"] = _scores(answers["student"], actual, bins, draws)
    for name, found in metrics["controls"].items():
        found |= _scores(answers[name], actual, bins, draws)
        found["student_minus_control"] = _difference(answers["student"], answers[name], actual, draws)
    if not source["id"]:
        return
    logits = teacher.texts(source["text"])
    source_actual = np.array([labels.index(label) for label in source["label"]])
    metrics["teacher"] = scores([logits], source_actual, bins=bins, draws=draws)
    place = _parallel_rows(source, target)
    if place is not None:
        theirs = logits.argmax(axis=1)[place]
        ours = answers["student"][0][1].argmax(axis=1)
        metrics["student"]["agreement"] = share_equal(ours, theirs, draws)
    ends = [metrics[name]["accuracy"]["value"] for name in ("teacher", "majority")]
    for found, put in ((metrics["student"], metrics), *((one, one) for one in metrics["controls"].values())):
        closed = gap_closed(found["accuracy"]["value"], *ends)
        if closed is not None:
            put["gap_closed"] = closed


def _scores(
    trainings: Sequence[tuple[int | None, Logits]], actual: NDArray[np.int64], bins: int, draws: Bootstrap
) -> dict[str, Any]:
    found: dict[str, Any] = scores([logits for _, logits in trainings], actual, bins=bins, draws=draws)
    if len(trainings) > 1:
        first = trainings[0][1].argmax(axis=1)
        found["first_training"] = {"accuracy": share_equal(first, actual, draws)}
    return found


def _difference(
    student: Sequence[tuple[int | None, Logits]],
    control: Sequence[tuple[int | None, Logits]],
    actual: NDArray[np.int64],
    draws: Bootstrap,
) -> dict[str, float]:
    """Return the paired difference over the seeds of both; one answer stands beside all seeds where nothing is random."""
    ours, theirs = ({seed: _right(logits, actual) for seed, logits in side} for side in (student, control))
    if len(control) == 1 and control[0][0] is None:
        theirs = dict.fromkeys(ours, theirs[None])
    both = [seed for seed in ours if seed in theirs]
    left, right = (np.stack([side[seed] for seed in both]) for side in (ours, theirs))
    return {**paired_difference(left, right, None, draws), "trainings": float(len(both))}


def _right(logits: Logits, actual: NDArray[np.int64]) -> NDArray[np.float64]:
    right: NDArray[np.float64] = (logits.argmax(axis=1) == actual).astype(np.float64)
    return right


def _parallel_rows(source: Texts, target: Texts) -> NDArray[np.int64] | None:
    """Return the source test row of each target test row, where ids and labels say that the two are parallel."""
    rows = {name: number for number, name in enumerate(source["id"])}
    if not all(name in rows for name in target["id"]):
        return None
    place = np.array([rows[name] for name in target["id"]])
    same = all(source["label"][row] == label for row, label in zip(place, target["label"], strict=True))
    return place if same else None
