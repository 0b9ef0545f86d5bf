"""Arrays that lie on the disk once they are large, so that memory does not grow with the corpus.

The system keeps in memory what of them is in use, and takes it back when somebody else needs it. They lie in files without a
name in the folder for temporary files, which TMPDIR chooses (where that is itself in memory, so are they), and vanish with
the last who uses them, also when the process is killed.
"""

import os
from collections.abc import Iterator
from math import prod
from tempfile import TemporaryFile, gettempdir
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from kdmodels.errors import BadInputError

Array = NDArray[Any]
_LARGE = 4 << 20  # bytes


def empty(shape: int | tuple[int, ...], dtype: DTypeLike) -> Array:
    """Return an array of any content.

    Raises:
        BadInputError: where the disk has no room for it.
    """
    shape = (shape,) if isinstance(shape, int) else shape
    size = prod(shape) * np.dtype(dtype).itemsize
    if size <= _LARGE:
        return np.empty(shape, dtype)
    with TemporaryFile() as file:
        if hasattr(os, "posix_fallocate"):  # else a disk that is full kills the process where it first writes
            try:
                os.posix_fallocate(file.fileno(), 0, size)
            except OSError as error:
                raise _no_room(size, error) from None
        return _mapped(file, shape, dtype)


def kept(values: Array) -> Array:
    """Return an array that is to stay, moved to the disk where it is large."""
    moved = empty(values.shape, values.dtype)
    moved[...] = values
    return moved


def take(values: Array, rows: NDArray[np.integer[Any]]) -> Array:
    """Return some rows, in the order asked for, as `values[rows]` does."""
    taken = empty((len(rows), *values.shape[1:]), values.dtype)
    for some in pieces(len(rows), values[:1].nbytes):
        taken[some] = values[rows[some]]
    return taken


def pieces(rows: int, row_bytes: int) -> Iterator[slice]:
    """Give slices of so many rows that are not large."""
    each = max(1, _LARGE // max(1, row_bytes))
    for start in range(0, rows, each):
        yield slice(start, min(rows, start + each))


class Growing:
    """An array that is made some rows at a time, their number not known before."""

    def __init__(self, dtype: DTypeLike, row: tuple[int, ...] = ()) -> None:
        """Begin with no rows.

        Args:
            row: the shape of each
        """
        self._dtype, self._row = np.dtype(dtype), row
        self._waiting: list[Array] = []
        self._bytes = self._rows = 0
        self._file: Any = None

    def add(self, values: Any) -> None:
        """Add rows, [rows, *row].

        Raises:
            BadInputError: where the disk has no room for them.
        """
        self._waiting.append(np.array(values, self._dtype))
        self._rows += len(self._waiting[-1])
        self._bytes += self._waiting[-1].nbytes
        if self._bytes > _LARGE:
            self._write()

    def done(self) -> Array:
        """Return all rows."""
        if self._file is None:
            return np.concatenate([np.zeros((0, *self._row), self._dtype), *self._waiting])
        self._write()
        with self._file as file:
            return _mapped(file, (self._rows, *self._row), self._dtype)

    def _write(self) -> None:
        if self._file is None:
            self._file = TemporaryFile()  # noqa: SIM115  # closed when all rows are there
        try:
            for values in self._waiting:
                self._file.write(values.data)
            self._file.flush()
        except OSError as error:
            raise _no_room(self._bytes, error) from None
        self._waiting, self._bytes = [], 0


def _mapped(file: Any, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    return np.asarray(np.memmap(file, dtype=dtype, mode="r+", shape=shape))  # a plain array is faster to cut


def _no_room(size: int, error: OSError) -> BadInputError:
    return BadInputError(
        f"{gettempdir()}: no room for {size / 1e6:.0f} MB more ({error.strerror}). Make room, or let TMPDIR name a folder "
        "on a larger disk"
    )
