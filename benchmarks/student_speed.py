"""What is shipped: time for one sentence and size on disk, of students in torch, ONNX and int8 against their teacher.

    python benchmarks/student_speed.py FOLDER --target de

FOLDER is a project that has run. Its student stands for the transformer; a bag and a cnn of untrained weights, with the
student's tokenizer, for the small ones, whose speed does not depend on their weights. One thread, a sentence at a time,
the target language's test texts (the teacher reads the source language's), tokenizing included; all take turns.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from kdmodels.choice import choose  # noqa: E402
from kdmodels.classification import load_model  # noqa: E402
from kdmodels.encoder import load_tokenizer  # noqa: E402
from kdmodels.inference import TorchStudent  # noqa: E402
from kdmodels.onnx_export import export  # noqa: E402
from kdmodels.onnx_student import MODEL, OnnxStudent  # noqa: E402
from kdmodels.tables import read_table  # noqa: E402

SMALL: dict[str, dict[str, Any]] = {
    "bag": {"embedding_width": 64, "buckets": 50_000, "characters": [3, 5]},
    "cnn": {"init": "random", "embedding_width": 128, "filters": 100, "windows": [3, 4, 5]},
}


def main() -> None:
    """Measure, and print a table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--target", default="de")
    parser.add_argument("--source", default="en")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    data = given.folder / "data"
    texts = {
        language: read_table(data / f"labelled/test/{language}.parquet", ["text"])["text"].to_pylist()
        for language in (given.source, given.target)
    }
    teacher, student = data / "teacher/model", data / f"student/{given.target}/model"
    with tempfile.TemporaryDirectory() as scratch:
        folders = {"teacher, torch": teacher, "transformer, torch": student}
        folders |= exports(student, "transformer", texts[given.target], Path(scratch), ("none", "int8"))
        for name, options in SMALL.items():
            folders[f"{name}, torch"] = untrained(name, options, teacher, student, Path(scratch))
            folders |= exports(folders[f"{name}, torch"], name, texts[given.target], Path(scratch), ("none",))
        readers = {name: reader(folder) for name, folder in folders.items()}
        times: dict[str, list[float]] = {name: [] for name in folders}
        for turn in range(given.rounds + 1):
            for name, read in readers.items():
                taken = [
                    timed(read, text) for text in texts[given.source if name.startswith("teacher") else given.target]
                ]
                times[name] += taken if turn else []
        sizes = {name: size(folder) for name, folder in folders.items()}
    whole = statistics.median(times["teacher, torch"])
    print("| | MB | p50, ms | p99, ms | times as fast as the teacher |\n|---|---|---|---|---|")
    for name, found in times.items():
        middle, late = statistics.median(found), statistics.quantiles(found, n=100)[98]
        print(f"| {name} | {sizes[name]:.1f} | {middle * 1e3:.2f} | {late * 1e3:.2f} | {whole / middle:.1f} |")


def exports(folder: Path, name: str, texts: list[str], scratch: Path, kinds: tuple[str, ...]) -> dict[str, Path]:
    """Export a student as `distilingua export` does, but for int8 being judged on the test texts, which choose nothing here."""
    found = {}
    for kind in kinds:
        out = scratch / f"{name}-{kind}"
        out.mkdir()
        export(folder, out, quantize=kind, texts=texts, held_out=texts, difference=1e-4, least_agreement=0.99, card="")
        found[f"{name}, ONNX {'int8' if kind == 'int8' else 'float32'}"] = out
    return found


def untrained(name: str, options: dict[str, Any], teacher: Path, student: Path, scratch: Path) -> Path:
    """Save a student of random weights."""
    tokenizer = load_tokenizer(student)
    model = choose("students", name).build(
        teacher=load_model(teacher),
        teacher_tokenizer=None,
        tokenizer=tokenizer,
        align=None,
        dropout=0.0,
        seed=1,
        **options,
    )
    model.save_pretrained(scratch / name)
    tokenizer.save_pretrained(scratch / name)
    return scratch / name


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
