"""A student built like its teacher, with fewer layers and the vocabulary of the target language."""

from collections.abc import Sequence
from typing import Any

import torch
from scipy.sparse import csr_array

from kdmodels.transtokenization import student_config, target_embeddings, transplant


def build(
    *,
    teacher: Any,
    teacher_tokenizer: Any,
    tokenizer: Any,
    alignment: csr_array | None,
    layers: Sequence[int],
    dropout: float,
    seed: int,
) -> Any:
    """Return a student with the teacher's labels.

    Args:
        alignment: counts [target vocabulary, source vocabulary] to transtokenize the teacher by;
            none: all weights are random.
        layers: of the teacher, counted from 0; with random weights only their number counts.

    Raises:
        BadInputError: where the teacher has no such layers, or none that can be told apart.
    """
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(seed)
    config = student_config(teacher.config, tokenizer, layers, dropout)
    student = AutoModelForSequenceClassification.from_config(config)
    if alignment is not None:
        words = teacher.get_input_embeddings().weight
        embeddings = target_embeddings(words, alignment, teacher_tokenizer, tokenizer)
        transplant(teacher, student, layers, embeddings)
    return student
