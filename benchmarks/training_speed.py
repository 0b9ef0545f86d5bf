"""Training from the cache against its peers: the same pairs, student, batches and epochs, in one run.

    python benchmarks/training_speed.py FOLDER --target de

FOLDER is a project that has run. Preparation counts: ours is the teacher's pass over all texts into an empty label store.
Peers (the extra `bench`): a plain `transformers.Trainer` and TextBrewer's `GeneralDistiller`, both with the teacher in the
loop, and sentence-transformers' recipe, whose teacher embeds all texts first and whose student learns by `MSELoss`
on the target side (so it has no logits to compare). More rows tell what a step from the cache costs: the same student on
hard labels, and loops written by hand for this one loss. Each contestant starts from the same weights.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import get_linear_schedule_with_warmup

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.labelling_speed import FLOAT32  # noqa: E402
from benchmarks.labelling_speed import ours as label_all  # noqa: E402
from kdmodels.classification import compare, load_model, logits_of, pad  # noqa: E402
from kdmodels.distillation import Labelled, Pairs, distil, learner  # noqa: E402
from kdmodels.encoder import load_tokenizer  # noqa: E402
from kdmodels.first_token import logits_of_batch  # noqa: E402
from kdmodels.losses.cross_entropy import cross_entropy  # noqa: E402
from kdmodels.losses.soft_kl import soft_kl  # noqa: E402
from kdmodels.objective import Objective  # noqa: E402
from kdmodels.ramps import constant  # noqa: E402
from kdmodels.tables import read_table  # noqa: E402
from kdmodels.token_table import read_tokens  # noqa: E402
from kdmodels.training import RowsByLength, Schedule  # noqa: E402
from tasks.config import load_params  # noqa: E402
from tasks.learning_data import read_pairs  # noqa: E402

TEMPERATURE = 2.0


class Bench:
    """The data, the teacher and a way to get the same student again."""

    def __init__(self, folder: Path, target: str, epochs: int) -> None:
        self.folder = folder
        data = folder / "data"
        self.params = load_params(folder)
        self.teacher = load_model(data / "teacher/model").eval()
        self.source_tokenizer = load_tokenizer(data / "teacher/model")
        self.target_tokenizer = load_tokenizer(data / f"tokens/{target}/tokenizer")
        columns = ["source_hash", "source_ids", "target_ids", "held_out", "weight", "translation_score"]
        table = read_tokens(data / f"tokens/{target}", columns)
        self.pairs, self.held_out = read_pairs(table, data / f"soft_labels/{target}", self.params.student)
        learned = np.flatnonzero(~table["held_out"])
        self.source_ids = [np.array(table["source_ids"][row]) for row in learned]
        self.target_ids = [np.array(table["target_ids"][row]) for row in learned]
        texts = read_table(data / f"corpus/{target}/pairs.parquet", ["source", "target"])
        self.sources, self.targets = (texts[name].to_pylist() for name in ("source", "target"))
        self.learned = learned
        self._student, self.epochs = data / f"student/{target}/model", epochs
        self.schedule = Schedule(
            epochs=epochs, batch_size=32, learning_rate=1e-4, warmup_share=0.1, weight_decay=0.01,
            evaluations_per_epoch=1, precision="float32", seed=1,
        )  # fmt: skip

        self.read = 0.0
        self.steps = epochs * -(-len(learned) // 32)
        self.warm_steps = int(0.1 * self.steps)

    def student(self) -> Any:
        """Return the student, its head and its last layer made random again."""
        model = load_model(self._student)
        torch.manual_seed(1)
        for module in (model.classifier, *model.bert.encoder.layer[-1].modules()):
            if isinstance(module, torch.nn.Linear):
                module.reset_parameters()
        return model.train()

    def batches(self, epoch: int) -> Iterator[list[int]]:
        """Yield the rows of each batch, as ours are drawn."""
        order = RowsByLength([len(row) for row in self.target_ids], 32, 1)
        order.set_epoch(epoch)
        rows = list(order)
        for start in range(0, len(rows), 32):
            yield rows[start : start + 32]

    def score(self, student: Any) -> float:
        """Return the divergence from the teacher on held-out pairs."""
        logits = logits_of(student, self.held_out.ids, padding=0, batch_rows=32)
        return compare(logits, self.held_out.logits_NC)["divergence"]


def main() -> None:
    """Measure, and print a table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--target", default="de")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", nargs="+", default=[])
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    bench = Bench(given.folder, given.target, given.epochs)
    contestants: dict[str, Callable[[Bench], tuple[float, Any]]] = {
        "distilingua": from_cache,
        "distilingua, hard labels": supervised,
        "by hand, from the cache": by_hand,
        "by hand, the last layer for one token": lambda one: by_hand(one, logits_of_batch),
        "Trainer, teacher in the loop": trainer,
        "TextBrewer": textbrewer,
        "sentence-transformers": sentences,
    }
    print(f"{len(bench.pairs):,} pairs, {given.epochs} epochs, {given.threads} threads\n", flush=True)
    print("| | preparation, s | training, s | a step, ms | divergence, held out | whole, times distilingua's |")
    print("|---|---|---|---|---|---|")
    first = 0.0
    for name, run in contestants.items():
        if given.only and name not in given.only:
            continue
        start = time.perf_counter()
        prepared, student = run(bench)
        whole = time.perf_counter() - start
        first = first or whole
        steps = given.epochs * -(-len(bench.pairs) // 32)
        score = "" if student is None else f"{bench.score(student.eval()):.3f}"
        step = (whole - prepared) / steps * 1e3
        if name == "distilingua":
            print(
                f"reading batches: {bench.read / (whole - prepared):.1%} of the training", file=sys.stderr, flush=True
            )
        print(
            f"| {name} | {prepared:.1f} | {whole - prepared:.1f} | {step:.0f} | {score} | {whole / first:.2f} |",
            flush=True,
        )


def objective(**losses: Any) -> Objective:
    """Return an objective of the losses that are given."""
    one = constant(1.0)
    values = dict.fromkeys(("output_loss", "hidden_loss", "label_loss", "gloss_loss")) | losses
    weights = dict.fromkeys(("output_weight", "hidden_weight", "label_weight", "gloss_weight"), one)
    return Objective(temperature=constant(TEMPERATURE), **weights, **values)  # type: ignore[arg-type]


@contextmanager
def reading(bench: Bench) -> Iterator[None]:
    """Sum up, in `bench.read`, what drawing, padding and looking up the batches of a training takes."""
    from transformers import Trainer

    usual, bench.read = Trainer.get_batch_samples, 0.0

    def timed(*words: Any) -> Any:
        start = time.perf_counter()
        try:
            return usual(*words)
        finally:
            bench.read += time.perf_counter() - start

    Trainer.get_batch_samples = timed
    try:
        yield
    finally:
        Trainer.get_batch_samples = usual


def learn(bench: Bench, pairs: Pairs, labelled: Labelled | None, goal: Objective) -> Any:
    """Train as the stage `student` does."""
    with tempfile.TemporaryDirectory() as folder, reading(bench):
        student, _ = distil(
            learner(bench.student(), pairs, 1), pairs=pairs, labelled=labelled, glossed=None, held_out=bench.held_out,
            objective=goal, frozen=lambda share: (), padding=0, schedule=bench.schedule,
            checkpoints=Path(folder) / "checkpoints", log=lambda values, step: None,
        )  # fmt: skip
    return student


def from_cache(bench: Bench) -> tuple[float, Any]:
    """Label all texts once, then learn from the labels."""
    start = time.perf_counter()
    label_all(bench.folder / "data/teacher/model", "torch", FLOAT32, bench.sources, bench.params)
    prepared = time.perf_counter() - start
    return prepared, learn(bench, bench.pairs, None, objective(output_loss=soft_kl))


def supervised(bench: Bench) -> tuple[float, Any]:
    """Learn from labels alone, which is what a plain supervised training does."""
    labelled = Labelled(bench.pairs.ids, bench.pairs.logits_NC.argmax(axis=1).astype(np.int64))
    return 0.0, learn(bench, bench.pairs, labelled, objective(label_loss=cross_entropy))


def whole_layer(model: Any, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return logits as transformers computes them."""
    logits: torch.Tensor = model(input_ids=ids, attention_mask=mask).logits
    return logits


def by_hand(bench: Bench, read: Callable[..., torch.Tensor] = whole_layer) -> tuple[float, Any]:
    """Learn in the shortest loop there is."""
    student, teacher_NC = bench.student(), torch.from_numpy(bench.pairs.logits_NC)
    optimizer = torch.optim.AdamW(student.parameters(), lr=1e-4, weight_decay=0.01, fused=True)
    slope = get_linear_schedule_with_warmup(optimizer, bench.warm_steps, bench.steps)
    for epoch in range(bench.epochs):
        for rows in bench.batches(epoch):
            ids, mask = pad([bench.target_ids[row] for row in rows], max(len(bench.target_ids[row]) for row in rows), 0)
            logits = read(student, ids, mask)
            soft_kl(logits, teacher_NC[rows], temperature=TEMPERATURE).mean().backward()
            torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
            optimizer.step()
            slope.step()
            optimizer.zero_grad()
    return 0.0, student


def collated(bench: Bench, rows: list[dict[str, int]]) -> dict[str, torch.Tensor]:
    """Return the target side of some pairs, padded."""
    numbers = [row["number"] for row in rows]
    batch = {}
    for side, of in (("source", bench.source_ids), ("target", bench.target_ids)):
        batch[f"{side}_ids"], batch[f"{side}_mask"] = pad([of[n] for n in numbers], max(len(of[n]) for n in numbers), 0)
    return batch


def trainer(bench: Bench) -> tuple[float, Any]:
    """Learn in a Trainer whose loss asks the teacher; batches are drawn at random, as is usual."""
    from transformers import Trainer, TrainingArguments

    class Asking(Trainer):  # type: ignore[misc]
        def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **_: Any) -> torch.Tensor:
            with torch.no_grad():
                theirs = bench.teacher(input_ids=inputs["source_ids"], attention_mask=inputs["source_mask"]).logits
            logits = model(input_ids=inputs["target_ids"], attention_mask=inputs["target_mask"]).logits
            return soft_kl(logits, theirs, temperature=TEMPERATURE).mean()

    student = bench.student()
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, num_train_epochs=bench.epochs, per_device_train_batch_size=32, learning_rate=1e-4, weight_decay=0.01,
            warmup_steps=bench.warm_steps, save_strategy="no", report_to="none", disable_tqdm=True, remove_unused_columns=False,
            logging_strategy="no", dataloader_pin_memory=False,
        )  # fmt: skip
        rows = [{"number": number} for number in range(len(bench.pairs))]
        Asking(student, arguments, train_dataset=rows, data_collator=lambda some: collated(bench, some)).train()
    return 0.0, student


def textbrewer(bench: Bench) -> tuple[float, Any]:
    """Learn in TextBrewer's GeneralDistiller; each model picks its own side of the batch."""
    from textbrewer import DistillationConfig, GeneralDistiller, TrainingConfig
    from torch.utils.data import DataLoader

    class Side(torch.nn.Module):
        def __init__(self, model: Any, side: str) -> None:
            super().__init__()
            self.model, self.side = model, side

        def forward(self, **batch: torch.Tensor) -> Any:
            return self.model(input_ids=batch[f"{self.side}_ids"], attention_mask=batch[f"{self.side}_mask"]).logits

    student = Side(bench.student(), "target")
    rows = [{"number": number} for number in range(len(bench.pairs))]
    torch.manual_seed(1)
    loader = DataLoader(rows, batch_size=32, shuffle=True, collate_fn=lambda some: collated(bench, some))  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as folder:
        distiller = GeneralDistiller(
            train_config=TrainingConfig(device="cpu", output_dir=folder, log_dir=None, ckpt_frequency=1),
            distill_config=DistillationConfig(temperature=TEMPERATURE, hard_label_weight=0, kd_loss_type="ce"),
            model_T=Side(bench.teacher, "source"),
            model_S=student,
            adaptor_T=lambda batch, logits: {"logits": logits},
            adaptor_S=lambda batch, logits: {"logits": logits},
        )
        optimizer = torch.optim.AdamW(student.parameters(), lr=1e-4, weight_decay=0.01)
        with distiller:
            distiller.train(optimizer, loader, num_epochs=bench.epochs, max_grad_norm=1.0, callback=None,
                scheduler_class=get_linear_schedule_with_warmup,
                scheduler_args={"num_warmup_steps": bench.warm_steps, "num_training_steps": bench.steps})  # fmt: skip
    return 0.0, student.model


def sentences(bench: Bench) -> tuple[float, Any]:
    """Learn embeddings as sentence-transformers' recipe for more languages does."""
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
        models,
    )
    from sentence_transformers import losses as theirs

    with tempfile.TemporaryDirectory() as folder:
        wrapped = []
        for name, model, tokenizer in (
            ("teacher", bench.teacher, bench.source_tokenizer),
            ("student", bench.student(), bench.target_tokenizer),
        ):
            model.save_pretrained(f"{folder}/{name}")
            tokenizer.save_pretrained(f"{folder}/{name}")
            pooling = models.Pooling(model.config.hidden_size)
            wrapped.append(SentenceTransformer(modules=[models.Transformer(f"{folder}/{name}"), pooling], device="cpu"))
        teacher, student = wrapped
        start = time.perf_counter()
        sources = [bench.sources[row] for row in bench.learned]
        targets = [bench.targets[row] for row in bench.learned]
        embedded = teacher.encode(sources, batch_size=32, show_progress_bar=False)
        prepared = time.perf_counter() - start
        table = Dataset.from_dict({"sentence": targets, "label": embedded.tolist()})
        arguments = SentenceTransformerTrainingArguments(
            folder, num_train_epochs=bench.epochs, per_device_train_batch_size=32, learning_rate=1e-4, save_strategy="no",
            warmup_steps=bench.warm_steps, report_to="none", disable_tqdm=True, logging_strategy="no",
            dataloader_pin_memory=False,
        )  # fmt: skip
        SentenceTransformerTrainer(
            model=student, args=arguments, train_dataset=table, loss=theirs.MSELoss(model=student)
        ).train()
    return prepared, None


if __name__ == "__main__":
    main()
