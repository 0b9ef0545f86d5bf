"""Which parts of a student stay as they were for how long, so that what is new learns first."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from kdmodels.errors import BadInputError


def frozen_parts(student: Any, *, embeddings: float, body: float) -> Callable[[float], Sequence[nn.Parameter]]:
    """Return what is frozen at each share of the steps: the word embeddings, and all that is neither these nor the head.

    Freezing the body first lets new embeddings find their place under the layers they were averaged for, before the
    layers move (de Vries & Nissim 2021, arXiv 2012.05628, freeze it for the whole of the training).

    Args:
        embeddings, body: share of the steps, from the first on, that each is frozen for

    Raises:
        BadInputError: where the student has no word embeddings of its own, and some are to be frozen.
    """
    words: list[nn.Parameter] = []
    if embeddings or body:
        try:
            words = list(student.get_input_embeddings().parameters())
        except (NotImplementedError, AttributeError):
            raise BadInputError(
                f"student.frozen: {type(student).__name__} has no word embeddings; set embeddings and body to 0.0"
            ) from None
    own = {id(parameter) for parameter in words}
    layers = [parameter for parameter in student.base_model.parameters() if id(parameter) not in own]
    if student.base_model is student:  # no head that could be told apart
        heads = {id(parameter) for module in list(student.children())[-1:] for parameter in module.parameters()}
        layers = [parameter for parameter in layers if id(parameter) not in heads]

    def frozen(share: float) -> list[nn.Parameter]:
        return [*(words if share < embeddings else ()), *(layers if share < body else ())]

    return frozen
