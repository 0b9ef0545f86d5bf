"""Score a student on target text, beside its controls."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kdmodels.calibration import calibration_scores, fit_temperature, tempered
from kdmodels.comparison import paired_difference
from kdmodels.evaluation_report import report
from kdmodels.files import read_json, write_json
from kdmodels.label_store import read_labels
from kdmodels.model_card import model_card
from kdmodels.pictures import draw_confusion, draw_distribution, draw_reliability, draw_scores, draw_trade
from kdmodels.predictions import predictions_table, write_confusion
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
from tasks.systems import Logits, Reader, System, megabytes, read_controls

if TYPE_CHECKING:
    from tasks.recording import Recorder

Texts = dict[str, list[str]]


def evaluation(
    source_test: Path,
    target_test: Path,
    teacher: Path,
    calibration: Path,
    student: Path,
    controls: Path,
    joint: Path,
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
    student_reader, teacher_reader = (Reader(folder, numbers.batch_rows) for folder in (student, teacher))
    others, reasons = read_controls(controls, params.control.chosen, numbers.batch_rows)
    held_answers = {name: controls / name / "held_out.parquet" for name in others}
    told = read_json(joint / "metrics.json")
    if told["made"]:
        others["joint"] = Reader(joint / "models/student", numbers.batch_rows)
        held_answers["joint"] = joint / "models/held_out.parquet"
    systems: dict[str, System] = {"student": student_reader, **others}
    pictures = out / "pictures"
    pictures.mkdir()
    held = _held_out(tokens, soft_labels, student_reader)
    metrics: dict[str, Any] = {
        "held_out": {"agreement": share_equal(held["student"].argmax(axis=1), held["teacher"].argmax(axis=1), draws)}
    }
    for name, system in (("student", student_reader), ("teacher", teacher_reader)):
        metrics[f"{name}_parameters"], metrics[f"{name}_megabytes"] = system.parameters, megabytes(system)
    metrics["controls"] = {
        name: {
            "parameters": system.parameters,
            "megabytes": megabytes(system),
            "held_out": {"agreement": _agreement(held_answers[name], draws)},
        }
        for name, system in others.items()
    }
    if told["made"]:
        metrics["controls"]["joint"] |= {"accepted": told["accepted"], "margin": told["margin"]}
    columns = ["id", "label", "text"]
    target, source = (
        {name: values.to_pylist() for name, values in read_table(path, columns).items()}
        for path in (target_test, source_test)
    )
    labels = student_reader.labels
    if target["id"]:
        answers = {name: system.texts(target["text"]) for name, system in systems.items()}
        logits = answers["student"]
        actual = np.array([labels.index(label) for label in target["label"]])
        _score(metrics, answers, teacher_reader, actual, source, target, numbers.calibration_bins, draws)
        temperature = fit_temperature(held["student"], tempered(held["teacher"], read_json(calibration)["temperature"]))
        metrics["calibration"] = {
            "temperature": temperature,
            "before": calibration_scores(tempered(logits, 1.0), actual, numbers.calibration_bins),
            "after": calibration_scores(tempered(logits, temperature), actual, numbers.calibration_bins),
        }
        table = class_table(logits, actual, labels)
        _draw(logits, actual, labels, tokens.name, numbers.calibration_bins, pictures)
        names = ("teacher", "student", *others, "majority")
        shown = [(name, metrics["controls"].get(name, metrics.get(name))["accuracy"]) for name in names if
                 name in metrics or name in others]  # fmt: skip
        draw_scores(shown, f"Accuracy on {tokens.name}, {numbers.confidence:.0%} intervals", pictures / "scores.png")
        predictions = predictions_table(target["id"], target["text"], target["label"], logits, labels)
    else:
        logits, table = held["student"], None
        predictions = predictions_table(held["ids"], None, None, logits, labels)
    shares = pd.Series(logits.argmax(axis=1)).map(dict(enumerate(labels))).value_counts(normalize=True).sort_index()
    metrics["predicted_share"] = {str(name): float(value) for name, value in shares.items()}
    draw_distribution(shares, f"Labels predicted for {tokens.name}", pictures / "predicted.png")
    write_table(out / "predictions.parquet", predictions)
    write_confusion(out / "confusion.csv", predictions)
    write_json(out / "metrics.json", metrics)
    page = report(
        language=tokens.name,
        source=params.source,
        metrics=metrics,
        table=table,
        confidence=numbers.confidence,
        not_made=reasons,
    )
    (out / "report.md").write_text(page, encoding="utf-8")
    cards = [path.read_text(encoding="utf-8") for path in (student / "README.md", card)]
    full = model_card(student=cards[0], evaluation=page, data=cards[1])
    (out / "model_card.md").write_text(full, encoding="utf-8")
    speed = _speed(student_reader, teacher_reader, others, target, held, numbers.speed_texts, numbers.speed_repeats)
    write_json(out / "speed.json", speed)
    (out / "speed").mkdir()
    if target["id"]:
        _draw_trades(metrics, speed, others, tokens.name, pictures, out / "speed")
    record.evaluated(student, target_test, {**_flat(metrics), **{f"speed/{name}": v for name, v in speed.items()}})
    for path in (pictures, out / "speed", out / "report.md", out / "model_card.md"):
        record.artifact(path)


def _held_out(tokens: Path, soft_labels: Path, reader: Reader) -> dict[str, Any]:
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


def _agreement(answers: Path, draws: Bootstrap) -> dict[str, float]:
    table = read_table(answers, ["student", "teacher"])
    ours, theirs = (np.unique(table[name].to_pylist(), return_inverse=True) for name in ("student", "teacher"))
    return share_equal(ours[0][ours[1]], theirs[0][theirs[1]], draws)


def _score(
    metrics: dict[str, Any],
    answers: dict[str, Logits],
    teacher: Reader,
    actual: NDArray[np.int64],
    source: Texts,
    target: Texts,
    bins: int,
    draws: Bootstrap,
) -> None:
    """Put the scores that need a labelled target test set into the metrics, and what follows from them."""
    labels = teacher.labels
    right = {name: (logits.argmax(axis=1) == actual).astype(np.float64)[None] for name, logits in answers.items()}
    metrics["majority"] = {"accuracy": majority(actual, draws)}
    metrics["student"] = scores(answers["student"], actual, bins=bins, draws=draws)
    for name, found in metrics["controls"].items():
        found |= scores(answers[name], actual, bins=bins, draws=draws)
        found["student_minus_control"] = paired_difference(right["student"], right[name], None, draws)
    if not source["id"]:
        return
    logits = teacher.texts(source["text"])
    source_actual = np.array([labels.index(label) for label in source["label"]])
    metrics["teacher"] = scores(logits, source_actual, bins=bins, draws=draws)
    place = _parallel_rows(source, target)
    if place is not None:
        theirs = logits.argmax(axis=1)[place]
        metrics["student"]["agreement"] = share_equal(answers["student"].argmax(axis=1), theirs, draws)
    ends = [metrics[name]["accuracy"]["value"] for name in ("teacher", "majority")]
    for found, put in ((metrics["student"], metrics), *((one, one) for one in metrics["controls"].values())):
        closed = gap_closed(found["accuracy"]["value"], *ends)
        if closed is not None:
            put["gap_closed"] = closed


def _parallel_rows(source: Texts, target: Texts) -> NDArray[np.int64] | None:
    """Return the source test row of each target test row, where ids and labels say that the two are parallel."""
    rows = {name: number for number, name in enumerate(source["id"])}
    if not all(name in rows for name in target["id"]):
        return None
    place = np.array([rows[name] for name in target["id"]])
    same = all(source["label"][row] == label for row, label in zip(place, target["label"], strict=True))
    return place if same else None


def _draw(
    logits: Logits, actual: NDArray[np.int64], labels: list[str], language: str, bins: int, pictures: Path
) -> None:
    draw_confusion(confusion(logits, actual), labels, f"Student {language}: confusion", pictures / "confusion.png")
    draw_reliability(
        reliability(logits, actual, bins), f"Student {language}: calibration", pictures / "reliability.png"
    )


def _draw_trades(
    metrics: dict[str, Any],
    speed: dict[str, float],
    others: dict[str, System],
    language: str,
    pictures: Path,
    timed: Path,
) -> None:
    """Draw quality against size and against latency; the latter stands apart, since it differs from run to run."""
    systems = [name for name in ("student", "teacher", *others) if name in metrics or name in others]
    found = {name: metrics["controls"].get(name, metrics.get(name)) for name in systems}
    values = [(name, found[name]["accuracy"]) for name in systems]
    sizes = [metrics.get(f"{name}_megabytes", found[name].get("megabytes")) for name in systems]
    times = [1000 / speed[f"{name}_sentences_per_second"] for name in systems]
    draw_trade(values, sizes, "MB on disk", f"Accuracy on {language} against size", pictures / "size.png")
    draw_trade(values, times, "ms a sentence", f"Accuracy on {language} against latency", timed / "latency.png")


def _speed(
    student: Reader,
    teacher: Reader,
    others: dict[str, System],
    target: Texts,
    held: dict[str, Any],
    most: int,
    repeats: int,
) -> dict[str, float]:
    """Return how fast each reads: student and teacher their sides of held-out pairs from token ids, controls test texts."""
    readers: dict[str, Callable[[], int]] = {
        "teacher": partial(_read, teacher, held["source_ids"][:most]),
        "student": partial(_read, student, held["target_ids"][:most]),
    }
    texts = target["text"][:most]
    if texts:
        readers |= {name: partial(lambda system: len(system.texts(texts)), system) for name, system in others.items()}
    speeds = sentences_per_second(readers, repeats)
    return {
        **{f"{name}_sentences_per_second": value for name, value in speeds.items()},
        "times_faster": speeds["student"] / speeds["teacher"],
    }


def _read(reader: Reader, rows: list[list[int]]) -> int:
    return len(reader.ids(rows))


def _flat(metrics: dict[str, Any], prefix: str = "") -> dict[str, float]:
    flat: dict[str, float] = {}
    for name, value in metrics.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}/")
        else:
            flat[f"{prefix}{name}"] = float(value)
    return flat
