"""A student's answers, text by text."""

from pathlib import Path
from typing import Any

import pandas as pd

from kdmodels.classification import Floats, probabilities


def predictions_table(
    ids: list[str], texts: list[str] | None, actual: list[str] | None, logits: Floats, labels: list[str]
) -> dict[str, list[Any]]:
    """Return what a student answers to each text as columns: its label and the probability of every label."""
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


def write_confusion(path: Path, predictions: dict[str, list[Any]]) -> None:
    """Write actual and predicted labels a line a text, as DVC's plot of that name reads them; none where unknown."""
    actual = ["unknown" if label is None else label for label in predictions["actual"]]
    frame = pd.DataFrame({"actual": actual, "predicted": predictions["predicted"]})
    frame.to_csv(path, index=False, lineterminator="\n")
