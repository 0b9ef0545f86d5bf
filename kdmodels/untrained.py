"""An encoder that nothing has trained yet: a vocabulary of the labelled text under random weights."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from kdmodels.small_models import SmallConfig
from kdmodels.students.bilstm import Model
from kdmodels.vocabulary import save_tokenizer, train_vocabulary

BILSTM = "bilstm"


def save_untrained_bilstm(
    folder: Path,
    texts: Iterable[str],
    labels: Sequence[str],
    *,
    vocabulary_size: int,
    lowercase: bool,
    maximum_length: int,
    embedding_width: int,
    hidden_width: int,
    depth: int,
    dropout: float,
    seed: int,
) -> None:
    """Save a bidirectional LSTM from random weights, with its tokenizer, as a folder that teachers are loaded from.

    The teacher of Xu & Yang 2017 (arXiv 1705.02073) was such a small network; prefer it to a pretrained encoder where the
    labelled text is large, or no encoder of its language is to be had.

    Args:
        texts: that the vocabulary is trained on
        labels: of the head, in the order of its logits
        hidden_width: of each direction
        depth: layers of the LSTM
    """
    tokenizer = train_vocabulary(texts, size=vocabulary_size, lowercase=lowercase, frame=(["cls"], ["sep"]))
    save_tokenizer(tokenizer, folder, maximum_length)
    torch.manual_seed(seed)
    config = SmallConfig(
        architecture=BILSTM,
        vocab_size=tokenizer.get_vocab_size(),
        pad_token_id=tokenizer.token_to_id("[PAD]"),
        dropout=dropout,
        id2label=dict(enumerate(labels)),
        label2id={label: number for number, label in enumerate(labels)},
        embedding_width=embedding_width,
        hidden_width=hidden_width,
        depth=depth,
    )
    Model(config).save_pretrained(folder)
