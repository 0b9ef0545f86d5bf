"""Relational distillation: the texts of a batch stand to each other as they do for the teacher."""

import torch
from torch.nn import functional

_DISTANCES, _ANGLES = 1.0, 2.0  # lambda of the paper for RKD-D and RKD-A together (section 4.1)
_LEAST = 1e-12  # under roots, whose slope at 0 is infinite


def relational(student_BH: torch.Tensor, teacher_BH: torch.Tensor) -> torch.Tensor:
    """Return each row's share of lambda_D * Huber(distances) + lambda_A * Huber(angles).

    Distances of all pairs of the batch over their mean, and the cosines at each text between all others; both are
    compared by Huber's loss and averaged. A row's share is what belongs to it as the first of a pair or the corner of an
    angle, and the mean over rows is the paper's loss. Source: Park et al. 2019, "Relational Knowledge Distillation",
    arXiv 1904.05068, equations 4 to 9. Prefer it where the widths differ: nothing is projected, the two sides may
    have any width. Of a batch of one there is no relation: 0.

    Args:
        student_BH: [batch, width of the student], pooled
        teacher_BH: [batch, width of the teacher], pooled, no gradient is needed

    Returns:
        [batch], without unit
    """
    if len(student_BH) == 1:
        return student_BH.sum(dim=-1) * 0
    (our_distances, our_angles), (their_distances, their_angles) = map(_relations, (student_BH, teacher_BH))
    of_distances = functional.smooth_l1_loss(our_distances, their_distances, reduction="none").mean(dim=1)
    of_angles = functional.smooth_l1_loss(our_angles, their_angles, reduction="none").mean(dim=(1, 2))
    return _DISTANCES * of_distances + _ANGLES * of_angles


def _relations(hidden_BH: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return distances [batch, batch] over their mean, and cosines [batch, batch, batch] at each row's corner."""
    away_BBH = hidden_BH[None] - hidden_BH[:, None]
    squared_BB = away_BBH.square().sum(dim=-1)
    distance_BB = (squared_BB + _LEAST).sqrt() * (squared_BB > 0)
    others = ~torch.eye(len(hidden_BH), dtype=torch.bool, device=hidden_BH.device)
    scaled = distance_BB / distance_BB[others].mean().clamp_min(_LEAST)
    unit_BBH = away_BBH / (squared_BB + _LEAST).sqrt()[..., None]
    return scaled, unit_BBH @ unit_BBH.transpose(1, 2)
