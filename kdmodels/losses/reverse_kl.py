"""The Kullback-Leibler divergence the other way round: of the teacher's softened outputs from the student's."""

import torch
from torch.nn import functional


def reverse_kl(student_BC: torch.Tensor, teacher_BC: torch.Tensor, *, temperature: float) -> torch.Tensor:
    """Return T^2 * KL(softmax(student / T) || softmax(teacher / T)) of each row.

    Source: Gu et al. 2023, "MiniLLM", arXiv 2306.08543, section 2.1, there for text generation. A variant of `soft_kl`
    that punishes what the student finds likely and the teacher does not, and forgives classes that it leaves out.
    Prefer it where the student is far too small for its teacher and shall be right about the main class.

    Args:
        student_BC: [batch, classes], logits
        teacher_BC: [batch, classes], logits, no gradient is needed
        temperature: above 0

    Returns:
        [batch], in nats
    """
    student = functional.log_softmax(student_BC / temperature, dim=-1)
    teacher = functional.log_softmax(teacher_BC / temperature, dim=-1)
    return functional.kl_div(teacher, student, reduction="none", log_target=True).sum(dim=-1) * temperature**2
