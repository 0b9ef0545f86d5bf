"""Labelling against its peers: the same teacher, the same sentences, the same threads, taking turns in one run.

    python benchmarks/labelling_speed.py FOLDER --texts SENTENCES.txt --sentences 20000

FOLDER is a project that has run (its teacher labels); SENTENCES.txt has a sentence of the source language a line; without
it, the source side of the project's own pairs is read. Peers: `transformers.pipeline("text-classification")` with each
batch size in turn, of which the best counts, and `SentenceTransformer.encode`, which gives hidden states alone (the extra
`bench`). Ours, with torch and with onnxruntime, with hidden states and without, includes tokenizing, hashing and writing
the label store, and what onnxruntime needs to start: the graph is written anew each time. Each contestant's median over
the rounds counts; the last rows are what a product of matrices reaches on the same threads and which share of it ours is,
and how far the labels of the two backends are from each other. With `--bfloat16` ours with torch and the peers run in
bfloat16 as well, and it is told how far those labels are from ours in float32.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).parents[1]
ENCODE = "SentenceTransformer.encode"
FLOAT32, BFLOAT16 = "float32", "bfloat16"
sys.path.insert(0, str(ROOT))

from kdmodels.classification import compare_rows, label_names, load_model  # noqa: E402
from kdmodels.encoder import load_tokenizer  # noqa: E402
from kdmodels.label_rows import SoftLabels  # noqa: E402
from kdmodels.label_store import Identity  # noqa: E402
from kdmodels.labelling import POOLING, label_texts  # noqa: E402
from kdmodels.pairs import text_hash  # noqa: E402
from kdmodels.tables import read_table  # noqa: E402
from kdmodels.teacher_pass import ONNXRUNTIME, check_alike, device, full_name, teacher_pass  # noqa: E402
from kdmodels.token_rows import TokenRows  # noqa: E402
from tasks.config import load_params  # noqa: E402


def main() -> None:
    """Measure, and print a table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--texts", type=Path)
    parser.add_argument("--sentences", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 8, 32], help="of the pipeline")
    parser.add_argument("--bfloat16", action="store_true", help="these products as well, which some processors have")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    teacher, params = given.folder / "data/teacher/model", load_params(given.folder)
    if given.texts is None:
        found = [
            text
            for target in params.targets
            for text in read_table(given.folder / f"data/corpus/{target}/pairs.parquet", ["source"])[
                "source"
            ].to_pylist()
        ]
    else:
        found = given.texts.read_text(encoding="utf-8").split("\n")
    texts = [text for text in dict.fromkeys(found) if text][: given.sentences]
    model, tokenizer = load_model(teacher), load_tokenizer(teacher)
    lengths = [len(row) for row in tokenizer(texts, truncation=True)["input_ids"]]
    print(
        f"{len(texts):,} sentences of {np.mean(lengths):.1f} tokens, {given.threads} threads, {device()}\n", flush=True
    )
    backends = [("torch", FLOAT32), (ONNXRUNTIME, FLOAT32), *([("torch", BFLOAT16)] if given.bfloat16 else [])]
    contestants: dict[str, Callable[[], Any]] = {
        f"distilingua, {backend}{', logits alone' * (not hidden)}{in_(precision)}": partial(
            ours, teacher, backend, precision, texts, params, hidden
        )
        for hidden in (True, False)
        for backend, precision in backends
    }
    peers: dict[str, Callable[[], Any]] = {}
    for precision in (FLOAT32, BFLOAT16)[: 1 + given.bfloat16]:
        peers |= pipelines(teacher, precision, texts, given.batch_sizes) | encoders(teacher, precision, texts)
    contestants |= peers
    speeds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(given.rounds):
        for name, read in contestants.items():
            start = time.perf_counter()
            read()
            speeds[name].append(len(texts) / (time.perf_counter() - start))
            print(f"  {name}: {speeds[name][-1]:.0f}", file=sys.stderr, flush=True)
    medians = {name: statistics.median(found) for name, found in speeds.items()}
    pipeline = max(medians[name] for name in peers if name.startswith("pipeline") and BFLOAT16 not in name)
    print("| | sentences a second, median (least, most) | times the pipeline's | times encode's |\n|---|---|---|---|")
    for name, value in medians.items():
        spread = f"{min(speeds[name]):.0f}, {max(speeds[name]):.0f}"
        encode = f"{value / medians[ENCODE]:.2f}" if ENCODE in medians else ""
        print(f"| {name} | {value:.0f} ({spread}) | {value / pipeline:.2f} | {encode} |")
    possible = products(model.config.hidden_size)
    for name in list(medians)[:2]:
        reached = medians[name] * floating(model, lengths) / len(texts)
        print(f"\n{name}: {reached / 1e9:.0f} of {possible / 1e9:.0f} GFLOP/s of products: {reached / possible:.0%}")
    first, *others = (ours(teacher, *backend, texts, params).logits_NC for backend in backends)
    for (backend, precision), labels in zip(backends[1:], others, strict=True):
        if precision == FLOAT32:
            check_alike(labels, first)
        apart, divergence = np.abs(first - labels).max(), compare_rows(labels, first)
        same = (first.argmax(axis=1) == labels.argmax(axis=1)).mean()
        print(
            f"\nlogits of {backend}{in_(precision)} and torch at most {apart:.1e} apart, KL {divergence.mean():.1e} nats in "
            f"the mean and {divergence.max():.1e} at most, best classes the same: {same:.2%}"
        )


