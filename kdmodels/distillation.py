"""Distilling a student from cached soft labels."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from numpy.typing import NDArray

from kdmodels.classification import compare, logits_of, pad
from kdmodels.training import Batch, Log, Schedule, train

Rows = Sequence[NDArray[np.integer]]


def distil(
    student: Any,
    *,
    token_ids: Rows,
    teacher_NC: NDArray[np.float32],
    weight_N: NDArray[np.float32],
    held_out_ids: Rows,
    held_out_teacher_MC: NDArray[np.float32],
    output_loss: Callable[..., torch.Tensor],
    temperature: float,
    padding: int,
    schedule: Schedule,
    checkpoints: Path,
    log: Log,
) -> tuple[Any, list[dict[str, float]]]:
    """Train a student on target text to give the teacher's outputs on the same pairs' source text.

    Args:
        token_ids: of the target side of each pair
        teacher_NC: [pairs, classes], the teacher's logits on the source side of the same pairs
        weight_N: [pairs], of each pair in the mean loss of its batch
        held_out_ids, held_out_teacher_MC: the same of pairs that choose the checkpoint, by agreement with the teacher
        output_loss: of student and teacher logits and a temperature, a value a row

    Returns:
        the student at its best, and the history of its training
    """
    teacher, weights = torch.from_numpy(teacher_NC), torch.from_numpy(weight_N)

    def collate(rows: list[dict[str, Any]]) -> Batch:
        ids, mask = pad([row["ids"] for row in rows], max(len(row["ids"]) for row in rows), padding)
        pairs = [row["pair"] for row in rows]
        return {
            "input_ids": ids,
            "attention_mask": mask,
            "teacher_BC": teacher[pairs],
            "weight_B": weights[pairs],
        }

    def loss(model: Any, batch: Batch) -> torch.Tensor:
        student_BC = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        loss_B = output_loss(student_BC, batch["teacher_BC"], temperature=temperature)
        return (loss_B * batch["weight_B"]).sum() / batch["weight_B"].sum()

    def score(model: Any) -> dict[str, float]:
        logits = logits_of(model, held_out_ids, padding=padding, batch_rows=schedule.batch_size)
        return compare(logits, held_out_teacher_MC)

    rows = Dataset.from_dict({"ids": [row.tolist() for row in token_ids], "pair": range(len(token_ids))})
    return train(
        student,
        rows,
        lengths=[len(row) for row in token_ids],
        collate=collate,
        loss=loss,
        score=score,
        schedule=schedule,
        checkpoints=checkpoints,
        log=log,
    )
