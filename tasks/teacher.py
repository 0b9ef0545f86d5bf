"""Fine-tune the teacher on the labelled source text."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kdmodels.classification import cross_entropy_scores, load_model, logits_of
from kdmodels.encoder import find_encoder, load_tokenizer
from kdmodels.files import read_json, write_json
from kdmodels.fine_tuning import fine_tune
from kdmodels.tables import read_table
from tasks.sections import Params
from tasks.training import checkpoint_folder, progress, schedule, write_history

if TYPE_CHECKING:
    from tasks.recording import Recorder


def teacher(train: Path, valid: Path, labels: Path, out: Path, params: Params, record: "Recorder") -> None:
    """Write the teacher as a Hugging Face folder, its scores on the validation split and its training's history.

    The epoch is chosen by accuracy on the source validation split.
    """
    encoder = find_encoder(
        params.teacher.init, revision=params.teacher.revision, weights_sha256=params.teacher.weights_sha256
    )
    names: list[str] = read_json(labels)
    tokenizer = load_tokenizer(encoder)
    tokenizer.model_max_length = params.tokens.maximum_length
    number = {name: i for i, name in enumerate(names)}
    rows = {}
    for split, path in (("train", train), ("valid", valid)):
        table = read_table(path, ["text", "label"])
        ids = tokenizer(table["text"].to_pylist(), truncation=True)["input_ids"]
        rows[split] = (ids, np.array([number[label] for label in table["label"].to_pylist()]))
    model, history = fine_tune(
        lambda: load_model(encoder, names),
        *rows["train"],
        score=lambda model: cross_entropy_scores(
            logits_of(model, rows["valid"][0], padding=tokenizer.pad_token_id, batch_rows=params.teacher.batch_size),
            rows["valid"][1],
        ),
        padding=tokenizer.pad_token_id,
        label_smoothing=params.teacher.label_smoothing,
        schedule=schedule(params.teacher, evaluations_per_epoch=1, seed=params.seed),
        checkpoints=checkpoint_folder("teacher", [train, valid, labels, encoder], params.teacher, params.seed, params),
        log=progress(record),
    )
    model.save_pretrained(out / "model")
    tokenizer.save_pretrained(out / "model")
    write_history(out / "training.csv", history)
    best = max((entry for entry in history if "eval_selection" in entry), key=lambda entry: entry["eval_selection"])
    metrics = {"valid": {"accuracy": best["eval_accuracy"], "loss": best["eval_loss"]}, "epoch": best["epoch"]}
    write_json(out / "metrics.json", metrics)
    record.metrics({"valid/accuracy": best["eval_accuracy"], "valid/loss": best["eval_loss"]})
    record.teacher_model(out / "model")
