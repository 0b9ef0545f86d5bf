"""Calibration: whether a classifier that says 0.8 is right in 80 % of the cases, and the temperature that mends it."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from torchmetrics.functional.classification import multiclass_calibration_error

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


def calibration_scores(shares_NC: Floats, actual_N: Classes, bins: int) -> dict[str, float]:
    """Return three scores of probabilities, each the better the lower.

    The expected calibration error is the mean distance of confidence from accuracy over equally wide bins (Guo et al.
    2017, equation 3); the negative log-likelihood is in nats; the Brier score (Brier 1950) is the mean over rows of
    sum_c (p_c - y_c)^2, 0 to 2.

    Args:
        shares_NC: [rows, classes], each row adding up to 1
    """
    shares, actual = torch.from_numpy(np.asarray(shares_NC)), torch.from_numpy(np.asarray(actual_N).astype(np.int64))
    classes = shares_NC.shape[1]
    right = shares_NC[np.arange(len(actual_N)), actual_N]
    return {
        "expected_calibration_error": float(
            multiclass_calibration_error(shares, actual, num_classes=classes, n_bins=bins)
        ),
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
