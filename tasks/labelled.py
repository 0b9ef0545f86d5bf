"""Validate the labelled source text and the test sets."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from kdmodels.choice import choose
from kdmodels.errors import BadInputError
from kdmodels.files import write_json
from kdmodels.pairs import LabelledText, falls_below, plain
from kdmodels.tables import write_table
from tasks.config import Params

if TYPE_CHECKING:
    from tasks.recording import Recorder

_SCHEMA = pa.schema([(name, pa.string()) for name in ("id", "label", "text")])


@dataclass
class _Texts:
    """The texts of one file, checked as they come."""

    rows: list[LabelledText] = field(default_factory=list)
    repeated: int = 0
    _ids: dict[str, str] = field(default_factory=dict)
    _texts: dict[str, tuple[str, LabelledText]] = field(default_factory=dict)

    def add(self, place: str, row: LabelledText) -> None:
        """Take a row in, or count it as a repetition.

        Raises:
            BadInputError: where a field is empty, an id is used twice, or a text has two labels or two splits.
        """
        for name in ("id", "label", "text"):
            if not getattr(row, name):
                raise BadInputError(f"{place}: the {name} is empty; remove the line or fill it")
        if row.id in self._ids:
            raise BadInputError(f"{place}: the id {row.id!r} was used in {self._ids[row.id]} already; ids are unique")
        self._ids[row.id] = place
        earlier = self._texts.get(plain(row.text))
        if earlier is None:
            self._texts[plain(row.text)] = (place, row)
            self.rows.append(row)
            return
        for name in ("label", "split"):
            ours, theirs = getattr(row, name), getattr(earlier[1], name)
            if ours != theirs:
                raise BadInputError(
                    f"{place}: the same text stands in {earlier[0]} with the {name} {theirs!r}, here with {ours!r}; "
                    "keep one of the two"
                )
        self.repeated += 1

    def place(self, row: LabelledText) -> str:
        """Return file and line of a text, if it is among these."""
        found = self._texts.get(plain(row.text))
        return found[0] if found else ""


def labelled(out: Path, params: Params, record: "Recorder") -> None:
    """Write train.parquet, valid.parquet, test/<language>.parquet, the list of labels and a report.

    A target without a test set gets an empty one: its student is evaluated without labels. A text that is repeated
    with the same label is dropped and counted.

    Raises:
        BadInputError: where a file or row is not as it must be, with file and line.
    """
    section = params.labelled
    source = choose("corpora", section.source)
    options = section.files.model_dump(exclude={"valid_share"})
    texts = _read(source.read_labelled(folder=Path(section.folder), language=params.source, **options))
    train, valid = _split(texts.rows, section.files.valid_share)
    labels = sorted({row.label for row in train})
    where = f"the labelled text of {params.source!r} ({section.folder})"
    _check_split(train, valid, labels, where, texts)
    report: dict[str, float] = {"train": len(train), "valid": len(valid), "labels": len(labels)}
    report["repeated"] = texts.repeated
    (out / "test").mkdir()
    for language in (params.source, *params.targets):
        rows = source.read_test(folder=Path(section.folder), language=language, **options)
        test = _Texts() if rows is None else _read(rows)
        _check_test(test, labels, texts if language == params.source else None)
        report[f"test/{language}"] = len(test.rows)
        _write(out / "test" / f"{language}.parquet", test.rows)
    _write(out / "train.parquet", train)
    _write(out / "valid.parquet", valid)
    write_json(out / "labels.json", labels)
    write_json(out / "report.json", report)
    record.metrics(report)


def _read(rows: Iterable[tuple[str, LabelledText]]) -> _Texts:
    texts = _Texts()
    for place, row in rows:
        texts.add(place, row)
    return texts


def _split(rows: list[LabelledText], share: float) -> tuple[list[LabelledText], list[LabelledText]]:
    """Return training and validation texts: as the file says, or where it does not, by a hash of each text."""
    train: list[LabelledText] = []
    valid: list[LabelledText] = []
    for row in rows:
        is_valid = falls_below(share, row.text, "valid") if row.split is None else row.split == "valid"
        (valid if is_valid else train).append(row)
    return train, valid


def _check_split(
    train: list[LabelledText], valid: list[LabelledText], labels: list[str], where: str, texts: _Texts
) -> None:
    for name, rows in (("train", train), ("valid", valid)):
        if not rows:
            raise BadInputError(
                f"{where}: no text falls into the split {name!r}. Fill the split column with train and valid, or set "
                "labelled.files.split_column to none and labelled.files.valid_share above 0"
            )
    if len(labels) == 1:
        raise BadInputError(
            f"{where}: all training texts have the label {labels[0]!r}; at least two classes are needed"
        )
    for row in valid:
        if row.label not in labels:
            raise BadInputError(
                f"{texts.place(row)}: the label {row.label!r} stands in no training text; those are: {', '.join(labels)}"
            )


def _check_test(test: _Texts, labels: list[str], texts: _Texts | None) -> None:
    for row in test.rows:
        if row.label not in labels:
            raise BadInputError(
                f"{test.place(row)}: the label {row.label!r} stands in no training text; those are: {', '.join(labels)}"
            )
        if texts is not None and texts.place(row):
            raise BadInputError(
                f"{test.place(row)}: the same text is labelled in {texts.place(row)}; a score on it would be dishonest. "
                "Remove it from one of the two"
            )


def _write(path: Path, rows: list[LabelledText]) -> None:
    write_table(path, {name: [getattr(row, name) for row in rows] for name in _SCHEMA.names}, _SCHEMA)
