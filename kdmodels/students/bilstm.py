"""A student that reads a text forwards and backwards with an LSTM."""

from collections.abc import Callable
from typing import Any, Literal

import torch
from scipy.sparse import csr_array
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from kdmodels.errors import BadInputError
from kdmodels.small_models import SmallConfig, SmallModel, small_config, start_embeddings


class Model(SmallModel):
    """A bidirectional LSTM; a text is the largest value of each hidden unit over its tokens.

    Hochreiter & Schmidhuber 1997; the maximum over time as Conneau et al. 2017, arXiv 1705.02364, section 3.2.1, who found
    it better than the mean and the last state.
    """

    def make_body(self, config: SmallConfig) -> None:
        """Make word embeddings and LSTM."""
        self.embeddings = nn.Embedding(config.vocab_size, config.embedding_width, padding_idx=config.pad_token_id)
        self.lstm = nn.LSTM(
            config.embedding_width, config.hidden_width, config.depth, bidirectional=True, batch_first=True
        )

    @property
    def width(self) -> int:
        """Return the width of both directions together."""
        return 2 * int(self.config.hidden_width)

    def get_input_embeddings(self) -> nn.Module:
        """Return the word embeddings."""
        return self.embeddings

    def pool(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return the maximum over time, [batch, 2 * hidden width]."""
        lengths_B = attention_mask.sum(dim=1).cpu()
        packed = pack_padded_sequence(
            self.dropout(self.embeddings(input_ids)), lengths_B, batch_first=True, enforce_sorted=False
        )
        hidden_BTH, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True, padding_value=float("-inf"))
        pooled_BH: torch.Tensor = hidden_BTH.amax(dim=1)
        return pooled_BH


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
    hidden_width: int,
    depth: int,
) -> Any:
    """Return a student with the teacher's labels.

    Args:
        init: of the word embeddings: transtokenized from the teacher's, or random. Transtokenized from a bilstm of the
            same numbers, LSTM and head are the teacher's too
        embedding_width: at most the teacher's where they are transtokenized
        hidden_width: of each direction
        depth: layers of the LSTM

    Raises:
        BadInputError: where a number is not above 0, or the embeddings would be wider than the teacher's.
    """
    torch.manual_seed(seed)
    if min(embedding_width, hidden_width, depth) < 1:
        raise BadInputError("student.options: embedding_width, hidden_width and depth are numbers above 0")
    config = small_config(
        "bilstm", teacher=teacher, tokenizer=tokenizer, dropout=dropout,
        embedding_width=embedding_width, hidden_width=hidden_width, depth=depth,
    )  # fmt: skip
    student = Model(config)
    if init == "transtokenized":
        start_embeddings(
            student.embeddings, teacher=teacher, teacher_tokenizer=teacher_tokenizer, tokenizer=tokenizer, align=align
        )
        sizes = ("architecture", "embedding_width", "hidden_width", "depth")
        if all(getattr(teacher.config, name, None) == getattr(config, name) for name in sizes):
            student.lstm.load_state_dict(teacher.lstm.state_dict())
            student.classifier.load_state_dict(teacher.classifier.state_dict())
    return student
