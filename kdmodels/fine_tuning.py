"""Fine-tuning a pretrained encoder on labelled texts."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from numpy.typing import NDArray
from torch.nn import functional

from kdmodels.classification import pad
from kdmodels.training import Batch, Log, Schedule, train


def fine_tune(
    make_model: Callable[[], Any],
    token_ids: Sequence[Sequence[int]],
    labels_N: NDArray[np.integer],
    *,
    score: Callable[[Any], dict[str, float]],
    padding: int,
    label_smoothing: float,
    schedule: Schedule,
    checkpoints: Path,
    log: Log,
) -> tuple[Any, list[dict[str, float]]]:
    """Train a classifier by cross-entropy with smoothed labels (Szegedy et al. 2016, arXiv 1512.00567, section 7).

    Returns:
        the model at its best by `score`, and the history of its training
    """
    torch.manual_seed(schedule.seed)  # the new head is random
    model = make_model()

    def collate(rows: list[dict[str, Any]]) -> Batch:
        ids, mask = pad([row["ids"] for row in rows], max(len(row["ids"]) for row in rows), padding)
        return {"input_ids": ids, "attention_mask": mask, "labels": torch.tensor([row["label"] for row in rows])}

    def loss(model: Any, batch: Batch, share: float) -> torch.Tensor:
        del share
        logits_BC = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        return functional.cross_entropy(logits_BC, batch["labels"], label_smoothing=label_smoothing)

    rows = Dataset.from_dict({"ids": list(token_ids), "label": labels_N.tolist()})
    return train(
        model,
        rows,
        lengths=[len(row) for row in token_ids],
        collate=collate,
        loss=loss,
        score=score,
        schedule=schedule,
        checkpoints=checkpoints,
        log=log,
    )
