"""Fine-tune the teacher on the labelled source text."""

import shutil
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kdmodels.calibration import cross_fitted
from kdmodels.checkpoints import keep, kept
from kdmodels.classification import cross_entropy_scores, load_model, logits_of
from kdmodels.cross_fitting import check_folds, folds_of
from kdmodels.encoder import load_tokenizer
from kdmodels.feedback import of_texts, read_feedback
from kdmodels.files import read_json, write_json
from kdmodels.fine_tuning import fine_tune
from kdmodels.ranks import first, first_goes_on
from kdmodels.tables import read_table, write_table
from tasks.sections import Params
from tasks.training import checkpoint_folder, progress, schedule, write_history

if TYPE_CHECKING:
    from tasks.recording import Recorder

ASSIGNMENT = "assignment.parquet"


def teacher(
    encoder: Path,
    train: Path,
    valid: Path,
    labels: Path,
    feedback: Path,
    out: Path,
    params: Params,
    record: "Recorder",
) -> None:
    """Write the teacher as a Hugging Face folder, its scores on the validation split and its training's history.

    Each text counts, and its label is smoothed, as the feedback says of its class. The epoch is chosen by accuracy on
    the source validation split. With `teacher.folds` there is a teacher for each fold
    too, which did not see the fold, and the list of which text is in which fold.

    Raises:
        BadInputError: where a fold is empty, or without it a class is; where the feedback is of other classes.
    """
    names: list[str] = read_json(labels)
    tokenizer = load_tokenizer(encoder)
    tokenizer.model_max_length = params.tokens.maximum_length
    work = _Training(encoder, names, tokenizer, (train, valid, labels, feedback), params, record)
    folds_N = _fold_numbers(work, params)
    everything = np.ones(len(work.labels_N), dtype=bool)
    trained: list[tuple[Path, float]] = []
    if params.teacher.folds is None:
        model, history = work.train(everything, "teacher", "")
    else:  # a kill among the folds shall not cost what was finished before
        folder, history = work.finished(everything, "teacher", "")
        trained = _train_folds(work, folds_N, params.teacher.folds)
        model = load_model(folder)
    first_goes_on()
    model.save_pretrained(out / "model")
    tokenizer.save_pretrained(out / "model")
    write_history(out / "training.csv", history)
    best = _best(history)
    metrics: dict[str, Any] = {
        "valid": {"accuracy": best["eval_accuracy"], "loss": best["eval_loss"]},
        "epoch": best["epoch"],
    }
    logits, actual = work.answers(model, work.valid_ids), work.valid_labels_M
    temperature, scores = cross_fitted(logits, actual, params.evaluation.calibration_bins)
    write_json(out / "calibration.json", {"temperature": temperature, "valid": scores})
    record.metrics({"valid/accuracy": best["eval_accuracy"], "valid/loss": best["eval_loss"]})
    record.metrics({"valid/temperature": temperature})
    (out / "folds").mkdir()
    write_table(out / "folds" / ASSIGNMENT, {"text": work.texts, "fold": folds_N})
    if params.teacher.folds is not None:
        metrics |= _folds(work, folds_N, trained, out / "folds")
        record.metrics({"out_of_fold/accuracy": metrics["out_of_fold"]["accuracy"]})
        work.forget()
    write_json(out / "metrics.json", metrics)
    record.teacher_model(out / "model")


