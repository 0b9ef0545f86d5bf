"""The stages `sources` and `corpus` on a large noisy corpus: pairs per second, peak memory, faults found; beside opusfilter.

    python benchmarks/corpus_speed.py 50000 100000 1000000

Each number of pairs is cleaned in processes of their own: by the stages with all of their filters, and up to 50,000 pairs
also with those filters that opusfilter has, and by opusfilter itself (pip install 'distilingua[bench]'), which would take
long for more. Peak memory is the sum over the processes of a run, shared pages counted once (PSS), sampled ten times a
second. One JSON line a run.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.noisy_corpus import MENDED, write  # noqa: E402

MOST_BESIDE = 50_000
LANGUAGES = ["fr", "nl", "es", "it"]
SAME = {"mend_encoding": False, "near_duplicates": None, "leak_near": None, "translation_score": None}
EVERYTHING = {"translation_score": 0.9}


def main() -> None:
    """Run all, alternating, and print what each took."""
    for pairs in map(int, sys.argv[1:]):
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder), pairs)
            for name in ("opusfilter", "same", "everything")[0 if pairs <= MOST_BESIDE else 2 :]:
                print(json.dumps(measured(name, Path(folder), pairs)), flush=True)


def measured(name: str, folder: Path, pairs: int) -> dict[str, Any]:
    """Run one in a process of its own."""
    start, peak = time.monotonic(), 0
    process = subprocess.Popen([sys.executable, __file__, "--run", name, str(folder)], stdout=subprocess.DEVNULL)
    while process.poll() is None:
        peak = max(peak, _memory(process.pid))
        time.sleep(0.1)
    seconds = time.monotonic() - start
    if process.returncode:
        raise SystemExit(f"{name} ended with {process.returncode}")
    found = json.loads((folder / f"{name}.json").read_text())
    return {"name": name, "pairs": pairs, "seconds": round(seconds, 1), "pairs_per_second": round(pairs / seconds)} | {
        "peak_megabytes": round(peak / 1e6),
        **found,
    }


def _memory(process: int) -> int:
    total = 0
    try:
        parent = psutil.Process(process)
        for one in [parent, *parent.children(recursive=True)]:
            total += one.memory_full_info().pss
    except (psutil.NoSuchProcess, psutil.AccessDenied, FileNotFoundError, ProcessLookupError):
        pass
    return total


def stages(name: str, folder: Path) -> None:
    """Clean with the stages' own functions."""
    import pandas as pd

    from tasks.config import load_params
    from tasks.corpus import corpus
    from tasks.sources import sources

    os.chdir(folder)
    params = load_params(ROOT)
    options = {
        "paths": ["corpus.{source}.gz", "corpus.{target}.gz"],
        **dict.fromkeys(("id_column", "group_column", "licence")),
        "members": [],
        "header": [],
        "codes": {},
        "source_column": "none",
        "target_column": "none",
    }
    first = params.corpus.first.model_copy(update={"source": "files", "options": options})
    changed = {"languages": LANGUAGES, **(SAME if name == "same" else EVERYTHING)}
    section = {"first": first, "cleaning": params.corpus.cleaning.model_copy(update=changed)}
    params = params.model_copy(
        update={
            "targets": ["de"],
            "sources": params.sources.model_copy(update={"folder": "."}),
            "labelled": params.labelled.model_copy(update={"source": "files", "options": _texts()}),
            "corpus": params.corpus.model_copy(update=section),
        }
    )
    for path in (found := Path(name) / "sources", out := Path(name) / "corpus"):
        path.mkdir(parents=True)
    Path("labelled.tsv").write_text("label\ttext\na\tnothing\n")
    Path("corpora.lock").write_text("{}")
    empty = pd.DataFrame({key: pd.Series(dtype=str) for key in ("id", "label", "text", "group")})
    for path in ("en.parquet", "de.parquet", "train.parquet"):
        empty.to_parquet(path)
    sources(Path("corpora.lock"), found, params, _Silent())
    corpus(found / "de.json", Path("en.parquet"), Path("de.parquet"), Path("train.parquet"), out, params, _Silent())
    kept = {int(one.rsplit(":", 1)[1]) for one in pd.read_parquet(out / "pairs.parquet", columns=["id"])["id"]}
    _tell(name, kept)


