"""Text files read line by line, so that a line is what its writer meant and never shifts another.

Only a line feed ends a line: `splitlines` and universal newlines also cut at a lone carriage return, at U+2028 and
others, which stand inside real sentences and shift every pair behind them.
"""

from collections.abc import Iterator
from pathlib import Path

from kdmodels.errors import BadInputError


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Return the lines of a UTF-8 file with their numbers, from 1; a byte order mark and CRLF ends are taken off.

    Raises:
        BadInputError: where the file is missing, empty, not UTF-8, or a line holds a NUL.
    """
    number = 0
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                yield number, _decode(path, number, line)
    except FileNotFoundError:
        raise BadInputError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise BadInputError(f"{path}: a file is expected, this is a folder") from None
    if number == 0:
        raise BadInputError(f"{path}: the file is empty")


def _decode(path: Path, number: int, line: bytes) -> str:
    try:
        text = line.decode("utf-8", errors="strict")
    except UnicodeDecodeError as error:
        raise BadInputError(
            f"{path}:{number}: not UTF-8 at byte {error.start} of the line ({error.object[error.start]:#04x}). "
            "Convert the file to UTF-8 first, with iconv for example"
        ) from None
    if "\0" in text:
        raise BadInputError(f"{path}:{number}: holds a NUL character; the file is damaged or no text")
    if number == 1:
        text = text.removeprefix("\ufeff")
    return text.removesuffix("\n").removesuffix("\r")


def read_rows(path: Path, columns: list[str], optional: list[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Return the rows of a tab-separated file with one header line and no quoting, with their line numbers.

    Args:
        columns: that must be there
        optional: that a row holds only where the header has them

    Raises:
        BadInputError: where a column is missing or stands twice, a row has too few or too many fields, or there is
            no row.
    """
    header: list[str] | None = None
    number = 1
    for number, line in read_lines(path):
        fields = line.split("\t")
        if header is None:
            header = [name.strip() for name in fields]
            _check_header(path, header, columns)
            wanted = [name for name in (*columns, *optional) if name in header]
            continue
        if len(fields) != len(header):
            raise BadInputError(
                f"{path}:{number}: {len(fields)} tab-separated fields, expected {len(header)} ({', '.join(header)}). "
                "A text may hold neither tabs nor line breaks"
            )
        row = dict(zip(header, fields, strict=True))
        yield number, {name: row[name].strip() for name in wanted}
    if number == 1:
        raise BadInputError(f"{path}: holds a header line and no rows")


def _check_header(path: Path, header: list[str], columns: list[str]) -> None:
    missing = [name for name in columns if name not in header]
    if missing:
        raise BadInputError(
            f"{path}:1: the column {missing[0]!r} is missing; the header has {', '.join(header)}. "
            "The first line names the columns, separated by tabs; params.yaml says which are read"
        )
    twice = [name for name in header if header.count(name) > 1]
    if twice:
        raise BadInputError(f"{path}:1: the column {twice[0]!r} stands twice in the header")


def read_two(first: Path, second: Path) -> Iterator[tuple[int, str, str]]:
    """Return the lines of two files side by side (Moses format), with their number.

    Raises:
        BadInputError: where one has more lines; both are counted.
    """
    left, right = read_lines(first), read_lines(second)
    while True:
        one, two = next(left, None), next(right, None)
        if one is None and two is None:
            return
        if one is None or two is None:
            counts = [_count(path) for path in (first, second)]
            raise BadInputError(
                f"{first} has {counts[0]} lines, {second} has {counts[1]}: the sides of a parallel corpus must have the "
                "same number, line by line. A line lost on one side shifts all pairs behind it; get both files anew"
            )
        yield one[0], one[1].strip(), two[1].strip()


def _count(path: Path) -> int:
    return sum(1 for _ in read_lines(path))
