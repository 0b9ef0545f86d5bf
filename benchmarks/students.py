"""Students of every architecture: how good, how fast, how large; in torch, ONNX and int8, beside their teacher.

    python benchmarks/students.py FOLDER --target de --seeds 1 2 3 --out pictures

FOLDER is a project that has run: its tokens and its teacher's soft labels are what all learn from. A small architecture
learns at the rate of three that follows the teacher best on held-out pairs with the first seed; the test set chooses
nothing. Accuracy is the mean over the seeds, with an interval over seeds and test items. Speed is of one thread, one
sentence at a time, of the target language's test texts (the teacher reads the source language's), tokenizing included; all
take turns. Pictures of accuracy over milliseconds and over megabytes go into the folder --out.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.designs import Record  # noqa: E402
from kdmodels.comparison import Bootstrap  # noqa: E402
from kdmodels.files import read_json  # noqa: E402
from kdmodels.inference import TorchStudent  # noqa: E402
from kdmodels.onnx_export import export  # noqa: E402
from kdmodels.onnx_student import MODEL, OnnxStudent  # noqa: E402
from kdmodels.pictures import figure, save  # noqa: E402
from kdmodels.scoring import scores  # noqa: E402
from kdmodels.tables import read_table  # noqa: E402
from tasks.config import load_params  # noqa: E402
from tasks.distilling import distilled  # noqa: E402
from tasks.sections import Export  # noqa: E402
from tasks.systems import Reader  # noqa: E402

RATES = (1e-3, 3e-3, 1e-2)
SMALL: dict[str, dict[str, Any]] = {
    "bilstm": {"init": "transtokenized", "embedding_width": 128, "hidden_width": 128, "depth": 1},
    "cnn": {"init": "transtokenized", "embedding_width": 128, "filters": 100, "windows": [3, 4, 5]},
    "bag": {"embedding_width": 64, "buckets": 50_000, "characters": [3, 5]},
}
LAYERS = {"transformer, 1 layer": [5], "transformer, 2 layers": [2, 5], "transformer, 3 layers": [0, 2, 5]}
INT8 = "ONNX int8"


def main() -> None:
    """Train, measure, print a table as Markdown and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--target", default="de")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("pictures"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    data, params, out = given.folder.absolute() / "data", load_params(given.folder), given.out.absolute()
    tests = {
        language: read_table(data / f"labelled/test/{language}.parquet", ["text", "label"])
        for language in (params.source, given.target)
    }
    texts = {language: table["text"].to_pylist() for language, table in tests.items()}
    pairs = read_table(data / f"corpus/{given.target}/pairs.parquet", ["target", "held_out"])
    held_out = pairs["target"].filter(pairs["held_out"]).to_pylist()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["DISTILINGUA_HOME"] = str(Path(scratch) / "home")
        trained = students(data, given.target, given.seeds, params, Path(scratch))
        actual = {language: table["label"].to_pylist() for language, table in tests.items()}
        draws = Bootstrap(params.evaluation.resamples, params.evaluation.confidence, 1)
        quality = {
            name: accuracy([folder / "model" for folder in folders], texts[given.target], actual[given.target], draws)
            for name, folders in trained.items()
        }
        teacher = data / "teacher/model"
        quality["teacher"] = accuracy([teacher], texts[params.source], actual[params.source], draws)
        folders = {("teacher", "torch"): teacher}
        for name, made in trained.items():
            folders[name, "torch"] = made[0] / "model"
            kinds = () if name == "bilstm" else ("none", "int8") if name.startswith("transformer") else ("none",)
            folders |= exports(
                made[0] / "model", name, texts[given.target], held_out, Path(scratch), kinds, params.export
            )
        readers = {key: reader(folder) for key, folder in folders.items()}
        times: dict[tuple[str, str], list[float]] = {key: [] for key in folders}
        for turn in range(given.rounds + 1):
            for key, read in readers.items():
                taken = [timed(read, text) for text in texts[params.source if key[0] == "teacher" else given.target]]
                times[key] += taken if turn else []
        sizes = {key: size(folder) for key, folder in folders.items()}
        held = {name: [agreement(folder) for folder in made] for name, made in trained.items()}
    tell(quality, held, times, sizes)
    out.mkdir(parents=True, exist_ok=True)
    shown = [key for key in times if key[1] in (INT8, "torch") or key[0] in SMALL]
    shown = [key for key in shown if key[1] != "torch" or key[0] in ("teacher", "bilstm")]
    values = [(", ".join(key), quality[key[0]]) for key in shown]
    middles = [1e3 * statistics.median(times[key]) for key in shown]
    title = f"Students ({given.target}) and their teacher"
    draw(values, middles, "milliseconds a sentence, one thread", title, out / "students-latency.png")
    draw(values, [sizes[key] for key in shown], "megabytes", title, out / "students-size.png")


