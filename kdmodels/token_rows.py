"""Rows of token ids in little memory, and on the disk where they are many."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, overload

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kdmodels.large_arrays import Growing, empty

Ids = NDArray[np.int32]
_TOGETHER = 1 << 14  # rows; of their tokens some numbers are in memory at once


class TokenRows(Sequence[Ids]):
    """Rows that lie behind each other in one array; as lists of Python's integers they take ten times the memory.

    Attributes:
        ids: [tokens], of all rows
        starts: [rows + 1], where each row begins and the last one ends
    """

    def __init__(self, ids: Ids, starts: NDArray[np.int64]) -> None:
        self.ids, self.starts = ids, starts

    @classmethod
    def of(cls, rows: Iterable[Sequence[int] | NDArray[np.integer[Any]]]) -> "TokenRows":
        """Return rows that are lists or arrays as they should be."""
        if isinstance(rows, TokenRows):
            return rows
        ids, lengths = Growing(np.int32), Growing(np.int64)
        every = iter(rows)
        while some := [np.asarray(row, dtype=np.int32) for row in islice(every, _TOGETHER)]:
            ids.add(np.concatenate(some))
            lengths.add([len(row) for row in some])
        return cls(ids.done(), _starts(lengths.done()))

    @classmethod
    def of_column(cls, column: pa.ChunkedArray) -> "TokenRows":
        """Return the rows of a column of lists."""
        parts = [
            (np.asarray(part.flatten().to_numpy(zero_copy_only=False)), part.value_lengths()) for part in column.chunks
        ]
        ids = np.concatenate([part for part, _ in parts]) if parts else np.zeros(0)
        lengths = [np.asarray(length.to_numpy(zero_copy_only=False), dtype=np.int64) for _, length in parts]
        return cls(ids.astype(np.int32), _starts(np.concatenate(lengths) if lengths else np.zeros(0, np.int64)))

    def column(self) -> pa.ListArray:
        """Return the rows as a column of a table."""
        return pa.ListArray.from_arrays(pa.array(self.starts, pa.int32()), pa.array(self.ids))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Return the number of tokens of each row."""
        return np.diff(self.starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    @overload
    def __getitem__(self, row: int) -> Ids: ...
    @overload
    def __getitem__(self, row: slice) -> "TokenRows": ...
    def __getitem__(self, row: int | slice) -> "Ids | TokenRows":
        if isinstance(row, slice):
            return self.at(np.arange(len(self))[row])
        if not -len(self) <= row < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        place = row % len(self)
        return self.ids[self.starts[place] : self.starts[place + 1]]

    def __iter__(self) -> Iterator[Ids]:
        for start, end in zip(self.starts[:-1].tolist(), self.starts[1:].tolist(), strict=True):
            yield self.ids[start:end]

    def at(self, rows: NDArray[np.integer[Any]]) -> "TokenRows":
        """Return some rows, in the order asked for."""
        lengths = self.lengths[rows]
        starts = _starts(lengths)
        ids = empty(int(starts[-1]), np.int32)
        for first in range(0, len(rows), _TOGETHER):
            some = slice(first, first + _TOGETHER)
            moved = self.starts[rows[some]] - starts[:-1][some]
            begin, end = starts[first], starts[min(first + _TOGETHER, len(rows))]
            ids[begin:end] = self.ids[np.arange(begin, end) + np.repeat(moved, lengths[some])]
        return TokenRows(ids, starts)

    def without(self, tokens: Sequence[int]) -> "TokenRows":
        """Return the rows without some tokens."""
        out = np.asarray(tokens, dtype=np.int32)
        ids, lengths = Growing(np.int32), Growing(np.int64)
        for first in range(0, len(self), _TOGETHER):
            bounds = self.starts[first : first + _TOGETHER + 1]
            some = self.ids[bounds[0] : bounds[-1]]
            stays = ~np.isin(some, out)
            ids.add(some[stays])
            lengths.add(np.diff(np.concatenate([[0], np.cumsum(stays, dtype=np.int64)])[bounds - bounds[0]]))
        return TokenRows(ids.done(), _starts(lengths.done()))


class GrowingRows:
    """Rows of token ids that come some at a time."""

    def __init__(self) -> None:
        self._ids, self._lengths = Growing(np.int32), Growing(np.int64)

    def add(self, rows: TokenRows) -> None:
        """Add some rows."""
        self._ids.add(rows.ids)
        self._lengths.add(rows.lengths)

    def done(self) -> TokenRows:
        """Return all rows."""
        return TokenRows(self._ids.done(), _starts(self._lengths.done()))


def joined(parts: Iterable[TokenRows]) -> TokenRows:
    """Return the rows of several parts, in their order."""
    growing = GrowingRows()
    for part in parts:
        growing.add(part)
    return growing.done()


def _starts(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    starts = empty(len(lengths) + 1, np.int64)
    starts[0] = 0
    np.cumsum(lengths, out=starts[1:])
    return starts
