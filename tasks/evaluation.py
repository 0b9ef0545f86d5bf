"""Score a student on target text, beside its controls."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kdmodels.calibration import calibration_scores, fit_temperature, tempered
from kdmodels.comparison import Bootstrap
from kdmodels.evaluation_report import report
from kdmodels.files import read_json, write_json
from kdmodels.label_store import read_labels
from kdmodels.model_card import model_card
from kdmodels.pictures import draw_confusion, draw_distribution, draw_reliability, draw_scores, draw_trade
from kdmodels.predictions import predictions_table, write_confusion
from kdmodels.scoring import class_table, confusion, mean_share_equal, reliability
from kdmodels.speed import sentences_per_second
from kdmodels.tables import read_table, write_table
from kdmodels.token_table import read_tokens
from tasks import places
from tasks.sections import Params
from tasks.systems import Logits, Reader, System, Training, megabytes, read_controls
from tasks.target_scores import Texts, put_scores

if TYPE_CHECKING:
    from tasks.recording import Recorder


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
    # DVC would count what an earlier choice left there among what this stage reads, on this machine alone.
    places.remove_others(controls, params.control.chosen)
    trainings, reasons = read_controls(controls, params.control.chosen, params.student.seed, numbers.batch_rows)
    further = trainings.pop("student", [])
    told = read_json(joint / "metrics.json")
    if told["made"]:
        reader = Reader(joint / "models/student", numbers.batch_rows)
        trainings["joint"] = [Training(reader, joint / "models" / places.HELD_OUT, params.student.seed)]
    others = {name: of[0].system for name, of in trainings.items()}
    pictures = out / "pictures"
    pictures.mkdir()
    held = _held_out(tokens, soft_labels, student_reader)
    own = (held["student"].argmax(axis=1), held["teacher"].argmax(axis=1))
    metrics: dict[str, Any] = {
        "trainings": 1 + len(further),
        "held_out": {"agreement": mean_share_equal([own, *(_answers(one.held_out) for one in further)], draws)},
    }
    for name, system in (("student", student_reader), ("teacher", teacher_reader)):
        metrics[f"{name}_parameters"], metrics[f"{name}_megabytes"] = system.parameters, megabytes(system)
    metrics["controls"] = {
        name: {
            "parameters": system.parameters,
            "megabytes": megabytes(system),
            "held_out": {"agreement": mean_share_equal([_answers(one.held_out) for one in trainings[name]], draws)},
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
        logits = student_reader.texts(target["text"])
        answers = {name: [(one.seed, one.system.texts(target["text"])) for one in of] for name, of in trainings.items()}
        more = [(one.seed, one.system.texts(target["text"])) for one in further]
        answers["student"] = [(params.student.seed, logits), *more]
        actual = np.array([labels.index(label) for label in target["label"]])
        put_scores(metrics, answers, teacher_reader, actual, source, target, numbers.calibration_bins, draws)
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
    table = read_tokens(tokens, ["id", "source_hash", "source_ids", "target_ids", "held_out"])
    chosen = np.flatnonzero(table["held_out"])
    source_ids, target_ids = (list(table[name].at(chosen)) for name in ("source_ids", "target_ids"))
    labels = read_labels(soft_labels, identity=None, hidden=False)
    return {
        "ids": table["id"].take(chosen).to_pylist(),
        "source_ids": source_ids,
        "target_ids": target_ids,
        "teacher": labels.logits_NC[labels.rows_of(table["source_hash"][chosen])],
        "student": reader.ids(target_ids),
    }


def _answers(path: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return a training's answers on held-out pairs and its teacher's, as numbers that are equal where the labels are."""
    table = read_table(path, ["student", "teacher"])
    columns = [table[name].to_pylist() for name in ("student", "teacher")]
    names = sorted({*columns[0], *columns[1]})
    ours, theirs = (np.array([names.index(label) for label in column], dtype=np.int64) for column in columns)
    return ours, theirs


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
