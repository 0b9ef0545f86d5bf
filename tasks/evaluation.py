"""Score a student on target text, beside its controls."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kdmodels.classification import label_names, load_model, logits_of, probabilities
from kdmodels.encoder import load_tokenizer
from kdmodels.evaluation_report import report
from kdmodels.files import write_json
from kdmodels.label_store import read_labels
from kdmodels.model_card import model_card
from kdmodels.pictures import draw_confusion, draw_distribution, draw_reliability, draw_scores
from kdmodels.scoring import (
    Bootstrap,
    class_table,
    confusion,
    gap_closed,
    majority,
    reliability,
    scores,
    share_equal,
)
from kdmodels.speed import sentences_per_second
from kdmodels.tables import read_table, write_table
from kdmodels.token_table import read_tokens
from tasks.sections import Params

if TYPE_CHECKING:
    from tasks.recording import Recorder

Logits = NDArray[np.float32]


class _Reader:
    """A model with its tokenizer."""

    def __init__(self, folder: Path, batch_rows: int) -> None:
        self.folder, self.batch_rows = folder, batch_rows
        self.model, self.tokenizer = load_model(folder).eval(), load_tokenizer(folder)
        self.labels = label_names(self.model)

    def ids(self, rows: list[list[int]]) -> Logits:
        arrays = [np.array(row, dtype=np.int64) for row in rows]
        return logits_of(self.model, arrays, padding=self.tokenizer.pad_token_id, batch_rows=self.batch_rows)

    def texts(self, texts: list[str]) -> Logits:
        return self.ids(self.tokenizer(texts, truncation=True)["input_ids"])

    def size(self) -> tuple[int, float]:
        """Return the number of parameters and the folder's size in megabytes (10^6 bytes)."""
        parameters = sum(parameter.numel() for parameter in self.model.parameters())
        return parameters, sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file()) / 1e6


def evaluation(
    source_test: Path,
    target_test: Path,
    teacher: Path,
    student: Path,
    tokens: Path,
    soft_labels: Path,
    card: Path,
    out: Path,
    params: Params,
    record: "Recorder",
) -> None:
    """Write metrics, speed, predictions, plots, a report of one student and its full model card.

    Without a labelled target test set there is the agreement with the teacher on held-out pairs and the distribution
    of predicted labels.
    """
    numbers = params.evaluation
    draws = Bootstrap(numbers.resamples, numbers.confidence, params.seed)
    readers = {"teacher": _Reader(teacher, numbers.batch_rows), "student": _Reader(student, numbers.batch_rows)}
    pictures = out / "pictures"
    pictures.mkdir()
    held = _held_out(tokens, soft_labels, readers["student"])
    metrics: dict[str, Any] = {
        "held_out": {"agreement": share_equal(held["student"].argmax(axis=1), held["teacher"].argmax(axis=1), draws)}
    }
    for name, reader in readers.items():
        metrics[f"{name}_parameters"], metrics[f"{name}_megabytes"] = reader.size()
    columns = ["id", "label", "text"]
    target = {name: values.to_pylist() for name, values in read_table(target_test, columns).items()}
    source = {name: values.to_pylist() for name, values in read_table(source_test, columns).items()}
    labels = readers["student"].labels
    if target["id"]:
        logits = readers["student"].texts(target["text"])
        actual = np.array([labels.index(label) for label in target["label"]])
        metrics |= _with_labels(readers, logits, actual, source, target, numbers.calibration_bins, draws)
        table = class_table(logits, actual, labels)
        counts = confusion(logits, actual)
        draw_confusion(counts, labels, f"Student {tokens.name}: confusion", pictures / "confusion.png")
        bins = reliability(logits, actual, numbers.calibration_bins)
        draw_reliability(bins, f"Student {tokens.name}: calibration", pictures / "reliability.png")
        controls = [(name, metrics[name]["accuracy"]) for name in ("teacher", "student", "majority") if name in metrics]
        draw_scores(controls, f"Accuracy on {tokens.name}, {numbers.confidence:.0%} intervals", pictures / "scores.png")
        predictions = _predictions(target["id"], target["text"], target["label"], logits, labels)
    else:
        logits, table = held["student"], None
        predictions = _predictions(held["ids"], None, None, logits, labels)
    shares = pd.Series(logits.argmax(axis=1)).map(dict(enumerate(labels))).value_counts(normalize=True).sort_index()
    metrics["predicted_share"] = {str(name): float(value) for name, value in shares.items()}
    draw_distribution(shares, f"Labels predicted for {tokens.name}", pictures / "predicted.png")
    write_table(out / "predictions.parquet", predictions)
    _write_confusion(out / "confusion.csv", predictions)
    write_json(out / "metrics.json", metrics)
    speed = _speed(readers, held, numbers.speed_texts, numbers.speed_repeats)
    write_json(out / "speed.json", speed)
    page = report(
        language=tokens.name, source=params.source, metrics=metrics, table=table, confidence=numbers.confidence
    )
    (out / "report.md").write_text(page, encoding="utf-8")
    cards = [path.read_text(encoding="utf-8") for path in (student / "README.md", card)]
    full = model_card(student=cards[0], evaluation=page, data=cards[1])
    (out / "model_card.md").write_text(full, encoding="utf-8")
    record.evaluated(student, target_test, {**_flat(metrics), **{f"speed/{name}": v for name, v in speed.items()}})
    for path in (pictures, out / "report.md", out / "model_card.md"):
        record.artifact(path)


