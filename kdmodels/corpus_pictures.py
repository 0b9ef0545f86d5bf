"""Pictures of a corpus, as PNG files that are the same bytes for the same numbers."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kdmodels.pictures import figure, save


def draw_dropped(dropped: Mapping[str, int], reasons: Sequence[str], title: str, path: Path) -> None:
    """Draw how many pairs each reason dropped, as bars in the order of asking."""
    drawing = figure(7, 0.3 * len(reasons) + 1.2)
    axes = drawing.add_subplot()
    counts = [dropped.get(reason, 0) for reason in reversed(reasons)]
    axes.barh(list(reversed(reasons)), counts, color="tab:blue")
    for place, count in enumerate(counts):
        axes.text(count, place, f" {count:,}", va="center", fontsize=8)
    axes.set(xlabel="pairs dropped", title=title)
    axes.margins(x=0.15)
    save(drawing, path)


def draw_lengths(lengths: Mapping[str, NDArray[np.int64]], title: str, path: Path) -> None:
    """Draw the lengths of both sides, `counts[n]` texts of n characters each; the last count is of all longer ones."""
    drawing = figure(7, 3.5)
    axes = drawing.add_subplot()
    for name, counts in lengths.items():
        axes.step(np.arange(len(counts)), counts, where="mid", label=name)
    axes.set(xlabel="characters", ylabel="texts", title=title)
    axes.legend()
    save(drawing, path)


def draw_translation_scores(scores: NDArray[np.float32], threshold: float | None, title: str, path: Path) -> None:
    """Draw the translation scores of all pairs; randomly joined ones would lie evenly along the dashed line."""
    drawing = figure(7, 3.5)
    axes = drawing.add_subplot()
    judged = scores[~np.isnan(scores)]
    counts, edges = np.histogram(judged, bins=50, range=(0, 1))
    axes.bar(edges[:-1], counts, width=1 / 50, align="edge", color="tab:blue", label="pairs")
    axes.axhline(len(judged) / 50, color="black", linestyle="--", linewidth=1, label="randomly joined pairs")
    if threshold is not None:
        axes.axvline(threshold, color="tab:red", linewidth=1, label="threshold")
    axes.set(xlabel="share of randomly joined pairs that look worse", ylabel="pairs", title=title)
    axes.set_yscale("symlog")
    axes.legend(loc="upper left")
    save(drawing, path)
