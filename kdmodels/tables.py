"""Tables on disk: Parquet that is the same bytes for the same rows."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kdmodels.errors import BadInputError, DamagedError
from kdmodels.files import whole

_WRITING: dict[str, Any] = {"compression": "zstd", "write_page_checksum": True}  # Parquet has no other checksum


def write_table(path: Path, columns: Mapping[str, Any], schema: pa.Schema | None = None) -> None:
    """Write columns of equal length as Parquet.

    Args:
        schema: of the columns, where it cannot be read off their values (an empty table).
    """
    table = pa.table(dict(columns), schema=schema).replace_schema_metadata(None)
    with whole(path) as temporary:
        pq.write_table(table, temporary, **_WRITING)


def read_table(path: Path, columns: Sequence[str]) -> dict[str, pa.ChunkedArray]:
    """Read columns of a Parquet file.

    Raises:
        BadInputError: where there is no such file, or a column is missing.
        DamagedError: where it is not readable.
    """
    with _told(path):
        table = pq.read_table(path, page_checksum_verification=True)
        _check_columns(path, columns, table.column_names)
        return {name: table[name] for name in columns}


def read_batches(path: Path, columns: Sequence[str], rows: int) -> Iterator[dict[str, pa.Array]]:
    """Read columns of a Parquet file some rows at a time, in as little memory; errors as of `read_table`."""
    with _told(path), pq.ParquetFile(path, page_checksum_verification=True, buffer_size=1 << 20) as file:
        _check_columns(path, columns, file.schema_arrow.names)
        for batch in file.iter_batches(rows, columns=list(columns)):
            yield {name: batch[name] for name in columns}


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise BadInputError(f"{path}: no such file. The stage that makes it has not run: dvc repro") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise DamagedError(f"{path}: not readable as Parquet ({error}). Restore it: dvc checkout --force") from None


def _check_columns(path: Path, columns: Sequence[str], there: Sequence[str]) -> None:
    missing = [name for name in columns if name not in there]
    if missing:
        raise BadInputError(f"{path}: lacks the columns {missing}; it has {list(there)}. Make it again: dvc repro")


class TableWriter:
    """Writes a table piece by piece, in little memory; the file appears when the block ends well."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path, self._schema = path, schema

    def __enter__(self) -> "TableWriter":
        with ExitStack() as stack:
            temporary = stack.enter_context(whole(self._path))
            self._writer = stack.enter_context(pq.ParquetWriter(temporary, self._schema, **_WRITING))
            self._stack = stack.pop_all()  # closes both, also where closing the first fails
        return self

    def write(self, columns: Mapping[str, Any]) -> None:
        """Write some rows as a row group."""
        self._writer.write_table(pa.table(dict(columns), schema=self._schema))

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)
