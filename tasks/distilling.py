"""What the student and its controls share: one training of a student of a target language, from files to files."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kdmodels.alignment import align
from kdmodels.checkpoints import keep, kept
from kdmodels.choice import choose
from kdmodels.classification import answers_table, label_names, load_model, logits_of, probabilities
from kdmodels.distillation import Labelled, Learner, Pairs, distil, learn_hidden_states, learner
from kdmodels.encoder import load_tokenizer
from kdmodels.errors import BadInputError
from kdmodels.files import read_json, write_json
from kdmodels.freezing import frozen_parts
from kdmodels.label_store import read_labels
from kdmodels.loss_choice import loss_of_kind
from kdmodels.objective import Loss, Objective
from kdmodels.ramps import Ramp, constant
from kdmodels.tables import read_table, write_table
from kdmodels.token_table import read_tokens
from tasks.sections import Change, Params, Student
from tasks.training import checkpoint_folder, progress, schedule, write_history

if TYPE_CHECKING:
    from tasks.recording import Recorder

HELD_OUT = "held_out.parquet"
_LEAST_WEIGHT = 0.01  # a batch of pairs that all weigh nothing would have no mean


def distilled(
    name: str,
    tokens: Path,
    soft_labels: Path,
    teacher: Path,
    labelled: Path | None,
    out: Path,
    section: Student,
    params: Params,
    record: "Recorder",
) -> tuple[Any, int]:
    """Train a student and write its folder, its agreement with the teacher, its answers on held-out pairs, its history.

    The checkpoint is chosen by agreement with the teacher on held-out pairs; target labels choose nothing.

    Args:
        name: of the training's checkpoints
        labelled: a table of labelled target texts for the loss on labels; or none
        section: the numbers, as `student` has them in params.yaml

    Returns:
        the student, and the number of pairs it learned from

    Raises:
        BadInputError: where a loss stands in a slot of another kind, or there are no labels for the loss on labels.
    """
    tokenizer, teacher_tokenizer = load_tokenizer(tokens / "tokenizer"), load_tokenizer(teacher)
    table = read_tokens(tokens)
    pairs, held_out = _pairs(table, soft_labels, section.pair_weight)
    training = ~table["held_out"]
    teacher_model = load_model(teacher)

    def counts() -> csr_array:
        sides = ((table["source_ids"], teacher_tokenizer), (table["target_ids"], tokenizer))
        return align(
            *(
                _without_special([ids for ids, use in zip(rows, training, strict=True) if use], of)
                for rows, of in sides
            ),
            source_size=len(teacher_tokenizer),
            target_size=len(tokenizer),
            iterations=section.alignment.iterations,
            symmetrised=section.alignment.symmetrised,
        )

    student = choose("students", section.architecture).build(
        teacher=teacher_model,
        teacher_tokenizer=teacher_tokenizer,
        tokenizer=tokenizer,
        align=counts,
        dropout=section.dropout,
        seed=section.seed,
        **section.options,
    )
    learning = learner(student, pairs, section.seed)
    inputs = [tokens, soft_labels, teacher, *([labelled] if labelled else [])]
    checkpoints = checkpoint_folder(name, inputs, section, section.seed, params)
    first: list[dict[str, float]] = []
    hidden_loss = loss_of_kind(section.hidden_phase.loss, "hidden")
    if hidden_loss is not None:
        first = _hidden_phase(
            learning, pairs, held_out, hidden_loss, tokenizer.pad_token_id, section, checkpoints, record
        )
    student, history = distil(
        learning,
        pairs=pairs,
        labelled=_labelled(labelled, tokenizer, label_names(teacher_model)),
        held_out=held_out,
        objective=_objective(section),
        frozen=frozen_parts(student, embeddings=section.frozen.embeddings, body=section.frozen.body),
        padding=tokenizer.pad_token_id,
        schedule=schedule(section, evaluations_per_epoch=section.evaluations_per_epoch, seed=section.seed),
        checkpoints=checkpoints,
        log=progress(record),
    )
    student.save_pretrained(out / "model")
    tokenizer.save_pretrained(out / "model")
    write_history(out / "training.csv", history)
    best = max((entry for entry in history if "eval_selection" in entry), key=lambda entry: entry["eval_selection"])
    held_scores = {"agreement": best["eval_agreement"], "divergence": best["eval_divergence"]}
    metrics: dict[str, Any] = {"held_out": held_scores, "epoch": best["epoch"]}
    if first:
        metrics["hidden_phase"] = {"cosine": max(entry["eval_cosine"] for entry in first if "eval_cosine" in entry)}
    write_json(out / "metrics.json", metrics)
    record.metrics({f"held_out/{key}": value for key, value in held_scores.items()})
    logits = logits_of(student, held_out.ids, padding=tokenizer.pad_token_id, batch_rows=section.batch_size)
    ids = [name for name, held in zip(table["id"], table["held_out"], strict=True) if held]
    write_table(out / HELD_OUT, answers_table(ids, logits, held_out.logits_NC, label_names(teacher_model)))
    shutil.rmtree(_hidden_done(checkpoints), ignore_errors=True)
    return student, len(pairs)


def _pairs(table: dict[str, Any], soft_labels: Path, weighed: str) -> tuple[Pairs, Pairs]:
    """Return the pairs to learn from and those held out; one without a translation score counts as the mean of all."""
    labels = read_labels(soft_labels, identity=None)
    rows = labels.rows_of(table["source_hash"])
    weight = np.array(table["weight"], dtype=np.float32)
    if weighed in {"confidence", "both"}:
        weight = weight * probabilities(labels.logits_NC[rows]).max(axis=1)
    if weighed in {"translation", "both"}:
        score = table["translation_score"]
        score = np.where(np.isnan(score), np.nanmean(score) if np.isfinite(score).any() else 1.0, score)
        weight = weight * np.maximum(score, _LEAST_WEIGHT).astype(np.float32)
    ids = [np.array(row, dtype=np.int64) for row in table["target_ids"]]

    def chosen(mask: NDArray[np.bool_]) -> Pairs:
        where = np.flatnonzero(mask)
        return Pairs(
            [ids[i] for i in where], labels.logits_NC[rows[where]], labels.hidden_NH[rows[where]], weight[where]
        )

    return chosen(~table["held_out"]), chosen(table["held_out"])


def _without_special(rows: list[list[int]], tokenizer: Any) -> list[NDArray[np.int64]]:
    special = np.array(tokenizer.all_special_ids)
    arrays = (np.array(row, dtype=np.int64) for row in rows)
    return [row[~np.isin(row, special)] for row in arrays]


def _objective(section: Student) -> Objective:
    return Objective(
        output_loss=loss_of_kind(section.output_loss, "output"),
        output_weight=_ramp(section.output_weight),
        temperature=_ramp(section.temperature),
        hidden_loss=loss_of_kind(section.hidden_loss, "hidden"),
        hidden_weight=_ramp(section.hidden_weight),
        label_loss=loss_of_kind(section.label_loss, "label"),
        label_weight=_ramp(section.label_weight),
    )


def _ramp(value: float | Change) -> Ramp:
    return Ramp(value.start, value.end, value.shape) if isinstance(value, Change) else constant(value)


def _labelled(path: Path | None, tokenizer: Any, labels: list[str]) -> Labelled | None:
    if path is None:
        return None
    table = read_table(path, ["text", "label"])
    texts = table["text"].to_pylist()
    if not texts:
        raise BadInputError(
            f"{path}: there is no labelled target text for student.label_loss to learn from. Set labelled.target_labels: true "
            "where the source of labelled text has some, or label_loss: none"
        )
    ids = tokenizer(texts, truncation=True)["input_ids"]
    numbers = {label: number for number, label in enumerate(labels)}
    return Labelled(
        [np.array(row, dtype=np.int64) for row in ids],
        np.array([numbers[label] for label in table["label"].to_pylist()], dtype=np.int64),
    )


def _hidden_phase(
    learning: Learner,
    pairs: Pairs,
    held_out: Pairs,
    hidden_loss: Loss,
    padding: int,
    section: Student,
    checkpoints: Path,
    record: "Recorder",
) -> list[dict[str, float]]:
    """Train hidden states first; a run that is killed after this phase does not do it again."""
    from safetensors.torch import load_file, save_file

    done = _hidden_done(checkpoints)
    found = kept(done)
    if found is not None:
        learning.load_state_dict(load_file(found / "learner.safetensors"))
        history: list[dict[str, float]] = read_json(found / "history.json")
        return history
    phase = section.model_copy(
        update={"epochs": section.hidden_phase.epochs, "learning_rate": section.hidden_phase.learning_rate}
    )
    history = learn_hidden_states(
        learning,
        pairs=pairs,
        held_out=held_out,
        hidden_loss=hidden_loss,
        padding=padding,
        schedule=schedule(phase, evaluations_per_epoch=section.evaluations_per_epoch, seed=section.seed),
        checkpoints=checkpoints.with_name(f"{checkpoints.name}-hidden"),
        log=progress(record, "hidden/"),
    )

    def write(folder: Path) -> None:
        save_file(learning.state_dict(), folder / "learner.safetensors")
        write_json(folder / "history.json", history)

    keep(done, write)
    return history


def _hidden_done(checkpoints: Path) -> Path:
    return checkpoints.with_name(f"{checkpoints.name}-hidden-done")
