"""Which of several designs is best, judged on held-out pairs, and whether that is more than chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdmodels.comparison import Bootstrap, paired_difference

Values = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Place:
    """Where one design stands.

    Attributes:
        agreement: mean agreement with the teacher on held-out pairs, with its interval over seeds and pairs
        divergence: mean KL(teacher || student) in nats
        difference: its agreement minus that of the reference, likewise
        p_value: of no difference, corrected for the number of designs; of the reference itself: 1
        better: whether the difference is above zero and the corrected p-value below the level
    """

    name: str
    agreement: dict[str, float]
    divergence: float
    difference: dict[str, float]
    p_value: float
    better: bool


def ranked(
    agreement: Mapping[str, Values], divergence: Mapping[str, Values], *, reference: str, level: float, draws: Bootstrap
) -> list[Place]:
    """Return the designs from the best to the worst by their agreement on held-out pairs.

    Args:
        agreement: of each design [seeds, pairs], 1.0 where student and teacher give the same label
        divergence: of each design [seeds, pairs], in nats
        reference: the design that the others are compared with
        level: of significance, after Holm's correction over all the others
    """
    nothing = np.zeros_like(next(iter(agreement.values())))
    others = [name for name in agreement if name != reference]
    differences = {
        name: paired_difference(values, agreement[reference], None, draws) for name, values in agreement.items()
    }
    raw = [_two_sided(differences[name], draws.resamples) for name in others]
    corrected = dict(zip(others, holm(raw), strict=True)) | {reference: 1.0}
    found = [
        Place(
            name=name,
            agreement=paired_difference(values, nothing, None, draws),
            divergence=float(divergence[name].mean()),
            difference=differences[name],
            p_value=corrected[name],
            better=differences[name]["value"] > 0 and corrected[name] < level,
        )
        for name, values in agreement.items()
    ]
    return sorted(found, key=lambda place: (-place.agreement["value"], place.divergence, place.name))


def _two_sided(difference: dict[str, float], resamples: int) -> float:
    """Return the bootstrap's p-value of no difference; no smaller than the number of resamples can tell."""
    above = difference["above_zero"]
    return min(1.0, max(2 * min(above, 1 - above), 2 / resamples))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number, in their order (Holm 1979, Scandinavian Journal of Statistics 6).

    The smallest of n is multiplied by n, the next by n - 1 and so on; none falls below one that was smaller.
    """
    order = np.argsort(p_values, kind="stable")
    corrected = np.empty(len(p_values))
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = largest
    return [float(value) for value in corrected]


def kendall_tau(left: Sequence[float], right: Sequence[float]) -> float | None:
    """Return Kendall's tau-b of two rankings (Kendall 1938, 1945); none where one of them does not rank."""
    from scipy.stats import kendalltau

    if len(left) < 2 or len(set(left)) < 2 or len(set(right)) < 2:
        return None
    return float(kendalltau(left, right).statistic)
