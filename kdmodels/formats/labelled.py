"""Labelled texts in files: a table, or a file of lines for each label."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from kdmodels.errors import BadInputError
from kdmodels.formats.parts import Part
from kdmodels.formats.rows import read_rows
from kdmodels.pairs import LabelledText
from kdmodels.text_files import read_lines

FILE = "{file}"  # as the label's column: the label is the name of the file


@dataclass(frozen=True, slots=True)
class LabelColumns:
    """The names of columns; `header` where a TSV or CSV has no header line."""

    id: str | None
    label: str
    text: str
    split: str | None
    group: str | None
    header: Sequence[str]


def read_texts(part: Part, columns: LabelColumns, split: str | None) -> Iterator[tuple[str, LabelledText]]:
    """Return the labelled texts of a file, each with its place (file and line).

    Args:
        split: of the whole file; none: as its column says, if there is one

    Raises:
        BadInputError: where the file or a row is not as it must be, or a split is neither train nor valid.
        DamagedError: where the file is damaged.
    """
    if columns.label == FILE:
        label = PurePosixPath(part.entry.name).stem
        for number, line in read_lines(part.entry):
            yield (
                f"{part.entry.shown}:{number}",
                LabelledText(f"{part.place}:{number}", label, line.strip(), split, None),
            )
        return
    keys = [name for name in (columns.id, columns.label, columns.split, columns.group) if name is not None]
    for number, row in read_rows(part.entry, texts=[columns.text], keys=keys, header=columns.header):
        place = f"{part.entry.shown}:{number}"
        own = row[columns.split].strip() if columns.split else split
        if columns.split and own not in {"train", "valid"}:
            raise BadInputError(f"{place}: the split is {own!r}, allowed: train, valid")
        yield (
            place,
            LabelledText(
                id=row[columns.id].strip() if columns.id else f"{part.place}:{number}",
                label=row[columns.label].strip(),
                text=row[columns.text].strip(),
                split=own,
                group=(row[columns.group].strip() or None) if columns.group else None,
            ),
        )
