"""Soft labels: the Kullback-Leibler divergence of the student's softened outputs from the teacher's."""

import torch
from torch.nn import functional


def soft_kl(student_BC: torch.Tensor, teacher_BC: torch.Tensor, *, temperature: float) -> torch.Tensor:
    """Return T^2 * KL(softmax(teacher / T) || softmax(student / T)) of each row.

    Gradients through a softmax at temperature T shrink with 1 / T^2; the factor undoes that, so that the weight of
    this loss means the same at every temperature (Hinton, Vinyals & Dean 2015, arXiv 1503.02531, section 2).
    Prefer it as the first choice: it is zero exactly where the student equals the teacher, up to a constant a row.

    Args:
        student_BC: [batch, classes], logits
        teacher_BC: [batch, classes], logits, no gradient is needed
        temperature: above 0; the higher, the more the small probabilities count

    Returns:
        [batch], in nats
    """
    student = functional.log_softmax(student_BC / temperature, dim=-1)
    teacher = functional.log_softmax(teacher_BC / temperature, dim=-1)
    return functional.kl_div(student, teacher, reduction="none", log_target=True).sum(dim=-1) * temperature**2
