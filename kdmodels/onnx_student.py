"""A student in ONNX: what its folder holds, and reading it with onnxruntime, without torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdmodels.errors import BadInputError, DamagedError
from kdmodels.files import read_json

MODEL, TOKENIZER, SETTINGS = "model.onnx", "tokenizer.json", "student.json"
INPUTS, OUTPUT = ("input_ids", "attention_mask"), "logits"
_KEYS = {"labels", "maximum_length", "padding", "made_from", "quantize", "checks"}


class OnnxStudent:
    """Logits of texts from a folder that `distilingua export` wrote."""

    def __init__(self, folder: Path, threads: int) -> None:
        """Read the student.

        Raises:
            BadInputError: where onnxruntime is not installed.
            DamagedError: where the folder cannot be read.
        """
        needs("onnxruntime", "serve")
        from tokenizers import Tokenizer

        settings = read_settings(folder)
        self.labels: list[str] = settings["labels"]
        self.limit: int = settings["maximum_length"]
        self._padding: int = settings["padding"]
        try:
            self.tokenizer: Any = Tokenizer.from_file(str(folder / TOKENIZER))
            self._session = session(folder / MODEL, threads)
        except Exception as error:  # the only class that those of tokenizers and onnxruntime have in common
            raise DamagedError(f"{folder}: the exported student cannot be read ({error}). {_AGAIN}") from None

    def logits(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Return the logits [texts, classes] of token ids, computed together."""
        return run(self._session, rows, self._padding)


def needs(module: str, extra: str) -> Any:
    """Import a library that an extra brings.

    Raises:
        BadInputError: where it is not installed.
    """
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError:
        raise BadInputError(f"{module} is not installed. To install it: pip install 'distilingua[{extra}]'") from None


def read_settings(folder: Path) -> dict[str, Any]:
    """Return what a folder's student.json says.

    Raises:
        BadInputError: where there is none.
        DamagedError: where it is none of an exported student.
    """
    path = folder / SETTINGS
    if not path.is_file():
        raise BadInputError(f"{folder}: no exported student there (no {SETTINGS}). To make it: distilingua export")
    try:
        settings: dict[str, Any] = read_json(path)
    except DamagedError:  # whose remedy is that of stages
        raise DamagedError(f"{path}: not JSON. {_AGAIN}") from None
    if not isinstance(settings, dict) or not set(settings) >= _KEYS:
        raise DamagedError(f"{path}: not of an exported student. {_AGAIN}")
    return settings


def session(model: Path, threads: int) -> Any:
    """Return a session of onnxruntime on the CPU.

    Args:
        threads: of one run
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors; it warns of what the exporter leaves in a graph
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def run(open_session: Any, rows: Sequence[Sequence[int]], padding: int) -> NDArray[np.float32]:
    """Return the logits [texts, classes] of token ids that a session gives."""
    longest = max(map(len, rows))
    ids = np.full((len(rows), longest), padding, dtype=np.int64)
    mask = np.zeros((len(rows), longest), dtype=np.int64)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = row
        mask[number, : len(row)] = 1
    (logits,) = open_session.run([OUTPUT], dict(zip(INPUTS, (ids, mask), strict=True)))
    return np.asarray(logits, dtype=np.float32)


_AGAIN = "To make it again: distilingua export"
