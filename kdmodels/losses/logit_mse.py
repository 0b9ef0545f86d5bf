"""Squared distance of the student's logits from the teacher's."""

import torch


def logit_mse(student_BC: torch.Tensor, teacher_BC: torch.Tensor, *, temperature: float) -> torch.Tensor:
    """Return mean_c (student_c - teacher_c)^2 of each row, both with their own mean taken off.

    Source: Ba & Caruana 2014, "Do Deep Nets Really Need to be Deep?", arXiv 1312.6184, equation 2; the means are
    taken off since a constant added to all logits of a row changes no probability. A variant of `soft_kl`: its limit at
    high temperatures, up to a factor (arXiv 1503.02531, section 2.1). Prefer it where the teacher is confident: it
    looks at all logits alike, also those of classes that the teacher all but rules out.

    Args:
        student_BC: [batch, classes], logits
        teacher_BC: [batch, classes], logits, no gradient is needed
        temperature: changes nothing; output losses all take one

    Returns:
        [batch], in squared logits
    """
    del temperature
    student = student_BC - student_BC.mean(dim=-1, keepdim=True)
    teacher = teacher_BC - teacher_BC.mean(dim=-1, keepdim=True)
    return (student - teacher).square().mean(dim=-1)
