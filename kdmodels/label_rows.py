"""Soft labels in memory: rows, one a distinct source text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdmodels.errors import BadInputError
from kdmodels.label_storage import Storage


@dataclass(frozen=True)
class SoftLabels:
    """Rows of soft labels, one a distinct source text.

    Attributes:
        hashes_N: content addresses of the texts, in hex, ascending after `sorted_rows`
        logits_NC: [rows, classes], raw, no temperature
        hidden_NH: [rows, width], masked mean of the last hidden layer; of width 0 where they are not kept
        folds_N: [rows], the fold whose teacher made each, since the others had learned from the text; -1: the main one
    """

    hashes_N: NDArray[np.str_]
    logits_NC: NDArray[np.float32]
    hidden_NH: NDArray[np.float32]
    folds_N: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.hashes_N)

    def rows_of(self, hashes: Sequence[str]) -> NDArray[np.int64]:
        """Return the row of each text; this object must be sorted. Raises as `rows_of`."""
        return rows_of(self.hashes_N, hashes)

    def without_hidden(self) -> "SoftLabels":
        """Return the rows with hidden states of width 0."""
        return SoftLabels(self.hashes_N, self.logits_NC, np.zeros((len(self), 0), np.float32), self.folds_N)

    def sorted_rows(self) -> "SoftLabels":
        """Return the rows in the order of their hashes; where they are in it, themselves and no copy."""
        if bool((self.hashes_N[:-1] <= self.hashes_N[1:]).all()):
            return self
        return self.at(np.argsort(self.hashes_N))

    def rounded(self, storage: Storage) -> "SoftLabels":
        """Return the rows as they will be read once they are written."""
        return SoftLabels(self.hashes_N, *storage.rounded(self.logits_NC, self.hidden_NH), self.folds_N)

    def at(self, rows: NDArray[np.integer[Any]] | slice) -> "SoftLabels":
        """Return some rows, in the order asked for."""
        return SoftLabels(self.hashes_N[rows], self.logits_NC[rows], self.hidden_NH[rows], self.folds_N[rows])


def rows_of(sorted_N: NDArray[np.str_], hashes: Sequence[str]) -> NDArray[np.int64]:
    """Return where each text stands among the sorted hashes of the texts that are labelled, [texts].

    Raises:
        BadInputError: where a text was not labelled.
    """
    wanted = np.asarray(hashes, dtype=sorted_N.dtype)
    rows = np.minimum(np.searchsorted(sorted_N, wanted), len(sorted_N) - 1)
    missing = np.flatnonzero(sorted_N[rows] != wanted)
    if len(missing):
        raise BadInputError(
            f"row {missing[0]}: the text {wanted[missing[0]]} has no soft labels ({len(missing)} such rows): tokens "
            "and soft_labels come from different runs. Make both again: dvc repro"
        )
    return rows.astype(np.int64)


def join(parts: Sequence[SoftLabels]) -> SoftLabels:
    """Return the rows of several parts, in their order; of one part, itself and no copy."""
    if len(parts) == 1:
        return parts[0]
    return SoftLabels(
        np.concatenate([part.hashes_N for part in parts]),
        np.concatenate([part.logits_NC for part in parts]),
        np.concatenate([part.hidden_NH for part in parts]),
        np.concatenate([part.folds_N for part in parts]),
    )


def gather(parts: Sequence[SoftLabels], hashes: Sequence[str]) -> SoftLabels:
    """Return the rows of some texts, sorted by hash, of parts that have them all, with no copy of the others.

    Raises:
        BadInputError: where a text has no row.
    """
    names = np.concatenate([part.hashes_N for part in parts])
    ends = np.cumsum([len(part) for part in parts])
    order = np.argsort(names)
    rows = order[rows_of(names[order], sorted(hashes))]
    first = parts[0]
    made = SoftLabels(
        names[rows],
        np.empty((len(rows), first.logits_NC.shape[1]), np.float32),
        np.empty((len(rows), first.hidden_NH.shape[1]), np.float32),
        np.empty(len(rows), np.int8),
    )
    by_part = np.argsort(rows, kind="stable")
    cuts = np.searchsorted(rows[by_part], ends)
    for part, end, first_cut, last_cut in zip(parts, ends, [0, *cuts[:-1]], cuts, strict=True):
        places = by_part[first_cut:last_cut]
        inside = rows[places] - (end - len(part))
        made.logits_NC[places], made.hidden_NH[places] = part.logits_NC[inside], part.hidden_NH[inside]
        made.folds_N[places] = part.folds_N[inside]
    return made
