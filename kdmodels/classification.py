"""Single-label classification of texts: what a teacher gives, what a student is compared by."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from kdmodels.choice import choose
from kdmodels.errors import BadInputError
from kdmodels.files import read_json
from kdmodels.first_token import logits_of_batch

Floats = NDArray[np.float32]
TokenIds = Sequence[NDArray[np.integer]]


def load_model(folder: Path, labels: Sequence[str] | None = None) -> Any:
    """Load a classifier from a folder, without running code from it.

    Args:
        labels: gives an encoder a new head for these classes; none: the head is the folder's own.

    Raises:
        BadInputError: where the folder holds no such model.
    """
    from transformers import AutoModelForSequenceClassification
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    head: dict[str, Any] = {}
    if labels is not None:
        head = {
            "id2label": dict(enumerate(labels)),
            "label2id": {label: number for number, label in enumerate(labels)},
            "num_labels": len(labels),
            "ignore_mismatched_sizes": True,
        }
    try:
        own = _own_class(folder)
        if own is not None:
            return own.from_pretrained(folder, use_safetensors=True, local_files_only=True, **head)
        return AutoModelForSequenceClassification.from_pretrained(
            folder, trust_remote_code=False, use_safetensors=True, **head
        )
    except (OSError, ValueError) as error:
        raise BadInputError(f"{folder}: no classifier can be loaded from it: {error}") from None


def _own_class(folder: Path) -> Any:
    """Return the class of an architecture of kdmodels/students that transformers does not know; else none."""
    settings = folder / "config.json"
    name = read_json(settings).get("architecture") if settings.is_file() else None
    return None if name is None else choose("students", name).Model


def label_names(model: Any) -> list[str]:
    """Return a model's labels in the order of its logits."""
    return [model.config.id2label[number] for number in range(model.config.num_labels)]


def forward(model: Any, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a model's logits [batch, classes] and the mean of its last hidden layer over real tokens [batch, width]."""
    output = model(input_ids=input_ids, attention_mask=attention_mask, output_hidden_states=True)
    if getattr(output, "pooled", None) is not None:  # of a student of our own: what its head reads
        return output.logits, output.pooled
    mask = attention_mask.unsqueeze(-1).to(output.logits.dtype)
    pooled = (output.hidden_states[-1] * mask).sum(dim=1) / mask.sum(dim=1)
    return output.logits, pooled


def pad(rows: TokenIds, length: int, padding: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return token ids and attention mask, [rows, length] each, of rows filled up with the padding id."""
    ids = np.full((len(rows), length), padding, dtype=np.int64)
    mask = np.zeros((len(rows), length), dtype=np.int64)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = row
        mask[number, : len(row)] = 1
    return torch.from_numpy(ids), torch.from_numpy(mask)


def logits_of(model: Any, rows: TokenIds, *, padding: int, batch_rows: int) -> Floats:
    """Return a model's logits [rows, classes] on token ids, computed sorted by length, given in the order of the rows."""

    def read(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return logits_of_batch(model, ids, mask)

    return _read(model, rows, read, padding=padding, batch_rows=batch_rows)


def pooled_of(model: Any, rows: TokenIds, *, padding: int, batch_rows: int) -> Floats:
    """Return a model's pooled hidden states [rows, width] on token ids, as `forward` gives them; else as `logits_of`."""
    return _read(model, rows, lambda ids, mask: forward(model, ids, mask)[1], padding=padding, batch_rows=batch_rows)


def _read(
    model: Any,
    rows: TokenIds,
    read: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    *,
    padding: int,
    batch_rows: int,
) -> Floats:
    order = np.argsort([len(row) for row in rows], kind="stable")
    batches: list[Floats] = []
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        for start in range(0, len(order), batch_rows):
            chosen = order[start : start + batch_rows]
            ids, mask = pad([rows[i] for i in chosen], max(len(rows[i]) for i in chosen), padding)
            batches.append(read(ids.to(model.device), mask.to(model.device)).float().cpu().numpy())
    model.train(was_training)
    return np.concatenate(batches)[np.argsort(order, kind="stable")]


def probabilities(logits_NC: Floats) -> Floats:
    """Return the softmax of logits, [rows, classes]."""
    return torch.from_numpy(logits_NC).softmax(dim=-1).numpy()


def agreement(student_NC: Floats, teacher_NC: Floats) -> float:
    """Return the share of rows on which student and teacher choose the same class."""
    return float(np.mean(student_NC.argmax(axis=1) == teacher_NC.argmax(axis=1)))


def compare_rows(student_NC: Floats, teacher_NC: Floats) -> NDArray[np.float64]:
    """Return KL(teacher || student) of each row in nats, [rows]."""
    student = torch.from_numpy(student_NC).double().log_softmax(dim=-1)
    teacher = torch.from_numpy(teacher_NC).double().log_softmax(dim=-1)
    rows = torch.nn.functional.kl_div(student, teacher, reduction="none", log_target=True).sum(dim=-1)
    return rows.numpy()


def compare(student_NC: Floats, teacher_NC: Floats) -> dict[str, float]:
    """Return how close a student is to its teacher.

    `agreement` is the share of equal answers, `divergence` the mean KL(teacher || student) in nats. `selection` orders
    checkpoints: by agreement, and where that is equal by divergence, which can never outweigh one row of agreement.
    """
    divergence = float(compare_rows(student_NC, teacher_NC).mean())
    equal = agreement(student_NC, teacher_NC)
    smaller = divergence / (1 + divergence) / (2 * len(student_NC))
    return {"agreement": equal, "divergence": divergence, "selection": equal - smaller}


def cross_entropy_scores(logits_NC: Floats, labels_N: NDArray[np.integer]) -> dict[str, float]:
    """Return accuracy, mean cross-entropy in nats, and `selection`, which orders checkpoints as in `compare`."""
    logs = torch.from_numpy(logits_NC).double().log_softmax(dim=-1).numpy()
    loss = float(-logs[np.arange(len(labels_N)), labels_N].mean())
    accuracy = float(np.mean(logits_NC.argmax(axis=1) == labels_N))
    return {"accuracy": accuracy, "loss": loss, "selection": accuracy - loss / (1 + loss) / (2 * len(labels_N))}


def answers_table(
    ids: Sequence[str], source_hashes: Sequence[str], student_NC: Floats, teacher_NC: Floats, labels: Sequence[str]
) -> dict[str, Any]:
    """Return a student's and its teacher's answers on held-out pairs as columns, by which designs are compared.

    `confidence` is the student's in its answer.
    """
    return {
        "id": list(ids),
        "source_hash": list(source_hashes),
        "teacher": [labels[number] for number in teacher_NC.argmax(axis=1)],
        "student": [labels[number] for number in student_NC.argmax(axis=1)],
        "confidence": probabilities(student_NC).max(axis=1).astype(np.float64),
        "divergence": compare_rows(student_NC, teacher_NC),
    }
