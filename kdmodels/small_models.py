"""What the students that transformers does not know share: one shape, saved and loaded as Hugging Face folders."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from scipy.sparse import csr_array
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel
from transformers.utils import ModelOutput

from kdmodels.encoder import special_ids
from kdmodels.transtokenization import narrower, target_embeddings


class SmallConfig(PretrainedConfig):  # type: ignore[misc]
    """The numbers of a small student; `architecture` names its file in kdmodels/students, which reads it back."""

    model_type = "distilingua"


@dataclass
class Answer(ModelOutput):  # type: ignore[misc]
    """What a small student gives.

    Attributes:
        logits: [batch, classes]
        pooled: [batch, width], what its head reads
    """

    logits: torch.Tensor | None = None
    pooled: torch.Tensor | None = None


class SmallModel(PreTrainedModel):  # type: ignore[misc]
    """A student that turns token ids into one vector, which a linear head reads."""

    config_class = SmallConfig

    def __init__(self, config: SmallConfig) -> None:
        super().__init__(config)
        self.make_body(config)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(self.width, config.num_labels)  # last, as what freezes bodies expects
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """Leave weights as torch draws them."""

    @property
    @abstractmethod
    def width(self) -> int:
        """Return the width of the vector."""

    @abstractmethod
    def make_body(self, config: SmallConfig) -> None:
        """Make all modules but the head."""

    @abstractmethod
    def pool(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return a vector for each text, [batch, width], which does not depend on padding."""

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: Any = None, **_: Any
    ) -> Answer:
        """Return logits and the vector that they are read from; tokens have no types here."""
        del token_type_ids
        pooled_BH = self.pool(input_ids, attention_mask)
        return Answer(logits=self.classifier(self.dropout(pooled_BH)), pooled=pooled_BH)


def small_config(architecture: str, *, teacher: Any, tokenizer: Any, dropout: float, **sizes: Any) -> SmallConfig:
    """Return the numbers of a small student with the teacher's labels."""
    return SmallConfig(
        architecture=architecture,
        vocab_size=len(tokenizer),
        pad_token_id=special_ids(tokenizer)["pad"],
        dropout=dropout,
        id2label=dict(teacher.config.id2label),
        label2id=dict(teacher.config.label2id),
        **sizes,
    )


def start_embeddings(
    embeddings: nn.Embedding,
    *,
    teacher: Any,
    teacher_tokenizer: Any,
    tokenizer: Any,
    align: Callable[[], csr_array],
) -> None:
    """Set word embeddings to the transtokenized ones of the teacher, cut to their principal components where narrower."""
    words = teacher.get_input_embeddings().weight
    found = target_embeddings(words, align(), teacher_tokenizer, tokenizer)
    width = embeddings.embedding_dim
    with torch.no_grad():
        embeddings.weight.copy_(found if width == found.shape[1] else narrower(found, width))
