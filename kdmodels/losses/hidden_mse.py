"""Squared distance of the student's pooled hidden states from the teacher's."""

import torch


def hidden_mse(student_BH: torch.Tensor, teacher_BH: torch.Tensor) -> torch.Tensor:
    """Return mean_h (student_h - teacher_h)^2 of each row.

    Source: Reimers & Gurevych 2020, arXiv 2004.09813, section 2, for sentence embeddings across languages; Romero et al.
    2015, "FitNets", arXiv 1412.6550, equation 3, with a learned projection where the widths differ. Prefer it as the
    first choice among the hidden losses: it hands over the teacher's space as it is, so that its head fits.

    Args:
        student_BH: [batch, width], pooled, projected where the student is narrower
        teacher_BH: [batch, width], pooled, no gradient is needed

    Returns:
        [batch], in squared hidden units
    """
    return (student_BH - teacher_BH).square().mean(dim=-1)