def _held_out(tokens: Path, soft_labels: Path, reader: _Reader) -> dict[str, Any]:
    table = read_tokens(tokens)
    chosen = np.flatnonzero(table["held_out"]).tolist()
    columns = {name: [table[name][row] for row in chosen] for name in ("id", "source_hash", "source_ids", "target_ids")}
    labels = read_labels(soft_labels, identity=None)
    return {
        "ids": columns["id"],
        "source_ids": columns["source_ids"],
        "target_ids": columns["target_ids"],
        "teacher": labels.logits_NC[labels.rows_of(columns["source_hash"])],
        "student": reader.ids(columns["target_ids"]),
    }


def _with_labels(
    readers: dict[str, _Reader],
    logits: Logits,
    actual: NDArray[np.int64],
    source: dict[str, list[str]],
    target: dict[str, list[str]],
    bins: int,
    draws: Bootstrap,
) -> dict[str, Any]:
    """Return the scores that need a labelled target test set, and those of the controls."""
    labels = readers["student"].labels
    found: dict[str, Any] = {
        "student": scores(logits, actual, bins=bins, draws=draws),
        "majority": {"accuracy": majority(actual, draws)},
    }
    if not source["id"]:
        return found
    teacher_logits = readers["teacher"].texts(source["text"])
    source_actual = np.array([labels.index(label) for label in source["label"]])
    found["teacher"] = scores(teacher_logits, source_actual, bins=bins, draws=draws)
    place = _parallel_rows(source, target)
    if place is not None:
        answers = teacher_logits.argmax(axis=1)[place]
        found["student"]["agreement"] = share_equal(logits.argmax(axis=1), answers, draws)
    closed = gap_closed(*(found[name]["accuracy"]["value"] for name in ("student", "teacher", "majority")))
    return found if closed is None else {**found, "gap_closed": closed}


def _parallel_rows(source: dict[str, list[str]], target: dict[str, list[str]]) -> NDArray[np.int64] | None:
    """Return the source test row of each target test row, where ids and labels say that the two are parallel."""
    rows = {name: number for number, name in enumerate(source["id"])}
    if not all(name in rows for name in target["id"]):
        return None
    place = np.array([rows[name] for name in target["id"]])
    same = all(source["label"][row] == label for row, label in zip(place, target["label"], strict=True))
    return place if same else None


def _predictions(
    ids: list[str], texts: list[str] | None, actual: list[str] | None, logits: Logits, labels: list[str]
) -> dict[str, list[Any]]:
    shares = probabilities(logits)
    absent = [None] * len(ids)
    return {
        "id": ids,
        "text": texts or absent,
        "actual": actual or absent,
        "predicted": [labels[number] for number in shares.argmax(axis=1)],
        "probability": [float(value) for value in shares.max(axis=1)],
        **{f"probability_{label}": [float(v) for v in shares[:, number]] for number, label in enumerate(labels)},
    }


def _write_confusion(path: Path, predictions: dict[str, list[Any]]) -> None:
    """Write actual and predicted labels a line a text, as DVC's plot of that name reads them; none where unknown."""
    actual = ["unknown" if label is None else label for label in predictions["actual"]]
    frame = pd.DataFrame({"actual": actual, "predicted": predictions["predicted"]})
    frame.to_csv(path, index=False, lineterminator="\n")


def _speed(readers: dict[str, _Reader], held: dict[str, Any], most: int, repeats: int) -> dict[str, float]:
    """Return how fast student and teacher read the same held-out pairs, each its own side, from token ids."""
    sides = {"teacher": held["source_ids"][:most], "student": held["target_ids"][:most]}
    speeds = sentences_per_second({name: partial(_read, readers[name], rows) for name, rows in sides.items()}, repeats)
    return {
        **{f"{name}_sentences_per_second": value for name, value in speeds.items()},
        "times_faster": speeds["student"] / speeds["teacher"],
    }


def _read(reader: _Reader, rows: list[list[int]]) -> int:
    return len(reader.ids(rows))


def _flat(metrics: dict[str, Any], prefix: str = "") -> dict[str, float]:
    flat: dict[str, float] = {}
    for name, value in metrics.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}/")
        else:
            flat[f"{prefix}{name}"] = float(value)
    return flat
