"""What rounds of feedback came to, as a page, a table and a curve."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kdmodels.files import whole
from kdmodels.pictures import figure, save

if TYPE_CHECKING:
    from flows.feedback import Round

HEADINGS = ("round", "teacher, source validation", "students, first teacher", "students, own teacher", "accepted")


def cells(one: "Round") -> list[str]:
    """Return a round as texts under `HEADINGS`."""
    return [
        str(one.feedback.round),
        f"{one.valid_accuracy:.3f}",
        f"{one.agreement:.3f}",
        f"{one.own_agreement:.3f}",
        "the start" if one.feedback.round == 0 else "yes" if one.accepted else "no",
    ]


def write_report(folder: Path, rounds: Sequence["Round"], best: int, margin: float) -> None:
    """Write report.md, rounds.csv and curve.png.

    Args:
        best: which of the rounds the project was left at
    """
    folder.mkdir(parents=True, exist_ok=True)
    labels = list(rounds[-1].feedback.weight)
    lines = [
        "# Rounds of feedback",
        "",
        f"| {' | '.join(HEADINGS)} |",
        f"|{'---|' * len(HEADINGS)}",
        *(f"| {' | '.join(cells(one))} |" for one in rounds),
        "",
        "Accuracy of the teacher on the source validation split; agreement of the students, all languages together, with the "
        "teacher of round 0 and with their own, on the part of the held-out pairs that told the teacher nothing. A round is "
        f"accepted where neither of the first two is worse than in round 0 by more than {margin:g}; the next goes on from the "
        "last that was, after one that was not with half the step.",
        "",
        f"The project is left at round {rounds[best].feedback.round}, the accepted one with the highest agreement with the "
        "first teacher" + (": feedback did not help." if best == 0 else "."),
        "",
    ]
    if labels:
        lines += ["| class | " + " | ".join(f"round {one.feedback.round}" for one in rounds[1:]) + " |"]
        lines += [f"|---|{'---|' * len(rounds[1:])}"]
        for label in labels:
            told = [f"{one.feedback.weight[label]:.2f}, {one.feedback.smoothing[label]:.3f}" for one in rounds[1:]]
            lines.append(f"| {label} | {' | '.join(told)} |")
        lines += [
            "",
            "What the teacher was told of each class: its weight in the loss, and what is added to its smoothing.",
        ]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    targets = list(rounds[0].of_target)
    writer.writerow(["round", "valid_accuracy", "agreement", *targets, "own_agreement", "accepted"])
    for one in rounds:
        of_target = [one.of_target[target] for target in targets]
        writer.writerow(
            [one.feedback.round, one.valid_accuracy, one.agreement, *of_target, one.own_agreement, one.accepted]
        )
    for name, content in (("report.md", "\n".join(lines) + "\n"), ("rounds.csv", text.getvalue())):
        with whole(folder / name) as temporary:
            temporary.write_text(content, encoding="utf-8")
    _draw(rounds, margin, folder / "curve.png")


def _draw(rounds: Sequence["Round"], margin: float, path: Path) -> None:
    drawing = figure(7, 4.5)
    axes = drawing.add_subplot()
    numbers = [one.feedback.round for one in rounds]
    curves = {
        "teacher, source validation": ("tab:orange", [one.valid_accuracy for one in rounds]),
        "students, agreement with the first teacher": ("tab:blue", [one.agreement for one in rounds]),
    }
    for title, (color, values) in curves.items():
        axes.plot(numbers, values, color=color, marker="o", label=title)
        axes.axhline(values[0] - margin, color=color, linestyle=":", linewidth=1)
    refused = [(one.feedback.round, one.agreement) for one in rounds if not one.accepted]
    if refused:
        axes.plot(*zip(*refused, strict=True), "rx", markersize=12, label="not accepted")
    axes.set(xlabel="round", ylabel="share", title="Feedback (dotted: what would not be accepted)")
    axes.set_xticks(numbers)
    axes.legend()
    save(drawing, path)
