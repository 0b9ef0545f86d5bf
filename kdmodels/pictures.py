"""Pictures of an evaluation, as PNG files that are the same bytes for the same numbers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def figure(width: float, height: float) -> Any:
    """Return a figure that needs no display, whatever backend the user has set."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(drawing)
    return drawing


def save(drawing: Any, path: Path) -> None:
    """Write a drawing as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    drawing.savefig(path, dpi=120, metadata={"Software": None})


def draw_confusion(counts: NDArray[np.int64], labels: Sequence[str], title: str, path: Path) -> None:
    """Draw a confusion matrix: actual classes in rows, predicted ones in columns."""
    size = max(4.0, 0.7 * len(labels) + 2)
    drawing = figure(size + 1, size)
    axes = drawing.add_subplot()
    picture = axes.imshow(counts, cmap="Blues")
    for row, values in enumerate(counts):
        for column, value in enumerate(values):
            if value:
                axes.text(
                    column, row, str(value), ha="center", va="center",
                    color="white" if value > counts.max() / 2 else "black",
                )  # fmt: skip
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    axes.set(xlabel="predicted", ylabel="actual", title=title)
    drawing.colorbar(picture, shrink=0.7, label="texts")
    save(drawing, path)


def draw_reliability(bins: pd.DataFrame, title: str, path: Path) -> None:
    """Draw accuracy over confidence, with the number of texts a bin as the size of its point."""
    drawing = figure(5, 5)
    axes = drawing.add_subplot()
    axes.plot([0, 1], [0, 1], color="gray", linestyle="--", linewidth=1, label="perfectly calibrated")
    axes.plot(bins["confidence"], bins["accuracy"], color="tab:blue", linewidth=1)
    axes.scatter(bins["confidence"], bins["accuracy"], s=20 + 2 * bins["items"], color="tab:blue", label="student")
    axes.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1.02), ylim=(-0.02, 1.02), title=title)
    axes.legend(loc="upper left")
    save(drawing, path)


def draw_scores(rows: Sequence[tuple[str, dict[str, float]]], title: str, path: Path) -> None:
    """Draw values with their intervals as horizontal bars, the first row on top."""
    drawing = figure(7, 0.6 * len(rows) + 1.2)
    axes = drawing.add_subplot()
    for place, (name, score) in enumerate(reversed(rows)):
        distance = [[score["value"] - score["low"]], [score["high"] - score["value"]]]
        color = "tab:blue" if name == "student" else "lightgray"
        axes.barh(place, score["value"], xerr=distance, color=color, ecolor="black", capsize=3)
        axes.text(0.01, place, f"{score['value']:.3f}", va="center")
    axes.set_yticks(range(len(rows)), [name for name, _ in reversed(rows)])
    axes.set(xlim=(0, 1), title=title)
    save(drawing, path)


def draw_trade(
    values: Sequence[tuple[str, dict[str, float]]], costs: Sequence[float], axis: str, title: str, path: Path
) -> None:
    """Draw each value with its interval over its cost, which is drawn on a logarithmic scale."""
    drawing = figure(7, 4.5)
    axes = drawing.add_subplot()
    for (name, score), cost in zip(values, costs, strict=True):
        distance = [[score["value"] - score["low"]], [score["high"] - score["value"]]]
        color = "tab:blue" if name == "student" else "gray"
        axes.errorbar([cost], [score["value"]], yerr=distance, marker="o", color=color, capsize=3)
        axes.annotate(f" {name}", (cost, score["value"]), color=color)
    axes.set(xscale="log", xlabel=axis, ylabel="accuracy", ylim=(0, 1), title=title)
    axes.margins(x=0.25)
    save(drawing, path)


def draw_distribution(shares: pd.Series, title: str, path: Path) -> None:
    """Draw the share of texts that were given each label."""
    drawing = figure(6, 0.4 * len(shares) + 1.2)
    axes = drawing.add_subplot()
    axes.barh([str(name) for name in shares.index][::-1], shares.to_numpy()[::-1], color="tab:blue")
    axes.set(xlabel="share of texts", title=title)
    save(drawing, path)
