"""Small text files in a folder, and the stages that read them called as functions."""

import shutil
from pathlib import Path
from typing import Any

import pandas as pd

from tasks.config import load_params
from tasks.corpus import corpus
from tasks.labelled import labelled
from tasks.sections import Cleaning, Params, Slot
from tasks.sources import sources

ROOT = Path(__file__).parents[1]
LABELLED = [
    "id\tsplit\tlabel\ttext",
    "1\ttrain\ta\tfirst text",
    "2\ttrain\tb\tsecond text",
    "3\tvalid\ta\tthird text",
    "4\tvalid\tb\tfourth text",
]
TEST = ["id\tlabel\ttext", "5\ta\tfünfter Text", "6\tb\tsechster Text"]


class Record:
    """Stands for the recorder: keeps what it is told."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}
        self.artifacts: list[str] = []
        self.outside: list[Any] = []

    def metrics(self, values: dict[str, float], step: int | None = None) -> None:
        self.values |= values

    def artifact(self, path: Path) -> None:
        self.artifacts.append(path.name)

    def sources(self, found: list[Any]) -> None:
        self.outside += found


PAIR_OPTIONS: dict[str, Any] = {
    "paths": ["parallel.{source}-{target}.tsv"],
    "members": [],
    "id_column": "id",
    "source_column": "{source}",
    "target_column": "{target}",
    "group_column": None,
    "codes": {},
    "header": [],
    "licence": None,
}
LABELLED_OPTIONS: dict[str, Any] = {
    "labelled": "labelled.{language}.tsv",
    "valid": None,
    "test": "test.{language}.tsv",
    "id_column": "id",
    "label_column": "label",
    "text_column": "text",
    "split_column": "split",
    "group_column": None,
    "codes": {},
    "header": [],
    "licence": None,
}


def numbers(
    folder: Path,
    *,
    pairs: dict[str, Any] | None = None,
    texts: dict[str, Any] | None = None,
    labelled: dict[str, Any] | None = None,
    corpus: dict[str, Any] | None = None,
    cleaning: dict[str, Any] | None = None,
) -> Params:
    """Return params that read files of a folder, one target language, with some values changed.

    Args:
        pairs: options of the parallel corpus
        texts: options of the labelled text
        labelled, corpus: values of these sections
        cleaning: filters that are on; the others are off
    """
    params = load_params(ROOT)
    off = dict.fromkeys(Cleaning.model_fields) | {"mend_encoding": False, "html": False, "languages": []}
    counts = {name: getattr(params.corpus.cleaning, name) for name in ("translation_sample", "translation_iterations")}
    filters = params.corpus.cleaning.model_copy(update=off | counts | {"maximum_loss": 1.0} | (cleaning or {}))
    first = Slot(source="files", cap=None, weight=1.0, options=PAIR_OPTIONS | (pairs or {}))
    values = {"first": first, "held_out": 0.3, "cleaning": filters} | (corpus or {})
    chosen = {"source": "files", "options": LABELLED_OPTIONS | (texts or {}), "label_map": {}} | (labelled or {})
    return params.model_copy(
        update={
            "targets": ["de"],
            "sources": params.sources.model_copy(update={"folder": str(folder)}),
            "labelled": params.labelled.model_copy(update=chosen),
            "corpus": params.corpus.model_copy(update=values),
        }
    )


def find(folder: Path, params: Params) -> Path:
    """Run the stage that finds the files, and return the folder of its manifests."""
    lock, out = folder / "corpora.lock", folder / "sources"
    if not lock.exists():
        lock.write_text("{}\n", encoding="utf-8")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    sources(lock, out, params, Record())  # type: ignore[arg-type]
    return out


def write(path: Path, lines: list[str]) -> None:
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())


def make_labelled(folder: Path, lines: list[str], test: list[str] | None = None, **sections: Any) -> Path:
    """Write labelled text, run its stage, and return the folder of its output."""
    write(folder / "labelled.en.tsv", lines)
    write(folder / "test.de.tsv", TEST if test is None else test)
    write(folder / "parallel.en-de.tsv", ["id\ten\tde", "p1\tone\teins"])
    params = numbers(folder, **sections)
    manifests, out = find(folder, params), folder / "out"
    out.mkdir()
    labelled(manifests / "labelled.json", out, params, Record())  # type: ignore[arg-type]
    return out


def make_corpus(folder: Path, tested: list[str] | None = None, **sections: Any) -> pd.DataFrame:
    """Run the corpus stage on the files of a folder, and return its pairs."""
    if not (folder / "labelled.en.tsv").exists():
        write(folder / "labelled.en.tsv", LABELLED)
    names = ("id", "label", "text", "group")
    for language in ("en", "de"):
        texts = tested or []
        frame = pd.DataFrame({name: texts if name != "group" else [None] * len(texts) for name in names}, dtype=str)
        frame.to_parquet(folder / f"{language}.parquet")
    pd.DataFrame({"text": ["a labelled text"]}).to_parquet(folder / "train.parquet")
    params = numbers(folder, **sections)
    manifests, out = find(folder, params), folder / "out"
    out.mkdir(exist_ok=True)
    corpus(
        manifests / "de.json", folder / "en.parquet", folder / "de.parquet", folder / "train.parquet", out, params,
        Record(),  # type: ignore[arg-type]
    )  # fmt: skip
    return pd.read_parquet(out / "pairs.parquet")