def in_(precision: str) -> str:
    """Return how a precision is named, which is float32 where nothing is said."""
    return "" if precision == FLOAT32 else f", {precision}"


def ours(teacher: Path, backend: str, precision: str, texts: list[str], params: Any, hidden: bool = True) -> SoftLabels:
    """Label all texts into an empty store."""
    model, tokenizer = load_model(teacher), load_tokenizer(teacher)
    ids = tokenizer(texts, truncation=True, max_length=params.tokens.maximum_length)["input_ids"]
    hashes_N = np.array([text_hash(text) for text in texts])
    identity = Identity(
        teacher="t", folds=(), tokenizer="t", maximum_length=params.tokens.maximum_length, labels=tuple(label_names(model)),
        pooling=POOLING, backend=full_name(backend), dtype=precision,
        batch=(params.labelling.batch_rows, params.labelling.bucket), storage=("float32", 0, "float32" if hidden else "none"),
    )  # fmt: skip
    padding = tokenizer.pad_token_id
    with tempfile.TemporaryDirectory() as store:
        labels, _ = label_texts(
            lambda: teacher_pass(model, backend, precision, padding, hidden), hashes_N, TokenRows.of(ids),
            store=Path(store), identity=identity, part="all", shard_rows=params.soft_labels.shard_rows, padding=padding,
            say=lambda line: None,
        )  # fmt: skip
    return labels


def pipelines(teacher: Path, precision: str, texts: list[str], sizes: list[int]) -> dict[str, Callable[[], Any]]:
    """Return transformers' pipeline at each batch size."""
    from transformers import pipeline

    classify = pipeline(
        "text-classification", str(teacher), device=device(), top_k=None, dtype=getattr(torch, precision)
    )
    return {
        f"pipeline, batches of {size}{in_(precision)}": lambda size=size: classify(
            texts, batch_size=size, truncation=True
        )  # type: ignore[misc]
        for size in sizes
    }


def encoders(teacher: Path, precision: str, texts: list[str]) -> dict[str, Callable[[], Any]]:
    """Return sentence-transformers' encoder of the same weights; none where it is not installed."""
    try:
        from sentence_transformers import SentenceTransformer, models
    except ImportError:
        print("sentence-transformers is not installed: make bench", file=sys.stderr)
        return {}
    encoder = SentenceTransformer(modules=[models.Transformer(str(teacher)), models.Pooling(384)], device=device())
    encoder.to(getattr(torch, precision))
    return {f"{ENCODE}{in_(precision)}": lambda: encoder.encode(texts, batch_size=32, show_progress_bar=False)}


def floating(model: Any, lengths: list[int]) -> float:
    """Return the floating point operations of the products of all real tokens."""
    numbers = model.config
    weights = numbers.num_hidden_layers * (
        4 * numbers.hidden_size**2 + 2 * numbers.hidden_size * numbers.intermediate_size
    )
    mixing = 4 * numbers.num_hidden_layers * numbers.hidden_size
    return float(sum(2 * weights * length + mixing * length**2 for length in lengths))


def products(width: int) -> float:
    """Return the floating point operations a second of a product of matrices of the teacher's shape."""
    left, right = torch.randn(1024, width, device=device()), torch.randn(width, 4 * width, device=device())
    times = []
    for _ in range(30):
        start = time.perf_counter()
        float((left @ right)[0, 0])  # waits, also on a GPU
        times.append(time.perf_counter() - start)
    return 2 * 1024 * width * 4 * width / statistics.median(times)


if __name__ == "__main__":
    main()
