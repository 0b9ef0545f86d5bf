"""What a student learns from: a loss on outputs, one on hidden states and one on labels, each with its weight."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from kdmodels.ramps import Ramp

Loss = Callable[..., torch.Tensor]  # a value a row


@dataclass(frozen=True)
class Objective:
    """The weighted sum of up to four losses; the weights and the temperature may change over the training.

    Attributes:
        output_loss: of student and teacher logits [rows, classes] and a temperature; or none
        hidden_loss: of pooled hidden states [rows, width] of both; or none
        label_loss: of student logits [rows, classes] and labels [rows], of target text; or none
        gloss_loss: the same, of glosses of labelled source text; or none
    """

    output_loss: Loss | None
    output_weight: Ramp
    temperature: Ramp
    hidden_loss: Loss | None
    hidden_weight: Ramp
    label_loss: Loss | None
    label_weight: Ramp
    gloss_loss: Loss | None
    gloss_weight: Ramp

    def of_pairs(
        self,
        share: float,
        *,
        student_BC: torch.Tensor,
        teacher_BC: torch.Tensor,
        student_BH: torch.Tensor | None,
        teacher_BH: torch.Tensor,
        weight_B: torch.Tensor,
    ) -> torch.Tensor:
        """Return the loss of pairs, each loss a mean over them by their weights.

        Args:
            share: of the training that is done, 0 to 1
            student_BC, teacher_BC: [pairs, classes], logits
            student_BH, teacher_BH: [pairs, width], pooled hidden states; the student's may be none where no loss reads them
            weight_B: [pairs], above 0
        """
        total = student_BC.new_zeros(())
        if self.output_loss is not None:
            rows_B = self.output_loss(student_BC, teacher_BC, temperature=self.temperature.at(share))
            total = total + self.output_weight.at(share) * weighted_mean(rows_B, weight_B)
        if self.hidden_loss is not None:
            rows_B = self.hidden_loss(student_BH, teacher_BH)
            total = total + self.hidden_weight.at(share) * weighted_mean(rows_B, weight_B)
        return total

    def of_labels(self, share: float, *, student_BC: torch.Tensor, labels_B: torch.Tensor) -> torch.Tensor:
        """Return the loss of labelled target texts, a mean over them."""
        return _mean_of(self.label_loss, self.label_weight.at(share), student_BC, labels_B)

    def of_glosses(self, share: float, *, student_BC: torch.Tensor, labels_B: torch.Tensor) -> torch.Tensor:
        """Return the loss of glosses of labelled source texts, a mean over them."""
        return _mean_of(self.gloss_loss, self.gloss_weight.at(share), student_BC, labels_B)


def _mean_of(loss: Loss | None, weight: float, student_BC: torch.Tensor, labels_B: torch.Tensor) -> torch.Tensor:
    return student_BC.new_zeros(()) if loss is None else weight * loss(student_BC, labels_B).mean()


def weighted_mean(rows_B: torch.Tensor, weight_B: torch.Tensor) -> torch.Tensor:
    """Return the mean of a value a row by the weights of the rows."""
    return (rows_B * weight_B).sum() / weight_B.sum()
