"""Labels and probabilities from a finished student, for any number of texts."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kdmodels.errors import BadInputError, DamagedError
from kdmodels.onnx_student import SETTINGS, OnnxStudent

_BATCHES_TOGETHER = 32  # read ahead, so that texts of like length share a batch; memory stays flat


@dataclass(frozen=True)
class Prediction:
    """What a student says of one text."""

    text: str
    label: str
    probabilities: dict[str, float]  # of every label, in the order the student was trained with
    truncated: bool  # the text was longer than the student reads; only its beginning counted

    @property
    def probability(self) -> float:
        """Return the probability of the label."""
        return self.probabilities[self.label]


class Student(Protocol):
    """A student that turns token ids into logits.

    Attributes:
        labels: in the order of the logits
        limit: tokens that it reads of a text, at most
        tokenizer: of the library tokenizers
    """

    labels: list[str]
    limit: int
    tokenizer: Any

    def logits(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Return the logits [texts, classes] of token ids, computed together."""


class TorchStudent:
    """Logits of texts from a Hugging Face folder; on a GPU where there is one."""

    def __init__(self, folder: Path) -> None:
        """Read the student.

        Raises:
            BadInputError: where there is no student in the folder.
            DamagedError: where it cannot be read.
        """
        if not (folder / "config.json").is_file():
            raise BadInputError(f"{folder}: no student there (no config.json). To train it: distilingua run")
        import torch
        from safetensors import SafetensorError
        from transformers import AutoTokenizer

        from kdmodels.classification import label_names, load_model

        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
            self._model: Any = load_model(folder)
        except (OSError, ValueError, KeyError, SafetensorError, BadInputError) as error:
            raise DamagedError(
                f"{folder}: the student cannot be read ({error}). To restore it: dvc checkout --force"
            ) from None
        self._model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        self._padding: int = tokenizer.pad_token_id
        self.tokenizer: Any = tokenizer.backend_tokenizer
        self.limit: int = tokenizer.model_max_length
        self.labels = label_names(self._model)

    def logits(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Return the logits [texts, classes] of token ids, computed together."""
        import torch

        from kdmodels.classification import pad
        from kdmodels.first_token import logits_of_batch

        device = self._model.device
        ids, mask = pad([np.array(row) for row in rows], max(map(len, rows)), self._padding)
        with torch.inference_mode():
            logits_BC = logits_of_batch(self._model, ids.to(device), mask.to(device)).float().cpu()
        return np.asarray(logits_BC.numpy(), dtype=np.float32)


class Predictor:
    """A student that labels texts, read from its folder: a Hugging Face folder or one that `distilingua export` wrote."""

    def __init__(self, folder: Path, batch_rows: int) -> None:
        """Read the student.

        Args:
            folder: with config.json, model.safetensors and the tokenizer; or with student.json, model.onnx and the
                tokenizer, which needs no torch.
            batch_rows: texts that are computed together.

        Raises:
            BadInputError: where there is no student in the folder, or onnxruntime is not installed.
            DamagedError: where it cannot be read.
        """
        exported = (folder / SETTINGS).is_file()
        self._student: Student = OnnxStudent(folder, _cores()) if exported else TorchStudent(folder)
        self._student.tokenizer.enable_truncation(self._student.limit)
        self._student.tokenizer.no_padding()
        self._batch_rows = batch_rows
        self.labels = self._student.labels

    def predict(self, texts: Iterable[str], read_ahead: int | None = None) -> Iterator[Prediction]:
        """Yield a prediction for each text, in their order; the texts are read as they are needed.

        Of a text longer than the student reads only the beginning counts, and its prediction says so.

        Args:
            texts: any number, also a stream without end.
            read_ahead: texts to read before the first answer; none: as many as make batches of like length.
        """
        rest = iter(texts)
        while window := list(islice(rest, read_ahead or self._batch_rows * _BATCHES_TOGETHER)):
            yield from self.predict_together(window)

    def predict_together(self, texts: Sequence[str]) -> list[Prediction]:
        """Return the predictions of some texts, sorted by length on the way, which are all in memory."""
        encoded = self._student.tokenizer.encode_batch_fast(list(texts))
        rows = [one.ids for one in encoded]
        order = sorted(range(len(texts)), key=lambda number: len(rows[number]))
        found: dict[int, Prediction] = {}
        for start in range(0, len(order), self._batch_rows):
            numbers = order[start : start + self._batch_rows]
            shares = _softmax(self._student.logits([rows[number] for number in numbers]))
            for number, best, values in zip(numbers, shares.argmax(axis=1), shares.tolist(), strict=True):
                probabilities = dict(zip(self.labels, values, strict=True))
                truncated = bool(encoded[number].overflowing)
                found[number] = Prediction(texts[number], self.labels[best], probabilities, truncated)
        return [found[number] for number in range(len(texts))]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _softmax(logits_NC: NDArray[np.float32]) -> NDArray[np.float32]:
    shares = np.exp(logits_NC - logits_NC.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def predict(folder: Path, texts: Iterable[str], batch_rows: int) -> Iterator[Prediction]:
    """Read a student and yield its prediction for each text; see `Predictor`."""
    return Predictor(folder, batch_rows).predict(texts)