class _Training:
    """The labelled text as tokens, and how a teacher is trained on some of it."""

    def __init__(
        self,
        encoder: Path,
        names: Sequence[str],
        tokenizer: Any,
        inputs: tuple[Path, Path, Path, Path],
        params: Params,
        record: "Recorder",
    ) -> None:
        self._encoder, self._inputs, self._params, self._record = encoder, inputs, params, record
        self.names, self.tokenizer = names, tokenizer
        self.texts, self.groups, self.ids, self.labels_N = self._read(inputs[0])
        _, _, self.valid_ids, self.valid_labels_M = self._read(inputs[1])
        told = read_feedback(inputs[3], names)
        self._weight_N, self._smoothing_N = of_texts(told, names, self.labels_N, params.teacher.label_smoothing)
        self._finished: list[Path] = []

    def _read(self, path: Path) -> tuple[list[str], list[str | None], list[list[int]], NDArray[np.int64]]:
        table = read_table(path, ["text", "label", "group"])
        number = {name: i for i, name in enumerate(self.names)}
        texts = table["text"].to_pylist()
        ids: list[list[int]] = self.tokenizer(texts, truncation=True)["input_ids"]
        labels = np.array([number[label] for label in table["label"].to_pylist()], dtype=np.int64)
        return texts, table["group"].to_pylist(), ids, labels

    def answers(self, model: Any, ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Return a model's logits, [texts, classes]."""
        rows = [np.array(row) for row in ids]
        return logits_of(model, rows, padding=self.tokenizer.pad_token_id, batch_rows=self._params.teacher.batch_size)

    def checkpoints(self, name: str) -> Path:
        """Return the folder of one training's checkpoints."""
        section = self._params.teacher
        return checkpoint_folder(name, [*self._inputs, self._encoder], section, self._params.seed, self._params)

    def train(self, use_N: NDArray[np.bool_], name: str, phase: str) -> tuple[Any, list[dict[str, float]]]:
        """Return a teacher trained on the texts that are used, [texts], and the history of its training."""
        chosen = np.flatnonzero(use_N)
        return fine_tune(
            lambda: load_model(self._encoder, self.names),
            [self.ids[i] for i in chosen],
            self.labels_N[chosen],
            score=lambda model: cross_entropy_scores(self.answers(model, self.valid_ids), self.valid_labels_M),
            weight_N=self._weight_N[chosen],
            smoothing_N=self._smoothing_N[chosen],
            frozen_layers=self._params.teacher.frozen_layers,
            padding=self.tokenizer.pad_token_id,
            schedule=schedule(self._params.teacher, evaluations_per_epoch=1, seed=self._params.seed),
            checkpoints=self.checkpoints(name),
            log=progress(self._record, phase),
        )

    def finished(self, use_N: NDArray[np.bool_], name: str, phase: str) -> tuple[Path, list[dict[str, float]]]:
        """Return what `train` does, the teacher as a folder that waits for the end of the stage."""
        checkpoints = self.checkpoints(name)
        place = checkpoints.with_name(f"{checkpoints.name}-done")
        self._finished.append(place)
        folder = first(lambda: kept(place))
        if folder is None:
            model, history = self.train(use_N, name, phase)

            def write(to: Path) -> None:
                model.save_pretrained(to / "model")
                write_json(to / "history.json", history)

            folder = first(lambda: keep(place, write))
        return folder / "model", read_json(folder / "history.json")

    def forget(self) -> None:
        """Remove what waited."""
        for place in self._finished:
            shutil.rmtree(place)


def _fold_numbers(work: _Training, params: Params) -> NDArray[np.int64]:
    """Return the fold of each text; where there are no folds, no teacher but one, and that one saw them all: -1."""
    folds = params.teacher.folds
    if folds is None:
        return np.full(len(work.texts), -1, dtype=np.int64)
    folds_N = folds_of(work.texts, work.groups, folds, near=params.corpus.cleaning.leak_near)
    check_folds(folds_N, work.labels_N, work.names, folds)
    return folds_N


def _best(history: list[dict[str, float]]) -> dict[str, float]:
    """Return the line of a history that tells of the epoch that was chosen."""
    return max((entry for entry in history if "eval_selection" in entry), key=lambda entry: entry["eval_selection"])


def _train_folds(work: _Training, folds_N: NDArray[np.int64], folds: int) -> list[tuple[Path, float]]:
    """Return the folder of each fold's teacher, with its accuracy on the validation split."""
    trained = []
    for fold in range(folds):
        print(f"fold {fold} of {folds}", flush=True)
        use_N = folds_N != fold
        rows = sha256(use_N.tobytes()).hexdigest()[:8]  # corpus.cleaning.leak_near changes folds too
        folder, history = work.finished(use_N, f"teacher-fold{fold}-{rows}", f"fold{fold}/")
        trained.append((folder, _best(history)["eval_accuracy"]))
    return trained


def _folds(
    work: _Training, folds_N: NDArray[np.int64], trained: Sequence[tuple[Path, float]], out: Path
) -> dict[str, Any]:
    """Write the teacher of each fold, and return how good they are on the text that each did not see.

    `folds` beside it is their accuracy on the validation split, its mean and its standard deviation (n - 1) over folds.
    """
    logits_NC = np.empty((len(folds_N), len(work.names)), dtype=np.float32)
    for fold, (folder, _) in enumerate(trained):
        target = out / str(fold)
        shutil.copytree(folder, target)
        work.tokenizer.save_pretrained(target)
        own = np.flatnonzero(folds_N == fold)
        logits_NC[own] = work.answers(load_model(target), [work.ids[i] for i in own])
    found = cross_entropy_scores(logits_NC, work.labels_N)
    valid = [accuracy for _, accuracy in trained]
    return {
        "out_of_fold": {"accuracy": found["accuracy"], "loss": found["loss"]},
        "folds": {"valid_accuracy": {"mean": float(np.mean(valid)), "spread": float(np.std(valid, ddof=1))}},
    }
