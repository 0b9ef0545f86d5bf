"""A table is the same bytes for the same rows, and is read whole or not at all."""

from pathlib import Path

import pytest

from kdmodels.errors import BadInputError, DamagedError
from kdmodels.tables import read_table, write_table


def test_a_truncated_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pairs.parquet"
    write_table(path, {"id": ["a", "b", "c"], "text": ["one", "two", "three"]})
    whole = path.read_bytes()
    for damaged in (whole[:-1], whole[: len(whole) // 2], b"", b"PAR1"):
        path.write_bytes(damaged)
        with pytest.raises(DamagedError, match=r"pairs\.parquet"):
            read_table(path, ["text"])


def test_a_table_that_lacks_a_column_or_is_missing_is_refused(tmp_path: Path) -> None:
    write_table(tmp_path / "a.parquet", {"id": ["a"]})
    with pytest.raises(BadInputError, match=r"a\.parquet.*text.*id"):
        read_table(tmp_path / "a.parquet", ["id", "text"])
    with pytest.raises(BadInputError, match=r"b\.parquet: no such file.*dvc repro"):
        read_table(tmp_path / "b.parquet", ["id"])
