"""A sample of texts for people to label where there is no test set, drawn so that little labelling says much."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdmodels.comparison import Bootstrap
from kdmodels.errors import BadInputError
from kdmodels.files import read_json, whole, write_json
from kdmodels.pairs import text_hash
from kdmodels.text_files import read_lines

COLUMNS = ["id", "text", "label"]


@dataclass(frozen=True)
class Drawn:
    """A sample: which texts, the stratum of each, and how many texts each stratum has altogether."""

    rows: NDArray[np.int64]
    strata: list[str]
    sizes: dict[str, int]


def draw(labels: Sequence[str], probabilities: NDArray[np.floating[Any]], number: int, seed: int) -> Drawn:
    """Draw texts by the student's answers: a stratum is a label, given with more or with less than median confidence.

    Each stratum gives as many as its share of all texts, but two at least, where it has them; so no class that the student
    finds is left out, and the share of each stratum is known.

    Args:
        labels: of each text, the student's
        probabilities: of that label
        number: of texts to draw

    Raises:
        BadInputError: where there are fewer texts, or fewer to draw than twice the strata.
    """
    if number > len(labels):
        raise BadInputError(f"-n {number}: there are only {len(labels)} texts to draw from")
    median = {label: np.median(probabilities[np.array(labels) == label]) for label in set(labels)}
    strata = [
        f"{label}, {'sure' if value >= median[label] else 'unsure'}"
        for label, value in zip(labels, probabilities, strict=True)
    ]
    names, sizes = np.unique(strata, return_counts=True)
    least = np.minimum(2, sizes)
    if number < least.sum():
        raise BadInputError(f"-n {number}: the student's answers make {len(names)} strata; draw {least.sum()} or more")
    taken = least.copy()
    while taken.sum() < number:  # the next goes where the sample is furthest behind the share
        behind = np.where(taken < sizes, sizes / sizes.sum() * number - taken, -np.inf)
        taken[behind.argmax()] += 1
    random = np.random.default_rng(seed)
    chosen: list[int] = []
    for name, count in zip(names, taken, strict=True):
        chosen += random.choice(np.flatnonzero(np.array(strata) == name), size=count, replace=False).tolist()
    rows = np.array(random.permutation(chosen), dtype=np.int64)  # the order tells an annotator nothing
    return Drawn(
        rows, [strata[row] for row in rows], {str(name): int(size) for name, size in zip(names, sizes, strict=True)}
    )


def write_sample(path: Path, texts: Sequence[str], drawn: Drawn) -> None:
    """Write a table to fill in, and the design beside it, which the table does not show.

    Raises:
        BadInputError: where labels were filled in already.
    """
    if path.exists() and any(row["label"] for row in _rows(path)):
        raise BadInputError(
            f"{path}: labels stand in it already. Read them (--read), or move the file away to draw anew"
        )
    lines = ["\t".join(COLUMNS)]
    lines += [f"{number}\t{' '.join(texts[row].split())}\t" for number, row in enumerate(drawn.rows, start=1)]
    with whole(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    design = {
        "sizes": drawn.sizes,
        "texts": [
            {"stratum": stratum, "hash": text_hash(" ".join(texts[row].split()))}
            for row, stratum in zip(drawn.rows, drawn.strata, strict=True)
        ],
    }
    write_json(design_of(path), design)


def design_of(path: Path) -> Path:
    """Return the file of the design that lies beside a table."""
    return path.with_suffix(".design.json")


@dataclass(frozen=True)
class Annotated:
    """What people have labelled: texts, labels, the stratum of each, the sizes of the strata, and how many are left."""

    texts: list[str]
    labels: list[str]
    strata: list[str]
    sizes: Mapping[str, int]
    unlabelled: int


def read_sample(path: Path, allowed: Sequence[str]) -> Annotated:
    """Read a table that people have filled in, in part or all of it.

    Raises:
        BadInputError: where there is none, a label is unknown, a text was changed, or no text is labelled; with the line.
    """
    if not path.exists():
        raise BadInputError(f"{path}: no such file. To draw a sample: distilingua annotate, without --read")
    rows, design = _rows(path), read_json(design_of(path))
    if len(rows) != len(design["texts"]):
        raise BadInputError(f"{path}: {len(rows)} texts, {len(design['texts'])} were drawn; leave lines where they are")
    texts, labels, strata = [], [], []
    for line, (row, drawn) in enumerate(zip(rows, design["texts"], strict=True), start=2):
        if text_hash(row["text"]) != drawn["hash"]:
            raise BadInputError(f"{path}:{line}: the text is not the one that was drawn; bring it back")
        label = row["label"].strip()
        if label and label not in allowed:
            raise BadInputError(f"{path}:{line}: the label {label!r} is none of: {', '.join(allowed)}")
        if label:
            texts.append(row["text"])
            labels.append(label)
            strata.append(drawn["stratum"])
    if not texts:
        raise BadInputError(f"{path}: no text is labelled yet; fill the column label with: {', '.join(allowed)}")
    return Annotated(texts, labels, strata, design["sizes"], len(rows) - len(texts))


def _rows(path: Path) -> list[dict[str, str]]:
    found = []
    for line, text in read_lines(path):
        cells = text.split("\t")
        if line == 1:
            if cells != COLUMNS:
                raise BadInputError(f"{path}:1: the columns are {', '.join(cells)}; expected {', '.join(COLUMNS)}")
            continue
        if len(cells) != len(COLUMNS):
            raise BadInputError(f"{path}:{line}: {len(cells)} tab-separated fields, expected {len(COLUMNS)}")
        found.append(dict(zip(COLUMNS, cells, strict=True)))
    return found


def stratified(
    values: NDArray[np.floating[Any]], strata: Sequence[str], sizes: Mapping[str, int], draws: Bootstrap
) -> dict[str, float]:
    """Return the mean over all texts as a stratified sample tells it, with its bootstrap interval inside the strata.

    sum_h (N_h / N) * mean of the sample in stratum h (Cochran 1977, "Sampling Techniques", equation 5.1). A stratum of which
    nothing is labelled counts as the others do on average. Each resample draws one text less than a stratum has, or small
    strata would look surer than they are (Rao & Wu 1988, Journal of the American Statistical Association 83).

    Args:
        values: [labelled texts], such as 1.0 where the student is right
        sizes: texts of each stratum altogether, N_h
    """
    groups = {name: values[np.array(strata) == name] for name in dict.fromkeys(strata)}
    weights = np.array([sizes[name] for name in groups], dtype=np.float64)
    weights /= weights.sum()
    random = np.random.default_rng(draws.seed)

    def mean(rows: Iterable[NDArray[np.floating[Any]]]) -> float:
        return float(sum(weight * row.mean() for weight, row in zip(weights, rows, strict=True)))

    found = [
        mean(random.choice(group, size=max(1, len(group) - 1)) for group in groups.values())
        for _ in range(draws.resamples)
    ]
    low, high = np.quantile(found, [(1 - draws.confidence) / 2, (1 + draws.confidence) / 2])
    return {"value": mean(groups.values()), "low": float(low), "high": float(high)}