def draw(values: list[tuple[str, dict[str, float]]], costs: list[float], axis: str, title: str, path: Path) -> None:
    """Draw each value with its interval over its cost, cheapest first."""
    drawing = figure(8, 4.5)
    axes = drawing.add_subplot()
    order = sorted(range(len(costs)), key=lambda number: costs[number])
    for place, number in enumerate(order):
        (name, score), cost = values[number], costs[number]
        distance = [[score["value"] - score["low"]], [score["high"] - score["value"]]]
        color = f"C{place}"
        axes.errorbar([cost], [score["value"]], yerr=distance, marker="o", color=color, capsize=3, label=name)
    axes.set(xscale="log", xlabel=axis, ylabel="accuracy", title=title)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    save(drawing, path)


def students(data: Path, target: str, seeds: list[int], params: Any, scratch: Path) -> dict[str, list[Path]]:
    """Train every student with every seed; the folders of each."""

    def train(name: str, changes: dict[str, Any], seed: int) -> Path:
        section = params.student.model_copy(update={**changes, "seed": seed})
        out = scratch / f"{name}-{seed}-{section.learning_rate}".replace(" ", "_")
        if not out.exists():
            out.mkdir()
            labelled = data / "labelled/train.parquet"
            distilled(
                out.name, data / f"tokens/{target}", data / f"soft_labels/{target}", data / "teacher/model", None,
                labelled, out, section, params, Record(),  # type: ignore[arg-type]
            )  # fmt: skip
            print(f"{out.name}: {agreement(out):.3f} on held-out pairs", file=sys.stderr, flush=True)
        return out

    found: dict[str, list[Path]] = {}
    for name, layers in LAYERS.items():
        options = {**params.student.options, "layers": layers}
        found[name] = [train(name, {"options": options}, seed) for seed in seeds]
    for name, options in SMALL.items():
        changes = {"architecture": name, "options": options, "epochs": 2 * params.student.epochs}
        tried = {rate: agreement(train(name, {**changes, "learning_rate": rate}, seeds[0])) for rate in RATES}
        changes["learning_rate"] = max(tried, key=lambda rate: tried[rate])
        found[name] = [train(name, changes, seed) for seed in seeds]
    return found


def agreement(folder: Path) -> float:
    """Return how often a student answers as its teacher on held-out pairs."""
    return float(read_json(folder / "metrics.json")["held_out"]["agreement"])


def accuracy(folders: list[Path], texts: list[str], actual: list[str], draws: Bootstrap) -> dict[str, float]:
    """Return the mean accuracy of several trainings on test texts, and the ends of its interval."""
    readers = [Reader(folder, 32) for folder in folders]
    numbers = np.array([readers[0].labels.index(label) for label in actual])
    return scores([one.texts(texts) for one in readers], numbers, bins=15, draws=draws)["accuracy"]


def tell(
    quality: dict[str, dict[str, float]],
    held: dict[str, list[float]],
    times: dict[tuple[str, str], list[float]],
    sizes: dict[tuple[str, str], float],
) -> None:
    """Print everything."""
    whole = statistics.median(times["teacher", "torch"])
    print("| | accuracy, interval | held out | as | MB | p50, ms | p99, ms | times as fast as the teacher |")
    print("|---|---|---|---|---|---|---|---|")
    for (name, kind), found in times.items():
        score, middle = quality[name], statistics.median(found)
        late = statistics.quantiles(found, n=100)[98]
        cell = f"{score['value']:.3f} ({score['low']:.3f}–{score['high']:.3f})"
        agreed = f"{statistics.mean(held[name]):.3f}" if name in held else ""
        print(
            f"| {name} | {cell} | {agreed} | {kind} | {sizes[name, kind]:.1f} | {middle * 1e3:.2f} | {late * 1e3:.2f} "
            f"| {whole / middle:.1f} |"
        )


def exports(
    folder: Path,
    name: str,
    texts: list[str],
    held_out: list[str],
    scratch: Path,
    kinds: tuple[str, ...],
    limits: Export,
) -> dict[tuple[str, str], Path]:
    """Export a student as `distilingua export` does."""
    found = {}
    for kind in kinds:
        out = scratch / f"{name}-{kind}".replace(" ", "_")
        out.mkdir()
        export(
            folder, out, quantize=kind, texts=texts, held_out=held_out, difference=limits.difference,
            least_agreement=limits.agreement, card="",
        )  # fmt: skip
        found[name, INT8 if kind == "int8" else "ONNX float32"] = out
    return found


def reader(folder: Path) -> Callable[[str], Any]:
    """Return what reads one text, from the text on."""
    student: Any = OnnxStudent(folder, 1) if (folder / MODEL).is_file() else TorchStudent(folder)
    student.tokenizer.enable_truncation(student.limit)
    student.tokenizer.no_padding()
    return lambda text: student.logits([student.tokenizer.encode(text).ids])


def timed(read: Callable[[str], Any], text: str) -> float:
    """Return the seconds that one text takes."""
    start = time.perf_counter()
    read(text)
    return time.perf_counter() - start


def size(folder: Path) -> float:
    """Return the megabytes of a model's own file."""
    found = folder / MODEL
    return (found if found.is_file() else folder / "model.safetensors").stat().st_size / 1e6


if __name__ == "__main__":
    main()
