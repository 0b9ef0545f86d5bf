"""What params.yaml says over several seeds: teacher, transtokenized and random students, for the README's tables.

    python benchmarks/seeds.py 1 2 3
    python benchmarks/seeds.py 1 2 3 --only transtokenized

Everything is as in params.yaml (the sample, or another preset after `distilingua use`) but the seed, the folder of
checkpoints and the student's first weights. The checkpoint is chosen on held-out pairs; the test sets are only scored.
One JSON line a student goes to standard output.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tasks.__main__ import set_threads  # noqa: E402
from tasks.config import load_params  # noqa: E402
from tasks.sections import Params  # noqa: E402


class Record:
    """A recorder that records nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


def main() -> None:
    """Run each seed's teacher and students below a temporary folder, through the stages' own functions."""
    os.chdir(ROOT)
    params = load_params(ROOT)
    set_threads(params.threads)
    inits = [sys.argv[-1]] if "--only" in sys.argv else ["transtokenized", "random"]
    shared = tempfile.mkdtemp()
    for seed in filter(str.isdecimal, sys.argv[1:]):
        with tempfile.TemporaryDirectory() as folder:
            os.environ["DISTILINGUA_HOME"] = str(Path(folder) / "home")
            run(params.model_copy(update={"seed": int(seed)}), Path(folder), Path(shared), inits)


def run(params: Params, folder: Path, shared: Path, inits: list[str]) -> None:
    """Run one seed; the cleaned corpus and its tokens do not depend on it, and lie in `shared`."""
    from tasks.corpus import corpus
    from tasks.evaluation import evaluation
    from tasks.labelled import labelled
    from tasks.soft_labels import soft_labels
    from tasks.sources import sources
    from tasks.student import student
    from tasks.teacher import teacher
    from tasks.tokens import tokens

    record: Any = Record()

    def place(name: str) -> Path:
        (folder / name).mkdir(parents=True)
        return folder / name

    texts, found = shared / "labelled", shared / "sources"
    first = not found.exists()
    if first:
        for name in (texts, found):
            name.mkdir()
        lock = shared / "corpora.lock"
        lock.write_bytes((ROOT / "corpora.lock").read_bytes())
        sources(lock, found, params, record)
        labelled(found / "labelled.json", texts, params, record)
    out = place("teacher")
    teacher(texts / "train.parquet", texts / "valid.parquet", texts / "labels.json", out, params, record)
    for target in params.targets:
        tests = (texts / f"test/{params.source}.parquet", texts / f"test/{target}.parquet")
        pairs, ids = shared / f"corpus/{target}", shared / f"tokens/{target}"
        if first:
            for name in (pairs, ids):
                name.mkdir(parents=True)
            corpus(found / f"{target}.json", *tests, texts / "train.parquet", pairs, params, record)
            tokens(pairs / "pairs.parquet", ids, params, record)
        given = (ids, place(f"soft_labels/{target}"), folder / "teacher/model")
        soft_labels(given[0], given[2], given[1], params, record)
        for init in inits:
            chosen = params.model_copy(update={"student": params.student.model_copy(update={"init": init})})
            start = time.monotonic()
            made, scored = place(f"{init}/{target}"), place(f"evaluation-{init}/{target}")
            student(given[0], given[1], given[2], made, chosen, record)
            seconds = time.monotonic() - start
            card = pairs / "card.md"
            evaluation(*tests, given[2], made / "model", given[0], given[1], card, scored, chosen, record)
            metrics = json.loads((scored / "metrics.json").read_text())
            line = {
                "seed": params.seed,
                "target": target,
                "init": init,
                "accuracy": metrics["student"]["accuracy"]["value"],
                "macro_f1": metrics["student"]["macro_f1"]["value"],
                "held_out": metrics["held_out"]["agreement"]["value"],
                "teacher": metrics["teacher"]["accuracy"]["value"],
                "majority": metrics["majority"]["accuracy"]["value"],
                "gap_closed": metrics.get("gap_closed"),
                "seconds": round(seconds),
                "parameters": metrics["student_parameters"] / metrics["teacher_parameters"],
                "times_faster": json.loads((scored / "speed.json").read_text())["times_faster"],
            }
            print("RESULT", json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
