"""An evaluation as a page of Markdown, for readers."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from kdmodels.control_names import kind_and_seed

_CONTROLS = {
    "tf_idf": "TF-IDF with logistic regression, on the teacher's labels",
    "hard_labels": "the student, on the teacher's labels alone",
    "random_weights": "the student, from random weights",
    "target_labels": "the student, on labelled target text (ceiling)",
    "joint": "the student, after learning together with the teacher",
}
_SCORES = {
    "expected_calibration_error": "expected calibration error",
    "negative_log_likelihood": "negative log-likelihood",
    "brier_score": "Brier score",
}


def report(
    *,
    language: str,
    source: str,
    metrics: dict[str, Any],
    table: pd.DataFrame | None,
    confidence: float,
    not_made: dict[str, str],
) -> str:
    """Return the page: the student beside its controls, what it beats, calibration, a table of classes.

    Args:
        metrics: as the evaluation writes them
        table: scores a class; none where there is no labelled test set
        not_made: chosen controls that could not be made, with the reason
    """
    lines = [f"# Student `{language}`", ""]
    if table is None:
        lines += [
            f"There is no labelled test set for `{language}`: what is known is how often the student agrees with its "
            "teacher on held-out pairs, and which labels it gives.",
            "",
        ]
    several = metrics["trainings"]
    over = (
        "the test items"
        if several == 1
        else f"the test items and {several} trainings of the student, whose means stand here"
    )
    lines += [f"With {confidence:.0%} intervals over {over}.", ""]
    lines += ["| | accuracy | macro-F1 | gap closed | agreement, held-out pairs | parameters | MB |"]
    lines += ["|---|---|---|---|---|---|---|", *_systems(metrics, source)]
    lines += [f"\n{_title(name)}: not made, since {reason}." for name, reason in not_made.items()]
    lines += [
        "",
        "Gap closed: (accuracy - majority) / (teacher - majority). Agreement: the same label as the teacher gives the other "
        "side of a pair that nothing was learned from.",
    ]
    if "first_training" in metrics.get("student", {}):
        own = _cell(metrics["student"]["first_training"]["accuracy"])
        lines += ["", f"The student of this folder alone, one of those trainings, has an accuracy of {own}."]
    joint = metrics["controls"].get("joint")
    if joint is not None:
        lines += [
            "",
            "After learning together student and teacher were "
            + ("accepted" if joint["accepted"] else "refused")
            + ": the teacher's accuracy on source validation text and the student's agreement with the first teacher, on one "
            f"part of the held-out pairs, may be worse by no more than {joint['margin']:g}.",
        ]
    agreement = metrics.get("student", {}).get("agreement")
    if agreement is not None:
        lines += ["", f"Student and teacher give a test text and its translation the same label: {_cell(agreement)}."]
    lines += _differences(metrics["controls"], confidence)
    if "calibration" in metrics:
        lines += _calibration(metrics["calibration"])
    if table is not None:
        lines += ["", "| class | precision | recall | F1 | texts |", "|---|---|---|---|---|"]
        for row in table.to_dict("records"):
            values = " | ".join(f"{row[name]:.3f}" for name in ("precision", "recall", "f1"))
            lines.append(f"| {row['label']} | {values} | {row['items']} |")
    lines += ["", "| label | share of answers |", "|---|---|"]
    lines += [f"| {label} | {share:.1%} |" for label, share in metrics["predicted_share"].items()]
    return "\n".join(lines) + "\n"


def _systems(metrics: dict[str, Any], source: str) -> Iterator[str]:
    own = {"parameters": metrics["student_parameters"], "megabytes": metrics["student_megabytes"]}
    own |= {"held_out": metrics["held_out"]} | (
        {"gap_closed": metrics["gap_closed"]} if "gap_closed" in metrics else {}
    )
    theirs = {"parameters": metrics["teacher_parameters"], "megabytes": metrics["teacher_megabytes"]}
    yield _row("**the student**", metrics.get("student", {}) | own)
    for name, found in metrics["controls"].items():
        yield _row(_CONTROLS[name], found)
    if "majority" in metrics:
        yield _row("always the most frequent class", metrics["majority"])
    yield _row(f"the teacher, on `{source}`", metrics.get("teacher", {}) | theirs)


def _row(title: str, found: dict[str, Any]) -> str:
    agreement = found.get("held_out", {}).get("agreement")
    cells = [
        _cell(found["accuracy"]) if "accuracy" in found else "",
        _cell(found["macro_f1"]) if "macro_f1" in found else "",
        f"{found['gap_closed']:.1%}" if "gap_closed" in found else "",
        _cell(agreement) if agreement else "",
        f"{found['parameters']:,}" if "parameters" in found else "",
        f"{found['megabytes']:.1f}" if "megabytes" in found else "",
    ]
    return f"| {title} | {' | '.join(cells)} |"


def _differences(controls: dict[str, Any], confidence: float) -> list[str]:
    rows = [
        (name, found["student_minus_control"]) for name, found in controls.items() if "student_minus_control" in found
    ]
    if not rows:
        return []
    lines = [
        "",
        f"| the student's accuracy minus that of | difference, {confidence:.0%} interval | better in | trainings |",
    ]
    lines += ["|---|---|---|---|"]
    for name, found in rows:
        better = f"{found['above_zero']:.1%} of resamples"
        lines.append(f"| {_CONTROLS[name]} | {_cell(found)} | {better} | {found['trainings']:.0f} |")
    return [
        *lines,
        "",
        "A paired bootstrap: both answer the same resampled test items, and where there are several trainings of both, "
        "those of the same resampled seeds. One training says nothing about another.",
    ]


def _title(name: str) -> str:
    """Return the words for a control, or for one more training of it or of the student."""
    kind, seed = kind_and_seed(name)
    words = _CONTROLS.get(kind, "the student")
    return words if seed is None else f"{words}, once more with seed {seed}"


def _calibration(found: dict[str, Any]) -> list[str]:
    lines = ["", "| the student's probabilities | as they are | after scaling |", "|---|---|---|"]
    for name, title in _SCORES.items():
        lines.append(f"| {title} | {found['before'][name]:.3f} | {found['after'][name]:.3f} |")
    return [
        *lines,
        "",
        f"The temperature {found['temperature']:.2f} was fitted on held-out pairs, to the teacher's probabilities under "
        "its own temperature from the source validation split; no target label was used.",
    ]


def _cell(score: dict[str, float]) -> str:
    return f"{score['value']:.3f} ({score['low']:.3f} to {score['high']:.3f})"
