"""Sentence pairs in files: two sides line by line, a table, two tables row by row, or a translation memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from kdmodels.errors import BadInputError
from kdmodels.formats.parts import Part
from kdmodels.formats.rows import TABLES, is_table, read_rows
from kdmodels.formats.tmx import read_tmx
from kdmodels.pairs import Pair
from kdmodels.text_files import read_two


@dataclass(frozen=True, slots=True)
class Columns:
    """The names of columns: one pair for each of `source` with that of `target` at its place."""

    id: str | None
    source: Sequence[str]
    target: Sequence[str]
    group: str | None
    header: Sequence[str]

    @property
    def keys(self) -> list[str]:
        """Return those that are not text."""
        return [name for name in (self.id, self.group) if name is not None]


def read_one(part: Part, columns: Columns, source: str, target: str) -> Iterator[Pair]:
    """Return the pairs of a file that holds both sides: a table, or a translation memory.

    Args:
        source, target: language codes, by which a translation memory names the sides; its ids and groups are
            attributes or props of the unit

    Raises:
        BadInputError: where the file or a row is not as it must be, with its place.
        DamagedError: where the file is damaged.
    """
    if is_table(part.entry.name):
        texts = [*columns.source, *columns.target]
        for number, row in read_rows(part.entry, texts=texts, keys=columns.keys, header=columns.header):
            yield from _pairs(f"{part.place}:{number}", columns, row, row)
        return
    if PurePosixPath(part.entry.name).suffix.lower() != ".tmx":
        raise BadInputError(
            f"{part.entry.shown}: the format is not known; a file with both sides ends in {', '.join(TABLES)} or .tmx, "
            "packed or not. Two paths, one a language, are read line by line whatever their endings"
        )
    for number, left, right, fields in read_tmx(part.entry, source, target):
        for name in columns.keys:
            if name not in fields:
                raise BadInputError(
                    f"{part.entry.shown}: translation unit {number} has no attribute or prop {name!r}; "
                    f"it has {', '.join(fields) or 'none'}"
                )
        name = fields[columns.id].strip() if columns.id else f"{part.place}:{number}"
        yield Pair(name, left.strip(), right.strip(), _group(columns, fields))


def read_sides(left: Part, right: Part, columns: Columns) -> Iterator[Pair]:
    """Return the pairs of two files, one a language: tables row by row, anything else line by line.

    Raises:
        BadInputError: as `read_one`, and where the sides differ in their number of lines or rows, or a row's ids do.
        DamagedError: where a file is damaged.
    """
    tables = [is_table(part.entry.name) for part in (left, right)]
    if all(tables):
        yield from _join(left, right, columns)
        return
    for part in (left, right):
        if any(tables) or part.entry.name.lower().endswith(".tmx"):
            raise BadInputError(
                f"{left.entry.shown} and {right.entry.shown}: two tables or two files of lines are expected, one a "
                "language; a .tmx holds both sides and stands alone"
            )
    for number, source, target in read_two(left.entry, right.entry):
        yield Pair(f"{left.place}:{number}", source, target, None)


def _join(left: Part, right: Part, columns: Columns) -> Iterator[Pair]:
    ids = [columns.id] if columns.id else []
    ours = read_rows(left.entry, texts=columns.source, keys=columns.keys, header=columns.header)
    theirs = read_rows(right.entry, texts=columns.target, keys=ids, header=columns.header)
    row = 0
    while True:
        one, two = next(ours, None), next(theirs, None)
        if one is None and two is None:
            return
        if one is None or two is None:
            counts = [row + (first is not None) + sum(1 for _ in rest) for first, rest in ((one, ours), (two, theirs))]
            raise BadInputError(
                f"{left.entry.shown} has {counts[0]} rows, {right.entry.shown} has {counts[1]}: tables that are joined "
                "row by row must have the same number. A row lost on one side shifts all pairs behind it"
            )
        row += 1
        if columns.id and one[1][columns.id] != two[1][columns.id]:
            raise BadInputError(
                f"{left.entry.shown}:{one[0]} has the id {one[1][columns.id]!r}, {right.entry.shown}:{two[0]} has "
                f"{two[1][columns.id]!r}, in row {row} of both: the tables came apart. Sort both alike"
            )
        yield from _pairs(f"{left.place}:{one[0]}", columns, one[1], two[1])


def _pairs(place: str, columns: Columns, ours: dict[str, str], theirs: dict[str, str]) -> Iterator[Pair]:
    name = ours[columns.id].strip() if columns.id else place
    for source, target in zip(columns.source, columns.target, strict=True):
        own = f"{name}:{source}" if name and len(columns.source) > 1 else name
        yield Pair(own, ours[source].strip(), theirs[target].strip(), _group(columns, ours))


def _group(columns: Columns, row: dict[str, str]) -> str | None:
    return (row[columns.group].strip() or None) if columns.group else None
