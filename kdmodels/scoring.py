"""Scores of a classifier on labelled text, each with a bootstrap interval."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import bootstrap
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from kdmodels.calibration import expected_calibration_error
from kdmodels.classification import probabilities
from kdmodels.comparison import Bootstrap

Floats = NDArray[np.float32]
Classes = NDArray[np.integer[Any]]


def interval(statistic: Callable[[NDArray[np.int64]], float], items: int, draws: Bootstrap) -> dict[str, float]:
    """Return a statistic of all items, and the ends of its interval.

    Args:
        statistic: of item numbers, which may come more than once
    """
    everything = np.arange(items)
    value = float(statistic(everything))
    if items < 2:
        return {"value": value, "low": value, "high": value}
    found = bootstrap(
        (everything,),
        statistic,
        vectorized=False,
        n_resamples=draws.resamples,
        confidence_level=draws.confidence,
        method="percentile",
        rng=np.random.default_rng(draws.seed),
    ).confidence_interval
    return {"value": value, "low": float(found.low), "high": float(found.high)}


def mean_interval(
    statistics: Sequence[Callable[[NDArray[np.int64]], float]], items: int, draws: Bootstrap
) -> dict[str, float]:
    """Return the mean of a statistic over trainings, and the ends of its interval over trainings and items.

    Each resample draws trainings and items anew, both with replacement, the same items for all trainings, as
    `comparison.paired_difference` does; with one training it is `interval`.

    Args:
        statistics: one a training, of item numbers, which may come more than once
    """
    if len(statistics) == 1:
        return interval(statistics[0], items, draws)
    everything = np.arange(items)
    random = np.random.default_rng(draws.seed)
    found = np.empty(draws.resamples)
    for resample in range(draws.resamples):
        of_training, of_item = (
            random.integers(len(statistics), size=len(statistics)),
            random.integers(items, size=items),
        )
        values = {number: statistics[number](of_item) for number in set(of_training.tolist())}
        found[resample] = np.mean([values[number] for number in of_training.tolist()])
    low, high = np.quantile(found, [(1 - draws.confidence) / 2, (1 + draws.confidence) / 2])
    value = float(np.mean([statistic(everything) for statistic in statistics]))
    return {"value": value, "low": float(low), "high": float(high)}


def share_equal(left_N: Classes, right_N: Classes, draws: Bootstrap) -> dict[str, float]:
    """Return the share of items on which two answers are equal: accuracy, or agreement."""
    return mean_share_equal([(left_N, right_N)], draws)


def mean_share_equal(trainings: Sequence[tuple[Classes, Classes]], draws: Bootstrap) -> dict[str, float]:
    """Return the mean share of equal answers over trainings, each with the answers that it is compared with."""

    def share(equal: NDArray[np.bool_]) -> Callable[[NDArray[np.int64]], float]:
        return lambda items: float(equal[items].mean())

    return mean_interval([share(left == right) for left, right in trainings], len(trainings[0][0]), draws)


def scores(
    trainings: Sequence[Floats], actual_N: Classes, *, bins: int, draws: Bootstrap
) -> dict[str, dict[str, float]]:
    """Return accuracy, macro-F1 and expected calibration error, of one training or as the mean of several.

    Macro-F1 is the mean over all classes, 0 for one that is neither present nor predicted. The expected calibration
    error is the mean distance of confidence from accuracy over equally wide bins (Guo et al. 2017, arXiv 1706.04599).

    Args:
        trainings: logits [items, classes] of each
    """
    parts = [_statistics(logits, actual_N, bins) for logits in trainings]
    return {
        name: mean_interval([part[name] for part in parts], len(actual_N), draws)
        for name in ("accuracy", "macro_f1", "expected_calibration_error")
    }


def _statistics(logits_NC: Floats, actual_N: Classes, bins: int) -> dict[str, Callable[[NDArray[np.int64]], float]]:
    predicted = logits_NC.argmax(axis=1)
    equal = predicted == actual_N
    classes = logits_NC.shape[1]
    confidence = probabilities(logits_NC).max(axis=1)

    def macro_f1(items: NDArray[np.int64]) -> float:
        # counted here: scikit-learn's takes 5 ms a call for checks of its arguments, 20 s for all resamples
        ours, theirs = actual_N[items], predicted[items]
        hits, actually, answered = (
            np.bincount(rows, minlength=classes) for rows in (ours[ours == theirs], ours, theirs)
        )
        return float((2 * hits / np.maximum(actually + answered, 1)).mean())

    def calibration(items: NDArray[np.int64]) -> float:
        return expected_calibration_error(confidence[items], equal[items], bins)

    return {
        "accuracy": lambda items: float(equal[items].mean()),
        "macro_f1": macro_f1,
        "expected_calibration_error": calibration,
    }


def majority(actual_N: Classes, draws: Bootstrap) -> dict[str, float]:
    """Return the accuracy of always answering the test set's most frequent class, the best that a constant can do."""
    most = np.bincount(actual_N).argmax()
    return share_equal(np.full_like(actual_N, most), actual_N, draws)


def gap_closed(student: float, teacher: float, majority: float) -> float | None:
    """Return (student - majority) / (teacher - majority), or none where the teacher is no better than the majority."""
    return (student - majority) / (teacher - majority) if teacher > majority else None


def class_table(logits_NC: Floats, actual_N: Classes, labels: Sequence[str]) -> pd.DataFrame:
    """Return precision, recall, F1 and number of items of each class."""
    precision, recall, f1, items = precision_recall_fscore_support(
        actual_N, logits_NC.argmax(axis=1), labels=range(len(labels)), zero_division=0
    )
    return pd.DataFrame({"label": labels, "precision": precision, "recall": recall, "f1": f1, "items": items})


def confusion(logits_NC: Floats, actual_N: Classes) -> NDArray[np.int64]:
    """Return how often each actual class (rows) was given each predicted class (columns)."""
    counts: NDArray[np.int64] = confusion_matrix(
        actual_N, logits_NC.argmax(axis=1), labels=range(logits_NC.shape[1])
    ).astype(np.int64)
    return counts


def reliability(logits_NC: Floats, actual_N: Classes, bins: int) -> pd.DataFrame:
    """Return mean confidence, accuracy and number of items of each bin of confidence that has any."""
    shares = probabilities(logits_NC)
    confidence = shares.max(axis=1)
    right = shares.argmax(axis=1) == actual_N
    frame = pd.DataFrame({"confidence": confidence, "accuracy": right, "items": 1})
    frame["bin"] = np.minimum((confidence * bins).astype(int), bins - 1)
    return frame.groupby("bin", as_index=False).agg({"confidence": "mean", "accuracy": "mean", "items": "sum"})
