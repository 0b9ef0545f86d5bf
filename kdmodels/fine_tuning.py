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
from kdmodels.errors import BadInputError
from kdmodels.first_token import logits_of_batch
from kdmodels.freezing import freeze_layers
from kdmodels.training import Batch, Log, Parts, Schedule, train


def fine_tune(
    make_model: Callable[[], Any],
    token_ids: Sequence[Sequence[int]],
    labels_N: NDArray[np.integer],
    *,
    score: Callable[[Any], dict[str, float]],
    weight_N: NDArray[np.floating],
    smoothing_N: NDArray[np.floating],
    frozen_layers: int,
    padding: int,
    schedule: Schedule,
    checkpoints: Path,
    log: Log,
) -> tuple[Any, list[dict[str, float]]]:
    """Train a classifier by `weighted_cross_entropy`; each text has a weight and a label smoothing of its own.

    Args:
        weight_N: [texts], above 0; only their ratio to the others of a batch counts
        smoothing_N: [texts], 0 to below 1
        frozen_layers: of the encoder, from the first on, which stay as they are with its embeddings

    Returns:
        the model at its best by `score`, and the history of its training

    Raises:
        BadInputError: where the weights or smoothings are not one for each text and in their range, or there are not so
            many layers.
    """
    _check(weight_N, "weight_N", len(token_ids), (weight_N > 0) & np.isfinite(weight_N), "above 0")
    _check(smoothing_N, "smoothing_N", len(token_ids), (smoothing_N >= 0) & (smoothing_N < 1), "0 to below 1")
    all_alike = len(set(weight_N.tolist())) == len(set(smoothing_N.tolist())) == 1
    torch.manual_seed(schedule.seed)  # the new head is random
    model = make_model()
    freeze_layers(model, frozen_layers)

    def collate(rows: list[dict[str, Any]]) -> Batch:
        ids, mask = pad([row["ids"] for row in rows], max(len(row["ids"]) for row in rows), padding)
        numbers = {name: torch.tensor([row[name] for row in rows]) for name in ("labels", "weight", "smoothing")}
        return {"input_ids": ids, "attention_mask": mask, **numbers}

    def weigh(rows: list[dict[str, Any]]) -> dict[str, float]:
        return {"texts": sum(row["weight"] for row in rows)}

    def loss(model: Any, batch: Batch, share: float, parts: Parts) -> torch.Tensor:
        del share
        logits_BC = logits_of_batch(model, batch["input_ids"], batch["attention_mask"])
        if all_alike:  # the same sum, added up in torch's order: a teacher without weights keeps its bytes
            mean = functional.cross_entropy(logits_BC, batch["labels"], label_smoothing=float(smoothing_N[0]))
        else:
            mean = weighted_cross_entropy(logits_BC, batch["labels"], batch["weight"], batch["smoothing"])
        return parts["texts"] * mean

    rows = Dataset.from_dict(
        {
            "ids": list(token_ids),
            "labels": labels_N.tolist(),
            "weight": weight_N.tolist(),
            "smoothing": smoothing_N.tolist(),
        }
    )
    return train(
        model,
        rows,
        lengths=[len(row) for row in token_ids],
        collate=collate,
        weigh=weigh,
        loss=loss,
        score=score,
        schedule=schedule,
        checkpoints=checkpoints,
        log=log,
    )


def weighted_cross_entropy(
    logits_BC: torch.Tensor, labels_B: torch.Tensor, weight_B: torch.Tensor, smoothing_B: torch.Tensor
) -> torch.Tensor:
    """Return sum_i w_i [(1 - s_i) H(y_i, p_i) + s_i H(uniform, p_i)] / sum_i w_i in nats, a scalar.

    A variant of cross-entropy with smoothed labels (Szegedy et al. 2016, arXiv 1512.00567, section 7) whose weight w and
    smoothing s are a row's own; prefer it when some labels are to count more, or to be believed less. Where all rows are
    alike it is that cross-entropy, but for rounding.
    """
    logs_BC = logits_BC.log_softmax(dim=-1)
    hard_B = functional.nll_loss(logs_BC, labels_B, reduction="none")
    even_B = -logs_BC.mean(dim=-1)
    loss_B = (1 - smoothing_B) * hard_B + smoothing_B * even_B
    return (weight_B * loss_B).sum() / weight_B.sum()


def _check(values_N: NDArray[np.floating], name: str, texts: int, good_N: NDArray[np.bool_], allowed: str) -> None:
    if values_N.shape != (texts,):
        raise BadInputError(f"{name}: {values_N.shape} values for {texts} texts; give one for each")
    bad = np.flatnonzero(~good_N)
    if len(bad):
        raise BadInputError(f"{name}: text {bad[0]} has {values_N[bad[0]]} ({len(bad)} such texts); allowed: {allowed}")
