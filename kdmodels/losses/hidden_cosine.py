"""Angle between the student's pooled hidden states and the teacher's."""

import torch
from torch.nn import functional


def hidden_cosine(student_BH: torch.Tensor, teacher_BH: torch.Tensor) -> torch.Tensor:
    """Return 1 - cos(student, teacher) of each row.

    Source: Sanh et al. 2019, "DistilBERT", arXiv 1910.01108, section 3. A variant of `hidden_mse` that leaves lengths
    free. Prefer it where the teacher's hidden states differ much in length, or are compared by angle afterwards.

    Args:
        student_BH: [batch, width], pooled, projected where the student is narrower
        teacher_BH: [batch, width], pooled, no gradient is needed

    Returns:
        [batch], 0 to 2
    """
    return 1 - functional.cosine_similarity(student_BH, teacher_BH, dim=-1)