def _texts() -> dict[str, Any]:
    none = dict.fromkeys(("valid", "id_column", "split_column", "group_column", "licence"))
    return {**none, "labelled": "labelled.tsv", "test": "none.tsv", "label_column": "label", "text_column": "text",
            "codes": {}, "header": []}  # fmt: skip


class _Silent:
    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


def opusfilter(folder: Path) -> None:
    """Clean with opusfilter: its equivalents of the same filters, as two steps."""
    from opusfilter.opusfilter import OpusFilter

    filters: list[dict[str, Any]] = [
        {"LengthFilter": {"unit": "char", "min_length": 1, "max_length": 2000}},
        {"LengthFilter": {"unit": "word", "min_length": 1, "max_length": 200}},
        {"LengthRatioFilter": {"unit": "char", "threshold": 4}},
        {"LongWordFilter": {"threshold": 60}},
        {"HtmlTagFilter": {}},
        {"SimilarityFilter": {"threshold": 0.85}},
        {"AlphabetRatioFilter": {"threshold": 0.3}},
        {"CharacterScoreFilter": {"scripts": ["Latin", "Latin"], "thresholds": [0.5, 0.5]}},
        {"NonZeroNumeralsFilter": {"threshold": 0.6}},
        {"LinguaFilter": {"languages": ["en", "de"], "thresholds": [0.1, 0.1], "langid_languages": ["en", "de", *LANGUAGES],
                          "lingua_mode": "high"}},
    ]  # fmt: skip
    files = {"inputs": ["unique.en.gz", "unique.de.gz"], "outputs": ["kept.en.gz", "kept.de.gz"]}
    steps = [
        {"type": "remove_duplicates", "parameters": {
            "inputs": ["corpus.en.gz", "corpus.de.gz"], "outputs": ["unique.en.gz", "unique.de.gz"]}},
        {"type": "filter", "parameters": {**files, "filters": filters}},
    ]  # fmt: skip
    OpusFilter({"common": {"output_directory": str(folder)}, "steps": steps}).execute_steps(overwrite=True)
    import gzip

    sides = []
    for language in ("en", "de"):
        with gzip.open(folder / f"kept.{language}.gz", "rt", encoding="utf-8", newline="\n") as file:
            sides.append(file.read().split("\n")[:-1])
    left = Counter(zip(*sides, strict=True))
    kept = set()
    with gzip.open(folder / "corpus.en.gz", "rt", encoding="utf-8", newline="\n") as one, \
            gzip.open(folder / "corpus.de.gz", "rt", encoding="utf-8", newline="\n") as two:  # fmt: skip
        for number, pair in enumerate(zip(one, two, strict=True), start=1):
            key = (pair[0].rstrip("\n"), pair[1].rstrip("\n"))
            if left[key]:
                left[key] -= 1
                kept.add(number)
    os.chdir(folder)
    _tell("opusfilter", kept)


def _tell(name: str, kept: set[int]) -> None:
    """Write how much of each fault was found, and of the clean pairs lost."""
    kinds, dropped = Counter[str](), Counter[str]()
    with Path("truth.txt").open(encoding="utf-8") as truth:
        for number, line in enumerate(truth, start=1):
            kinds[line.strip()] += 1
            dropped[line.strip()] += number not in kept
    found = {kind: round(dropped[kind] / count, 4) for kind, count in sorted(kinds.items()) if kind not in MENDED}
    Path(f"{name}.json").write_text(json.dumps({"clean_lost": found.pop("clean"), "found": found}))


if __name__ == "__main__":
    if sys.argv[1] == "--run":
        opusfilter(Path(sys.argv[3])) if sys.argv[2] == "opusfilter" else stages(sys.argv[2], Path(sys.argv[3]))
    else:
        main()
