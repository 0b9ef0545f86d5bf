"""Decoupled knowledge distillation: the teacher's top class and all the others, weighed apart."""

import torch
from torch.nn import functional

_TOP = 1.0  # alpha of the paper
_OTHERS = 8.0  # beta of the paper, its choice for CIFAR-100 (section 4.1)


def decoupled(student_BC: torch.Tensor, teacher_BC: torch.Tensor, *, temperature: float) -> torch.Tensor:
    """Return T^2 * (alpha * KL(b_teacher || b_student) + beta * KL(o_teacher || o_student)) of each row.

    b = (p_top, 1 - p_top) is how much of the softened outputs falls on the top class; o is how the other classes share
    the rest among them. Source: Zhao et al. 2022, "Decoupled Knowledge Distillation", arXiv 2203.08679, equation 7, with
    its alpha 1 and beta 8. The top class is the teacher's, since parallel text has no labels. A variant of `soft_kl`,
    which weighs the second term by 1 - p_top instead and so all but drops it where the teacher is confident. Prefer it
    where the teacher is nearly always confident and there are several classes; with two classes the second term is 0.

    Args:
        student_BC: [batch, classes], logits
        teacher_BC: [batch, classes], logits, no gradient is needed
        temperature: above 0

    Returns:
        [batch], in nats
    """
    top_BC = functional.one_hot(teacher_BC.argmax(dim=-1), teacher_BC.shape[-1]).bool()
    student_parts, teacher_parts = (_parts(logits / temperature, top_BC) for logits in (student_BC, teacher_BC))
    top, others = (
        functional.kl_div(student, teacher, reduction="none", log_target=True).sum(dim=-1)
        for student, teacher in zip(student_parts, teacher_parts, strict=True)
    )
    return (_TOP * top + _OTHERS * others) * temperature**2


def _parts(logits_BC: torch.Tensor, top_BC: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logarithms of (top, not top) [batch, 2] and of the others among themselves [batch, classes - 1]."""
    others = logits_BC[~top_BC].reshape(len(logits_BC), -1)
    pair = torch.stack([logits_BC[top_BC], others.logsumexp(dim=-1)], dim=-1)
    return functional.log_softmax(pair, dim=-1), functional.log_softmax(others, dim=-1)
