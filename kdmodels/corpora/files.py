"""Corpora in files of your own: tab-separated with a header line, or two Moses sides line by line."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from kdmodels.errors import BadInputError
from kdmodels.pairs import LabelledText, Pair
from kdmodels.text_files import read_rows, read_two


def read_pairs(
    *,
    folder: Path,
    source: str,
    target: str,
    paths: Sequence[str],
    id_column: str | None,
    source_column: str,
    target_column: str,
) -> Iterator[Pair]:
    """Return the sentence pairs of a corpus in the order of its lines.

    Args:
        paths: one tab-separated file or two Moses sides below the folder; {source} and {target} stand for the languages.
        id_column: none: the line number is the id, as it always is for Moses.

    Raises:
        BadInputError: where a file or a row is not as it must be; with file and line.
    """
    names = {"{source}": source, "{target}": target}
    found = [folder / _fill(path, names) for path in paths]
    if len(found) == 2:
        for number, left, right in read_two(*found):
            yield Pair(str(number), left, right)
        return
    columns = [_fill(name, names) for name in (source_column, target_column)]
    for number, row in read_rows(found[0], [*columns, *([id_column] if id_column else [])], []):
        yield Pair(row[id_column] if id_column else str(number), row[columns[0]], row[columns[1]])


def read_labelled(
    *,
    folder: Path,
    language: str,
    labelled: str,
    test: str,
    id_column: str | None,
    label_column: str,
    text_column: str,
    split_column: str | None,
) -> Iterator[tuple[str, LabelledText]]:
    """Return the labelled texts of a language, each with its place (file and line).

    Args:
        labelled: a tab-separated file below the folder; {language} stands for the language.
        split_column: holds train or valid; none: the texts come without a split.

    Raises:
        BadInputError: as `read_pairs`, or where a split is neither train nor valid.
    """
    del test
    path = folder / _fill(labelled, {"{language}": language})
    for place, text in _read_texts(path, id_column, label_column, text_column, split_column):
        if split_column is not None and text.split not in {"train", "valid"}:
            raise BadInputError(f"{place}: the split is {text.split!r}, allowed: train, valid")
        yield place, text


def read_test(
    *,
    folder: Path,
    language: str,
    labelled: str,
    test: str,
    id_column: str | None,
    label_column: str,
    text_column: str,
    split_column: str | None,
) -> Iterator[tuple[str, LabelledText]] | None:
    """Return the labelled test texts of a language with their places, or none where it has no test set."""
    del labelled, split_column
    path = folder / _fill(test, {"{language}": language})
    return _read_texts(path, id_column, label_column, text_column, None) if path.exists() else None


def _read_texts(
    path: Path, id_column: str | None, label_column: str, text_column: str, split_column: str | None
) -> Iterator[tuple[str, LabelledText]]:
    columns = [name for name in (id_column, label_column, text_column, split_column) if name is not None]
    for number, row in read_rows(path, columns, []):
        yield (
            f"{path}:{number}",
            LabelledText(
                id=row[id_column] if id_column else str(number),
                label=row[label_column],
                text=row[text_column],
                split=row[split_column] if split_column else None,
            ),
        )


def _fill(pattern: str, names: dict[str, str]) -> str:
    for name, value in names.items():
        pattern = pattern.replace(name, value)
    return pattern
