"""Rows of token ids in little memory."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Ids = NDArray[np.int32]


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
        arrays = [np.asarray(row, dtype=np.int32) for row in rows]
        ids = np.concatenate(arrays) if arrays else np.zeros(0, dtype=np.int32)
        return cls(ids, _starts(np.array([len(row) for row in arrays], dtype=np.int64)))

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
        places = np.arange(starts[-1]) - np.repeat(starts[:-1], lengths) + np.repeat(self.starts[:-1][rows], lengths)
        return TokenRows(self.ids[places], starts)

    def without(self, ids: Sequence[int]) -> "TokenRows":
        """Return the rows without some tokens."""
        stays = ~np.isin(self.ids, np.asarray(ids, dtype=np.int32))
        before = np.concatenate([[0], np.cumsum(stays, dtype=np.int64)])
        return TokenRows(self.ids[stays], before[self.starts])


def joined(parts: Sequence[TokenRows]) -> TokenRows:
    """Return the rows of several parts, in their order."""
    nothing = TokenRows.of([])
    lengths = np.concatenate([part.lengths for part in [nothing, *parts]])
    return TokenRows(np.concatenate([part.ids for part in [nothing, *parts]]), _starts(lengths))


def _starts(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
