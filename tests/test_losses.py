"""Each loss gives the numbers that its formula gives by hand, and behaves where training takes it."""

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from kdmodels.choice import choices, choose
from kdmodels.errors import BadInputError
from kdmodels.loss_choice import loss_of_kind, losses_of_kind

GOLDEN = json.loads((Path(__file__).parent / "golden/losses.json").read_text(encoding="utf-8"))
LOSSES = [name for name in choices("losses") if name != "none"]
OUTPUT, HIDDEN, LABEL = (losses_of_kind(kind) for kind in ("output", "hidden", "label"))
ZERO_WHERE_EQUAL = set(LOSSES) - {"soft_cross_entropy", "hard_labels", "cross_entropy", "contrastive"}
SAME_WIDTH = {"hidden_mse", "hidden_cosine", "contrastive"}


def loss(name: str) -> Callable[..., torch.Tensor]:
    function: Callable[..., torch.Tensor] = getattr(choose("losses", name), name)
    return function


def tensors(inputs: dict[str, Any]) -> dict[str, Any]:
    return {name: torch.tensor(value) if isinstance(value, list) else value for name, value in inputs.items()}


def example(name: str, rows: int = 5, scale: float = 1.0, dtype: torch.dtype = torch.float32) -> dict[str, Any]:
    """Return random inputs of a loss."""
    random = torch.Generator().manual_seed(7)
    width = 4 if name in OUTPUT + LABEL + sorted(SAME_WIDTH) else 6
    student = torch.randn(rows, 4, generator=random, dtype=dtype) * scale
    teacher = torch.randn(rows, width, generator=random, dtype=dtype) * scale
    if name in OUTPUT:
        return {"student_BC": student, "teacher_BC": teacher, "temperature": 2.0}
    if name in LABEL:
        return {"student_BC": student, "labels_B": torch.arange(rows) % 4}
    return {"student_BH": student, "teacher_BH": teacher}


@pytest.mark.parametrize("entry", GOLDEN, ids=lambda entry: f"{entry['loss']}: {entry['derivation']}")
def test_a_loss_gives_the_numbers_computed_by_hand(entry: dict[str, Any]) -> None:
    rows = loss(entry["loss"])(**tensors(entry["inputs"]))
    assert rows.tolist() == pytest.approx(entry["expected_B"], rel=1e-4, abs=1e-6)


def test_every_loss_stands_in_the_golden_file_and_is_of_one_kind() -> None:
    assert {entry["loss"] for entry in GOLDEN} == set(LOSSES)
    assert sorted(OUTPUT + HIDDEN + LABEL) == sorted(LOSSES)
    assert set(OUTPUT) >= {
        "soft_kl", "soft_cross_entropy", "logit_mse", "reverse_kl", "jensen_shannon", "decoupled", "dist", "hard_labels",
    }  # fmt: skip
    assert set(HIDDEN) >= {"hidden_mse", "hidden_cosine", "relational", "similarity_preserving", "contrastive"}


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_says_its_formula_its_source_its_shapes_and_when_to_prefer_it(name: str) -> None:
    text = inspect.getdoc(loss(name)) or ""
    for needed in ("Return ", "[batch", "Prefer it"):
        assert needed in text
    assert "arXiv" in text or "ICML" in text or "IEEE" in text


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_gives_a_value_a_row_which_goes_with_its_row(name: str) -> None:
    inputs = example(name)
    rows = loss(name)(**inputs)
    assert rows.shape == (5,)
    order = torch.tensor([3, 0, 4, 1, 2])
    moved = {key: value[order] if isinstance(value, torch.Tensor) else value for key, value in inputs.items()}
    assert torch.allclose(loss(name)(**moved), rows[order], atol=1e-5)


@pytest.mark.parametrize("name", sorted(ZERO_WHERE_EQUAL))
@pytest.mark.parametrize("rows", [1, 5])
def test_a_loss_is_zero_where_student_equals_teacher(name: str, rows: int) -> None:
    inputs = example(name, rows)
    teacher = next(key for key in inputs if key.startswith("teacher"))
    inputs[teacher] = inputs[teacher.replace("teacher", "student")].clone()
    assert loss(name)(**inputs).tolist() == pytest.approx([0.0] * rows, abs=1e-5)


@pytest.mark.parametrize("name", [name for name in OUTPUT if name != "dist"])
def test_a_constant_added_to_a_rows_logits_changes_nothing(name: str) -> None:
    inputs = example(name)
    moved = {**inputs, "student_BC": inputs["student_BC"] + 3, "teacher_BC": inputs["teacher_BC"] - 2}
    assert torch.allclose(loss(name)(**moved), loss(name)(**inputs), atol=1e-5)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(("rows", "scale"), [(1, 1.0), (1, 1e4), (6, 1e4), (6, 0.0)], ids=str)
def test_values_and_gradients_stay_finite(name: str, rows: int, scale: float) -> None:
    """One row alone, values far out, and rows that are all equal."""
    inputs = example(name, rows, scale)
    student = next(iter(inputs))
    inputs[student].requires_grad_()
    value = loss(name)(**inputs)
    value.mean().backward()  # type: ignore[no-untyped-call]
    assert torch.isfinite(value).all()
    assert torch.isfinite(inputs[student].grad).all()


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_equal_finite_differences(name: str) -> None:
    inputs = example(name, rows=3, dtype=torch.float64)
    student = next(iter(inputs))
    rest = {key: value for key, value in inputs.items() if key != student}
    values = inputs[student].requires_grad_()
    assert torch.autograd.gradcheck(lambda given: loss(name)(**{student: given}, **rest), (values,))


def test_the_gradient_of_soft_cross_entropy_is_that_of_soft_kl() -> None:
    found = []
    for name in ("soft_kl", "soft_cross_entropy"):
        inputs = example(name)
        loss(name)(**inputs | {"student_BC": inputs["student_BC"].requires_grad_()}).sum().backward()  # type: ignore[no-untyped-call]
        found.append(inputs["student_BC"].grad)
    assert torch.allclose(*found, atol=1e-6)


def test_a_loss_in_the_wrong_slot_is_refused_with_those_that_fit() -> None:
    with pytest.raises(
        BadInputError, match=r"'hidden_mse' cannot stand in student\.output_loss; those that can: .*soft_kl"
    ):
        loss_of_kind("hidden_mse", "output")
    with pytest.raises(BadInputError, match=r"'soft_kl' cannot stand in student\.hidden_loss; .*relational.*, none"):
        loss_of_kind("soft_kl", "hidden")
    assert loss_of_kind("none", "label") is None
    assert loss_of_kind("soft_kl", "output") is loss("soft_kl")
