"""A table is the same bytes for the same rows, and is read whole or not at all."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from kdmodels.errors import BadInputError, DamagedError
from kdmodels.tables import TableWriter, read_batches, read_table, write_table


def in_batches(path: Path, columns: list[str]) -> dict[str, list[object]]:
    """Read a table two rows at a time."""
    found: dict[str, list[object]] = {name: [] for name in columns}
    for batch in read_batches(path, columns, 2):
        for name, values in batch.items():
            assert len(values) <= 2
            found[name] += values.to_pylist()
    return found


@pytest.mark.parametrize("read", [read_table, in_batches])
def test_a_truncated_table_is_refused(tmp_path: Path, read: Callable[[Path, list[str]], Any]) -> None:
    path = tmp_path / "pairs.parquet"
    write_table(path, {"id": ["a", "b", "c"], "text": ["one", "two", "three"]})
    whole = path.read_bytes()
    for damaged in (whole[:-1], whole[: len(whole) // 2], b"", b"PAR1"):
        path.write_bytes(damaged)
        with pytest.raises(DamagedError, match=r"pairs\.parquet"):
            read(path, ["text"])


@pytest.mark.parametrize("read", [read_table, in_batches])
def test_a_table_that_lacks_a_column_or_is_missing_is_refused(
    tmp_path: Path, read: Callable[[Path, list[str]], Any]
) -> None:
    write_table(tmp_path / "a.parquet", {"id": ["a"]})
    with pytest.raises(BadInputError, match=r"a\.parquet.*text.*id"):
        read(tmp_path / "a.parquet", ["id", "text"])
    with pytest.raises(BadInputError, match=r"b\.parquet: no such file.*dvc repro"):
        read(tmp_path / "b.parquet", ["id"])


def test_rows_come_a_few_at_a_time_over_the_borders_of_what_was_written_together(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    with TableWriter(path, pa.schema({"id": pa.string(), "n": pa.int32()})) as writer:
        for first in range(0, 6, 3):
            writer.write({"id": list("abcdef")[first : first + 3], "n": [first, first + 1, first + 2]})
    assert in_batches(path, ["n", "id"]) == {"n": list(range(6)), "id": list("abcdef")}
    assert read_table(path, ["n"])["n"].to_pylist() == list(range(6))
