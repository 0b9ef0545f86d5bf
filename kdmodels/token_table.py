"""The tokenized pairs, read back and proved."""

from pathlib import Path
from typing import Any

import numpy as np

from kdmodels.ledger import prove_tokens
from kdmodels.tables import read_table
from kdmodels.token_rows import TokenRows

FILE = "tokens.parquet"
DICTIONARY = "dictionary.parquet"
_SIDES = ("source_ids", "target_ids")
_PROVED = ("id", "source_hash", "source_ids", "target_ids", "held_out", "weight", "translation_score", "seal")


def read_tokens(folder: Path) -> dict[str, Any]:
    """Read the columns of tokenized pairs, after proof that no pair has come apart.

    Returns:
        id and source_hash as lists, source_ids and target_ids as TokenRows; held_out, weight and translation_score
        [pairs] as arrays

    Raises:
        DamagedError: with the row that came apart, or where the file is not readable.
    """
    table = read_table(folder / FILE, _PROVED)
    columns: dict[str, Any] = {
        name: TokenRows.of_column(table[name]) if name in _SIDES else table[name].to_pylist() for name in _PROVED
    }
    prove_tokens(folder / FILE, *columns.values())
    return columns | {
        "held_out": np.array(columns["held_out"], dtype=bool),
        "weight": np.array(columns["weight"], dtype=np.float32),
        "translation_score": np.array(columns["translation_score"], dtype=np.float32),  # none is not a number
    }


def read_dictionary(folder: Path) -> dict[str, TokenRows]:
    """Read the entries of a dictionary as token ids, source_ids and target_ids, with special tokens; none: no rows."""
    table = read_table(folder / DICTIONARY, _SIDES)
    return {name: TokenRows.of_column(table[name]) for name in _SIDES}
