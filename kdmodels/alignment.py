"""Word alignment: which source tokens translate which target tokens, learned from a parallel corpus."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Tokens = Sequence[NDArray[np.integer]]


def align(source: Tokens, target: Tokens, *, source_size: int, target_size: int, iterations: int) -> csr_array:
    """Fit IBM model 1 and return expected alignment counts.

    For a pair with source tokens s and target tokens t, each t stems from one of the s or from nothing:
    p(a = i | t, s) = p(t | s_i) / sum_j p(t | s_j), and p(t | s) is the normalised sum of these over all pairs
    (Brown et al. 1993, "The Mathematics of Statistical Machine Translation", section 4.1).
    What stems from nothing is left out of the result.

    Args:
        source: ids of the source tokens of each pair, without special tokens.
        target: ids of the target tokens of each pair, without special tokens.
        iterations: of expectation maximisation, from a uniform start.

    Returns:
        counts: [target_size, source_size], how often each target token is aligned to each source token.
    """
    nothing = source_size
    co_occurring, inverse, group, groups = _co_occurrences(source, target, nothing, source_size + 1)
    source_of = (co_occurring % (source_size + 1)).astype(np.int64)
    probability: NDArray[np.float64] = np.ones(len(co_occurring))
    counts: NDArray[np.float64] = np.zeros(len(co_occurring))
    for _ in range(iterations):
        weight = probability[inverse]
        weight = weight / np.bincount(group, weights=weight, minlength=groups)[group]
        counts = np.bincount(inverse, weights=weight, minlength=len(co_occurring)).astype(np.float64)
        total = np.bincount(source_of, weights=counts, minlength=source_size + 1)
        probability = counts / total[source_of]
    real = source_of != nothing
    target_of = co_occurring // (source_size + 1)
    return csr_array((counts[real], (target_of[real], source_of[real])), shape=(target_size, source_size))


def _co_occurrences(
    source: Tokens, target: Tokens, nothing: int, width: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], int]:
    """Return the distinct (target, source) cells, the cell of each co-occurrence, and the target token it explains."""
    cells, group, groups = [], [], 0
    for source_ids, target_ids in zip(source, target, strict=True):
        causes = np.append(np.asarray(source_ids, dtype=np.int64), nothing)
        effects = np.asarray(target_ids, dtype=np.int64)
        cells.append((effects[:, None] * width + causes[None, :]).ravel())
        group.append(np.repeat(np.arange(groups, groups + len(effects)), len(causes)))
        groups += len(effects)
    co_occurring, inverse = np.unique(np.concatenate(cells), return_inverse=True)
    return co_occurring, inverse.astype(np.int64), np.concatenate(group), groups
