"""Which parts of a model stay as they were: of a student for a while, so that what is new learns first; of a teacher always."""

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


def freeze_layers(teacher: Any, count: int) -> None:
    """Let an encoder's embeddings and its first layers stay as they were pretrained; no gradient goes back through them.

    What they say of a language is good already, and a few hundred texts do not make it better (Lee, Tang & Lin 2019, arXiv
    1911.03090, keep nine tenths of the quality with a fourth of the layers learning). With none of them it changes nothing.

    Raises:
        BadInputError: where the model has no such layers, or none would be left.
    """
    if not count:
        return
    body = teacher.base_model
    depth = getattr(teacher.config, "num_hidden_layers", None)
    found = [part for part in body.modules() if isinstance(part, nn.ModuleList) and len(part) == depth]
    if not found or count >= len(found[0]):
        has = f"has {len(found[0])} layers" if found else "is none with layers that can be told apart"
        raise BadInputError(
            f"teacher.frozen_layers: {count}, and the encoder {has}; allowed: 0 to one less than its layers"
        )
    learning = {id(one) for layer in found[0][count:] for one in layer.parameters()}
    learning |= {id(one) for name, one in body.named_parameters() if name.startswith("pooler.")}
    for one in body.parameters():
        one.requires_grad_(id(one) in learning)
