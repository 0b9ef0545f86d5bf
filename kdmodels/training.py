"""Training that can be killed at any moment and goes on to the same bytes."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader, Sampler
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments
from transformers.utils import logging

from kdmodels import ranks
from kdmodels.checkpoints import newest_whole, seal
from kdmodels.errors import BadInputError

Batch = dict[str, torch.Tensor]
Parts = Mapping[str, float]
Loss = Callable[[Any, Batch, float, Parts], torch.Tensor]
Log = Callable[[dict[str, float], int], None]
_POOL = 32  # batches drawn at random together and then cut by length; with 8 a seventh of the tokens is padding


@dataclass(frozen=True)
class Schedule:
    """The numbers of one training.

    Attributes:
        learning_rate: peak, of AdamW; it rises over `warmup_share` of the steps and then falls linearly to 0
        batch_size: rows a step, over all processes that train together
        evaluations_per_epoch: each is also a checkpoint
        precision: float32 or bfloat16
    """

    epochs: int
    batch_size: int
    learning_rate: float
    warmup_share: float
    weight_decay: float
    evaluations_per_epoch: int
    precision: str
    seed: int


def train(
    model: Any,
    rows: Any,
    *,
    lengths: Sequence[int] | NDArray[np.int64],
    collate: Callable[[list[dict[str, Any]]], Batch],
    weigh: Callable[[list[dict[str, Any]]], dict[str, float]],
    loss: Loss,
    score: Callable[[Any], dict[str, float]],
    schedule: Schedule,
    checkpoints: Path,
    log: Log,
) -> tuple[Any, list[dict[str, float]]]:
    """Train a model and return it at its best, with the history of its training.

    Processes that have joined (`kdmodels.ranks`) call it together, with the same arguments. Each reads its part of every
    batch, and gradients are averaged, so that the steps are those of one process but for rounding and dropout. A loss
    that compares the rows of a batch with each other sees those of its process alone.

    Args:
        rows: a data set with a length and rows, which `collate` makes batches of.
        lengths: of the rows, in tokens; rows of like length share a batch, so that little is padding.
        weigh: of any rows, none too: what those of each kind weigh together, where `loss` takes the mean of each kind.
        loss: of the model on a batch, the share of the steps that are done, and by what the mean of each kind is to be
            multiplied: 1 where one process has the whole batch; a scalar.
        score: scores of the model, chosen by the highest `selection`, the earliest where several are equal.
        checkpoints: a folder for checkpoints; what is there is gone on from, and it is removed at the end.
            It must be of this training alone.
        log: is told the scores and losses and their step, as they come.

    Raises:
        BadInputError: where the loss is not finite, or a batch cannot be shared evenly.
    """
    logging.set_verbosity_error()
    if schedule.batch_size % ranks.count():
        raise BadInputError(f"{ranks.count()} processes cannot share batches of {schedule.batch_size} evenly")
    per_epoch = -(-len(rows) // schedule.batch_size)
    every = max(1, -(-per_epoch // schedule.evaluations_per_epoch))
    steps = per_epoch * schedule.epochs
    bfloat16 = schedule.precision == "bfloat16"
    arguments = TrainingArguments(
        output_dir=str(checkpoints),
        num_train_epochs=schedule.epochs,
        per_device_train_batch_size=schedule.batch_size // ranks.count(),
        learning_rate=schedule.learning_rate,
        warmup_steps=int(schedule.warmup_share * steps),
        weight_decay=schedule.weight_decay,
        lr_scheduler_type="linear",
        seed=schedule.seed,
        data_seed=schedule.seed,
        use_cpu=not torch.cuda.is_available()
        and (ranks.count() > 1 or bfloat16),  # else accelerate takes several for one, or the Trainer asks for a GPU
        bf16=bfloat16,
        eval_strategy="steps",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=3,  # the best and two more: one is no whole checkpoint until it is sealed, after the oldest is gone
        logging_strategy="steps",
        logging_steps=every,
        logging_nan_inf_filter=False,
        load_best_model_at_end=True,
        metric_for_best_model="selection",
        greater_is_better=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        report_to="none",
        disable_tqdm=True,
    )
    arguments._n_gpu = min(1, arguments.n_gpu)  # else the Trainer lays batches of its own size over every GPU it sees
    order = RowsByLength(lengths, schedule.batch_size, schedule.seed)
    trainer = _Trainer(model, arguments, rows, order, _of_this_rank(collate, weigh), loss, score, log)
    trainer.remove_callback(PrinterCallback)
    torch.use_deterministic_algorithms(True, warn_only=True)
    if ranks.count() > 1:
        torch.manual_seed(schedule.seed + ranks.rank())  # or they would all drop out the same
    resume = ranks.first(lambda: newest_whole(checkpoints) if checkpoints.is_dir() else None)
    trainer.train(resume_from_checkpoint=None if resume is None else str(resume))
    history = [
        {key: float(value) for key, value in entry.items()}
        for entry in trainer.state.log_history
        if not _sums_up(entry)
    ]
    ranks.first(lambda: shutil.rmtree(checkpoints, ignore_errors=True))
    return trainer.model, history


def _of_this_rank(
    collate: Callable[[list[dict[str, Any]]], Batch], weigh: Callable[[list[dict[str, Any]]], dict[str, float]]
) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
    """Return what makes this process's part of a batch, and its `parts`: what its means count in those of the batch.

    Gradients are averaged over the processes, so the mean of a kind counts for what its rows weigh here, times the number
    of processes, over what they weigh in all. A process that gets nothing of a short batch reads a row that counts 0.
    """

    def collated(rows: list[dict[str, Any]]) -> dict[str, Any]:
        mine = rows[ranks.rank() :: ranks.count()]
        here, whole = weigh(mine), weigh(rows)
        parts = {kind: ranks.count() * here[kind] / whole[kind] if whole[kind] else 0.0 for kind in whole}
        return {**collate(mine or rows[:1]), "parts": parts}

    return collated


class RowsByLength(Sampler[int]):
    """Rows in an order that is new each epoch and puts rows of like length beside each other.

    The order of an epoch depends on the seed and the epoch alone, so that a resumed training draws it again.
    """

    def __init__(self, lengths: Sequence[int] | NDArray[np.int64], batch_size: int, seed: int) -> None:
        self._lengths = torch.as_tensor(lengths)
        self.batch_size, self._seed, self._epoch = batch_size, seed, 0

    def __len__(self) -> int:
        return len(self._lengths)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; accelerate and the Trainer call it."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[int]:
        random = torch.Generator().manual_seed(self._seed + 1_000_003 * self._epoch)
        drawn = torch.randperm(len(self), generator=random)
        batches: list[torch.Tensor] = []
        for pool in torch.split(drawn, _POOL * self.batch_size):
            ordered = pool[self._lengths[pool].argsort(stable=True)]
            batches += torch.split(ordered, self.batch_size)
        whole = [batch for batch in batches if len(batch) == self.batch_size]
        rest = [batch for batch in batches if len(batch) < self.batch_size]  # last, or it would shift the cuts
        order = torch.randperm(len(whole), generator=random).tolist()
        for batch in [*(whole[number] for number in order), *rest]:
            yield from batch.tolist()


def _sums_up(entry: dict[str, Any]) -> bool:
    """Say whether a line of the history is the Trainer's last, which is of this process alone, not of what it went on from."""
    return "train_loss" in entry


