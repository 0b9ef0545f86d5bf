"""Mutual distillation: teacher and student learn from each other on the two sides of a pair, both updated at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from kdmodels.classification import pad
from kdmodels.first_token import logits_of_batch
from kdmodels.losses.soft_kl import soft_kl
from kdmodels.objective import weighted_mean
from kdmodels.training import Batch, Log, Parts, Schedule, train

Rows = Sequence[NDArray[np.integer[Any]]]


@dataclass(frozen=True)
class Both:
    """Pairs as both read them, and the labelled source text that keeps the teacher to its task.

    Attributes:
        source_ids, target_ids: [pairs], token ids of each side
        weight_N: [pairs], of each in the mean loss of its batch
        labelled_ids, labels_M: [texts], labelled source texts
        source_padding, target_padding: ids of the padding tokens
    """

    source_ids: Rows
    target_ids: Rows
    weight_N: NDArray[np.float32]
    labelled_ids: Rows
    labels_M: NDArray[np.int64]
    source_padding: int
    target_padding: int


class Together(nn.Module):
    """A teacher and a student as one model."""

    def __init__(self, teacher: Any, student: Any) -> None:
        super().__init__()
        self.teacher, self.student = teacher, student

    def forward(self, **texts: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return logits [rows, classes] of each kind of text that is given as `<kind>_ids` and `<kind>_mask`.

        The kinds are source and labelled, which the teacher reads, and target, which the student reads.
        """
        readers = {"source": self.teacher, "labelled": self.teacher, "target": self.student}
        return {
            kind: logits_of_batch(reader, texts[f"{kind}_ids"], texts[f"{kind}_mask"])
            for kind, reader in readers.items()
            if f"{kind}_ids" in texts
        }


def mutual_loss(
    logits: dict[str, torch.Tensor],
    weight_B: torch.Tensor,
    labels_M: torch.Tensor,
    *,
    temperature: float,
    teacher_weight: float,
    label_weight: float,
    parts: Parts,
) -> torch.Tensor:
    """Return KL(teacher || student) + a KL(student || teacher) + b H(labels, teacher), a scalar in nats.

    Deep mutual learning (Zhang et al. 2018, arXiv 1706.00384, equations 5 and 6) across languages: each takes the other's
    softened answers to the other side of the pair as fixed. The teacher's cross-entropy is of labelled source text,
    since target text has no labels.

    Args:
        logits: source, target: [pairs, classes]; labelled: [texts, classes]; what a batch has none of is missing
        weight_B: [pairs]
        labels_M: [texts]
        temperature: of both KL, above 0
        teacher_weight: a, 0: the teacher learns from labels alone
        label_weight: b
        parts: what the mean over pairs and that over texts is multiplied by, as `train` gives them
    """
    total = torch.zeros(())
    if "target" in logits:
        teacher_BC, student_BC = logits["source"], logits["target"]
        follows_B = soft_kl(student_BC, teacher_BC.detach(), temperature=temperature)
        leads_B = soft_kl(teacher_BC, student_BC.detach(), temperature=temperature)
        total = parts["pairs"] * weighted_mean(follows_B + teacher_weight * leads_B, weight_B)
    if "labelled" in logits:
        total = total + parts["texts"] * label_weight * functional.cross_entropy(logits["labelled"], labels_M)
    return total


def learn_together(
    together: Together,
    both: Both,
    *,
    score: Callable[[Together], dict[str, float]],
    temperature: float,
    teacher_weight: float,
    label_weight: float,
    schedule: Schedule,
    checkpoints: Path,
    log: Log,
) -> list[dict[str, float]]:
    """Train teacher and student by `mutual_loss`; both are changed in place, to their best by `score`.

    Returns:
        the history of the training
    """
    pairs = len(both.target_ids)
    lengths = [max(len(one), len(other)) for one, other in zip(both.source_ids, both.target_ids, strict=True)]
    lengths += [len(row) for row in both.labelled_ids]
    weight_N, labels_M = torch.from_numpy(both.weight_N), torch.from_numpy(both.labels_M)

    def collate(rows: list[dict[str, Any]]) -> Batch:
        numbers = [row["number"] for row in rows]
        of_pairs, of_texts = [n for n in numbers if n < pairs], [n - pairs for n in numbers if n >= pairs]
        kinds = {
            "source": ([both.source_ids[n] for n in of_pairs], both.source_padding),
            "target": ([both.target_ids[n] for n in of_pairs], both.target_padding),
            "labelled": ([both.labelled_ids[n] for n in of_texts], both.source_padding),
        }
        batch: Batch = {"weight_B": weight_N[of_pairs], "labels_M": labels_M[of_texts]}
        for kind, (ids, padding) in kinds.items():
            if ids:
                batch[f"{kind}_ids"], batch[f"{kind}_mask"] = pad(ids, max(map(len, ids)), padding)
        return batch

    def weigh(rows: list[dict[str, Any]]) -> dict[str, float]:
        numbers = [row["number"] for row in rows]
        return {
            "pairs": sum(float(both.weight_N[number]) for number in numbers if number < pairs),
            "texts": float(sum(number >= pairs for number in numbers)),
        }

    def loss(model: Any, batch: Batch, share: float, parts: Parts) -> torch.Tensor:
        del share
        texts = {name: value for name, value in batch.items() if name.endswith(("_ids", "_mask"))}
        return mutual_loss(
            model(**texts),
            batch["weight_B"],
            batch["labels_M"],
            temperature=temperature,
            teacher_weight=teacher_weight,
            label_weight=label_weight,
            parts=parts,
        )

    trained, history = train(
        together,
        Dataset.from_dict({"number": range(len(lengths))}),
        lengths=lengths,
        collate=collate,
        weigh=weigh,
        loss=loss,
        score=score,
        schedule=schedule,
        checkpoints=checkpoints,
        log=log,
    )
    together.load_state_dict(trained.state_dict())
    return history
