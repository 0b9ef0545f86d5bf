"""Tiny trainings of every kind, by one process or by several: `python -m tests.trained_together FOLDER RANK COUNT CASE ...`.

Where DIES_AT is set, the last process is killed at that step of the case `dropout`.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from kdmodels import ranks
from kdmodels.classification import compare, cross_entropy_scores, logits_of
from kdmodels.distillation import Labelled, Pairs, distil, learn_hidden_states, learner
from kdmodels.files import write_json
from kdmodels.fine_tuning import fine_tune
from kdmodels.freezing import frozen_parts
from kdmodels.losses.cross_entropy import cross_entropy
from kdmodels.losses.hidden_mse import hidden_mse
from kdmodels.losses.soft_kl import soft_kl
from kdmodels.mutual import Both, Together, learn_together
from kdmodels.objective import Objective
from kdmodels.ramps import constant
from kdmodels.training import Schedule
from tests import tiny

SCHEDULE = Schedule(
    epochs=2, batch_size=4, learning_rate=1e-3, warmup_share=0.1, weight_decay=0.1,
    evaluations_per_epoch=2, precision="float32", seed=3,
)  # fmt: skip
PAIRS, WAITING = 16, 4
KINDS = {
    "pairs": PAIRS,
    "labelled": 3,
    "glossed": 2,
}  # 21 rows: of the last batch of 4 all processes but one get nothing
Trained = tuple[dict[str, torch.Tensor], list[dict[str, float]]]


class Data:
    """Texts, a teacher's answers that are mere numbers, and weights that differ from row to row."""

    def __init__(self, folder: Path) -> None:
        random = np.random.default_rng(0)
        self.tokenizer = tiny.wordpiece(folder / "tokenizer", tiny.GERMAN)
        words = " ".join(tiny.GERMAN).split()
        texts = [" ".join(random.choice(words, random.integers(2, 9))) for _ in range(PAIRS + WAITING)]
        self.ids = [np.array(row) for row in self.tokenizer(texts)["input_ids"]]
        answers = random.normal(size=(len(texts), 3)).astype(np.float32) * 2
        hidden = random.normal(size=(len(texts), 24)).astype(np.float32)
        weights = random.uniform(0.2, 3, len(texts)).astype(np.float32)
        self.pairs, self.held_out = (
            Pairs(self.ids[part], answers[part], hidden[part], weights[part])
            for part in (slice(0, PAIRS), slice(PAIRS, None))
        )
        self.labels = random.integers(0, 3, PAIRS)

    def labelled(self, kind: str) -> Labelled:
        return Labelled(self.ids[: KINDS[kind]], self.labels[: KINDS[kind]])

    def model(self, seed: int) -> Any:
        model = tiny.bert(self.tokenizer, seed=seed)
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        return model


def student(data: Data, checkpoints: Path) -> Trained:
    """Learn from pairs, labels and glosses at once; the projection of hidden states learns nothing."""
    one = constant(1.0)
    model = data.model(5)
    model, history = distil(
        learner(model, data.pairs, 3), pairs=data.pairs, labelled=data.labelled("labelled"),
        glossed=data.labelled("glossed"), held_out=data.held_out,
        objective=Objective(soft_kl, one, constant(2.0), None, one, cross_entropy, one, cross_entropy, constant(0.5)),
        frozen=frozen_parts(model, embeddings=0.5, body=0.25), padding=0, schedule=SCHEDULE, checkpoints=checkpoints,
        log=lambda values, step: None,
    )  # fmt: skip
    return model.state_dict(), history


def hidden(data: Data, checkpoints: Path) -> Trained:
    """Learn hidden states alone; the head learns nothing."""
    learning = learner(data.model(6), data.pairs, 3)
    history = learn_hidden_states(
        learning, pairs=data.pairs, held_out=data.held_out, hidden_loss=hidden_mse, padding=0, schedule=SCHEDULE,
        checkpoints=checkpoints, log=lambda values, step: None,
    )  # fmt: skip
    return learning.state_dict(), history


def teacher(data: Data, checkpoints: Path) -> Trained:
    """Learn labels, each with a weight and a smoothing of its own."""
    waiting, texts = data.ids[PAIRS:], 13
    model, history = fine_tune(
        lambda: data.model(7), [row.tolist() for row in data.ids[:texts]], data.labels[:texts],
        score=lambda model: cross_entropy_scores(
            logits_of(model, waiting, padding=0, batch_rows=4), data.labels[: len(waiting)]
        ),
        weight_N=data.pairs.weight_N[:texts].astype(float), smoothing_N=np.linspace(0, 0.4, texts), frozen_layers=0, padding=0,
        schedule=SCHEDULE, checkpoints=checkpoints, log=lambda values, step: None,
    )  # fmt: skip
    return model.state_dict(), history


def joint(data: Data, checkpoints: Path) -> Trained:
    """Learn from each other, and labels."""
    together = Together(data.model(8), data.model(9))
    rows = data.ids[:PAIRS]
    both = Both(rows, rows[::-1], data.pairs.weight_N, rows[:5], data.labels[:5], 0, 0)
    history = learn_together(
        together, both, temperature=2.0, teacher_weight=0.5, label_weight=2.0, schedule=SCHEDULE,
        score=lambda model: compare(
            logits_of(model.student, data.ids[PAIRS:], padding=0, batch_rows=4), data.held_out.logits_NC
        ),
        checkpoints=checkpoints, log=lambda values, step: None,
    )  # fmt: skip
    return together.state_dict(), history


def dropout(data: Data, checkpoints: Path) -> Trained:
    """Learn from pairs alone, with dropout."""
    one = constant(1.0)
    steps = 0

    def output_loss(student_BC: torch.Tensor, teacher_BC: torch.Tensor, *, temperature: float) -> torch.Tensor:
        nonlocal steps
        if os.environ.get("DIES_AT") == str(steps) and ranks.rank() == ranks.count() - 1:
            os.kill(os.getpid(), signal.SIGKILL)
        steps += 1
        return soft_kl(student_BC, teacher_BC, temperature=temperature)

    model, history = distil(
        learner(tiny.bert(data.tokenizer, seed=5), data.pairs, 3), pairs=data.pairs, labelled=None, glossed=None,
        held_out=data.held_out,
        objective=Objective(output_loss, one, constant(2.0), None, one, None, one, None, one),
        frozen=lambda share: (), padding=0, schedule=SCHEDULE, checkpoints=checkpoints, log=lambda values, step: None,
    )  # fmt: skip
    return model.state_dict(), history


SAME: dict[str, Callable[[Data, Path], Trained]] = {
    "student": student, "hidden": hidden, "teacher": teacher, "joint": joint
}  # fmt: skip
CASES = {**SAME, "dropout": dropout}


def main(folder: Path, rank: int, count: int, names: list[str]) -> None:
    """Train each, and let the first process write what came of it."""
    data = Data(folder / f"data-{rank}")
    ranks.join(folder, rank, count)
    found = {name: CASES[name](data, folder / f"checkpoints-{name}") for name in names}
    ranks.first_goes_on()
    for name, (weights, history) in found.items():
        save_file(weights, folder / f"{name}.safetensors")
        write_json(folder / f"{name}.json", history)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
    except ranks.PartDone:
        sys.exit(0)
