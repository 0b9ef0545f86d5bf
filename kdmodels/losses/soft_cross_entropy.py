"""Cross-entropy of the student's softened outputs with the teacher's."""

import torch
from torch.nn import functional


def soft_cross_entropy(student_BC: torch.Tensor, teacher_BC: torch.Tensor, *, temperature: float) -> torch.Tensor:
    """Return -T^2 * sum_c softmax(teacher / T)_c * log softmax(student / T)_c of each row.

    Source: Hinton, Vinyals & Dean 2015, arXiv 1503.02531, section 2, as it stands there. A variant of `soft_kl`: it is
    larger by T^2 times the entropy of the teacher, which the student cannot change, so both have the same gradient.
    Prefer it where the value itself is to be read as the teacher's uncertainty and the student's distance together.

    Args:
        student_BC: [batch, classes], logits
        teacher_BC: [batch, classes], logits, no gradient is needed
        temperature: above 0

    Returns:
        [batch], in nats
    """
    student = functional.log_softmax(student_BC / temperature, dim=-1)
    teacher = functional.softmax(teacher_BC / temperature, dim=-1)
    return -(teacher * student).sum(dim=-1) * temperature**2
