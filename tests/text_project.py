"""Small text files in a folder, and the stages that read them called as functions."""

from pathlib import Path
from typing import Any

import pandas as pd

from tasks.config import Params, load_params
from tasks.corpus import corpus
from tasks.labelled import labelled

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

    def metrics(self, values: dict[str, float], step: int | None = None) -> None:
        self.values |= values


def numbers(folder: Path, **sections: dict[str, Any]) -> Params:
    """Return params that read files of a folder, one target language, with some sections' values changed."""
    values = load_params(ROOT).model_dump(by_alias=True)
    values["targets"] = ["de"]
    values["teacher"]["revision"] = "none"
    for section, source in (("labelled", "source"), ("corpus", "first")):
        values[section] |= {"folder": str(folder), source: "files"}
    values["corpus"]["held_out"] = 0.3
    for section, change in sections.items():
        files = change.pop("files", {})
        values[section] |= change
        values[section]["files"] |= files
    return Params.model_validate(values)


def write(path: Path, lines: list[str]) -> None:
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())


def make_labelled(folder: Path, lines: list[str], test: list[str] | None = None, **sections: Any) -> Path:
    """Write labelled text, run its stage, and return the folder of its output."""
    write(folder / "labelled.en.tsv", lines)
    write(folder / "test.de.tsv", TEST if test is None else test)
    out = folder / "out"
    out.mkdir()
    labelled(out, numbers(folder, **sections), Record())  # type: ignore[arg-type]
    return out


def make_corpus(folder: Path, tested: list[str] | None = None, **sections: Any) -> pd.DataFrame:
    """Run the corpus stage on the files of a folder, and return its pairs."""
    for language in ("en", "de"):
        texts = tested or []
        frame = pd.DataFrame({"id": texts, "label": texts, "text": texts}, dtype=str)
        frame.to_parquet(folder / f"{language}.parquet")
    out = folder / "out"
    out.mkdir(exist_ok=True)
    corpus(folder / "en.parquet", folder / "de.parquet", out, numbers(folder, **sections), Record())  # type: ignore[arg-type]
    return pd.read_parquet(out / "pairs.parquet")
