"""What a sweep has found, as a page, a table and a picture."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from kdmodels.files import whole
from kdmodels.pictures import figure, save
from kdmodels.ranking import Place
from tasks.designs import Design

HEADINGS = ("design", "agreement", "interval", "divergence", "against the first", "p", "better")


def cells(place: Place) -> list[str]:
    """Return a design's place as texts under `HEADINGS`."""
    low, high = place.agreement["low"], place.agreement["high"]
    return [
        place.name,
        f"{place.agreement['value']:.3f}",
        f"{low:.3f}–{high:.3f}",
        f"{place.divergence:.3f}",
        f"{place.difference['value']:+.3f}",
        f"{place.p_value:.3f}",
        "yes" if place.better else "not shown",
    ]


def write_report(
    folder: Path,
    target: str,
    ranking: Sequence[Place],
    designs: Sequence[Design],
    seeds: Sequence[int],
    confidence: float,
    level: float,
    tau: float | None,
) -> None:
    """Write report.md, results.csv and effects.png; the report ends with what to write into params.yaml.

    Args:
        tau: Kendall's, of this ranking with that by accuracy on the test set; none where there is no such ranking
    """
    folder.mkdir(parents=True, exist_ok=True)
    reference = designs[0].name
    best = next(design for design in designs if design.name == ranking[0].name)
    lines = [
        f"# Which design teaches students of `{target}` best?",
        "",
        f"Each design was trained with {len(seeds)} seeds. They are ranked by how often student and teacher give the two sides "
        "of a held-out pair the same label; no target label was used.",
        "",
        f"| {' | '.join(HEADINGS)} |",
        f"|{'---|' * len(HEADINGS)}",
        *(f"| {' | '.join(cells(place))} |" for place in ranking),
        "",
        f"Intervals of {confidence:.0%} over seeds and pairs. Divergence: KL of the student from the teacher, in nats. p: of "
        f"no difference from {reference}, a paired bootstrap, corrected for the number of designs by Holm's method; better "
        f"where it is below {level:g}.",
        "",
        "Kendall's tau of this ranking with that by accuracy on the labelled test set, which chose nothing: "
        + ("not known." if tau is None else f"{tau:.2f}."),
        "",
        "To take the first, in params.yaml:",
        "",
        "```yaml",
        "student:",
        *(f"  {key}: {value}" for key, value in best.changes.items()),
        "```",
    ]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["design", "agreement", "low", "high", "divergence", "difference", "p", "better"])
    for place in ranking:
        found = place.agreement
        writer.writerow(
            [place.name, found["value"], found["low"], found["high"], place.divergence, place.difference["value"],
             place.p_value, place.better]
        )  # fmt: skip
    for name, content in (("report.md", "\n".join(lines) + "\n"), ("results.csv", text.getvalue())):
        with whole(folder / name) as temporary:
            temporary.write_text(content, encoding="utf-8")
    _draw(ranking, reference, folder / "effects.png")


def _draw(ranking: Sequence[Place], reference: str, path: Path) -> None:
    drawing = figure(8, 0.4 * len(ranking) + 1.5)
    axes = drawing.add_subplot()
    for row, place in enumerate(reversed(ranking)):
        found = place.difference
        distance = [[found["value"] - found["low"]], [found["high"] - found["value"]]]
        color = "tab:green" if place.better else "gray"
        axes.errorbar([found["value"]], [row], xerr=distance, marker="o", color=color, capsize=3)
    axes.axvline(0, color="black", linewidth=1)
    axes.set_yticks(range(len(ranking)), [place.name for place in reversed(ranking)])
    axes.set(xlabel=f"agreement on held-out pairs, minus that of {reference}", title="Effects with their intervals")
    save(drawing, path)
