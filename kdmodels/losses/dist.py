"""DIST: the student keeps how the teacher ranks classes for a text, and texts for a class."""

import torch

_TEXTS = 1.0  # gamma over beta of the paper, which takes them equal
_LEAST = 1e-8


def dist(student_BC: torch.Tensor, teacher_BC: torch.Tensor, *, temperature: float) -> torch.Tensor:
    """Return T^2 * ((1 - correlation over classes) + (1 - correlation over texts)) of each row.

    Both are Pearson's, of softmax(logits / T): over the classes of a row, and over the batch for each class, whose mean
    over classes counts for each row alike, so that the mean over rows is the paper's loss. Source: Huang et al. 2022,
    "Knowledge Distillation from A Stronger Teacher", arXiv 2205.10536, equations 8 to 10. A variant of `soft_kl` that is
    zero already where the two agree up to scale and shift. Prefer it where the teacher is so much stronger that its
    probabilities are out of the student's reach; a batch should hold tens of texts.

    Args:
        student_BC: [batch, classes], logits
        teacher_BC: [batch, classes], logits, no gradient is needed
        temperature: above 0

    Returns:
        [batch], without unit; of a batch of one only the first term counts
    """
    student, teacher = ((logits / temperature).softmax(dim=-1) for logits in (student_BC, teacher_BC))
    rows_B = _distance(student, teacher)
    if len(student) > 1:
        rows_B = rows_B + _TEXTS * _distance(student.T, teacher.T).mean()
    return rows_B * temperature**2


def _distance(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Return 1 - Pearson's correlation of each row; 1 where a row does not vary."""
    left, right = (values - values.mean(dim=-1, keepdim=True) for values in (left, right))
    norms = (left.square().sum(dim=-1) + _LEAST**2).sqrt() * (right.square().sum(dim=-1) + _LEAST**2).sqrt()
    return 1 - (left * right).sum(dim=-1) / norms
