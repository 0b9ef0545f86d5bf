"""Text files read line by line, so that a line is what its writer meant and never shifts another.

Only a line feed ends a line: `splitlines` and universal newlines also cut at a lone carriage return, at U+2028 and
others, which stand inside real sentences and shift every pair behind them.
"""

from collections.abc import Iterator
from pathlib import Path

from kdmodels.archives import Entry, entry
from kdmodels.errors import BadInputError

_BLOCK = 1 << 20  # bytes decoded at once, which is several times faster than line by line
_LONGEST = 1 << 24  # bytes of a line; what is longer is no text, and would fill the memory


def read_lines(file: Path | Entry) -> Iterator[tuple[int, str]]:
    """Return the lines of a UTF-8 file with their numbers, from 1; a byte order mark and CRLF ends are taken off.

    Raises:
        BadInputError: where the file is missing, empty, not UTF-8, or a line holds a NUL or is longer than 16 MiB.
        DamagedError: where it is packed and damaged.
    """
    for first, lines in read_blocks(file):
        for number, line in enumerate(lines, start=first):
            yield number, line.removesuffix("\r")


def read_blocks(file: Path | Entry) -> Iterator[tuple[int, list[str]]]:
    """Return lines as `read_lines` does, many at once with the number of the first, a carriage return at the end kept.

    Raises:
        BadInputError: as `read_lines`.
        DamagedError: as `read_lines`.
    """
    source = entry(file) if isinstance(file, Path) else file
    number, rest = 1, b""
    with source.open(None) as stream:
        while chunk := stream.read(_BLOCK):
            end = chunk.rfind(b"\n") + 1
            if end:
                lines = _decoded(source.shown, number, rest + chunk[: end - 1])
                yield number, lines
                number += len(lines)
                rest = chunk[end:]
            else:
                rest += chunk
            if len(rest) > _LONGEST:
                raise BadInputError(
                    f"{source.shown}:{number}: the line is longer than {_LONGEST:,} bytes; a line holds one text, "
                    "and a line feed ends it"
                )
    if rest:
        yield number, _decoded(source.shown, number, rest)
    elif number == 1:
        raise BadInputError(f"{source.shown}: the file is empty")


def _decoded(shown: str, number: int, block: bytes) -> list[str]:
    """Return the lines of a block of bytes whose last line feed is off."""
    try:
        text = block.decode("utf-8", errors="strict")
    except UnicodeDecodeError as error:
        line = number + block.count(b"\n", 0, error.start)
        place = error.start - (block.rfind(b"\n", 0, error.start) + 1)
        raise BadInputError(
            f"{shown}:{line}: not UTF-8 at byte {place} of the line ({block[error.start]:#04x}). "
            "Convert the file to UTF-8 first, with iconv for example"
        ) from None
    if "\0" in text:
        line = number + text.count("\n", 0, text.index("\0"))
        raise BadInputError(f"{shown}:{line}: holds a NUL character; the file is damaged or no text")
    if number == 1:
        text = text.removeprefix("\ufeff")
    return text.split("\n")


def read_two(first: Path | Entry, second: Path | Entry) -> Iterator[tuple[int, str, str]]:
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
            counts = [sum(len(lines) for _, lines in read_blocks(file)) for file in (first, second)]
            names = [file.shown if isinstance(file, Entry) else str(file) for file in (first, second)]
            raise BadInputError(
                f"{names[0]} has {counts[0]} lines, {names[1]} has {counts[1]}: the sides of a parallel corpus must "
                "have the same number, line by line. A line lost on one side shifts all pairs behind it; get both "
                "files anew"
            )
        yield one[0], one[1].strip(), two[1].strip()
