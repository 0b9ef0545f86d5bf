"""Each loss gives the numbers that its formula gives by hand."""

import inspect
import math

import pytest
import torch

from kdmodels.choice import choices, choose
from kdmodels.losses.soft_kl import soft_kl


def test_soft_kl_by_hand_at_temperature_one() -> None:
    # teacher (1/2, 1/2), student (3/4, 1/4): 1/2 ln(2/3) + 1/2 ln(2)
    student = torch.tensor([[math.log(3.0), 0.0]])
    teacher = torch.tensor([[0.0, 0.0]])
    expected = 0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)
    assert soft_kl(student, teacher, temperature=1.0).item() == pytest.approx(expected, rel=1e-6)
    assert expected == pytest.approx(0.143841, abs=1e-6)


def test_soft_kl_by_hand_at_temperature_two() -> None:
    # teacher logits (2 ln 4, 0) at T = 2 are (4/5, 1/5); student (0, 0) is (1/2, 1/2); the factor is 4
    student = torch.tensor([[0.0, 0.0]])
    teacher = torch.tensor([[2 * math.log(4.0), 0.0]])
    expected = 4 * (0.8 * math.log(0.8 / 0.5) + 0.2 * math.log(0.2 / 0.5))
    assert soft_kl(student, teacher, temperature=2.0).item() == pytest.approx(expected, rel=1e-6)
    assert expected == pytest.approx(0.770979, abs=1e-6)


def test_soft_kl_gives_each_row_its_own() -> None:
    student = torch.tensor([[math.log(3.0), 0.0], [1.0, 1.0]])
    teacher = torch.zeros(2, 2)
    alone = soft_kl(student[:1], teacher[:1], temperature=1.0)
    assert soft_kl(student, teacher, temperature=1.0).tolist() == pytest.approx([alone.item(), 0.0], rel=1e-6)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_soft_kl_is_zero_where_student_equals_teacher_up_to_a_constant(temperature: float) -> None:
    teacher = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
    assert soft_kl(teacher + 3.0, teacher, temperature=temperature).tolist() == pytest.approx([0.0] * 5, abs=1e-5)


def test_soft_kl_is_finite_at_extreme_logits() -> None:
    student = torch.tensor([[1e4, -1e4, 0.0]], requires_grad=True)
    loss = soft_kl(student, torch.tensor([[-1e4, 1e4, 0.0]]), temperature=1.0).mean()
    loss.backward()
    assert torch.isfinite(loss)
    assert student.grad is not None
    assert torch.isfinite(student.grad).all()


def test_soft_kl_gradient_equals_finite_differences() -> None:
    random = torch.Generator().manual_seed(1)
    student = torch.randn(3, 4, dtype=torch.float64, generator=random, requires_grad=True)
    teacher = torch.randn(3, 4, dtype=torch.float64, generator=random)
    assert torch.autograd.gradcheck(lambda logits: soft_kl(logits, teacher, temperature=2.0), (student,))


@pytest.mark.parametrize("name", choices("losses"))
def test_every_loss_file_has_a_function_of_its_name_that_says_its_shapes_and_source(name: str) -> None:
    function = getattr(choose("losses", name), name)
    text = inspect.getdoc(function) or ""
    assert list(inspect.signature(function).parameters)[:2] == ["student_BC", "teacher_BC"]
    assert "[batch, classes]" in text
    random = torch.Generator().manual_seed(0)
    rows = function(torch.randn(3, 4, generator=random), torch.randn(3, 4, generator=random), temperature=2.0)
    assert rows.shape == (3,), "a loss a row, which the weights of the pairs apply to"
    assert "arXiv" in text
