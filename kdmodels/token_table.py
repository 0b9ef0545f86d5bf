"""The tokenized pairs, read back and proved."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kdmodels.ledger import prove_tokens
from kdmodels.tables import read_batches, read_table
from kdmodels.token_rows import TokenRows, joined

FILE = "tokens.parquet"
DICTIONARY = "dictionary.parquet"
_SIDES = ("source_ids", "target_ids")
_NUMBERS = {"held_out": np.bool_, "weight": np.float32, "translation_score": np.float32}  # none is not a number
_TOGETHER = 1 << 14  # rows
_PROVED = ("id", "source_hash", "source_ids", "target_ids", "held_out", "weight", "translation_score", "seal")


def read_tokens(folder: Path) -> dict[str, Any]:
    """Read the columns of tokenized pairs, after proof that no pair has come apart.

    Returns:
        id and source_hash as lists, source_ids and target_ids as TokenRows; held_out, weight and translation_score
        [pairs] as arrays

    Raises:
        DamagedError: with the row that came apart, or where the file is not readable.
    """
    names: dict[str, list[str]] = {"id": [], "source_hash": []}
    parts: dict[str, list[Any]] = {name: [] for name in (*_SIDES, *_NUMBERS)}
    for batch in read_batches(folder / FILE, _PROVED, _TOGETHER):
        columns: dict[str, Any] = {
            name: TokenRows.of_column(pa.chunked_array([values])) if name in _SIDES else values.to_pylist()
            for name, values in batch.items()
        }
        prove_tokens(folder / FILE, *columns.values(), first=len(names["id"]))
        for name, together in names.items():
            together += columns[name]
        for name in _SIDES:
            parts[name].append(columns[name])
        for name, kind in _NUMBERS.items():
            parts[name].append(np.array(columns[name], dtype=kind))
    return {
        **names,
        **{name: joined(parts[name]) for name in _SIDES},
        **{name: np.concatenate([np.zeros(0, kind), *parts[name]]) for name, kind in _NUMBERS.items()},
    }


def read_dictionary(folder: Path) -> dict[str, TokenRows]:
    """Read the entries of a dictionary as token ids, source_ids and target_ids, with special tokens; none: no rows."""
    table = read_table(folder / DICTIONARY, _SIDES)
    return {name: TokenRows.of_column(table[name]) for name in _SIDES}
