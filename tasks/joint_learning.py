"""One training of a teacher and a student together, from files to files."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kdmodels.classification import (
    agreement,
    answers_table,
    compare,
    cross_entropy_scores,
    label_names,
    load_model,
    logits_of,
)
from kdmodels.encoder import load_tokenizer
from kdmodels.feedback import teaches
from kdmodels.files import write_json
from kdmodels.label_store import read_labels
from kdmodels.mutual import Both, Together, learn_together
from kdmodels.ranks import first_goes_on
from kdmodels.tables import read_table, write_table
from kdmodels.token_table import read_tokens
from tasks.sections import Joint, Params
from tasks.training import checkpoint_folder, progress, schedule, write_history

if TYPE_CHECKING:
    from tasks.recording import Recorder

MODELS = "models"


def learned_together(
    tokens: Path,
    soft_labels: Path,
    teacher: Path,
    student: Path,
    train: Path,
    valid: Path,
    out: Path,
    params: Params,
    record: "Recorder",
) -> None:
    """Write what the stage `joint` promises, where it is asked for."""
    section = params.joint
    together = Together(load_model(teacher), load_model(student))
    view = _View(tokens, soft_labels, teacher, train, valid, together, section)
    before = view.scores()
    history = learn_together(
        together,
        view.both,
        score=lambda _: view.selection(),
        temperature=section.temperature,
        teacher_weight=section.teacher_weight,
        label_weight=section.label_weight,
        schedule=schedule(section, evaluations_per_epoch=section.evaluations_per_epoch, seed=params.student.seed),
        checkpoints=checkpoint_folder(
            f"joint-{tokens.name}",
            [tokens, soft_labels, teacher, student, train, valid],
            section,
            params.student.seed,
            params,
        ),
        log=progress(record),
    )
    first_goes_on()
    after = view.scores()
    margin = params.feedback.margin
    accepted = all(after[name] >= before[name] - margin for name in before)
    for name, model, tokenizer in (
        ("teacher", together.teacher, view.teacher_tokenizer),
        ("student", together.student, view.tokenizer),
    ):
        model.save_pretrained(out / MODELS / name)
        tokenizer.save_pretrained(out / MODELS / name)
    write_table(out / MODELS / "held_out.parquet", view.answers())
    write_history(out / "training.csv", history)
    write_json(
        out / "metrics.json",
        {"made": True, "accepted": accepted, "margin": margin, "before": before, "after": after},
    )
    record.metrics({f"before/{name}": value for name, value in before.items()})
    record.metrics({f"after/{name}": value for name, value in after.items()} | {"accepted": float(accepted)})
    print("accepted" if accepted else "not accepted: worse by more than feedback.margin", flush=True)


@dataclass(frozen=True)
class _Texts:
    ids: list[NDArray[np.int64]]
    labels_N: NDArray[np.int64]


class _View:
    """What both models read, and how well they do at it."""

    def __init__(
        self,
        tokens: Path,
        soft_labels: Path,
        teacher: Path,
        train: Path,
        valid: Path,
        together: Together,
        section: Joint,
    ) -> None:
        self._together, self._rows = together, section.batch_size
        self.tokenizer, self.teacher_tokenizer = load_tokenizer(tokens / "tokenizer"), load_tokenizer(teacher)
        self.names = label_names(together.teacher)
        table = read_tokens(tokens, ["id", "source_hash", "source_ids", "target_ids", "held_out", "weight"])
        held = table["held_out"]
        learned, waiting = np.flatnonzero(~held), np.flatnonzero(held)
        texts = self._read(train)
        self._valid = self._read(valid)
        self.both = Both(
            source_ids=table["source_ids"].at(learned),
            target_ids=table["target_ids"].at(learned),
            weight_N=table["weight"][learned],
            labelled_ids=texts.ids,
            labels_M=texts.labels_N,
            source_padding=self.teacher_tokenizer.pad_token_id,
            target_padding=self.tokenizer.pad_token_id,
        )
        labels = read_labels(soft_labels, identity=None, hidden=False)
        self._hashes = table["source_hash"][waiting].tolist()
        self._first_teacher_NC = labels.logits_NC[labels.rows_of(self._hashes)]
        self._ids, self._held_ids = table["id"].take(waiting).to_pylist(), table["target_ids"].at(waiting)
        self._chooses_N = teaches(self._hashes)

    def _read(self, path: Path) -> _Texts:
        table = read_table(path, ["text", "label"])
        number = {name: i for i, name in enumerate(self.names)}
        ids = self.teacher_tokenizer(table["text"].to_pylist(), truncation=True)["input_ids"]
        labels = np.array([number[label] for label in table["label"].to_pylist()], dtype=np.int64)
        return _Texts([np.array(row, dtype=np.int64) for row in ids], labels)

    def _held_out(self) -> NDArray[np.float32]:
        return logits_of(
            self._together.student, self._held_ids, padding=self.both.target_padding, batch_rows=self._rows
        )

    def selection(self) -> dict[str, float]:
        """Return how close the student is to the first teacher, on the pairs that may choose a checkpoint."""
        chosen = self._chooses_N if self._chooses_N.any() else np.ones(len(self._ids), dtype=bool)
        return compare(self._held_out()[chosen], self._first_teacher_NC[chosen])

    def scores(self) -> dict[str, float]:
        """Return what decides whether both are accepted; where no pair is left to judge by, all do."""
        judges = ~self._chooses_N if not self._chooses_N.all() else np.ones(len(self._ids), dtype=bool)
        answers = logits_of(
            self._together.teacher, self._valid.ids, padding=self.both.source_padding, batch_rows=self._rows
        )
        return {
            "valid_accuracy": cross_entropy_scores(answers, self._valid.labels_N)["accuracy"],
            "agreement": agreement(self._held_out()[judges], self._first_teacher_NC[judges]),
        }

    def answers(self) -> dict[str, Any]:
        """Return the student's answers on all held-out pairs, beside those of the first teacher."""
        return answers_table(self._ids, self._hashes, self._held_out(), self._first_teacher_NC, self.names)
