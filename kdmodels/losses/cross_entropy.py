"""Cross-entropy with labels, for labelled target text where there is some."""

import torch
from torch.nn import functional


def cross_entropy(student_BC: torch.Tensor, labels_B: torch.Tensor) -> torch.Tensor:
    """Return -log softmax(student)_label of each row.

    The loss of ordinary supervised training, the second term of Hinton, Vinyals & Dean 2015, arXiv 1503.02531, section 2.
    A variant of `hard_labels` with labels from people. Prefer it beside an output loss as soon as some target text is
    labelled.

    Args:
        student_BC: [batch, classes], logits
        labels_B: [batch], class numbers

    Returns:
        [batch], in nats
    """
    return functional.cross_entropy(student_BC, labels_B, reduction="none")
