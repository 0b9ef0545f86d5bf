"""What a student is compared with: the same data, learned in a plainer way."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdmodels.control_names import kind_and_seed
from kdmodels.errors import BadInputError
from kdmodels.files import write_json
from tasks import places
from tasks.sections import Params

if TYPE_CHECKING:
    from tasks.recording import Recorder


def control(
    tokens: Path,
    soft_labels: Path,
    teacher: Path,
    pairs: Path,
    labelled: Path,
    train: Path,
    out: Path,
    params: Params,
    record: "Recorder",
) -> None:
    """Write the control that `out` is named after: its model and its answers on held-out pairs.

    - `student_seed_2`: the student once more, with another seed; so are `hard_labels_seed_2` and the like
    - `hard_labels`: the student, on the teacher's labels for its soft labels (and the glosses that the student has)
    - `random_weights`: the student, from random weights
    - `target_labels`: the student, on labelled target text alone; the ceiling
    - `tf_idf`: logistic regression on TF-IDF of the target texts, on the teacher's labels

    Where one cannot be made (no labelled target text, no random start of this architecture) a note says why.
    """
    name = places.published(out).name
    kind, seed = kind_and_seed(name)
    reason = _reason_against(kind, seed, labelled, params)
    write_json(out / places.CONTROL_NOTE, {"control": name, "made": reason is None, "reason": reason})
    if reason is not None:
        print(reason, flush=True)
        return
    if kind == "tf_idf":
        _tf_idf(tokens, soft_labels, pairs, out)
        return
    from tasks.distilling import distilled

    section = params.student
    plain: dict[str, Any] = {
        "hidden_loss": "none",
        "hidden_phase": section.hidden_phase.model_copy(update={"loss": "none"}),
        "pair_weight": "none",
    }
    no_glosses = section.glosses.model_copy(update={"loss": "none"})
    each: dict[str, dict[str, Any]] = {
        "student": {},
        "hard_labels": {**plain, "output_loss": "hard_labels", "label_loss": "none"},
        "random_weights": {"options": {**section.options, "init": "random"}},
        "target_labels": {**plain, "output_loss": "none", "label_loss": "cross_entropy", "glosses": no_glosses},
    }
    changes = each[kind] | ({} if seed is None else {"seed": seed})
    texts = labelled if changes.get("label_loss", section.label_loss) != "none" else None
    distilled(
        f"{name}-{tokens.name}",
        tokens,
        soft_labels,
        teacher,
        texts,
        train,
        out,
        section.model_copy(update=changes),
        params,
        record,
    )


def _reason_against(name: str, seed: int | None, labelled: Path, params: Params) -> str | None:
    if seed == params.student.seed:
        return f"student.seed is {seed} already"
    if name == "random_weights" and "init" not in params.student.options:
        return f"{params.student.architecture} starts from random weights as it is"
    if name == "target_labels":
        from kdmodels.tables import read_table

        if not len(read_table(labelled, ["text"])["text"]):
            return "there is no labelled target text, or labelled.target_labels does not let it in"
    return None


def _tf_idf(tokens: Path, soft_labels: Path, pairs: Path, out: Path) -> None:
    import numpy as np

    from kdmodels.classification import answers_table
    from kdmodels.label_store import read_labels, read_manifest
    from kdmodels.tables import read_table, write_table
    from kdmodels.tf_idf import fit
    from kdmodels.token_table import read_tokens

    table = read_tokens(tokens, ["id", "source_hash", "held_out", "weight"])
    columns = read_table(pairs, ["id", "target"])
    texts: list[str] = columns["target"].to_pylist()
    if columns["id"].to_pylist() != table["id"].to_pylist():
        raise BadInputError(f"{pairs} and {tokens}: not the same pairs in the same order. Make both again: dvc repro")
    labels = read_labels(soft_labels, identity=None, hidden=False)
    teacher_NC = labels.logits_NC[labels.rows_of(table["source_hash"])]
    held = table["held_out"]
    training, waiting = np.flatnonzero(~held), np.flatnonzero(held)
    answers = teacher_NC.argmax(axis=1)
    model = fit(
        [texts[i] for i in training],
        answers[training],
        table["weight"][training],
        held_out_texts=[texts[i] for i in waiting],
        held_out_labels_M=answers[waiting],
        classes=teacher_NC.shape[1],
    )
    (out / "model").mkdir()
    model.save(out / "model")
    ours = model.logits([texts[i] for i in waiting])
    names = read_manifest(soft_labels, identity=None)["made_by"]["labels"]  # the teacher itself takes seconds to load
    ids, hashes = table["id"].take(waiting).to_pylist(), table["source_hash"][waiting].tolist()
    write_table(out / places.HELD_OUT, answers_table(ids, hashes, ours, teacher_NC[waiting], names))
