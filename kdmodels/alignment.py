"""Word alignment: which source tokens translate which target tokens, learned from a parallel corpus."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Tokens = Sequence[NDArray[np.integer[Any]]]
Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


def align(
    source: Tokens, target: Tokens, *, source_size: int, target_size: int, iterations: int, symmetrised: bool
) -> csr_array:
    """Fit IBM model 1 and return expected alignment counts.

    For a pair with source tokens s and target tokens t, each t stems from one of the s or from nothing:
    p(a = i | t, s) = p(t | s_i) / sum_j p(t | s_j), and p(t | s) is the normalised sum of these over all pairs
    (Brown et al. 1993, "The Mathematics of Statistical Machine Translation", section 4.1).
    What stems from nothing is left out of the result.

    Args:
        source: ids of the source tokens of each pair, without special tokens.
        target: ids of the target tokens of each pair, without special tokens.
        iterations: of expectation maximisation, from a uniform start.
        symmetrised: fit the other direction too, and count the product of both posteriors: a link counts where both
            sides choose each other (the product of Liang, Taskar & Klein 2006, "Alignment by Agreement", section 3,
            taken once at the end).

    Returns:
        counts: [target_size, source_size], how often each target token is aligned to each source token.
    """
    grid = _grid(source, target, source_size)
    links = _posteriors(grid.cell_of, grid.target_at, grid.target_tokens, grid.source_of_cell, iterations)
    if symmetrised:
        links = links * _posteriors(grid.cell_of, grid.source_at, grid.source_tokens, grid.target_of_cell, iterations)
    counts = np.bincount(grid.cell_of, weights=links, minlength=len(grid.source_of_cell))
    return csr_array((counts, (grid.target_of_cell, grid.source_of_cell)), shape=(target_size, source_size))


@dataclass(frozen=True)
class _Grid:
    """Every place where a target token stands beside a source token in a pair.

    Attributes:
        cell_of: [places], the distinct (target token, source token) of each place
        target_at, source_at: [places], the running text's target and source token of each place
        target_tokens, source_tokens: of the running text
        target_of_cell, source_of_cell: [cells]
    """

    cell_of: Integers
    target_at: Integers
    source_at: Integers
    target_tokens: Integers
    source_tokens: Integers
    target_of_cell: Integers
    source_of_cell: Integers


def _grid(source: Tokens, target: Tokens, width: int) -> _Grid:
    keys, target_at, source_at = [], [], []
    targets = sources = 0
    for source_ids, target_ids in zip(source, target, strict=True):
        ours, theirs = np.asarray(target_ids, dtype=np.int64), np.asarray(source_ids, dtype=np.int64)
        keys.append((ours[:, None] * width + theirs[None, :]).ravel())
        target_at.append(np.repeat(np.arange(targets, targets + len(ours)), len(theirs)))
        source_at.append(np.tile(np.arange(sources, sources + len(theirs)), len(ours)))
        targets, sources = targets + len(ours), sources + len(theirs)
    distinct, cell_of = np.unique(np.concatenate(keys), return_inverse=True)
    return _Grid(
        cell_of=cell_of.astype(np.int64),
        target_at=np.concatenate(target_at),
        source_at=np.concatenate(source_at),
        target_tokens=np.concatenate([np.asarray(ids, dtype=np.int64) for ids in target]),
        source_tokens=np.concatenate([np.asarray(ids, dtype=np.int64) for ids in source]),
        target_of_cell=distinct // width,
        source_of_cell=distinct % width,
    )


def _posteriors(cell_of: Integers, effect_at: Integers, effects: Integers, causes: Integers, iterations: int) -> Floats:
    """Return of each place how likely its effect stems from its cause, [places].

    Args:
        effect_at: [places], which effect of the running text stands there
        effects: tokens of the running text that are to be explained
        causes: [cells], the token that explains
    """
    probability: Floats = np.ones(len(causes))
    from_nothing: Floats = np.ones(int(effects.max(initial=-1)) + 1)
    links: Floats = np.zeros(len(cell_of))
    for _ in range(iterations):
        weight, nothing = probability[cell_of], from_nothing[effects]
        total = np.bincount(effect_at, weights=weight, minlength=len(effects)) + nothing
        links = weight / total[effect_at]
        counts = np.bincount(cell_of, weights=links, minlength=len(causes))
        probability = counts / np.bincount(causes, weights=counts)[causes]
        unexplained = np.bincount(effects, weights=nothing / total)
        from_nothing = unexplained / unexplained.sum()
    return links
