"""Each text of the teacher's fine-tuning has a weight and a label smoothing; alike ones change nothing."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional

from kdmodels import fine_tuning
from kdmodels.errors import BadInputError
from kdmodels.fine_tuning import fine_tune, weighted_cross_entropy
from kdmodels.freezing import freeze_layers
from kdmodels.small_models import SmallConfig
from kdmodels.students.bilstm import Model
from kdmodels.training import Schedule
from tests import tiny

LABELS = np.array([0, 1, 2, 0, 1, 2, 0])  # seven: no power of two, so that the order of a sum shows
ONES = np.ones(len(LABELS))


def trained(
    folder: Path, weight_N: NDArray[Any], smoothing_N: NDArray[Any], frozen_layers: int = 0
) -> tuple[Any, list[dict[str, float]]]:
    tokenizer = tiny.wordpiece(folder / "tokenizer")
    return fine_tune(
        lambda: tiny.bert(tokenizer, 1),
        tokenizer(tiny.ENGLISH[: len(LABELS)])["input_ids"],
        LABELS,
        score=lambda model: {"selection": 0.0},
        weight_N=weight_N,
        smoothing_N=smoothing_N,
        frozen_layers=frozen_layers,
        padding=tokenizer.pad_token_id,
        schedule=Schedule(
            epochs=3, batch_size=7, learning_rate=1e-2, warmup_share=0.1, weight_decay=0.01,
            evaluations_per_epoch=1, precision="float32", seed=3,
        ),
        checkpoints=folder / "checkpoints",
        log=lambda values, step: None,
    )  # fmt: skip


def tuned(folder: Path, weight_N: NDArray[Any], smoothing_N: NDArray[Any]) -> tuple[bytes, list[dict[str, float]]]:
    model, history = trained(folder, weight_N, smoothing_N)
    return b"".join(value.detach().numpy().tobytes() for value in model.state_dict().values()), history


def test_the_loss_by_hand() -> None:
    # p = (3/4, 1/4) twice; row 0: label 0, weight 1, no smoothing: -ln 3/4
    # row 1: label 1, weight 3, smoothing 0.2: -(0.8 ln 1/4 + 0.1 ln 3/4 + 0.1 ln 1/4)
    logits = torch.tensor([[math.log(3.0), 0.0]] * 2)
    found = weighted_cross_entropy(logits, torch.tensor([0, 1]), torch.tensor([1.0, 3.0]), torch.tensor([0.0, 0.2]))
    rows = (-math.log(3 / 4), -(0.9 * math.log(1 / 4) + 0.1 * math.log(3 / 4)))
    assert float(found) == pytest.approx((rows[0] + 3 * rows[1]) / 4)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_where_all_rows_are_alike_it_is_torchs_own_with_its_gradient(smoothing: float) -> None:
    torch.manual_seed(0)
    logits = torch.randn(7, 3, dtype=torch.float64, requires_grad=True)
    labels = torch.from_numpy(LABELS)
    weights, smoothings = (torch.full((7,), value, dtype=torch.float64) for value in (2.5, smoothing))
    values = (
        weighted_cross_entropy(logits, labels, weights, smoothings),
        functional.cross_entropy(logits, labels, label_smoothing=smoothing),
    )
    assert torch.allclose(*values, rtol=1e-12)
    ours, theirs = (torch.autograd.grad(value, logits)[0] for value in values)
    assert torch.allclose(ours, theirs, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_weights_that_are_all_alike_leave_the_teacher_its_bytes(
    smoothing: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("what has no weights is added up in torch's order")

    monkeypatch.setattr(fine_tuning, "weighted_cross_entropy", never)
    even = np.full(len(LABELS), smoothing)
    assert tuned(tmp_path / "one", ONES, even) == tuned(tmp_path / "two", 3 * ONES, even)


def test_a_weight_and_a_smoothing_change_what_is_learned(tmp_path: Path) -> None:
    plain, _ = tuned(tmp_path / "plain", ONES, 0 * ONES)
    first = np.arange(len(LABELS)) == 0
    assert tuned(tmp_path / "weighted", ONES + 9 * first, 0 * ONES)[0] != plain
    assert tuned(tmp_path / "smoothed", ONES, 0.5 * first)[0] != plain


@pytest.mark.parametrize(
    ("weight_N", "smoothing_N", "message"),
    [
        (ONES[:3], 0 * ONES, r"weight_N: \(3,\) values for 7 texts; give one for each"),
        (ONES - (np.arange(7) == 2), 0 * ONES, r"weight_N: text 2 has 0\.0 \(1 such texts\); allowed: above 0"),
        (ONES * np.nan, 0 * ONES, r"weight_N: text 0 has nan \(7 such texts\)"),
        (ONES, ONES, r"smoothing_N: text 0 has 1\.0 \(7 such texts\); allowed: 0 to below 1"),
        (ONES, -ONES, r"smoothing_N: text 0 has -1\.0"),
    ],
)
def test_what_is_no_weight_or_smoothing_is_refused(
    weight_N: NDArray[Any], smoothing_N: NDArray[Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(BadInputError, match=message):
        tuned(tmp_path, weight_N, smoothing_N)


def test_frozen_layers_and_the_embeddings_below_them_stay_as_they_were(tmp_path: Path) -> None:
    model, _ = trained(tmp_path, ONES, 0 * ONES, frozen_layers=2)
    before = tiny.bert(tiny.wordpiece(tmp_path / "tokenizer"), 1).state_dict()
    same = {name for name, value in model.state_dict().items() if torch.equal(value, before[name])}
    still = ("bert.embeddings.", "bert.encoder.layer.0.", "bert.encoder.layer.1.")
    assert same == {name for name in before if name.startswith(still)}


def test_what_has_not_so_many_layers_to_freeze_is_refused(tmp_path: Path) -> None:
    model = tiny.bert(tiny.wordpiece(tmp_path), num_hidden_layers=2)
    with pytest.raises(BadInputError, match=r"frozen_layers: 2, and the encoder has 2 layers; allowed: 0 to one less"):
        freeze_layers(model, 2)
    with pytest.raises(
        BadInputError, match=r"frozen_layers: 1, and the encoder is none with layers that can be told apart"
    ):
        freeze_layers(
            Model(SmallConfig(vocab_size=9, pad_token_id=0, embedding_width=4, hidden_width=4, depth=2, dropout=0.0)), 1
        )
