"""Contrastive distillation: a text's hidden state is nearer to its own pair's than to those of the batch."""

import torch
from torch.nn import functional

_SHARPNESS = 20.0  # of the softmax over cosines: 1 / 0.05, as Gao et al. 2021, arXiv 2104.08821, chose it


def contrastive(student_BH: torch.Tensor, teacher_BH: torch.Tensor) -> torch.Tensor:
    """Return -log softmax_j(20 * cos(student_i, teacher_j))_i of each row i, the batch's other pairs being the negatives.

    One direction: each target text finds its source text. Source: van den Oord et al. 2018, "Representation Learning with
    Contrastive Predictive Coding", arXiv 1807.03748, equation 4 (InfoNCE); for distillation Tian et al. 2020, arXiv
    1910.10699. A variant of `hidden_cosine` that also pushes apart. Prefer it where hidden states shall find
    translations, and with large batches; its lowest value is not 0. Texts that stand in a batch twice count as negatives.

    Args:
        student_BH: [batch, width], pooled, projected where the student is narrower
        teacher_BH: [batch, width], pooled, no gradient is needed

    Returns:
        [batch], in nats
    """
    student, teacher = (functional.normalize(hidden, dim=-1) for hidden in (student_BH, teacher_BH))
    pairs = torch.arange(len(student), device=student.device)
    return functional.cross_entropy(_SHARPNESS * student @ teacher.T, pairs, reduction="none")
