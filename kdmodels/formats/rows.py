"""Rows of a table, read by the format that the ending of its name says."""

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from kdmodels.archives import Entry
from kdmodels.errors import BadInputError
from kdmodels.formats.delimited import read_commas, read_tabs
from kdmodels.formats.json_lines import read_json_lines
from kdmodels.formats.parquet import read_parquet

TABLES = (".tsv", ".tab", ".csv", ".jsonl", ".ndjson", ".parquet")


def is_table(name: str) -> bool:
    """Say whether a name (without the ending of a packing) is that of a table."""
    return PurePosixPath(name).suffix.lower() in TABLES


def read_rows(
    entry: Entry, *, texts: Sequence[str], keys: Sequence[str], header: Sequence[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    """Return the rows of a table with their number: the line each begins in; in Parquet the row, from 1.

    Args:
        texts: columns that must hold text
        keys: columns that may hold whole numbers as well, such as ids
        header: the names of the columns, where the file has no header line (TSV and CSV); empty: its first line

    Raises:
        BadInputError: where a column is missing, a row is not as the format wants it, or there is no row.
        DamagedError: where the file is damaged.
    """
    ending = PurePosixPath(entry.name).suffix.lower()
    if header and ending not in {".tsv", ".tab", ".csv"}:
        raise BadInputError(f"{entry.shown}: a header is given, and {ending} names its columns itself; set header: []")
    if ending in {".tsv", ".tab"}:
        yield from read_tabs(entry, [*keys, *texts], header)
    elif ending == ".csv":
        yield from read_commas(entry, [*keys, *texts], header)
    elif ending in {".jsonl", ".ndjson"}:
        yield from read_json_lines(entry, texts, keys)
    elif ending == ".parquet":
        yield from read_parquet(entry, texts, keys)
    else:
        raise BadInputError(f"{entry.shown}: no table; the name of one ends in {', '.join(TABLES)}, packed or not")