class _Report(TrainerCallback):  # type: ignore[misc]
    """Hands each line of the history on as it comes."""

    def __init__(self, log: Log) -> None:
        self.log = log

    def on_log(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        entry = state.log_history[-1]
        if not _sums_up(entry):
            self.log({key: float(value) for key, value in entry.items() if key != "step"}, state.global_step)


class _Step(nn.Module):
    """A model that gives its loss, from which DistributedDataParallel tells the parameters that a batch does not use."""

    def __init__(self, model: Any, loss: Loss) -> None:
        super().__init__()
        self.model, self.loss = model, loss

    def forward(self, batch: Batch, share: float, parts: Parts) -> torch.Tensor:
        return self.loss(self.model, batch, share, parts)


class _Trainer(Trainer):  # type: ignore[misc]
    def __init__(
        self,
        model: Any,
        arguments: TrainingArguments,
        rows: Any,
        order: RowsByLength,
        collate: Any,
        loss: Loss,
        score: Callable[[Any], dict[str, float]],
        log: Log,
    ) -> None:
        self._loss, self._score, self._order = loss, score, order
        self.control: Any
        super().__init__(
            model=model,
            args=arguments,
            train_dataset=rows,
            eval_dataset=rows,  # never read: evaluate() asks score
            data_collator=collate,
            callbacks=[_Report(log)],
        )
        self.model_accepts_loss_kwargs = False

    def _get_train_sampler(self, *_: Any) -> RowsByLength:
        return self._order

    def get_train_dataloader(self) -> Any:
        if ranks.count() == 1:
            return super().get_train_dataloader()
        from accelerate.data_loader import prepare_data_loader

        # whole batches, of which the collator takes this process's part: accelerate fills up short ones with other rows
        loader = DataLoader(
            self.train_dataset, self._order.batch_size, sampler=self._order, collate_fn=self.data_collator
        )
        return prepare_data_loader(loader, self.args.device, num_processes=1, process_index=0, put_on_device=True)

    def _wrap_model(self, model: Any, training: bool = True, dataloader: Any = None) -> Any:
        if ranks.count() == 1 or not training:
            return super()._wrap_model(model, training, dataloader)
        # Accelerate would wrap the model alone, and wait for ever for outputs that a loss makes no use of.
        step = _Step(self.accelerator.prepare_model(model, evaluation_mode=True), self._loss)
        devices = [self.args.device] if self.args.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(
            step, device_ids=devices, find_unused_parameters=True, forward_sync_buffers=False
        )

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **_: Any) -> torch.Tensor:
        parts, share = inputs.pop("parts"), self.state.global_step / self.state.max_steps
        alone = ranks.count() == 1
        value: torch.Tensor = self._loss(model, inputs, share, parts) if alone else model(inputs, share, parts)
        if not torch.isfinite(value):
            raise BadInputError(
                f"the loss became {value.item()} at step {self.state.global_step}. Lower learning_rate in params.yaml, "
                "or use precision: float32; the checkpoints before it are kept"
            )
        return value

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        scores = ranks.first(lambda: self._score(self.model))
        metrics = {f"eval_{key}": value for key, value in scores.items()}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        ranks.first(lambda: seal(Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"))
