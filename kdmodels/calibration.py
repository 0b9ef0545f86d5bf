"""Calibration: whether a classifier that says 0.8 is right in 80 % of the cases, and the temperature that mends it."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

Floats = NDArray[np.floating[Any]]
Classes = NDArray[np.integer[Any]]

_LEAST, _MOST = 0.05, 20.0  # a temperature beyond says that the logits rank all rows perfectly, or not at all


def tempered(logits_NC: Floats, temperature: float) -> Floats:
    """Return softmax(logits / temperature), [rows, classes], in double precision."""
    shares: Floats = torch.from_numpy(logits_NC / temperature).double().softmax(dim=-1).numpy()
    return shares


def one_hot(labels_N: Classes, classes: int) -> Floats:
    """Return labels as distributions, [rows, classes]."""
    return np.eye(classes)[labels_N]


def fit_temperature(logits_NC: Floats, target_NC: Floats) -> float:
    """Return the temperature that brings softmax(logits / T) nearest to target distributions.

    It minimises their mean cross-entropy (Guo et al. 2017, arXiv 1706.04599, section 4.2, there with labels for
    targets), which has one minimum in 1 / T; the order of the classes of a row never changes.

    Args:
        logits_NC: [rows, classes]
        target_NC: [rows, classes], each row adding up to 1

    Returns:
        0.05 to 20; at these ends the data would have it smaller or larger still
    """
    logits, target = torch.from_numpy(np.asarray(logits_NC)).double(), torch.from_numpy(np.asarray(target_NC)).double()

    def cross_entropy(logarithm: float) -> float:
        return float(-(target * (logits / np.exp(logarithm)).log_softmax(dim=-1)).sum(dim=-1).mean())

    found = minimize_scalar(cross_entropy, bounds=(np.log(_LEAST), np.log(_MOST)), method="bounded")
    return float(np.exp(found.x))


def expected_calibration_error(confidence_N: Floats, right_N: NDArray[np.bool_], bins: int) -> float:
    """Return the mean distance of confidence from accuracy over equally wide bins (Guo et al. 2017, equation 3).

    torchmetrics has it too, and takes three seconds to be imported, in each stage.

    Args:
        confidence_N: [rows], the probability of each row's answer
        right_N: [rows], whether the answer is
    """
    bin_N = np.minimum((confidence_N * bins).astype(np.int64), bins - 1)
    distance_B = np.bincount(bin_N, weights=confidence_N.astype(np.float64) - right_N, minlength=bins)
    return float(np.abs(distance_B).sum() / len(confidence_N))


def calibration_scores(shares_NC: Floats, actual_N: Classes, bins: int) -> dict[str, float]:
    """Return three scores of probabilities, each the better the lower.

    The negative log-likelihood is in nats; the Brier score (Brier 1950) is the mean over rows of sum_c (p_c - y_c)^2, 0 to 2.

    Args:
        shares_NC: [rows, classes], each row adding up to 1
    """
    classes = shares_NC.shape[1]
    right = shares_NC[np.arange(len(actual_N)), actual_N]
    correct = shares_NC.argmax(axis=1) == actual_N
    return {
        "expected_calibration_error": expected_calibration_error(shares_NC.max(axis=1), correct, bins),
        "negative_log_likelihood": float(-np.log(np.maximum(right, np.finfo(np.float64).tiny)).mean()),
        "brier_score": float(((shares_NC - one_hot(actual_N, classes)) ** 2).sum(axis=1).mean()),
    }


def cross_fitted(logits_NC: Floats, actual_N: Classes, bins: int) -> tuple[float, dict[str, dict[str, float]]]:
    """Return the temperature fitted on all rows, and the scores before and after one.

    The scores after it are honest: of each half of the rows with the temperature that was fitted on the other.
    """
    target_NC = one_hot(actual_N, logits_NC.shape[1])
    after = np.empty(logits_NC.shape)
    halves = (np.arange(0, len(actual_N), 2), np.arange(1, len(actual_N), 2))
    for ours, others in (halves, halves[::-1]):
        fitted = fit_temperature(logits_NC[others], target_NC[others]) if len(others) else 1.0
        after[ours] = tempered(logits_NC[ours], fitted)
    scores = {
        "before": calibration_scores(tempered(logits_NC, 1.0), actual_N, bins),
        "after": calibration_scores(after, actual_N, bins),
    }
    return fit_temperature(logits_NC, target_NC), scores
