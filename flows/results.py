"""The results of a project, one row a language, read from what the evaluations wrote."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kdmodels.files import read_json

FOLDER = Path("data/evaluation")
_METRICS, _SPEED = "metrics.json", "speed.json"

Row = dict[str, Any]


def results(root: Path, targets: Iterable[str]) -> list[Row]:
    """Return a row for each target language that has been evaluated; None stands where nothing is known.

    Without a labelled test set there is no accuracy: then `agreement`, with the teacher on held-out pairs, says how
    good a student is.

    Raises:
        DamagedError: where a metrics file is not JSON.
    """
    folders = {target: root / FOLDER / target for target in targets}
    return [
        _row(target, read_json(folder / _METRICS), read_json(folder / _SPEED))
        for target, folder in folders.items()
        if (folder / _METRICS).is_file() and (folder / _SPEED).is_file()
    ]


def _row(target: str, metrics: Any, speed: Any) -> Row:
    accuracy = _at(metrics, "student", "accuracy")
    return {
        "language": target,
        "accuracy": _at(accuracy, "value"),
        "accuracy_low": _at(accuracy, "low"),
        "accuracy_high": _at(accuracy, "high"),
        "macro_f1": _at(metrics, "student", "macro_f1", "value"),
        "teacher_accuracy": _at(metrics, "teacher", "accuracy", "value"),
        "gap_closed": _at(metrics, "gap_closed"),
        "agreement": _at(metrics, "held_out", "agreement", "value"),
        "parameters": _at(metrics, "student_parameters"),
        "megabytes": _at(metrics, "student_megabytes"),
        "sentences_per_second": _at(speed, "student_sentences_per_second"),
        "times_faster": _at(speed, "times_faster"),
    }


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def numbers(rows: Iterable[Row]) -> dict[str, float]:
    """Return the rows as names and numbers, such as `de/accuracy`, without those that are not known."""
    return {
        f"{row['language']}/{name}": float(value)
        for row in rows
        for name, value in row.items()
        if name != "language" and value is not None
    }


HEADINGS = (
    "language",
    "accuracy",
    "interval",
    "macro-F1",
    "teacher",
    "gap closed",
    "agreement",
    "parameters",
    "MB",
    "sentences/s",
    "times the teacher's speed",
)


SHORT_HEADINGS = ("language", "accuracy", "teacher", "agreement", "MB", "sentences/s")  # fit into 80 characters


def short_cells(row: Row) -> list[str]:
    """Return what matters most of a row, as texts under `SHORT_HEADINGS`."""
    named = dict(zip(HEADINGS, cells(row), strict=True))
    if row["accuracy_low"] is not None:
        named["accuracy"] += f" ({named['interval']})"
    return [named[heading] for heading in SHORT_HEADINGS]


def cells(row: Row) -> list[str]:
    """Return a row as texts under `HEADINGS`."""

    def text(name: str, form: str) -> str:
        return "–" if row[name] is None else format(row[name], form)

    interval = f"{text('accuracy_low', '.3f')}–{text('accuracy_high', '.3f')}"
    return [
        row["language"],
        text("accuracy", ".3f"),
        interval if row["accuracy_low"] is not None else "–",
        text("macro_f1", ".3f"),
        text("teacher_accuracy", ".3f"),
        text("gap_closed", ".0%"),
        text("agreement", ".3f"),
        text("parameters", ",d"),
        text("megabytes", ".1f"),
        text("sentences_per_second", ".0f"),
        text("times_faster", ".1f"),
    ]
