"""Similarity-preserving distillation: texts that are alike for the teacher are alike for the student."""

import torch
from torch.nn import functional


def similarity_preserving(student_BH: torch.Tensor, teacher_BH: torch.Tensor) -> torch.Tensor:
    """Return ||g_student - g_teacher||^2 / batch of each row, g being its row of the normalised Gram matrix.

    G = A A^T of the hidden states A, each row divided by its length. The mean over rows is the paper's
    ||G_student - G_teacher||_F^2 / batch^2. Source: Tung & Mori 2019, "Similarity-Preserving Knowledge Distillation",
    arXiv 1907.09682, equations 1 to 4. A variant of `relational` with products for distances. Prefer it for large
    batches, where angles cost too much; the two sides may have any width.

    Args:
        student_BH: [batch, width of the student], pooled
        teacher_BH: [batch, width of the teacher], pooled, no gradient is needed

    Returns:
        [batch], without unit
    """
    student_BB, teacher_BB = (functional.normalize(hidden @ hidden.T, dim=-1) for hidden in (student_BH, teacher_BH))
    return (student_BB - teacher_BB).square().sum(dim=-1) / len(student_BH)
