"""Content addresses of many texts, as `kdmodels.pairs.text_hash` gives them: sorted, and found."""

from collections.abc import Sequence
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from kdmodels.large_arrays import empty, kept, pieces

HASH = np.dtype("<U32")
Hashes = NDArray[np.str_]
_NOWHERE = -1


def distinct(hashes_N: Hashes) -> NDArray[np.int64]:
    """Return one row of each text, in the order of their hashes."""
    order = np.argsort(hashes_N, kind="stable")
    new = np.ones(len(order), dtype=bool)
    for some in pieces(max(0, len(order) - 1), HASH.itemsize):
        later = slice(some.start + 1, some.stop + 1)
        new[later] = hashes_N[order[later]] != hashes_N[order[some]]
    return kept(order[new])


def find(sorted_N: Hashes, hashes_M: Sequence[str] | Hashes) -> NDArray[np.int64]:
    """Return where each text stands among sorted ones, [M]; -1 where it does not."""
    wanted = np.asarray(hashes_M, dtype=HASH)
    rows = empty(len(wanted), np.int64)
    rows[:] = _NOWHERE
    for some in pieces(len(wanted) if len(sorted_N) else 0, HASH.itemsize):
        found = np.minimum(np.searchsorted(sorted_N, wanted[some]), len(sorted_N) - 1)
        rows[some] = np.where(sorted_N[found] == wanted[some], found, _NOWHERE)
    return rows


def corpus_sha256(sorted_N: Hashes) -> str:
    """Return one hash over a set of texts, given by their sorted hashes."""
    digest = sha256()
    for some in pieces(len(sorted_N), HASH.itemsize):
        digest.update(("\n" if some.start else "").encode() + "\n".join(sorted_N[some].tolist()).encode())
    return digest.hexdigest()
