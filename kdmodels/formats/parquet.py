"""Tables in Parquet, read batch by batch."""

from collections.abc import Iterator, Sequence
from typing import Any

from kdmodels.archives import Entry
from kdmodels.errors import BadInputError, DamagedError

_BATCH = 4096  # rows held at once
_BUFFER = 1 << 20  # bytes of each column read at once; without it a whole row group is


def read_parquet(entry: Entry, texts: Sequence[str], keys: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Return the rows of a Parquet file with their numbers, from 1; null counts as empty text.

    Args:
        texts: columns that must hold text
        keys: columns that may hold whole numbers as well

    Raises:
        BadInputError: where the file is missing, empty or packed, a column is missing or of another type, or a text
            holds a NUL or is not UTF-8.
        DamagedError: where it is not readable as Parquet.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if entry.is_packed:
        raise BadInputError(
            f"{entry.shown}: Parquet is packed in itself, and not read inside another packing; unpack it"
        )
    entry.open(None).close()  # says what is wrong where there is no such file
    number = 0
    try:
        with pq.ParquetFile(entry.path, buffer_size=_BUFFER, pre_buffer=False) as file:
            for name in (*keys, *texts):
                _check_column(entry.shown, file.schema_arrow, name, number_allowed=name in keys)
            names = list(dict.fromkeys((*keys, *texts)))
            for batch in file.iter_batches(batch_size=_BATCH, columns=names):
                columns = [_values(entry.shown, number, name, batch.column(name)) for name in names]
                for values in zip(*columns, strict=True):
                    number += 1
                    yield number, dict(zip(names, values, strict=True))
    except (pa.ArrowException, OSError) as error:
        raise DamagedError(f"{entry.shown}: not readable as Parquet ({error}). Get it anew") from None
    if not number:
        raise BadInputError(f"{entry.shown}: holds no rows")


def _check_column(shown: str, schema: Any, name: str, *, number_allowed: bool) -> None:
    import pyarrow as pa

    if schema.names.count(name) != 1:
        found = "stands twice" if name in schema.names else "is missing"
        raise BadInputError(f"{shown}: the column {name!r} {found}; the file has {', '.join(schema.names)}")
    kind = schema.field(name).type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    if not (is_text or pa.types.is_null(kind) or (number_allowed and pa.types.is_integer(kind))):
        wanted = "text or whole numbers" if number_allowed else "text"
        raise BadInputError(f"{shown}: the column {name!r} holds {kind}, expected {wanted}")


def _values(shown: str, before: int, name: str, column: Any) -> list[str]:
    """Return a column's values as text.

    Args:
        before: rows before this batch
    """
    try:
        values = column.to_pylist()
    except UnicodeDecodeError:
        for row, value in enumerate(column, start=before + 1):
            _check_utf8(shown, row, name, value)
        raise
    texts = ["" if value is None else str(value) for value in values]
    for row, text in enumerate(texts, start=before + 1):
        if "\0" in text:
            raise BadInputError(
                f"{shown}:{row}: the column {name!r} holds a NUL character; the file is damaged or no text"
            )
    return texts


def _check_utf8(shown: str, row: int, name: str, value: Any) -> None:
    try:
        value.as_py()
    except UnicodeDecodeError:
        raise BadInputError(f"{shown}:{row}: the column {name!r} is not UTF-8; write it anew as text") from None
