"""The tokenized pairs, read back and proved."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kdmodels.large_arrays import Growing
from kdmodels.ledger import prove_tokens
from kdmodels.tables import read_batches, read_table
from kdmodels.text_hashes import HASH
from kdmodels.token_rows import GrowingRows, TokenRows

FILE = "tokens.parquet"
DICTIONARY = "dictionary.parquet"
_SIDES = ("source_ids", "target_ids")
_NUMBERS = {"held_out": np.bool_, "weight": np.float32, "translation_score": np.float32}  # none is not a number
_TOGETHER = 1 << 14  # rows
_PROVED = ("id", "source_hash", *_SIDES, *_NUMBERS, "seal")


def read_tokens(folder: Path, columns: Sequence[str]) -> dict[str, Any]:
    """Read some columns of tokenized pairs, after proof that no pair has come apart.

    Args:
        columns: of id, source_hash, source_ids, target_ids, held_out, weight, translation_score

    Returns:
        by name [pairs]: id as a column of pyarrow, source_ids and target_ids as TokenRows, the others as arrays, on the
        disk where they are large

    Raises:
        DamagedError: with the row that came apart, or where the file is not readable.
    """
    kept = {name: _growing(name) for name in columns}
    first = 0
    for batch in read_batches(folder / FILE, _PROVED, _TOGETHER):
        proved: dict[str, Any] = {
            name: TokenRows.of_column(pa.chunked_array([values])) if name in _SIDES else values.to_pylist()
            for name, values in batch.items()
        }
        prove_tokens(folder / FILE, *proved.values(), first=first)
        first += len(proved["id"])
        for name, growing in kept.items():
            growing.add(proved[name])
    return {name: growing.done() for name, growing in kept.items()}


def _growing(column: str) -> Any:
    if column in _SIDES:
        return GrowingRows()
    if column == "id":
        return _Names()
    return Growing(_NUMBERS.get(column, HASH))


class _Names:
    """Words of any length, which a column of pyarrow holds in a third of the memory of a list."""

    def __init__(self) -> None:
        self._parts: list[pa.Array] = []

    def add(self, names: list[str]) -> None:
        self._parts.append(pa.array(names, pa.string()))

    def done(self) -> pa.ChunkedArray:
        return pa.chunked_array(self._parts, pa.string())


def read_dictionary(folder: Path) -> dict[str, TokenRows]:
    """Read the entries of a dictionary as token ids, source_ids and target_ids, with special tokens; none: no rows."""
    table = read_table(folder / DICTIONARY, _SIDES)
    return {name: TokenRows.of_column(table[name]) for name in _SIDES}
