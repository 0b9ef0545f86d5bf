"""A student built like its teacher, with fewer layers and the vocabulary of the target language."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from scipy.sparse import csr_array

from kdmodels.transtokenization import narrower, student_config, target_embeddings, transplant


def build(
    *,
    teacher: Any,
    teacher_tokenizer: Any,
    tokenizer: Any,
    align: Callable[[], csr_array],
    dropout: float,
    seed: int,
    init: Literal["transtokenized", "random"],
    layers: Sequence[int],
    width: int | None,
) -> Any:
    """Return a student with the teacher's labels.

    Args:
        align: gives counts [target vocabulary, source vocabulary]; asked only where the student is transtokenized.
        init: transtokenized: the teacher's layers under averages of its embeddings; random: nothing of the teacher's.
        layers: of the teacher, counted from 0; with random weights only their number counts.
        width: of the hidden states, a multiple of the number of attention heads; none: the teacher's. A narrower
            transtokenized student gets the principal components of the embeddings and random layers.

    Raises:
        BadInputError: where the teacher has no such layers, none that can be told apart, or the width does not fit.
    """
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(seed)
    config = student_config(teacher.config, tokenizer, layers, width, dropout)
    student = AutoModelForSequenceClassification.from_config(config)
    if init == "transtokenized":
        words = teacher.get_input_embeddings().weight
        embeddings = target_embeddings(words, align(), teacher_tokenizer, tokenizer)
        if config.hidden_size == teacher.config.hidden_size:
            transplant(teacher, student, layers, embeddings)
        else:
            with torch.no_grad():
                student.get_input_embeddings().weight.copy_(narrower(embeddings, config.hidden_size))
    return student
