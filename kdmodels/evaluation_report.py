"""An evaluation as a page of Markdown, for readers."""

from typing import Any

import pandas as pd

_NAMES = {
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "expected_calibration_error": "expected calibration error",
    "agreement": "agreement with the teacher",
}


def report(
    *, language: str, source: str, metrics: dict[str, Any], table: pd.DataFrame | None, confidence: float
) -> str:
    """Return the page: the student beside its controls, a table of classes, sizes.

    Args:
        metrics: as the evaluation writes them
        table: scores a class; none where there is no labelled test set
    """
    lines = [f"# Student `{language}`", ""]
    if table is None:
        lines += [
            f"There is no labelled test set for `{language}`: what is known is how often the student agrees with its "
            "teacher on held-out pairs, and which labels it gives.",
            "",
        ]
    lines += [f"| | value | {confidence:.0%} interval |", "|---|---|---|"]
    for name, score in metrics.get("student", {}).items():
        lines.append(f"| student, {_NAMES[name]} | {_cells(score)} |")
    for name, title in (("teacher", f"teacher on `{source}`"), ("majority", "always the most frequent class")):
        if name in metrics:
            lines.append(f"| {title}, accuracy | {_cells(metrics[name]['accuracy'])} |")
    lines.append(f"| student and teacher agree on held-out pairs | {_cells(metrics['held_out']['agreement'])} |")
    if "gap_closed" in metrics:
        lines += [
            "",
            f"Of the gap between the majority class and the teacher the student closes {metrics['gap_closed']:.1%}.",
        ]
    lines += ["", "| | parameters | MB on disk |", "|---|---|---|"]
    for name in ("student", "teacher"):
        lines.append(f"| {name} | {metrics[f'{name}_parameters']:,} | {metrics[f'{name}_megabytes']:.1f} |")
    if table is not None:
        lines += ["", "| class | precision | recall | F1 | texts |", "|---|---|---|---|---|"]
        for row in table.to_dict("records"):
            values = " | ".join(f"{row[name]:.3f}" for name in ("precision", "recall", "f1"))
            lines.append(f"| {row['label']} | {values} | {row['items']} |")
    lines += ["", "| label | share of answers |", "|---|---|"]
    lines += [f"| {label} | {share:.1%} |" for label, share in metrics["predicted_share"].items()]
    return "\n".join(lines) + "\n"


def _cells(score: dict[str, float]) -> str:
    return f"{score['value']:.3f} | {score['low']:.3f} to {score['high']:.3f}"
