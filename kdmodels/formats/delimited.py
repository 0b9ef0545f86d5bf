"""Tables of delimited text: tabs without quoting, and commas with it."""

import csv
from collections.abc import Iterator, Sequence

from kdmodels.archives import Entry
from kdmodels.errors import BadInputError
from kdmodels.text_files import read_blocks, read_lines


def read_tabs(entry: Entry, columns: Sequence[str], header: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Return the rows of a tab-separated file without quoting, with their line numbers.

    Args:
        columns: that are read
        header: the names of all columns; empty: the first line holds them

    Raises:
        BadInputError: where a column is missing or stands twice, a row has too few or too many fields, or there is
            no row.
    """
    rows = ((number, line.split("\t")) for number, line in read_lines(entry))
    return _named(
        entry.shown, rows, columns, header, "tab-separated fields", "A text may hold neither tabs nor line breaks"
    )


def read_commas(entry: Entry, columns: Sequence[str], header: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Return the rows of a comma-separated file (RFC 4180) with the number of the line each begins in.

    Fields in double quotes may hold commas, line breaks and, doubled, quotes. Arguments and errors as `read_tabs`,
    and where the quoting is broken.
    """
    hint = "A field with commas, quotes or line breaks stands in double quotes"
    return _named(entry.shown, _quoted(entry), columns, header, "comma-separated fields", hint)


def _quoted(entry: Entry) -> Iterator[tuple[int, list[str]]]:
    # The module sees lines that end with a line feed only; a carriage return inside quotes is the text's own.
    lines = (line + "\n" for _, block in read_blocks(entry) for line in block)
    reader = csv.reader(lines, strict=True)
    begin = 1
    try:
        for fields in reader:
            yield begin, fields
            begin = reader.line_num + 1
    except csv.Error as error:
        raise BadInputError(
            f"{entry.shown}:{begin}: {error}, in the row that begins here and was read to line {reader.line_num}. "
            'A field with commas, quotes or line breaks stands in double quotes, a quote in it is doubled: "so ""said"""'
        ) from None


def _named(
    shown: str,
    rows: Iterator[tuple[int, list[str]]],
    columns: Sequence[str],
    header: Sequence[str],
    fields_are: str,
    hint: str,
) -> Iterator[tuple[int, dict[str, str]]]:
    names = list(header)
    if not names:
        _, first = next(rows)
        names = [name.strip() for name in first]
    _check_header(shown, names, columns, given=bool(header))
    places = {name: names.index(name) for name in columns}
    count = 0
    for number, fields in rows:
        if len(fields) != len(names):
            raise BadInputError(
                f"{shown}:{number}: {len(fields)} {fields_are}, expected {len(names)} ({', '.join(names)}). {hint}"
            )
        yield number, {name: fields[place] for name, place in places.items()}
        count += 1
    if not count:
        raise BadInputError(f"{shown}: holds a header line and no rows")


def _check_header(shown: str, names: Sequence[str], columns: Sequence[str], *, given: bool) -> None:
    missing = [name for name in columns if name not in names]
    if missing:
        told = "the option header names the columns" if given else "The first line names the columns"
        raise BadInputError(
            f"{shown}:1: the column {missing[0]!r} is missing; the header has {', '.join(names)}. "
            f"{told}; params.yaml says which are read"
        )
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise BadInputError(f"{shown}:1: the column {twice[0]!r} stands twice in the header")
