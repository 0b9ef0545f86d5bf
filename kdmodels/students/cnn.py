"""A student that looks for short runs of tokens: convolutions and their maxima over the text."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from scipy.sparse import csr_array
from torch import nn
from torch.nn import functional

from kdmodels.errors import BadInputError
from kdmodels.small_models import SmallConfig, SmallModel, small_config, start_embeddings


class Model(SmallModel):
    """The network of Kim 2014, arXiv 1408.5882, which is the student of Xu & Yang 2017, arXiv 1705.02073, section 3."""

    def make_body(self, config: SmallConfig) -> None:
        """Make word embeddings and one convolution a window."""
        self.embeddings = nn.Embedding(config.vocab_size, config.embedding_width, padding_idx=config.pad_token_id)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(config.embedding_width, config.filters, window, padding=window - 1) for window in config.windows
        )

    @property
    def width(self) -> int:
        """Return the number of filters of all windows."""
        return int(self.config.filters) * len(self.config.windows)

    def get_input_embeddings(self) -> nn.Module:
        """Return the word embeddings."""
        return self.embeddings

    def pool(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return each filter's maximum over time, [batch, filters of all windows]."""
        mask_BT1 = attention_mask.unsqueeze(-1)
        embedded_BET = (self.dropout(self.embeddings(input_ids)) * mask_BT1).transpose(1, 2)
        found = []
        for window, convolution in zip(self.config.windows, self.convolutions, strict=True):
            values_BFT = functional.relu(convolution(embedded_BET))
            touched_BT = functional.pad(attention_mask, (0, window - 1)).cumsum(dim=1)
            before_BT = functional.pad(touched_BT, (window, 0))[:, : touched_BT.shape[1]]
            # A window of padding alone would give the bias; 0 is what the maximum over relu ignores.
            found.append((values_BFT * (touched_BT > before_BT).unsqueeze(1)).amax(dim=-1))
        return torch.cat(found, dim=-1)


def build(
    *,
    teacher: Any,
    teacher_tokenizer: Any,
    tokenizer: Any,
    align: Callable[[], csr_array],
    dropout: float,
    seed: int,
    init: Literal["transtokenized", "random"],
    embedding_width: int,
    filters: int,
    windows: Sequence[int],
) -> Any:
    """Return a student with the teacher's labels.

    Args:
        init: of the word embeddings: transtokenized from the teacher's, or random
        embedding_width: at most the teacher's where they are transtokenized
        filters: of each window
        windows: in tokens; Kim's are 3, 4 and 5 with 100 filters each

    Raises:
        BadInputError: where a number is not above 0, or there is no window.
    """
    torch.manual_seed(seed)
    if min(embedding_width, filters, *windows, len(windows)) < 1:
        raise BadInputError("student.options: embedding_width, filters and each of the windows are numbers above 0")
    config = small_config(
        "cnn", teacher=teacher, tokenizer=tokenizer, dropout=dropout,
        embedding_width=embedding_width, filters=filters, windows=list(windows),
    )  # fmt: skip
    student = Model(config)
    if init == "transtokenized":
        start_embeddings(
            student.embeddings, teacher=teacher, teacher_tokenizer=teacher_tokenizer, tokenizer=tokenizer, align=align
        )
    return student
