"""Labels and probabilities from a finished student, for any number of texts."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from kdmodels.errors import BadInputError, DamagedError

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


class Predictor:
    """A student read from its Hugging Face folder; on a GPU where there is one."""

    def __init__(self, folder: Path, batch_rows: int) -> None:
        """Read the student.

        Args:
            folder: with config.json, model.safetensors and the tokenizer.
            batch_rows: texts that are computed together.

        Raises:
            BadInputError: where there is no student in the folder.
            DamagedError: where it cannot be read.
        """
        if not (folder / "config.json").is_file():
            raise BadInputError(f"{folder}: no student there (no config.json). To train it: distilingua run")
        import torch
        from safetensors import SafetensorError
        from transformers import AutoTokenizer

        from kdmodels.classification import load_model

        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
            self._model: Any = load_model(folder)
        except (OSError, ValueError, KeyError, SafetensorError, BadInputError) as error:
            raise DamagedError(
                f"{folder}: the student cannot be read ({error}). To restore it: dvc checkout --force"
            ) from None
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._model.to(self._device).eval()
        self._batch_rows = batch_rows
        self.labels: list[str] = [
            self._model.config.id2label[number] for number in range(self._model.config.num_labels)
        ]

    def predict(self, texts: Iterable[str], read_ahead: int | None = None) -> Iterator[Prediction]:
        """Yield a prediction for each text, in their order; the texts are read as they are needed.

        Of a text longer than the tokenizer's `model_max_length` only the beginning counts, and its prediction says so.

        Args:
            texts: any number, also a stream without end.
            read_ahead: texts to read before the first answer; none: as many as make batches of like length.
        """
        rest = iter(texts)
        while window := list(islice(rest, read_ahead or self._batch_rows * _BATCHES_TOGETHER)):
            yield from self._window(window)

    def _window(self, texts: Sequence[str]) -> list[Prediction]:
        limit = self._tokenizer.model_max_length
        encoded = self._tokenizer(list(texts), truncation=False, verbose=False)
        lengths = [len(ids) for ids in encoded["input_ids"]]
        order = sorted(range(len(texts)), key=lambda number: lengths[number])
        found: dict[int, Prediction] = {}
        for start in range(0, len(order), self._batch_rows):
            rows = order[start : start + self._batch_rows]
            for number, values in zip(rows, self._probabilities([texts[row] for row in rows]), strict=True):
                label = self.labels[max(range(len(values)), key=values.__getitem__)]
                probabilities = dict(zip(self.labels, values, strict=True))
                found[number] = Prediction(texts[number], label, probabilities, lengths[number] > limit)
        return [found[number] for number in range(len(texts))]

    def _probabilities(self, texts: Sequence[str]) -> list[list[float]]:
        import torch

        from kdmodels.first_token import logits_of_batch

        batch = self._tokenizer(list(texts), truncation=True, padding=True, return_tensors="pt").to(self._device)
        with torch.inference_mode():
            logits_BC = logits_of_batch(self._model, **batch).float()
        rows: list[list[float]] = logits_BC.softmax(dim=-1).tolist()
        return rows


def predict(folder: Path, texts: Iterable[str], batch_rows: int) -> Iterator[Prediction]:
    """Read a student and yield its prediction for each text; see `Predictor`."""
    return Predictor(folder, batch_rows).predict(texts)
