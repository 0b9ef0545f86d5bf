"""Whether one system is better than another: the bootstrap of their paired difference over seeds and items together."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are drawn: percentile bootstrap over items (Efron 1979)."""

    resamples: int
    confidence: float
    seed: int


def paired_difference(
    left_SN: Values, right_SN: Values, groups_N: NDArray[Any] | None, draws: Bootstrap
) -> dict[str, float]:
    """Return the mean difference of two systems on the same items, with its interval.

    Each resample draws seeds and groups of items anew, both with replacement, so that the interval covers another
    training and other text at once (Efron & Tibshirani 1993, section 8.3; for systems of language Koehn 2004, ACL
    W04-3250). Both systems keep the same items, and a seed of the one its seed of the other.

    Args:
        left_SN, right_SN: [seeds, items], a score of each, such as 1.0 where the answer is right
        groups_N: [items], which belong together, such as one sentence in several languages; none: each item alone

    Returns:
        value, low, high, and above_zero: the share of the resamples in which the left system is better (ties half)
    """
    difference_SN = np.asarray(left_SN, dtype=np.float64) - np.asarray(right_SN, dtype=np.float64)
    seeds, items = difference_SN.shape
    members = np.arange(items) if groups_N is None else np.unique(groups_N, return_inverse=True)[1]
    groups = int(members.max()) + 1
    sum_SG = np.stack([np.bincount(members, weights=row, minlength=groups) for row in difference_SN])
    size_G = np.bincount(members, minlength=groups)
    random = np.random.default_rng(draws.seed)
    found = np.empty(draws.resamples)
    for resample in range(draws.resamples):
        of_seed, of_group = random.integers(seeds, size=seeds), random.integers(groups, size=groups)
        found[resample] = sum_SG[of_seed][:, of_group].sum() / (seeds * size_G[of_group].sum())
    low, high = np.quantile(found, [(1 - draws.confidence) / 2, (1 + draws.confidence) / 2])
    return {
        "value": float(difference_SN.mean()),
        "low": float(low),
        "high": float(high),
        "above_zero": float((found > 0).mean() + (found == 0).mean() / 2),
    }
