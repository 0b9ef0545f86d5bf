"""The embedded sample: messages to an online shop, in the layout that its data card describes."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kdmodels.corpora import files
from kdmodels.pairs import LabelledText, Pair
from kdmodels.provenance import Found, Wanted

_COMMON: dict[str, Any] = {
    "id_column": "id",
    "group_column": None,
    "codes": {},
    "header": [],
    "licence": "CC0-1.0",
}
_PAIRS: dict[str, Any] = _COMMON | {
    "paths": ["parallel.{source}-{target}.tsv"],
    "members": [],
    "source_column": "{source}",
    "target_column": "{target}",
}
_TEXTS: dict[str, Any] = _COMMON | {
    "labelled": "labelled.{language}.tsv",
    "valid": None,
    "test": "test.{language}.tsv",
    "label_column": "label",
    "text_column": "text",
    "split_column": "split",
}


def pair_files(*, folder: Path, source: str, target: str) -> list[Wanted]:
    """Return the file of the sample's sentence pairs."""
    return files.pair_files(folder=folder, source=source, target=target, **_PAIRS)


def read_pairs(found: Sequence[Found], *, source: str, target: str) -> Iterator[Pair]:
    """Return the sample's sentence pairs."""
    return files.read_pairs(found, source=source, target=target, **_PAIRS)


def labelled_files(*, folder: Path, language: str) -> list[Wanted]:
    """Return the file of the sample's labelled texts."""
    return files.labelled_files(folder=folder, language=language, **_TEXTS)


def read_labelled(found: Sequence[Found], *, language: str) -> Iterator[tuple[str, LabelledText]]:
    """Return the sample's labelled texts with their places."""
    return files.read_labelled(found, language=language, **_TEXTS)


def test_files(*, folder: Path, language: str) -> list[Wanted]:
    """Return the file of the sample's test texts of a language; none where it has none."""
    return files.test_files(folder=folder, language=language, **_TEXTS)


def read_test(found: Sequence[Found], *, language: str) -> Iterator[tuple[str, LabelledText]]:
    """Return the sample's test texts of a language with their places."""
    return files.read_test(found, language=language, **_TEXTS)
