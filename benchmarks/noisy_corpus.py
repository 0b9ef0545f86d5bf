"""A large parallel corpus whose faults are known: true pairs, one in ten broken in one of the ways of real text.

    python benchmarks/noisy_corpus.py FOLDER PAIRS

Writes corpus.en.gz and corpus.de.gz (Moses), and truth.txt: a line a pair, `clean` or the kind of its fault. The text is
made from Multi30k's captions and STSb's sentences (../shared/data): two of them in a row make a new, true pair. The same
numbers give the same bytes.
"""

import csv
import gzip
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

DATA = Path(__file__).parents[2] / "shared/data"
BROKEN = 0.1  # of the pairs
FRENCH = "Les enfants jouent dans la cour pendant que leurs parents parlent devant la maison ."
RUSSIAN = "Дети играют во дворе, пока их родители разговаривают перед домом."

Pair = tuple[str, str]


def true_pairs() -> list[Pair]:
    """Return the pairs that the corpus is made from."""
    sides = []
    for language in ("en", "de"):
        with gzip.open(DATA / f"multi30k/train.{language}.gz", "rt", encoding="utf-8", newline="\n") as file:
            texts = file.read().rstrip("\n").split("\n")
        with (DATA / f"stsb/stsb-{language}-train.csv").open(encoding="utf-8", newline="") as file:
            texts += [sentence for row in csv.reader(file) for sentence in row[:2]]
        sides.append(texts)
    return [(one, other) for one, other in dict(zip(*sides, strict=True)).items() if "\t" not in one + other]


def _mojibake(text: str) -> str:
    return text.encode().decode("latin-1").replace("\x85", " ")


FAULTS: dict[str, Callable[[Pair, Pair, random.Random], Pair]] = {
    "empty": lambda pair, other, draw: draw.choice([(pair[0], ""), ("", pair[1]), (" ", "\u200b")]),
    "too_long": lambda pair, other, draw: (" ".join([pair[0]] * 30), " ".join([pair[1]] * 30)),
    "ratio": lambda pair, other, draw: (pair[0], " ".join([pair[1], other[1], pair[1], other[1], other[1]])),
    "copy": lambda pair, other, draw: (pair[0], pair[0]),
    "near_copy": lambda pair, other, draw: (pair[0], pair[0].replace(".", "").replace(" a ", " ein ", 1)),
    "script": lambda pair, other, draw: (pair[0], RUSSIAN),
    "numbers": lambda pair, other, draw: (
        f"{pair[0]} {draw.randint(100, 999)} 1984",
        f"{pair[1]} {draw.randint(1, 9)}6 2051",
    ),
    "html": lambda pair, other, draw: (f'<div class="x">{pair[0]}</div>', f"<p>{pair[1]}</p>"),
    "language": lambda pair, other, draw: (pair[0], f"{FRENCH} {draw.choice('abcdefgh')}"),
    "swapped": lambda pair, other, draw: (pair[1], pair[0]),
    "shifted": lambda pair, other, draw: (pair[0], other[1]),
    "control": lambda pair, other, draw: (pair[0].replace(" ", "\x07 ", 2), pair[1].replace(" ", "\u2028", 1)),
    "mojibake": lambda pair, other, draw: (pair[0], _mojibake(pair[1] + " Äpfel für die Größe")),
}
MENDED = {"control", "mojibake"}  # these are made whole, not dropped


def corpus(pairs: int) -> Iterator[tuple[Pair, str]]:
    """Return so many pairs, each with `clean` or the kind of its fault."""
    material = true_pairs()
    draw = random.Random(1)
    kinds = [*FAULTS, "repeated", "near_repeated"]
    earlier: list[Pair] = []
    for number in range(pairs):
        one, two, three = (draw.choice(material) for _ in range(3))
        pair = (f"{one[0]} {two[0]}", f"{one[1]} {two[1]}")
        if number and draw.random() < BROKEN:
            kind = draw.choice(kinds)
            if kind == "repeated":
                pair = draw.choice(earlier)
            elif kind == "near_repeated":
                old = draw.choice(earlier)
                pair = (f"{old[0]} Really .", f"{old[1]} Wirklich .")
            else:
                pair = FAULTS[kind](pair, (f"{three[0]} {three[0]}", f"{three[1]} {three[1]}"), draw)
            yield pair, kind
            continue
        if len(earlier) < 5000:
            earlier.append(pair)
        yield pair, "clean"


def write(folder: Path, pairs: int) -> None:
    """Write the three files."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        gzip.GzipFile(folder / "corpus.en.gz", "wb", compresslevel=1, mtime=0) as source,
        gzip.GzipFile(folder / "corpus.de.gz", "wb", compresslevel=1, mtime=0) as target,
        (folder / "truth.txt").open("w", encoding="utf-8") as truth,
    ):
        for (one, other), kind in corpus(pairs):
            source.write(f"{one}\n".encode())
            target.write(f"{other}\n".encode())
            truth.write(f"{kind}\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]))
