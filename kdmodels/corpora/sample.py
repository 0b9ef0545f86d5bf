"""The embedded sample: messages to an online shop, in the layout that its data card describes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kdmodels.corpora import files
from kdmodels.pairs import LabelledText, Pair

_PAIRS: dict[str, Any] = {
    "paths": ["parallel.{source}-{target}.tsv"],
    "id_column": "id",
    "source_column": "{source}",
    "target_column": "{target}",
}
_TEXTS: dict[str, Any] = {
    "labelled": "labelled.{language}.tsv",
    "test": "test.{language}.tsv",
    "id_column": "id",
    "label_column": "label",
    "text_column": "text",
    "split_column": "split",
}


def read_pairs(*, folder: Path, source: str, target: str, **_: Any) -> Iterator[Pair]:
    """Return the sample's sentence pairs; the options of other layouts are not looked at."""
    return files.read_pairs(folder=folder, source=source, target=target, **_PAIRS)


def read_labelled(*, folder: Path, language: str, **_: Any) -> Iterator[tuple[str, LabelledText]]:
    """Return the sample's labelled texts with their places."""
    return files.read_labelled(folder=folder, language=language, **_TEXTS)


def read_test(*, folder: Path, language: str, **_: Any) -> Iterator[tuple[str, LabelledText]] | None:
    """Return the sample's test texts of a language with their places, or none where it has none."""
    return files.read_test(folder=folder, language=language, **_TEXTS)
