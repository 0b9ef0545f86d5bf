"""The tokenized pairs, read back and proved."""

from pathlib import Path
from typing import Any

import numpy as np

from kdmodels.ledger import prove_tokens
from kdmodels.tables import read_table

FILE = "tokens.parquet"
DICTIONARY = "dictionary.parquet"
_PROVED = ("id", "source_hash", "source_ids", "target_ids", "held_out", "weight", "translation_score", "seal")


def read_tokens(folder: Path) -> dict[str, Any]:
    """Read the columns of tokenized pairs, after proof that no pair has come apart.

    Returns:
        id, source_hash, source_ids and target_ids as lists; held_out, weight and translation_score [pairs] as arrays

    Raises:
        DamagedError: with the row that came apart, or where the file is not readable.
    """
    table = read_table(folder / FILE, _PROVED)
    columns: dict[str, Any] = {name: table[name].to_pylist() for name in _PROVED}
    prove_tokens(folder / FILE, *columns.values())
    return columns | {
        "held_out": np.array(columns["held_out"], dtype=bool),
        "weight": np.array(columns["weight"], dtype=np.float32),
        "translation_score": np.array(columns["translation_score"], dtype=np.float32),  # none is not a number
    }


def read_dictionary(folder: Path) -> dict[str, list[list[int]]]:
    """Read the entries of a dictionary as token ids, source_ids and target_ids, with special tokens; none: empty lists."""
    names = ("source_ids", "target_ids")
    table = read_table(folder / DICTIONARY, names)
    return {name: table[name].to_pylist() for name in names}
