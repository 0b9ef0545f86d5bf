"""Distil a student of one target language from the cached soft labels."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kdmodels.alignment import align
from kdmodels.choice import choose
from kdmodels.classification import load_model
from kdmodels.distillation import distil
from kdmodels.encoder import load_tokenizer
from kdmodels.files import write_json
from kdmodels.label_store import read_labels
from kdmodels.student_card import student_card
from kdmodels.token_table import read_tokens
from tasks.sections import Params
from tasks.training import checkpoint_folder, progress, schedule, write_history

if TYPE_CHECKING:
    from tasks.recording import Recorder

Rows = list[NDArray[np.integer[Any]]]


def student(tokens: Path, soft_labels: Path, teacher: Path, out: Path, params: Params, record: "Recorder") -> None:
    """Write the student as a Hugging Face folder, its agreement with the teacher and its training's history.

    The checkpoint is chosen by agreement with the teacher on held-out pairs; no target label is read.
    """
    numbers = params.student
    target = tokens.name
    table = read_tokens(tokens)
    labels = read_labels(soft_labels, identity=None)
    teacher_NC = labels.logits_NC[labels.rows_of(table["source_hash"])]
    held_out = table["held_out"]
    source_ids, target_ids = (
        [np.array(row, dtype=np.int64) for row in table[name]] for name in ("source_ids", "target_ids")
    )
    training = np.flatnonzero(~held_out)
    held = np.flatnonzero(held_out)
    tokenizer, teacher_tokenizer = load_tokenizer(tokens / "tokenizer"), load_tokenizer(teacher)
    def aligned() -> csr_array:
        return align(
            _without_special([source_ids[i] for i in training], teacher_tokenizer),
            _without_special([target_ids[i] for i in training], tokenizer),
            source_size=len(teacher_tokenizer),
            target_size=len(tokenizer),
            iterations=numbers.alignment.iterations,
        )

    model = choose("students", numbers.architecture).build(
        teacher=load_model(teacher),
        teacher_tokenizer=teacher_tokenizer,
        tokenizer=tokenizer,
        align=aligned,
        dropout=numbers.dropout,
        seed=numbers.seed,
        **numbers.options,
    )
    model, history = distil(
        model,
        token_ids=[target_ids[i] for i in training],
        teacher_NC=teacher_NC[training],
        weight_N=table["weight"][training],
        held_out_ids=[target_ids[i] for i in held],
        held_out_teacher_MC=teacher_NC[held],
        output_loss=getattr(choose("losses", numbers.output_loss), numbers.output_loss),
        temperature=numbers.temperature,
        padding=tokenizer.pad_token_id,
        schedule=schedule(numbers, evaluations_per_epoch=numbers.evaluations_per_epoch, seed=numbers.seed),
        checkpoints=checkpoint_folder(f"student-{target}", [tokens, soft_labels, teacher], numbers, params),
        log=progress(record),
    )
    folder = out / "model"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "README.md").write_text(
        student_card(
            source=params.source,
            target=target,
            teacher=Path(params.teacher.init).name,
            model=model,
            pairs=len(training),
        ),
        encoding="utf-8",
    )
    write_history(out / "training.csv", history)
    best = max((entry for entry in history if "eval_selection" in entry), key=lambda entry: entry["eval_selection"])
    held_scores = {"agreement": best["eval_agreement"], "divergence": best["eval_divergence"]}
    write_json(out / "metrics.json", {"held_out": held_scores, "epoch": best["epoch"]})
    record.metrics({f"held_out/{name}": value for name, value in held_scores.items()})
    record.student_model(folder, target, params.recording.register_students)


def _without_special(rows: Rows, tokenizer: Any) -> Rows:
    special = np.array(tokenizer.all_special_ids)
    return [row[~np.isin(row, special)] for row in rows]
