"""A student learns from outputs, hidden states and labels, each as its weight says; what is frozen stays."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kdmodels.classification import logits_of
from kdmodels.distillation import Labelled, Pairs, distil, learn_hidden_states, learner
from kdmodels.errors import BadInputError
from kdmodels.freezing import frozen_parts
from kdmodels.losses.cross_entropy import cross_entropy
from kdmodels.losses.hidden_mse import hidden_mse
from kdmodels.losses.soft_kl import soft_kl
from kdmodels.objective import Objective, weighted_mean
from kdmodels.ramps import Ramp, constant
from kdmodels.training import Schedule
from tests import tiny

ONE = constant(1.0)
SCHEDULE = Schedule(
    epochs=6, batch_size=4, learning_rate=5e-3, warmup_share=0.1, weight_decay=0.0,
    evaluations_per_epoch=1, precision="float32", seed=3,
)  # fmt: skip


@pytest.fixture
def tokenizer(tmp_path: Path) -> Any:
    return tiny.wordpiece(tmp_path / "tokenizer", tiny.GERMAN)


def pairs(tokenizer: Any, width: int = 16) -> Pairs:
    random = np.random.default_rng(0)
    ids = [np.array(row) for row in tokenizer(tiny.GERMAN)["input_ids"]]
    logits = (random.normal(size=(len(ids), 3)) * 2).astype(np.float32)
    hidden = random.normal(size=(len(ids), width)).astype(np.float32)
    return Pairs(ids, logits, hidden, np.ones(len(ids), dtype=np.float32))


def objective(**changes: Any) -> Objective:
    values = {
        "output_loss": None, "output_weight": ONE, "temperature": constant(2.0), "hidden_loss": None, "hidden_weight": ONE,
        "label_loss": None, "label_weight": ONE, "gloss_loss": None, "gloss_weight": ONE,
    }  # fmt: skip
    return Objective(**values | changes)


def trained(
    tmp_path: Path,
    tokenizer: Any,
    goal: Objective,
    labelled: Labelled | None = None,
    width: int = 16,
    glossed: Labelled | None = None,
    **frozen: float,
) -> tuple[Any, dict[str, torch.Tensor], list[dict[str, float]]]:
    """Return a student after some training, its weights before, and the history."""
    student = tiny.bert(tokenizer, seed=5)
    before = {name: value.clone() for name, value in student.state_dict().items()}
    given = pairs(tokenizer, width)
    parts = frozen_parts(student, embeddings=frozen.get("embeddings", 0.0), body=frozen.get("body", 0.0))
    model, history = distil(
        learner(student, given, seed=1), pairs=given, labelled=labelled, glossed=glossed, held_out=given, objective=goal,
        frozen=parts, padding=0, schedule=SCHEDULE, checkpoints=tmp_path / "checkpoints", log=lambda values, step: None,
    )  # fmt: skip
    return model, before, history


def test_an_objective_is_the_weighted_sum_of_its_losses_by_hand() -> None:
    goal = objective(
        output_loss=lambda student, teacher, *, temperature: torch.tensor([1.0, 5.0]) * temperature,
        temperature=Ramp(1.0, 3.0, "linear"), hidden_loss=lambda student, teacher: torch.tensor([2.0, 4.0]),
        hidden_weight=Ramp(0.0, 10.0, "linear"), label_loss=lambda student, labels: torch.tensor([3.0, 5.0]),
        label_weight=constant(0.5),
    )  # fmt: skip
    some = torch.zeros(2, 2)
    given = {"student_BC": some, "teacher_BC": some, "student_BH": some, "teacher_BH": some}
    weight = torch.tensor([3.0, 1.0])
    # half way: temperature 2, (3 * 2 + 1 * 10) / 4 = 4; hidden weight 5, (3 * 2 + 1 * 4) / 4 = 2.5
    assert goal.of_pairs(0.5, **given, weight_B=weight).item() == pytest.approx(4 + 5 * 2.5)
    assert goal.of_pairs(0.0, **given, weight_B=weight).item() == pytest.approx(2.0)
    assert goal.of_labels(0.9, student_BC=some, labels_B=torch.zeros(2)).item() == pytest.approx(2.0)
    assert objective().of_pairs(0.0, **given, weight_B=weight).item() == 0.0
    assert weighted_mean(torch.tensor([1.0, 5.0]), weight).item() == pytest.approx(2.0)


def test_hidden_states_are_learned_through_a_projection_where_the_widths_differ(tmp_path: Path, tokenizer: Any) -> None:
    student = tiny.bert(tokenizer, seed=5)
    given = pairs(tokenizer, width=24)
    learning = learner(student, given, seed=1)
    history = learn_hidden_states(
        learning, pairs=given, held_out=given, hidden_loss=hidden_mse, padding=0, schedule=SCHEDULE,
        checkpoints=tmp_path / "checkpoints", log=lambda values, step: None,
    )  # fmt: skip
    cosines = [entry["eval_cosine"] for entry in history if "eval_cosine" in entry]
    assert len(cosines) == 6
    assert cosines[-1] > cosines[0] + 0.1
    assert "projection.weight" in learning.state_dict()
    model, _, _ = trained(tmp_path, tokenizer, objective(hidden_loss=hidden_mse), width=24)
    assert not [name for name in model.state_dict() if "projection" in name], "it is no part of the student"


def test_labelled_target_texts_teach_their_labels(tmp_path: Path, tokenizer: Any) -> None:
    ids = [np.array(row) for row in tokenizer(tiny.GERMAN)["input_ids"]]
    labels = np.array([1, 0, 2, 1, 0, 0, 2, 1])
    for goal in (objective(label_loss=cross_entropy), objective(label_loss=cross_entropy, output_loss=soft_kl)):
        model, _, history = trained(tmp_path, tokenizer, goal, Labelled(ids, labels))
        losses = [entry["loss"] for entry in history if "loss" in entry]
        assert losses[-1] < losses[0]
        assert model.config.num_labels == 3


def test_glosses_teach_their_labels_beside_pairs_and_labelled_texts(tmp_path: Path, tokenizer: Any) -> None:
    ids = [np.array(row) for row in tokenizer(tiny.GERMAN)["input_ids"]]
    glossed = Labelled(ids[:5], np.array([2, 2, 2, 2, 2]))
    model, _, _ = trained(tmp_path, tokenizer, objective(gloss_loss=cross_entropy), glossed=glossed)
    assert logits_of(model, ids[:5], padding=0, batch_rows=5).argmax(axis=1).tolist() == [2] * 5
    every = objective(output_loss=soft_kl, label_loss=cross_entropy, gloss_loss=cross_entropy)
    both, _, history = trained(tmp_path, tokenizer, every, Labelled(ids, np.zeros(8, dtype=np.int64)), glossed=glossed)
    assert len([entry for entry in history if "loss" in entry]) == 6, "an epoch is of all three together"
    assert both.config.num_labels == 3


def test_the_loss_of_a_batch_of_all_kinds_by_hand(tmp_path: Path, tokenizer: Any) -> None:
    """Each kind of row goes to its own loss: pairs 1, labelled texts 10, glosses 100, means added."""
    seen: list[tuple[list[int], list[int]]] = []

    def of_labels(student_BC: torch.Tensor, labels_B: torch.Tensor) -> torch.Tensor:
        seen.append((labels_B.tolist(), []))
        return student_BC.sum(dim=1) * 0 + 10.0

    def of_glosses(student_BC: torch.Tensor, labels_B: torch.Tensor) -> torch.Tensor:
        seen.append(([], labels_B.tolist()))
        return student_BC.sum(dim=1) * 0 + 100.0

    goal = objective(
        output_loss=lambda student, teacher, *, temperature: student.sum(dim=1) * 0 + 1.0,
        label_loss=of_labels, gloss_loss=of_glosses, gloss_weight=constant(0.5),
    )  # fmt: skip
    ids = [np.array(row) for row in tokenizer(tiny.GERMAN)["input_ids"]]
    _, _, history = trained(
        tmp_path, tokenizer, goal, Labelled(ids[:2], np.array([1, 1])), glossed=Labelled(ids[:2], np.array([2, 2]))
    )
    losses = {entry["loss"] for entry in history if "loss" in entry}
    # 8 pairs, 2 texts and 2 glosses in 3 batches of 4: pairs in 2 or 3 of them, the others in 1 or 2 each
    possible = [(a + 10 * b + 50 * c) / 3 for a in (2, 3) for b in (1, 2) for c in (1, 2)]
    assert losses
    assert all(any(loss == pytest.approx(one, abs=1e-3) for one in possible) for loss in losses), losses
    assert {label for labels, _ in seen for label in labels} == {1}
    assert {label for _, labels in seen for label in labels} == {2}


def test_labels_of_texts_have_no_part_where_there_is_no_loss_for_them(tmp_path: Path, tokenizer: Any) -> None:
    ids = [np.array(row) for row in tokenizer(tiny.GERMAN)["input_ids"]]
    with_labels, _, _ = trained(
        tmp_path, tokenizer, objective(output_loss=soft_kl), Labelled(ids, np.zeros(8, dtype=np.int64))
    )
    without, _, _ = trained(tmp_path, tokenizer, objective(output_loss=soft_kl))
    assert all(torch.equal(value, without.state_dict()[name]) for name, value in with_labels.state_dict().items())


@pytest.mark.parametrize(
    ("frozen", "still", "moved"),
    [
        ({"embeddings": 1.0}, "bert.embeddings.word_embeddings.weight", "bert.encoder.layer.0.output.dense.weight"),
        ({"body": 1.0}, "bert.encoder.layer.0.output.dense.weight", "bert.embeddings.word_embeddings.weight"),
        ({"embeddings": 1.0, "body": 1.0}, "bert.encoder.layer.0.output.dense.weight", "classifier.weight"),
    ],
    ids=str,
)
def test_what_is_frozen_stays_to_the_last_bit(
    tmp_path: Path, tokenizer: Any, frozen: dict[str, float], still: str, moved: str
) -> None:
    model, before, _ = trained(tmp_path, tokenizer, objective(output_loss=soft_kl), **frozen)
    after = model.state_dict()
    assert torch.equal(after[still], before[still])
    assert not torch.equal(after[moved], before[moved])
    assert all(parameter.requires_grad for parameter in model.parameters()), (
        "a student that is loaded can be trained on"
    )


def test_what_is_frozen_for_a_while_moves_after_it(tmp_path: Path, tokenizer: Any) -> None:
    seen: list[tuple[float, bool]] = []
    student = tiny.bert(tokenizer, seed=5)
    parts = frozen_parts(student, embeddings=0.5, body=0.0)

    def watched(share: float) -> Any:
        found = parts(share)
        seen.append((share, bool(found)))
        return found

    given = pairs(tokenizer)
    distil(
        learner(student, given, seed=1), pairs=given, labelled=None, glossed=None, held_out=given,
        objective=objective(output_loss=soft_kl), frozen=watched, padding=0, schedule=SCHEDULE,
        checkpoints=tmp_path / "checkpoints", log=lambda values, step: None,
    )  # fmt: skip
    assert [share for share, _ in seen] == pytest.approx([step / 12 for step in range(12)])
    assert [still for _, still in seen] == [True] * 6 + [False] * 6


def test_a_student_without_word_embeddings_cannot_have_them_frozen() -> None:
    class Bare(torch.nn.Module):
        @property
        def base_model(self) -> "Bare":
            return self

    with pytest.raises(BadInputError, match="Bare has no word embeddings"):
        frozen_parts(Bare(), embeddings=0.5, body=0.0)
    none: Callable[[float], Any] = frozen_parts(Bare(), embeddings=0.0, body=0.0)
    assert none(0.0) == []
