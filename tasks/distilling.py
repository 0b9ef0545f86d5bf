"""What the student and its controls share: one training of a student of a target language, from files to files."""

import shutil
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_array

from kdmodels.alignment import align
from kdmodels.checkpoints import keep, kept
from kdmodels.choice import choose
from kdmodels.classification import answers_table, label_names, load_model, logits_of
from kdmodels.distillation import Learner, Pairs, distil, learn_hidden_states, learner
from kdmodels.encoder import load_tokenizer
from kdmodels.files import read_json, write_json
from kdmodels.freezing import frozen_parts
from kdmodels.loss_choice import loss_of_kind
from kdmodels.objective import Loss, Objective
from kdmodels.ramps import Ramp, constant
from kdmodels.ranks import first, first_goes_on
from kdmodels.tables import write_table
from kdmodels.token_rows import joined
from kdmodels.token_table import read_dictionary, read_tokens
from tasks import places
from tasks.learning_data import make_glosses, read_labelled_texts, read_pairs
from tasks.sections import Change, Params, Student
from tasks.training import checkpoint_folder, progress, schedule, write_history

if TYPE_CHECKING:
    from tasks.recording import Recorder


def distilled(
    name: str,
    tokens: Path,
    soft_labels: Path,
    teacher: Path,
    labelled: Path | None,
    train: Path,
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
        train: a table of labelled source texts, of which glosses are made where the section asks for them
        section: the numbers, as `student` has them in params.yaml

    Returns:
        the student, and the number of pairs it learned from

    Raises:
        BadInputError: where a loss stands in a slot of another kind, or there are no labels for the loss on labels.
    """
    tokenizer, teacher_tokenizer = load_tokenizer(tokens / "tokenizer"), load_tokenizer(teacher)
    table = read_tokens(
        tokens, ["id", "source_hash", "source_ids", "target_ids", "held_out", "weight", "translation_score"]
    )
    pairs, held_out = read_pairs(table, soft_labels, section)
    training = np.flatnonzero(~table["held_out"])
    teacher_model = load_model(teacher)

    entries = read_dictionary(tokens)
    sides = [
        joined([table[name].at(training), entries[name]]).without(of.all_special_ids)
        for name, of in (("source_ids", teacher_tokenizer), ("target_ids", tokenizer))
    ]

    @cache
    def counts() -> csr_array:
        return align(
            *sides,
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
    glossed = None
    if section.glosses.loss != "none":
        glossed = make_glosses(
            train, sides, counts(), (teacher_tokenizer, tokenizer), label_names(teacher_model), section
        )
    inputs = [tokens, soft_labels, teacher, *([labelled] if labelled else []), *([train] if glossed else [])]
    checkpoints = checkpoint_folder(name, inputs, section, section.seed, params)
    before: list[dict[str, float]] = []
    hidden_loss = loss_of_kind(section.hidden_phase.loss, "hidden")
    if hidden_loss is not None:
        before = _hidden_phase(
            learning, pairs, held_out, hidden_loss, tokenizer.pad_token_id, section, checkpoints, record
        )
    student, history = distil(
        learning,
        pairs=pairs,
        labelled=read_labelled_texts(labelled, tokenizer, label_names(teacher_model)),
        glossed=glossed,
        held_out=held_out,
        objective=_objective(section),
        frozen=frozen_parts(student, embeddings=section.frozen.embeddings, body=section.frozen.body),
        padding=tokenizer.pad_token_id,
        schedule=schedule(section, evaluations_per_epoch=section.evaluations_per_epoch, seed=section.seed),
        checkpoints=checkpoints,
        log=progress(record),
    )
    first_goes_on()
    student.save_pretrained(out / "model")
    tokenizer.save_pretrained(out / "model")
    write_history(out / "training.csv", history)
    best = max((entry for entry in history if "eval_selection" in entry), key=lambda entry: entry["eval_selection"])
    held_scores = {"agreement": best["eval_agreement"], "divergence": best["eval_divergence"]}
    metrics: dict[str, Any] = {"held_out": held_scores, "epoch": best["epoch"]}
    if before:
        metrics["hidden_phase"] = {"cosine": max(entry["eval_cosine"] for entry in before if "eval_cosine" in entry)}
    write_json(out / "metrics.json", metrics)
    record.metrics({f"held_out/{key}": value for key, value in held_scores.items()})
    logits = logits_of(student, held_out.ids, padding=tokenizer.pad_token_id, batch_rows=section.batch_size)
    waiting = np.flatnonzero(table["held_out"])
    ids, hashes = table["id"].take(waiting).to_pylist(), table["source_hash"][waiting].tolist()
    write_table(
        out / places.HELD_OUT, answers_table(ids, hashes, logits, held_out.logits_NC, label_names(teacher_model))
    )
    shutil.rmtree(_hidden_done(checkpoints), ignore_errors=True)
    return student, len(pairs)


def _objective(section: Student) -> Objective:
    return Objective(
        output_loss=loss_of_kind(section.output_loss, "output"),
        output_weight=_ramp(section.output_weight),
        temperature=_ramp(section.temperature),
        hidden_loss=loss_of_kind(section.hidden_loss, "hidden"),
        hidden_weight=_ramp(section.hidden_weight),
        label_loss=loss_of_kind(section.label_loss, "label"),
        label_weight=_ramp(section.label_weight),
        gloss_loss=loss_of_kind(section.glosses.loss, "label"),
        gloss_weight=_ramp(section.glosses.weight),
    )


def _ramp(value: float | Change) -> Ramp:
    return Ramp(value.start, value.end, value.shape) if isinstance(value, Change) else constant(value)


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
    found = first(lambda: kept(done))
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

    first(lambda: keep(done, write))
    return history


def _hidden_done(checkpoints: Path) -> Path:
    return checkpoints.with_name(f"{checkpoints.name}-hidden-done")
