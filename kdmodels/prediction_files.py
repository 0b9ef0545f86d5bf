"""Predictions in a file, of the format that its ending says, written as they come."""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kdmodels.errors import BadInputError
from kdmodels.files import whole
from kdmodels.inference import Prediction

Write = Callable[[Sequence[Prediction]], None]


def as_row(found: Prediction) -> dict[str, Any]:
    """Return a prediction as the object of a JSON line."""
    return {
        "text": found.text,
        "label": found.label,
        "probabilities": found.probabilities,
        "truncated": found.truncated,
    }


@contextmanager
def prediction_file(path: Path, labels: Sequence[str]) -> Iterator[Write]:
    """Give a function that appends predictions to a file, which appears when the block ends well.

    `.jsonl` has an object a line, as `distilingua predict --json` prints; `.tsv` and `.parquet` have the columns text,
    label, truncated and a probability for each label.

    Raises:
        BadInputError: where the ending is none of these.
    """
    kinds = {".tsv": _tsv, ".jsonl": _json_lines, ".parquet": _parquet}
    if path.suffix not in kinds:
        raise BadInputError(f"{path}: the ending chooses the format; those there are: {', '.join(kinds)}")
    with whole(path) as temporary, kinds[path.suffix](temporary, labels) as write:
        yield write


def _columns(labels: Sequence[str]) -> list[str]:
    return ["text", "label", "truncated", *(f"probability_{label}" for label in labels)]


@contextmanager
def _tsv(path: Path, labels: Sequence[str]) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, dialect="excel-tab", lineterminator="\n")  # quotes what has a tab, as pandas reads it
        table.writerow(_columns(labels))

        def write(found: Sequence[Prediction]) -> None:
            for one in found:
                shares = (f"{value:.6f}" for value in one.probabilities.values())
                table.writerow([one.text, one.label, str(one.truncated).lower(), *shares])

        yield write


@contextmanager
def _json_lines(path: Path, labels: Sequence[str]) -> Iterator[Write]:
    del labels
    with path.open("w", encoding="utf-8", newline="") as file:

        def write(found: Sequence[Prediction]) -> None:
            file.writelines(json.dumps(as_row(one), ensure_ascii=False) + "\n" for one in found)

        yield write


@contextmanager
def _parquet(path: Path, labels: Sequence[str]) -> Iterator[Write]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = [pa.string(), pa.string(), pa.bool_(), *([pa.float32()] * len(labels))]
    schema = pa.schema(list(zip(_columns(labels), kinds, strict=True)))
    with pq.ParquetWriter(path, schema, compression="zstd") as file:

        def write(found: Sequence[Prediction]) -> None:
            values: list[list[Any]] = [
                [one.text for one in found],
                [one.label for one in found],
                [one.truncated for one in found],
                *([one.probabilities[label] for one in found] for label in labels),
            ]
            file.write_table(pa.table(values, schema=schema))

        yield write
