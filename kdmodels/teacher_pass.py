"""A teacher's pass over one batch, in torch or in onnxruntime, which give the same labels but for rounding."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from kdmodels.classification import Floats, compare_rows, forward
from kdmodels.errors import BadInputError
from kdmodels.first_token import logits_of_batch, only_first_token
from kdmodels.onnx_graph import Tensors, write_graph
from kdmodels.onnx_student import INPUTS, needs, session

Ids = NDArray[np.int64]
Pass = Callable[[Ids, Ids], tuple[Floats, Floats]]
"""From token ids and attention mask, [batch, tokens] each, to logits [batch, classes] and pooled hidden states
[batch, width], of width 0 where they are not wanted."""

ONNXRUNTIME = "onnxruntime"
_OUTPUTS = ("logits", "hidden")
_DIVERGENCE = 1e-5  # nats of a text, at most, of what onnxruntime gives from what torch gives
_TIE = 1e-4  # of a logit: classes that are closer to each other may change places by rounding


def device() -> str:
    """Return where the teacher reads with torch: on the GPU, where there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def full_name(backend: str) -> str:
    """Return what computes, with the kind of GPU: labels of two kinds differ in their last bits, and are never mixed."""
    if backend == ONNXRUNTIME or device() == "cpu":
        return backend
    return f"{backend}, {torch.cuda.get_device_name()}"


def teacher_pass(model: Any, backend: str, precision: str, padding: int, hidden: bool) -> Pass:
    """Return what reads batches with a teacher.

    Args:
        backend: torch, on the GPU where there is one; or onnxruntime, on the CPU, which is told by a first batch that it
            gives what torch gives
        precision: float32; or bfloat16, with which torch multiplies (autocast) while sums and what follows stay float32
        padding: the tokenizer's id that fills texts up
        hidden: whether hidden states are wanted; without (width 0), the last layer need not be computed for every token

    Raises:
        BadInputError: where onnxruntime is not installed or cannot run this teacher.
    """
    model.eval()
    if backend == ONNXRUNTIME:
        return _Checked(model, padding, hidden)
    return _with_torch(model.to(device()), precision, hidden)


def _with_torch(model: Any, precision: str, hidden: bool) -> Pass:
    compute = forward if hidden else _logits_alone

    def read(ids: Ids, mask: Ids) -> tuple[Floats, Floats]:
        where = model.device
        with torch.inference_mode(), torch.autocast(where.type, torch.bfloat16, enabled=precision == "bfloat16"):
            logits, pooled = compute(model, torch.from_numpy(ids).to(where), torch.from_numpy(mask).to(where))
        return logits.float().cpu().numpy(), pooled.float().cpu().numpy()

    return read


class _Checked:
    """A teacher's graph in onnxruntime, believed after one batch on which torch says the same."""

    def __init__(self, model: Any, padding: int, hidden: bool) -> None:
        self._outputs = _OUTPUTS if hidden else _OUTPUTS[:1]
        self._session, self._torch = _open(model, padding, self._outputs), _with_torch(model, "float32", hidden)
        self._believed = False

    def __call__(self, ids: Ids, mask: Ids) -> tuple[Floats, Floats]:
        logits, *pooled = self._session.run(list(self._outputs), dict(zip(INPUTS, (ids, mask), strict=True)))
        if not self._believed:
            theirs, _ = self._torch(ids, mask)
            if np.isfinite(theirs).all():  # else the teacher is broken, which is said where labels are kept
                check_alike(logits, theirs)
            self._believed = True
        return logits, pooled[0] if pooled else np.zeros((len(logits), 0), np.float32)


def check_alike(ours_BC: Floats, theirs_BC: Floats) -> None:
    """Check that two backends give the same soft labels [batch, classes].

    Raises:
        BadInputError: where a text's top class differs, or its distributions are not within 1e-5 nats of each other.
    """
    divergence = float(compare_rows(ours_BC, theirs_BC).max())
    best = ours_BC.argmax(axis=1)[:, None]
    other = bool((theirs_BC.max(axis=1, keepdims=True) - np.take_along_axis(theirs_BC, best, axis=1) > _TIE).any())
    if other or not divergence < _DIVERGENCE:  # nor where it is not a number
        raise BadInputError(
            f"onnxruntime does not give the teacher's labels: KL {divergence:.1e} nats on a first batch, allowed "
            f"{_DIVERGENCE:.0e}{', and another class' if other else ''}. Set labelling.backend: torch"
        )


def _logits_alone(
    model: Any, input_ids: torch.Tensor, attention_mask: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    logits = logits_of_batch(model, input_ids, attention_mask)
    return logits, logits.new_zeros((len(logits), 0))


def _open(model: Any, padding: int, outputs: Sequence[str]) -> Any:
    for module in ("onnx", "onnxscript", "onnxruntime"):
        needs(module, "onnx")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "teacher.onnx"
        try:
            with only_first_token(model) if len(outputs) == 1 else nullcontext():
                write_graph(Tensors(model, len(outputs) > 1), path, outputs, padding + 8, optimize=False)
        except BadInputError as error:
            raise BadInputError(
                f"onnxruntime cannot run a teacher of the kind {type(model).__name__}: {error}. Set labelling.backend: torch"
            ) from None
        return session(path, torch.get_num_threads())
