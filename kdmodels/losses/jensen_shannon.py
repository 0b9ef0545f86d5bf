"""The Jensen-Shannon divergence of the student's and the teacher's softened outputs."""

import math

import torch
from torch.nn import functional


def jensen_shannon(student_BC: torch.Tensor, teacher_BC: torch.Tensor, *, temperature: float) -> torch.Tensor:
    """Return T^2 * (KL(teacher || m) + KL(student || m)) / 2 of each row, with m the mean of both distributions.

    Source: Lin 1991, "Divergence Measures Based on the Shannon Entropy", IEEE Trans. Inf. Theory 37(1), equation 4.1; as
    a loss of distillation Agarwal et al. 2023, arXiv 2306.13649, equation 1 with beta 1/2. A variant between `soft_kl`
    and `reverse_kl`, and bounded by T^2 ln 2. Prefer it where some of the teacher's labels are badly wrong (pairs that
    are no translations): one row can pull no harder than its bound.

    Args:
        student_BC: [batch, classes], logits
        teacher_BC: [batch, classes], logits, no gradient is needed
        temperature: above 0

    Returns:
        [batch], in nats
    """
    student = functional.log_softmax(student_BC / temperature, dim=-1)
    teacher = functional.log_softmax(teacher_BC / temperature, dim=-1)
    mean = torch.logaddexp(student, teacher) - math.log(2)
    both = [functional.kl_div(mean, one, reduction="none", log_target=True).sum(dim=-1) for one in (student, teacher)]
    return (both[0] + both[1]) / 2 * temperature**2
