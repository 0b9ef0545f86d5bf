"""Soft labels to work with: rows, one a distinct source text, on the disk where they are many."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdmodels.errors import BadInputError
from kdmodels.label_storage import Storage
from kdmodels.large_arrays import Growing, empty, take
from kdmodels.text_hashes import HASH, Hashes, find


@dataclass(frozen=True)
class SoftLabels:
    """Rows of soft labels, one a distinct source text.

    Attributes:
        hashes_N: content addresses of the texts, in hex, ascending after `sorted_rows`
        logits_NC: [rows, classes], raw, no temperature
        hidden_NH: [rows, width], masked mean of the last hidden layer; of width 0 where they are not kept
        folds_N: [rows], the fold whose teacher made each, since the others had learned from the text; -1: the main one
    """

    hashes_N: Hashes
    logits_NC: NDArray[np.float32]
    hidden_NH: NDArray[np.float32]
    folds_N: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.hashes_N)

    def rows_of(self, hashes: Sequence[str] | Hashes) -> NDArray[np.int64]:
        """Return the row of each text, [texts]; this object must be sorted.

        Raises:
            BadInputError: where a text was not labelled.
        """
        rows = find(self.hashes_N, hashes)
        missing = np.flatnonzero(rows < 0)
        if len(missing):
            raise BadInputError(
                f"row {missing[0]}: the text {hashes[missing[0]]} has no soft labels ({len(missing)} such rows): tokens "
                "and soft_labels come from different runs. Make both again: dvc repro"
            )
        return rows

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
        """Return some rows, in the order asked for; of a slice no copy."""
        columns: tuple[NDArray[Any], ...] = (self.hashes_N, self.logits_NC, self.hidden_NH, self.folds_N)
        return SoftLabels(*(one[rows] if isinstance(rows, slice) else take(one, rows) for one in columns))


def join(parts: Iterable[SoftLabels]) -> SoftLabels:
    """Return the rows of several parts, in their order."""
    every = iter(parts)
    first = next(every)
    columns = (
        Growing(HASH),
        Growing(np.float32, first.logits_NC.shape[1:]),
        Growing(np.float32, first.hidden_NH.shape[1:]),
        Growing(np.int8),
    )
    for part in chain([first], every):
        values = (part.hashes_N, part.logits_NC, part.hidden_NH, part.folds_N)
        for column, own in zip(columns, values, strict=True):
            column.add(own)
    return SoftLabels(*(column.done() for column in columns))


class Collected:
    """The soft labels of some texts, which come some at a time and in any order."""

    def __init__(self, hashes_N: Hashes) -> None:
        """Expect texts, given by their sorted hashes."""
        self._hashes_N = hashes_N
        self._there_N = np.zeros(len(hashes_N), dtype=bool)
        self._labels: SoftLabels | None = None

    def add(self, labels: SoftLabels) -> None:
        """Take what is expected, and leave the rest."""
        if self._labels is None:
            size, classes, width = len(self._hashes_N), labels.logits_NC.shape[1], labels.hidden_NH.shape[1]
            self._labels = SoftLabels(
                self._hashes_N,
                empty((size, classes), np.float32),
                empty((size, width), np.float32),
                empty(size, np.int8),
            )
        rows = find(self._hashes_N, labels.hashes_N)
        mine = rows >= 0
        rows = rows[mine]
        self._labels.logits_NC[rows], self._labels.hidden_NH[rows] = labels.logits_NC[mine], labels.hidden_NH[mine]
        self._labels.folds_N[rows] = labels.folds_N[mine]
        self._there_N[rows] = True

    def missing(self) -> NDArray[np.int64]:
        """Return the rows that have not come."""
        return np.flatnonzero(~self._there_N)

    def done(self) -> SoftLabels:
        """Return all rows, sorted by hash.

        Raises:
            ValueError: where one has not come, or none was expected.
        """
        if self._labels is None or not self._there_N.all():
            raise ValueError(f"{len(self.missing())} of {len(self._hashes_N)} texts have no soft labels")
        return self._labels
