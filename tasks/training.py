"""What the two training stages share: their schedule, their checkpoints' place, their history."""

import csv
import io
import json
from collections.abc import Sequence
from hashlib import sha256 as hash_of
from pathlib import Path
from typing import TYPE_CHECKING

from kdmodels.files import folder_sha256, sha256, whole
from kdmodels.training import Log, Schedule
from tasks import places
from tasks.sections import Params, Training

if TYPE_CHECKING:
    from tasks.recording import Recorder

_SHOWN = {
    "loss": "loss",
    "eval_accuracy": "accuracy",
    "eval_agreement": "agreement",
    "eval_divergence": "divergence",
    "eval_cosine": "cosine",
}


def schedule(section: Training, *, evaluations_per_epoch: int, seed: int) -> Schedule:
    """Return a section's numbers as the training takes them."""
    return Schedule(
        epochs=section.epochs,
        batch_size=section.batch_size,
        learning_rate=section.learning_rate,
        warmup_share=section.warmup_share,
        weight_decay=section.weight_decay,
        precision=section.precision,
        evaluations_per_epoch=evaluations_per_epoch,
        seed=seed,
    )


def checkpoint_folder(stage: str, inputs: Sequence[Path], section: Training, seed: int, params: Params) -> Path:
    """Return the folder of one training's checkpoints: another input or number is another folder."""
    content = {
        "inputs": [folder_sha256(path) if path.is_dir() else sha256(path) for path in inputs],
        "params": section.model_dump(mode="json"),
        "seed": seed,
        "threads": params.threads,
        "maximum_length": params.tokens.maximum_length,
    }
    key = hash_of(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]
    return places.checkpoints(Path()) / f"{stage}-{key}"


def write_history(path: Path, history: list[dict[str, float]]) -> None:
    """Write a training's history as CSV, a line a step; a value that was not measured at a step stays empty."""
    steps: dict[int, dict[str, float]] = {}
    for entry in history:
        values = {key: value for key, value in entry.items() if key != "step"}
        steps.setdefault(int(entry["step"]), {}).update(values)
    names = sorted({name for values in steps.values() for name in values})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["step", *names])
    for step, values in sorted(steps.items()):
        writer.writerow([step, *(values.get(name, "") for name in names)])
    with whole(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")


def progress(record: "Recorder", phase: str = "") -> Log:
    """Return a log that records each line of a training's history and prints what a reader wants of it.

    Args:
        phase: put before the names of what is recorded, where a stage trains more than once
    """

    def log(values: dict[str, float], step: int) -> None:
        record.metrics({f"{phase}{name}": value for name, value in values.items()}, step)
        shown = [f"{word} {values[name]:.4f}" for name, word in _SHOWN.items() if name in values]
        if shown:
            print(f"{phase}step {step}: {', '.join(shown)}", flush=True)

    return log
