"""Distilling a student from cached soft labels and hidden states, and from labelled target text where there is some."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import Dataset

from kdmodels.classification import compare, forward, logits_of, pad, pooled_of
from kdmodels.first_token import logits_of_batch
from kdmodels.objective import Objective, weighted_mean
from kdmodels.token_rows import TokenRows, joined
from kdmodels.training import Batch, Log, Parts, Schedule, train

Rows = Sequence[NDArray[np.integer[Any]]]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Pairs:
    """The target side of sentence pairs, with what the teacher makes of their source side.

    Attributes:
        ids: token ids of each pair's target side
        logits_NC: [pairs, classes], the teacher's
        hidden_NH: [pairs, width], the teacher's last layer, pooled
        weight_N: [pairs], of each in the mean loss of its batch
    """

    ids: Rows
    logits_NC: Floats
    hidden_NH: Floats
    weight_N: Floats

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Labelled:
    """Labelled texts as the student reads them: of the target language, or glosses of source text.

    Attributes:
        ids: token ids of each text
        labels_N: [texts], classes in the order of the student's logits
    """

    ids: Rows
    labels_N: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ids)


class Learner(nn.Module):
    """A student, with what it needs while it learns: a projection of its hidden states to the teacher's width."""

    def __init__(self, student: Any, width: int, teacher_width: int) -> None:
        super().__init__()
        self.student = student
        alike = width == teacher_width or not teacher_width  # which is 0 where the soft labels came without
        self.projection: nn.Module = nn.Identity() if alike else nn.Linear(width, teacher_width)

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, hidden: bool
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return logits [batch, classes] and, where they are asked for, hidden states [batch, teacher's width]."""
        if not hidden:
            return logits_of_batch(self.student, input_ids, attention_mask), None
        logits_BC, hidden_BH = forward(self.student, input_ids, attention_mask)
        return logits_BC, self.projection(hidden_BH)


def learner(student: Any, pairs: Pairs, seed: int) -> Learner:
    """Return a student as something that can learn from pairs; a projection starts from random weights."""
    width = pooled_of(student, pairs.ids[:1], padding=0, batch_rows=1).shape[1]
    torch.manual_seed(seed)
    return Learner(student, width, pairs.hidden_NH.shape[1])


def distil(
    learning: Learner,
    *,
    pairs: Pairs,
    labelled: Labelled | None,
    glossed: Labelled | None,
    held_out: Pairs,
    objective: Objective,
    frozen: Callable[[float], Sequence[nn.Parameter]],
    padding: int,
    schedule: Schedule,
    checkpoints: Path,
    log: Log,
) -> tuple[Any, list[dict[str, float]]]:
    """Train a student on target text to give the teacher's outputs on the same pairs' source text.

    Args:
        pairs: what it learns from
        labelled: target texts with labels, which learn by the objective's loss on labels
        glossed: glosses with labels, which learn by its loss on glosses
        held_out: pairs that choose the checkpoint, by agreement with the teacher
        frozen: gives the parameters that stay as they are, by the share of the steps that are done

    Returns:
        the student at its best, and the history of its training
    """
    teacher_NC, teacher_NH, weight_N = (
        torch.from_numpy(values) for values in (pairs.logits_NC, pairs.hidden_NH, pairs.weight_N)
    )
    using = pairs if objective.output_loss is not None or objective.hidden_loss is not None else None
    texts = labelled if objective.label_loss is not None else None
    glosses = glossed if objective.gloss_loss is not None else None
    kinds = [kind for kind in (using, texts, glosses) if kind is not None]
    ids = joined([TokenRows.of(kind.ids) for kind in kinds])
    count = len(using) if using else 0
    last = count + (len(texts) if texts else 0)  # what comes after are glosses
    labels = [label for kind in (texts, glosses) if kind is not None for label in kind.labels_N.tolist()]

    def collate(rows: list[dict[str, Any]]) -> Batch:
        # pairs first, then target texts, so that a batch is cut into its kinds without looking at the values
        rows = sorted(rows, key=lambda row: (row["number"] >= count) + (row["number"] >= last))
        numbers = [row["number"] for row in rows if row["number"] < count]
        batch_ids, mask = pad([row["ids"] for row in rows], max(len(row["ids"]) for row in rows), padding)
        of = [[labels[row["number"] - count] for row in rows if low <= row["number"] < high] for low, high in
              ((count, last), (last, len(ids)))]  # fmt: skip
        return {
            "input_ids": batch_ids,
            "attention_mask": mask,
            "teacher_BC": teacher_NC[numbers],
            "teacher_BH": teacher_NH[numbers],
            "weight_B": weight_N[numbers],
            "labels_B": torch.tensor(of[0], dtype=torch.long),
            "gloss_labels_B": torch.tensor(of[1], dtype=torch.long),
        }

    def weigh(rows: list[dict[str, Any]]) -> dict[str, float]:
        numbers = [row["number"] for row in rows]
        return {
            "pairs": sum(float(pairs.weight_N[number]) for number in numbers if number < count),
            "texts": float(sum(count <= number < last for number in numbers)),
            "glosses": float(sum(last <= number for number in numbers)),
        }

    def loss(model: Any, batch: Batch, share: float, parts: Parts) -> torch.Tensor:
        _thaw(model, frozen(share))
        logits_BC, hidden_BH = model(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            hidden=objective.hidden_loss is not None,
        )
        of_pairs = len(batch["teacher_BC"])
        total: torch.Tensor = logits_BC.new_zeros(())
        if of_pairs:
            total = total + parts["pairs"] * objective.of_pairs(
                share,
                student_BC=logits_BC[:of_pairs],
                teacher_BC=batch["teacher_BC"],
                student_BH=None if hidden_BH is None else hidden_BH[:of_pairs],
                teacher_BH=batch["teacher_BH"],
                weight_B=batch["weight_B"],
            )
        until = of_pairs + len(batch["labels_B"])
        if until > of_pairs:
            logits = logits_BC[of_pairs:until]
            total = total + parts["texts"] * objective.of_labels(share, student_BC=logits, labels_B=batch["labels_B"])
        if len(batch["gloss_labels_B"]):
            logits = logits_BC[until:]
            of_glosses = objective.of_glosses(share, student_BC=logits, labels_B=batch["gloss_labels_B"])
            total = total + parts["glosses"] * of_glosses
        return total

    def score(model: Any) -> dict[str, float]:
        logits = logits_of(model.student, held_out.ids, padding=padding, batch_rows=schedule.batch_size)
        return compare(logits, held_out.logits_NC)

    trained, history = train(
        learning,
        _Numbered(ids),
        lengths=ids.lengths,
        collate=collate,
        weigh=weigh,
        loss=loss,
        score=score,
        schedule=schedule,
        checkpoints=checkpoints,
        log=log,
    )
    _thaw(trained, ())
    return trained.student, history


def learn_hidden_states(
    learning: Learner,
    *,
    pairs: Pairs,
    held_out: Pairs,
    hidden_loss: Callable[..., torch.Tensor],
    padding: int,
    schedule: Schedule,
    checkpoints: Path,
    log: Log,
) -> list[dict[str, float]]:
    """Train a student's hidden states alone to be the teacher's on the other side (Reimers & Gurevych 2020, arXiv 2004.09813).

    The checkpoint is chosen by the mean cosine of both on held-out pairs. The student is changed in place.

    Returns:
        the history of this training
    """
    teacher_NH, weight_N = torch.from_numpy(pairs.hidden_NH), torch.from_numpy(pairs.weight_N)

    def collate(rows: list[dict[str, Any]]) -> Batch:
        ids, mask = pad([row["ids"] for row in rows], max(len(row["ids"]) for row in rows), padding)
        numbers = [row["number"] for row in rows]
        return {
            "input_ids": ids,
            "attention_mask": mask,
            "teacher_BH": teacher_NH[numbers],
            "weight_B": weight_N[numbers],
        }

    def weigh(rows: list[dict[str, Any]]) -> dict[str, float]:
        return {"pairs": sum(float(pairs.weight_N[row["number"]]) for row in rows)}

    def loss(model: Any, batch: Batch, share: float, parts: Parts) -> torch.Tensor:
        del share
        _, hidden_BH = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], hidden=True)
        return parts["pairs"] * weighted_mean(hidden_loss(hidden_BH, batch["teacher_BH"]), batch["weight_B"])

    def score(model: Any) -> dict[str, float]:
        hidden_NH = pooled_of(model.student, held_out.ids, padding=padding, batch_rows=schedule.batch_size)
        with torch.inference_mode():
            ours_NH = model.projection(torch.from_numpy(hidden_NH).to(next(model.parameters()).device)).cpu()
        theirs_NH = torch.from_numpy(held_out.hidden_NH)
        cosine = float(nn.functional.cosine_similarity(ours_NH.double(), theirs_NH.double()).mean())
        return {"cosine": cosine, "selection": cosine}

    trained, history = train(
        learning,
        _Numbered(pairs.ids),
        lengths=[len(row) for row in pairs.ids],
        collate=collate,
        weigh=weigh,
        loss=loss,
        score=score,
        schedule=schedule,
        checkpoints=checkpoints,
        log=log,
    )
    learning.load_state_dict(trained.state_dict())
    return history


class _Numbered(Dataset[dict[str, Any]]):
    """Rows of token ids, each with its number, as they lie in memory."""

    def __init__(self, ids: Rows) -> None:
        self._ids = ids

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, number: int) -> dict[str, Any]:
        return {"ids": self._ids[number], "number": number}


def _thaw(model: nn.Module, frozen: Sequence[nn.Parameter]) -> None:
    """Let all parameters learn but the frozen ones; without a gradient the optimizer leaves a parameter as it is."""
    still = {id(parameter) for parameter in frozen}
    for parameter in model.parameters():
        parameter.requires_grad_(id(parameter) not in still)
