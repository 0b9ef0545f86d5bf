"""Teacher and student learn from each other on the two sides of a pair, and the teacher keeps to its labels."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kdmodels.classification import compare, logits_of
from kdmodels.mutual import Both, Together, learn_together, mutual_loss
from kdmodels.training import Schedule
from tests import tiny

NUMBERS = {"temperature": 1.0, "teacher_weight": 0.5, "label_weight": 2.0, "parts": {"pairs": 1.0, "texts": 1.0}}


def test_the_loss_by_hand() -> None:
    # teacher (3/4, 1/4), student (1/2, 1/2): KL(t||s) = 3/4 ln 3/2 + 1/4 ln 1/2, KL(s||t) = 1/2 ln 2/3 + 1/2 ln 2
    logits = {
        "source": torch.tensor([[math.log(3.0), 0.0]]),
        "target": torch.tensor([[0.0, 0.0]]),
        "labelled": torch.tensor([[0.0, math.log(3.0)]]),
    }
    found = mutual_loss(logits, torch.ones(1), torch.tensor([1]), **NUMBERS)
    follows = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    leads = 0.5 * math.log(2 / 3) + 0.5 * math.log(2)
    assert float(found) == pytest.approx(follows + 0.5 * leads + 2 * -math.log(0.75))


def test_each_follows_the_other_and_a_batch_may_lack_either_kind() -> None:
    teacher = torch.tensor([[1.0, 0.0]], requires_grad=True)
    student = torch.tensor([[0.0, 1.0]], requires_grad=True)
    mutual_loss({"source": teacher, "target": student}, torch.ones(1), torch.zeros(0).long(), **NUMBERS).backward()
    assert teacher.grad is not None and student.grad is not None
    assert student.grad[0, 0] < 0 < student.grad[0, 1], "a step downhill brings the student to the teacher"
    assert teacher.grad[0, 1] < 0 < teacher.grad[0, 0], "and the teacher to the student"
    texts = torch.tensor([[0.0, 0.0]], requires_grad=True)
    alone = mutual_loss({"labelled": texts}, torch.zeros(0), torch.tensor([0]), **NUMBERS)
    assert alone.item() == pytest.approx(2 * math.log(2))


def test_a_teacher_weight_of_zero_leaves_the_teacher_to_its_labels() -> None:
    teacher, student = torch.tensor([[1.0, 0.0]], requires_grad=True), torch.tensor([[0.0, 1.0]], requires_grad=True)
    numbers = NUMBERS | {"teacher_weight": 0.0}
    mutual_loss({"source": teacher, "target": student}, torch.ones(1), torch.zeros(0).long(), **numbers).backward()
    assert teacher.grad is not None and teacher.grad.abs().max() == 0


def ids(tokenizer: Any, texts: list[str]) -> list[Any]:
    return [np.array(row) for row in tokenizer(texts)["input_ids"]]


def test_both_come_nearer_to_each_other(tmp_path: Path) -> None:
    english, german = tiny.wordpiece(tmp_path / "en"), tiny.wordpiece(tmp_path / "de", tiny.GERMAN)
    together = Together(tiny.bert(english, seed=1), tiny.bert(german, seed=2))
    both = Both(
        ids(english, tiny.ENGLISH), ids(german, tiny.GERMAN), np.ones(8, dtype=np.float32),
        ids(english, tiny.ENGLISH[:5]), np.array([0, 1, 2, 0, 1]), english.pad_token_id, german.pad_token_id,
    )  # fmt: skip
    before = {name: value.clone() for name, value in together.state_dict().items()}

    def score(model: Together) -> dict[str, float]:
        of_teacher, of_student = (
            logits_of(reader, rows, padding=0, batch_rows=8)
            for reader, rows in ((model.teacher, both.source_ids), (model.student, both.target_ids))
        )
        return compare(of_student, of_teacher) | {"selection": -compare(of_student, of_teacher)["divergence"]}

    start = score(together)["divergence"]
    history = learn_together(
        together, both, score=score, temperature=2.0, teacher_weight=1.0, label_weight=1.0,
        schedule=Schedule(epochs=8, batch_size=5, learning_rate=5e-3, warmup_share=0.1, weight_decay=0.0,
                          evaluations_per_epoch=1, precision="float32", seed=3),
        checkpoints=tmp_path / "checkpoints", log=lambda values, step: None,
    )  # fmt: skip
    ends = [entry["eval_divergence"] for entry in history if "eval_divergence" in entry]
    assert len(ends) == 8
    assert score(together)["divergence"] == pytest.approx(min(ends))
    assert min(ends) < start
    moved = {
        name.split(".")[0] for name, value in together.state_dict().items() if not torch.equal(value, before[name])
    }
    assert moved == {"teacher", "student"}
