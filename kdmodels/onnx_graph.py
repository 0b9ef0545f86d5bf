"""A model of torch as a graph of ONNX, for any number of texts of any length."""

import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import torch
from torch import nn

from kdmodels.classification import forward
from kdmodels.errors import BadInputError
from kdmodels.onnx_student import INPUTS

_ROWS, _TOKENS = 2, 7  # of the example that the graph is drawn from; neither stands in it


class Tensors(nn.Module):
    """A classifier as what ONNX knows: tensors in, tensors out; its logits, and pooled hidden states where they are wanted."""

    def __init__(self, model: Any, hidden: bool) -> None:
        super().__init__()
        self.model, self.hidden = model, hidden

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, ...]:
        if self.hidden:
            return forward(self.model, input_ids, attention_mask)
        return (self.model(input_ids=input_ids, attention_mask=attention_mask).logits,)


def write_graph(module: nn.Module, path: Path, outputs: Sequence[str], known_ids: int, optimize: bool) -> None:
    """Write a float32 graph.

    Args:
        module: takes token ids and attention mask, [batch, tokens] each, and gives as many tensors as there are outputs
        outputs: their names
        known_ids: token ids below it have embeddings
        optimize: fold constants and the like, which takes as long again; onnxruntime does it too, whenever it opens a graph

    Raises:
        BadInputError: where the exporter does not know what the model does.
    """
    ids = torch.tensor([[row + column for column in range(_TOKENS)] for row in range(_ROWS)]) % known_ids
    free = torch.export.Dim.DYNAMIC
    try:
        with quiet():
            program = torch.onnx.export(
                module.eval(),
                (ids, torch.ones_like(ids)),
                dynamo=True,
                input_names=list(INPUTS),
                output_names=list(outputs),
                dynamic_shapes=tuple({0: free, 1: free} for _ in INPUTS),
                optimize=optimize,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        raise BadInputError(f"no graph of ONNX can be made of it ({reason})") from None
    assert program is not None  # only where it is told to write a file itself
    program.save(str(path))


@contextmanager
def quiet() -> Iterator[None]:
    """Keep to itself what exporter and quantizer say of their own progress."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
