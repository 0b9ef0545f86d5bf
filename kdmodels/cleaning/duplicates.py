"""Pairs that repeat an earlier one, exactly or nearly.

A pair is known by one 64-bit hash of its plain text and by a MinHash signature of 64 values (rensa's R-MinHash) of
which the lower 16 bits are kept: 128 bytes a pair. Four neighbouring values make one band of 64 bits, so that the
bands are the signature: pairs that share a band are candidates, and the share of equal values among all 64 estimates
their Jaccard similarity (standard error 0.05).
"""

from collections.abc import Sequence
from itertools import pairwise
from mmap import mmap

import numpy as np
from numpy.typing import NDArray

from kdmodels.cleaning.words import words
from kdmodels.pairs import plain

BANDS = 16

_VALUES_IN_BAND = 4
_VALUES = BANDS * _VALUES_IN_BAND
_SEED = 3  # of rensa's hash functions
_FEWEST_SHINGLES = 12  # pairs with less text are compared exactly only: in them one word is much of what is said
_ROWS = 65536  # read at once from a file
_MOST_ROUNDS = 64  # rows of one band that are all unlike each other are given up after so many


def shingles(text: str) -> set[str]:
    """Return the neighbouring words of a text, two by two, in plain form; numbers are words like others."""
    found = words(plain(text))
    return set(map(" ".join, pairwise(found)))


def signatures(pairs: Sequence[tuple[str, str]], *, near: bool) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return what finds each pair again: exact_N, the hash of its plain text, and bands_NB, its MinHash.

    Args:
        near: without it, bands_NB has no columns. Pairs with little text have bands of zeros, which equal none.
    """
    import xxhash

    exact_N = np.fromiter(
        (xxhash.xxh3_64_intdigest(f"{plain(source)}\0{plain(target)}".encode()) for source, target in pairs),
        dtype=np.uint64,
        count=len(pairs),
    )
    if not near:
        return exact_N, np.zeros((len(pairs), 0), dtype=np.uint64)
    if not pairs:
        return exact_N, np.zeros((0, BANDS), dtype=np.uint64)
    from rensa import RMinHash

    shingled = [[*shingles(source), *shingles(target)] for source, target in pairs]
    rows = RMinHash.digest_matrix_from_token_sets(shingled, _VALUES, _SEED).to_rows()
    values_NV = np.array(rows, dtype=np.uint32).astype("<u2")
    bands_NB = values_NV.view("<u8").astype(np.uint64)
    bands_NB[[len(found) < _FEWEST_SHINGLES for found in shingled]] = 0
    return exact_N, bands_NB


def repeated_rows(
    exact_N: NDArray[np.uint64], bands_NB: NDArray[np.uint64], *, threshold: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Find the rows that repeat an earlier one; of rows that are alike the first is kept.

    Both may be memory maps: columns are read one by one, in blocks. For 1,000,000 rows it takes 60 MB and 5 s.

    Args:
        exact_N, bands_NB: of `signatures`, in the order of the corpus.
        threshold: Jaccard similarity from which two pairs repeat each other; candidates for it are found with
            near certainty from 0.7 on (at 0.6 9 of 10, at 0.5 6 of 10).

    Returns:
        exact [N]: the row equals an earlier one. near [N]: it is no exact repetition and as alike to an earlier row.
        No two rows that are left share a band and are as alike (unless 64 unlike ones before them share it too).
    """
    exact = np.zeros(len(exact_N), dtype=bool)
    members, begins = _runs(np.arange(len(exact_N)), np.asarray(exact_N))
    exact[members[~begins]] = True
    near = np.zeros(len(exact_N), dtype=bool)
    for band in range(bands_NB.shape[1]):
        column = _column(bands_NB, band)
        rows = np.flatnonzero((column != 0) & ~exact & ~near)
        _mark(*_runs(rows, column[rows]), bands_NB, threshold, near)
    return exact, near


def _runs(rows: NDArray[np.int64], keys: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the rows whose key others have too, those of one key together and in order, and where each key begins."""
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    begins = np.ones(len(keys), dtype=bool)
    begins[1:] = keys[1:] != keys[:-1]
    alone = begins.copy()
    alone[:-1] &= begins[1:]
    return rows[order[~alone]], begins[~alone]


def _mark(
    members: NDArray[np.int64],
    begins: NDArray[np.bool_],
    bands_NB: NDArray[np.uint64],
    threshold: float,
    near: NDArray[np.bool_],
) -> None:
    """Compare the rows of each run with its first, take out those that repeat it and the first, and so on."""
    for _ in range(_MOST_ROUNDS):
        if not len(members):
            return
        firsts = members[begins][np.cumsum(begins) - 1]
        left, right = members[~begins], firsts[~begins]
        repeats = np.concatenate(
            [
                _likeness(bands_NB, left[start : start + _ROWS], right[start : start + _ROWS]) >= threshold
                for start in range(0, len(left), _ROWS)
            ]
        )
        near[left[repeats]] = True
        members, begins = _runs(left[~repeats], right[~repeats].astype(np.uint64))


def _likeness(bands_NB: NDArray[np.uint64], left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float64]:
    equal = _rows(bands_NB, left).view(np.uint16) == _rows(bands_NB, right).view(np.uint16)
    return np.asarray(equal.mean(axis=1))


def _rows(bands_NB: NDArray[np.uint64], rows: NDArray[np.int64]) -> NDArray[np.uint64]:
    found = np.empty((len(rows), bands_NB.shape[1]), dtype=np.uint64)
    order = np.argsort(rows, kind="stable")
    starts = np.arange(0, len(bands_NB) + _ROWS, _ROWS)
    cuts = np.searchsorted(rows[order], starts)
    for start, first, last in zip(starts[:-1].tolist(), cuts[:-1], cuts[1:], strict=True):
        if first < last:
            some = order[first:last]
            found[some] = _fresh(bands_NB, start, min(start + _ROWS, len(bands_NB)))[rows[some] - start]
    return found


def _column(bands_NB: NDArray[np.uint64], band: int) -> NDArray[np.uint64]:
    column = np.empty(len(bands_NB), dtype=np.uint64)
    for start in range(0, len(column), _ROWS):
        column[start : start + _ROWS] = _fresh(bands_NB, start, min(start + _ROWS, len(column)))[:, band]
    return column


def _fresh(bands_NB: NDArray[np.uint64], start: int, stop: int) -> NDArray[np.uint64]:
    # Pages of a memory map count as this process's memory until it is closed: so each reading opens one of its own.
    if isinstance(bands_NB, np.memmap) and isinstance(bands_NB.base, mmap) and bands_NB.filename is not None:
        offset = bands_NB.offset + start * bands_NB.strides[0]
        return np.memmap(bands_NB.filename, np.uint64, "r", offset, (stop - start, bands_NB.shape[1]))
    return bands_NB[start:stop]
