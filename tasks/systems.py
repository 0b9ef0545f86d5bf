"""What an evaluation scores, each read from its folder: teacher, student and controls, all asked the same way."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kdmodels import tf_idf
from kdmodels.classification import label_names, load_model, logits_of
from kdmodels.control_names import PLAIN, kind_and_seed
from kdmodels.encoder import load_tokenizer
from kdmodels.files import read_json
from tasks import places

Logits = NDArray[np.float32]


class System(Protocol):
    """Anything that gives logits of texts."""

    folder: Path

    def texts(self, texts: list[str]) -> Logits:
        """Return logits, [texts, classes]."""

    @property
    def parameters(self) -> int:
        """Return the number of weights."""


class Reader:
    """A model with its tokenizer."""

    def __init__(self, folder: Path, batch_rows: int) -> None:
        self.folder, self.batch_rows = folder, batch_rows
        self.model, self.tokenizer = load_model(folder).eval(), load_tokenizer(folder)
        self.labels = label_names(self.model)

    def ids(self, rows: list[list[int]]) -> Logits:
        """Return logits of token ids, [rows, classes]."""
        arrays = [np.array(row, dtype=np.int64) for row in rows]
        return logits_of(self.model, arrays, padding=self.tokenizer.pad_token_id, batch_rows=self.batch_rows)

    def texts(self, texts: list[str]) -> Logits:
        """Return logits of texts, [texts, classes]."""
        return self.ids(self.tokenizer(texts, truncation=True)["input_ids"])

    @cached_property
    def parameters(self) -> int:
        """Return the number of weights."""
        return sum(parameter.numel() for parameter in self.model.parameters())


class PlainReader:
    """The TF-IDF classifier."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._model = tf_idf.load(folder)

    def texts(self, texts: list[str]) -> Logits:
        """Return logits of texts, [texts, classes]."""
        return self._model.logits(texts)

    @property
    def parameters(self) -> int:
        """Return the number of weights."""
        return self._model.parameters


def megabytes(system: System) -> float:
    """Return what a system takes on disk, in 10^6 bytes."""
    return sum(path.stat().st_size for path in system.folder.rglob("*") if path.is_file()) / 1e6


@dataclass(frozen=True)
class Training:
    """One training of a system: what it answers texts with, and the table of its answers on held-out pairs.

    Attributes:
        seed: none where nothing is drawn at random
    """

    system: System
    held_out: Path
    seed: int | None


def read_controls(
    folder: Path, chosen: Sequence[str], own_seed: int, batch_rows: int
) -> tuple[dict[str, list[Training]], dict[str, str]]:
    """Return the trainings of the chosen controls that were made, the first one first, and why others were not.

    Under `student` stand the further trainings of the student.

    Args:
        own_seed: that student and controls are trained with where their names tell none
    """
    trainings: dict[str, list[Training]] = {}
    reasons: dict[str, str] = {}
    for name in sorted(chosen, key=lambda one: kind_and_seed(one)[1] is not None):
        kind, seed = kind_and_seed(name)
        note: dict[str, Any] = read_json(folder / name / places.CONTROL_NOTE)
        if not note["made"]:
            reasons[name] = note["reason"]
            continue
        place = folder / name / "model"
        plain = kind in PLAIN
        system: System = PlainReader(place) if plain else Reader(place, batch_rows)
        number = None if plain else own_seed if seed is None else seed
        trainings.setdefault(kind, []).append(Training(system, folder / name / places.HELD_OUT, number))
    return trainings, reasons
