"""Pseudo-labels: cross-entropy with the teacher's top class."""

import torch
from torch.nn import functional


def hard_labels(student_BC: torch.Tensor, teacher_BC: torch.Tensor, *, temperature: float) -> torch.Tensor:
    """Return -log softmax(student)_k of each row, k being the teacher's top class.

    Source: Lee 2013, "Pseudo-Label", ICML workshop on challenges in representation learning, equation 15; as a way to
    label another language Xu & Yang 2017, arXiv 1705.02073, compare it. The limit of `soft_cross_entropy` where the
    teacher's temperature goes to 0. Prefer it as a control: it shows what the soft labels add.

    Args:
        student_BC: [batch, classes], logits
        teacher_BC: [batch, classes], logits, no gradient is needed
        temperature: changes nothing; output losses all take one

    Returns:
        [batch], in nats
    """
    del temperature
    return functional.cross_entropy(student_BC, teacher_BC.argmax(dim=-1), reduction="none")
