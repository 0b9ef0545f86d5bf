"""A multilingual encoder as the student, its vocabulary trimmed to the target language."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from scipy.sparse import csr_array

from kdmodels.encoder import find_encoder, load_tokenizer
from kdmodels.errors import BadInputError
from kdmodels.transtokenization import student_config, transplant


def build(
    *,
    teacher: Any,
    teacher_tokenizer: Any,
    tokenizer: Any,
    align: Callable[[], csr_array],
    dropout: float,
    seed: int,
    checkpoint: str,
    layers: Sequence[int],
) -> Any:
    """Return a student with the teacher's labels and the body and embeddings of a multilingual encoder.

    Args:
        checkpoint: a name on the Hugging Face hub or a local folder; `tokens.trimmed_from` must name it too
        layers: of it, counted from 0

    Raises:
        BadInputError: where the target vocabulary was not trimmed from its, or it has no such layers.
    """
    from transformers import AutoModelForSequenceClassification

    del teacher_tokenizer, align
    folder = find_encoder(checkpoint, revision=None, weights_sha256=None, key="student.options.checkpoint")
    numbers = load_tokenizer(folder).get_vocab()
    pieces = [piece for piece, _ in sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])]
    foreign = [piece for piece in pieces if piece not in numbers]
    if foreign:
        raise BadInputError(
            f"student.options.checkpoint: {checkpoint} does not have {len(foreign)} of the {len(pieces)} pieces of the target "
            f"vocabulary, such as {foreign[0]!r}. Set tokens.trimmed_from to the same checkpoint"
        )
    torch.manual_seed(seed)
    labels = {"id2label": dict(teacher.config.id2label), "label2id": dict(teacher.config.label2id)}
    whole = AutoModelForSequenceClassification.from_pretrained(
        folder, trust_remote_code=False, use_safetensors=True, ignore_mismatched_sizes=True, **labels
    )
    return trimmed(whole, tokenizer, [numbers[piece] for piece in pieces], layers, dropout)


def trimmed(whole: Any, tokenizer: Any, kept: Sequence[int], layers: Sequence[int], dropout: float) -> Any:
    """Return a model with only the embeddings of kept pieces, and only some layers.

    Args:
        kept: [target vocabulary], the number that each piece had
    """
    from transformers import AutoModelForSequenceClassification

    config = student_config(whole.config, tokenizer, layers, None, dropout)
    student = AutoModelForSequenceClassification.from_config(config)
    transplant(whole, student, layers, whole.get_input_embeddings().weight.detach()[list(kept)])
    return student
