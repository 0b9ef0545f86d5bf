"""A training that was killed goes on to the same bytes; a loss that is not finite stops it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kdmodels.checkpoints import newest_whole
from kdmodels.distillation import Pairs, distil, learner
from kdmodels.errors import BadInputError
from kdmodels.losses.soft_kl import soft_kl
from kdmodels.objective import Objective
from kdmodels.ramps import constant
from kdmodels.training import Schedule
from tests import tiny

SCHEDULE = Schedule(
    epochs=3, batch_size=4, learning_rate=1e-3, warmup_share=0.1, weight_decay=0.01,
    evaluations_per_epoch=2, precision="float32", seed=3,
)  # fmt: skip
ROWS = 24


def run(
    folder: Path,
    checkpoints: Path,
    loss: Callable[..., torch.Tensor] = soft_kl,
    seed: int = 3,
    precision: str = "float32",
) -> tuple[dict[str, torch.Tensor], list[dict[str, float]]]:
    tokenizer = tiny.wordpiece(folder / "tokenizer", tiny.GERMAN)
    model = tiny.bert(tokenizer, seed=5)
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(" ".join(tiny.GERMAN).split(), 6)) for _ in range(ROWS + 8)]
    ids = [np.array(row) for row in tokenizer(texts)["input_ids"]]
    teacher = random.normal(size=(ROWS + 8, 3)).astype(np.float32) * 2
    numbers = {**SCHEDULE.__dict__, "seed": seed, "precision": precision}
    hidden = random.normal(size=(ROWS + 8, 16)).astype(np.float32)
    pairs, held_out = (
        Pairs(ids[part], teacher[part], hidden[part], np.ones(len(ids[part]), dtype=np.float32))
        for part in (slice(0, ROWS), slice(ROWS, None))
    )
    model, history = distil(
        learner(model, pairs, seed), pairs=pairs, labelled=None, glossed=None, held_out=held_out, objective=objective(loss),
        frozen=lambda share: (), padding=0, schedule=Schedule(**numbers), checkpoints=checkpoints,
        log=lambda values, step: None,
    )  # fmt: skip
    return model.state_dict(), history


def objective(loss: Callable[..., torch.Tensor]) -> Objective:
    one = constant(1.0)
    return Objective(loss, one, constant(2.0), None, one, None, one, None, one)


def killed_at(step: int) -> Callable[..., torch.Tensor]:
    done = 0

    def loss(student: torch.Tensor, teacher: torch.Tensor, *, temperature: float) -> torch.Tensor:
        nonlocal done
        if done == step:
            raise KeyboardInterrupt
        done += 1
        return soft_kl(student, teacher, temperature=temperature)

    return loss


def equal(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], two[name]) for name in one)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tmp_path: Path) -> None:
    one, _ = run(tmp_path, tmp_path / "one")
    two, _ = run(tmp_path, tmp_path / "two")
    other, _ = run(tmp_path, tmp_path / "three", seed=4)
    assert equal(one, two)
    assert not equal(one, other)
    assert not (tmp_path / "one").exists(), "checkpoints go when the training has ended"


def test_bfloat16_trains_without_a_gpu_and_its_weights_stay_float32(tmp_path: Path) -> None:
    whole, _ = run(tmp_path, tmp_path / "float32")
    less, history = run(tmp_path, tmp_path / "bfloat16", precision="bfloat16")
    assert not equal(whole, less) and all(torch.allclose(whole[name], less[name], atol=0.02) for name in whole)
    assert {value.dtype for value in less.values()} == {torch.float32} and history


@pytest.mark.parametrize("step", [5, 13])
def test_killed_and_resumed_equals_uninterrupted(tmp_path: Path, step: int) -> None:
    whole, history = run(tmp_path, tmp_path / "one")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, tmp_path / "two", killed_at(step))
    assert newest_whole(tmp_path / "two") is not None
    resumed, resumed_history = run(tmp_path, tmp_path / "two")
    assert equal(whole, resumed)
    assert resumed_history == history


@pytest.mark.parametrize("damage", ["truncated", "unsealed"])
def test_a_broken_newest_checkpoint_falls_back_to_the_one_before(tmp_path: Path, damage: str) -> None:
    whole, _ = run(tmp_path, tmp_path / "one")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, tmp_path / "two", killed_at(13))
    newest = newest_whole(tmp_path / "two")
    assert newest is not None
    broken = newest / ("model.safetensors" if damage == "truncated" else "sha256.json")
    if damage == "truncated":
        broken.write_bytes(broken.read_bytes()[:-10])
    else:
        broken.unlink()
    before = newest_whole(tmp_path / "two")
    assert before != newest
    assert not newest.exists()
    resumed, _ = run(tmp_path, tmp_path / "two")
    assert equal(whole, resumed)


def test_a_loss_that_is_not_finite_stops_with_a_hint(tmp_path: Path) -> None:
    def broken(student: torch.Tensor, teacher: torch.Tensor, *, temperature: float) -> torch.Tensor:
        return soft_kl(student, teacher, temperature=temperature) * float("nan")

    with pytest.raises(BadInputError, match=r"the loss became nan at step 0.*learning_rate"):
        run(tmp_path, tmp_path / "one", broken)


def test_the_best_checkpoint_is_kept(tmp_path: Path) -> None:
    _, history = run(tmp_path, tmp_path / "one")
    chosen: list[Any] = [entry for entry in history if "eval_selection" in entry]
    assert len(chosen) == 6
    agreements = [entry["eval_agreement"] for entry in chosen]
    best = max(chosen, key=lambda entry: entry["eval_selection"])
    assert best["eval_agreement"] == max(agreements), "divergence decides only between equal agreements"
