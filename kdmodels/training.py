"""Training that can be killed at any moment and goes on to the same bytes."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Sampler
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments
from transformers.utils import logging

from kdmodels.checkpoints import newest_whole, seal
from kdmodels.errors import BadInputError

Batch = dict[str, torch.Tensor]
Log = Callable[[dict[str, float], int], None]
_POOL = 8  # batches that are drawn at random together and then cut by length


@dataclass(frozen=True)
class Schedule:
    """The numbers of one training.

    Attributes:
        learning_rate: peak, of AdamW; it rises over `warmup_share` of the steps and then falls linearly to 0
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
    lengths: Sequence[int],
    collate: Callable[[list[dict[str, Any]]], Batch],
    loss: Callable[[Any, Batch, float], torch.Tensor],
    score: Callable[[Any], dict[str, float]],
    schedule: Schedule,
    checkpoints: Path,
    log: Log,
) -> tuple[Any, list[dict[str, float]]]:
    """Train a model and return it at its best, with the history of its training.

    Args:
        rows: a data set with a length and rows, which `collate` makes batches of.
        lengths: of the rows, in tokens; rows of like length share a batch, so that little is padding.
        loss: of the model on a batch, and the share of the steps that are done; a scalar.
        score: scores of the model, chosen by the highest `selection`, the earliest where several are equal.
        checkpoints: a folder for checkpoints; what is there is gone on from, and it is removed at the end.
            It must be of this training alone.
        log: is told the scores and losses and their step, as they come.

    Raises:
        BadInputError: where the loss is not finite.
    """
    logging.set_verbosity_error()
    per_epoch = -(-len(rows) // schedule.batch_size)
    every = max(1, -(-per_epoch // schedule.evaluations_per_epoch))
    steps = per_epoch * schedule.epochs
    arguments = TrainingArguments(
        output_dir=str(checkpoints),
        num_train_epochs=schedule.epochs,
        per_device_train_batch_size=schedule.batch_size,
        learning_rate=schedule.learning_rate,
        warmup_steps=int(schedule.warmup_share * steps),
        weight_decay=schedule.weight_decay,
        lr_scheduler_type="linear",
        seed=schedule.seed,
        data_seed=schedule.seed,
        bf16=schedule.precision == "bfloat16",
        eval_strategy="steps",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=2,
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
    trainer = _Trainer(model, arguments, rows, lengths, collate, loss, score, log)
    trainer.remove_callback(PrinterCallback)
    torch.use_deterministic_algorithms(True, warn_only=True)
    resume = newest_whole(checkpoints) if checkpoints.is_dir() else None
    trainer.train(resume_from_checkpoint=None if resume is None else str(resume))
    history = [
        {key: float(value) for key, value in entry.items() if "runtime" not in key and "per_second" not in key}
        for entry in trainer.state.log_history
        if "train_loss" not in entry  # the last line sums up this process alone, not what it went on from
    ]
    shutil.rmtree(checkpoints, ignore_errors=True)
    return trainer.model, history


class RowsByLength(Sampler[int]):
    """Rows in an order that is new each epoch and puts rows of like length beside each other.

    The order of an epoch depends on the seed and the epoch alone, so that a resumed training draws it again.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self._lengths = torch.tensor(lengths)
        self._batch_size, self._seed, self._epoch = batch_size, seed, 0

    def __len__(self) -> int:
        return len(self._lengths)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; accelerate and the Trainer call it."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[int]:
        random = torch.Generator().manual_seed(self._seed + 1_000_003 * self._epoch)
        drawn = torch.randperm(len(self), generator=random)
        batches: list[torch.Tensor] = []
        for pool in torch.split(drawn, _POOL * self._batch_size):
            ordered = pool[self._lengths[pool].argsort(stable=True)]
            batches += torch.split(ordered, self._batch_size)
        whole = [batch for batch in batches if len(batch) == self._batch_size]
        rest = [batch for batch in batches if len(batch) < self._batch_size]  # last, or it would shift the cuts
        order = torch.randperm(len(whole), generator=random).tolist()
        for batch in [*(whole[number] for number in order), *rest]:
            yield from batch.tolist()


class _Report(TrainerCallback):  # type: ignore[misc]
    """Hands each line of the history on as it comes."""

    def __init__(self, log: Log) -> None:
        self.log = log

    def on_log(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        entry = state.log_history[-1]
        numbers = {key: float(value) for key, value in entry.items() if key != "step"}
        self.log(numbers, state.global_step)


class _Trainer(Trainer):  # type: ignore[misc]
    def __init__(
        self,
        model: Any,
        arguments: TrainingArguments,
        rows: Any,
        lengths: Sequence[int],
        collate: Any,
        loss: Callable[[Any, Batch, float], torch.Tensor],
        score: Callable[[Any], dict[str, float]],
        log: Log,
    ) -> None:
        self._loss, self._score, self._lengths = loss, score, lengths
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

    def _get_train_sampler(self, *_: Any) -> "RowsByLength":
        return RowsByLength(self._lengths, self.args.train_batch_size, self.args.data_seed)

    def compute_loss(self, model: Any, inputs: Batch, return_outputs: bool = False, **_: Any) -> torch.Tensor:
        value = self._loss(model, inputs, self.state.global_step / self.state.max_steps)
        if not torch.isfinite(value):
            raise BadInputError(
                f"the loss became {value.item()} at step {self.state.global_step}. Lower learning_rate in params.yaml, "
                "or use precision: float32; the checkpoints before it are kept"
            )
        return value

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        metrics = {f"eval_{key}": value for key, value in self._score(self.model).items()}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        if self.args.should_save:
            seal(Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}")
