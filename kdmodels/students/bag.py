"""The smallest and fastest student: the mean of hashed n-grams of characters and pieces."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from zlib import crc32

import torch
from scipy.sparse import csr_array
from torch import nn
from torch.nn import functional

from kdmodels.errors import BadInputError
from kdmodels.small_models import SmallConfig, SmallModel, small_config

_CONTINUES = "##"  # how WordPiece marks a piece inside a word
_MIX = 1_000_003  # a prime, so that the pair (a, b) has another bucket than (b, a)


class Model(SmallModel):
    """fastText's classifier: Joulin et al. 2016, arXiv 1607.01759, with the character n-grams of arXiv 1607.04606.

    The n-grams are those inside each piece of the vocabulary, which are known before any text is read, the piece itself
    and each two pieces beside each other. All share `buckets` rows by a hash; a text is the mean of its rows.
    """

    def make_body(self, config: SmallConfig) -> None:
        """Make the rows of the buckets, and the table of the buckets of each piece; row 0 stands for nothing."""
        self.embeddings = nn.Embedding(config.buckets + 1, config.embedding_width, padding_idx=0)
        self.register_buffer("buckets_VN", torch.zeros(config.vocab_size, config.longest, dtype=torch.int32))

    @property
    def width(self) -> int:
        """Return the width of a bucket's row."""
        return int(self.config.embedding_width)

    def pool(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return the mean over all n-grams, [batch, embedding width]; of a text without any, zeros."""
        inside_BTN = self.buckets_VN[input_ids].long() * attention_mask.unsqueeze(-1)
        real_BT = inside_BTN[..., 0] > 0
        left_BT, right_BT = input_ids[:, :-1], input_ids[:, 1:]
        pair_BT = (left_BT * _MIX + right_BT) % self.config.buckets + 1
        pair_BT = pair_BT * (real_BT[:, :-1] & real_BT[:, 1:])
        rows_BN = torch.cat([inside_BTN.flatten(1), pair_BT], dim=1)
        counted_BN = (rows_BN > 0).to(self.embeddings.weight.dtype)
        weight_BN = counted_BN / counted_BN.sum(dim=1, keepdim=True).clamp_min(1)
        if torch.compiler.is_exporting():  # the same sum; ONNX has no bags, and would loop over the texts
            exported_BH: torch.Tensor = (weight_BN.unsqueeze(1) @ self.embeddings(rows_BN)).squeeze(1)
            return exported_BH
        pooled_BH: torch.Tensor = functional.embedding_bag(
            rows_BN, self.embeddings.weight, mode="sum", per_sample_weights=weight_BN
        )
        return pooled_BH


def build(
    *,
    teacher: Any,
    teacher_tokenizer: Any,
    tokenizer: Any,
    align: Callable[[], csr_array],
    dropout: float,
    seed: int,
    embedding_width: int,
    buckets: int,
    characters: Sequence[int],
) -> Any:
    """Return a student with the teacher's labels, from random weights.

    Args:
        embedding_width: of each bucket's row
        buckets: rows that all n-grams share
        characters: fewest and most of an n-gram inside a piece

    Raises:
        BadInputError: where a number is not above 0, or the fewest are more than the most.
    """
    del teacher_tokenizer, align
    torch.manual_seed(seed)
    if min(embedding_width, buckets, *characters) < 1 or len(characters) != 2 or characters[0] > characters[1]:
        raise BadInputError(
            "student.options: embedding_width and buckets are numbers above 0, characters the fewest and the most of an "
            f"n-gram; given {embedding_width}, {buckets} and {list(characters)}"
        )
    special = set(tokenizer.all_special_ids)
    rows = [
        [] if number in special else [crc32(gram.encode()) % buckets + 1 for gram in _grams(piece, *characters)]
        for piece, number in sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    ]
    longest = max(map(len, rows))
    config = small_config(
        "bag", teacher=teacher, tokenizer=tokenizer, dropout=dropout,
        embedding_width=embedding_width, buckets=buckets, longest=longest,
    )  # fmt: skip
    student = Model(config)
    student.buckets_VN.copy_(torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows], dtype=torch.int32))
    return student


def _grams(piece: str, fewest: int, most: int) -> Iterator[str]:
    """Yield a piece and the n-grams inside it, the start of a word marked, as fastText marks both ends of words."""
    yield f"piece {piece}"
    text = piece.removeprefix(_CONTINUES) if piece.startswith(_CONTINUES) else f"<{piece}"
    for length in range(fewest, most + 1):
        for start in range(len(text) - length + 1):
            yield text[start : start + length]
