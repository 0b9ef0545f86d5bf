"""Logits without the last layer's work on tokens that the head never looks at.

The head of BERT and RoBERTa reads the first token alone. In the last layer the others serve as keys and values, but their own
queries, their output projections and their feed-forward network, ten twelfths of that layer, are thrown away. Leaving them
out changes no sum: logits and gradients are the same but for rounding. Of a student of two layers that is two fifths of
the work.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch.nn import functional

# Those whose head reads the first token alone, and whose layers have the parts that are used here.
_FIRST_TOKEN_HEADS = frozenset(
    {"BertForSequenceClassification", "RobertaForSequenceClassification", "XLMRobertaForSequenceClassification"}
)
_MASKS = frozenset({"sdpa", "eager"})  # kinds of attention whose mask is [batch, 1, queries, keys]


def logits_of_batch(model: Any, input_ids: torch.Tensor, attention_mask: torch.Tensor, **others: Any) -> torch.Tensor:
    """Return a classifier's logits [batch, classes], which are those of calling it, but for rounding.

    Args:
        input_ids, attention_mask: [batch, tokens]
        others: what else the model takes, such as `token_type_ids`
    """
    with only_first_token(model):
        logits: torch.Tensor = model(input_ids=input_ids, attention_mask=attention_mask, **others).logits
        return logits


@contextmanager
def only_first_token(model: Any) -> Iterator[None]:
    """Let the last layer of a model give its first token alone, where its head reads no other; else change nothing.

    Hidden states of the last layer must not be asked for meanwhile. Not for two threads on one model.
    """
    layer = _last_layer(model)
    if layer is None:
        yield
        return
    layer.forward = partial(_first_token, layer)  # of this one object: its class and its weights stay as they are
    try:
        yield
    finally:
        del layer.forward


def _last_layer(model: Any) -> Any:
    if type(model).__name__ not in _FIRST_TOKEN_HEADS or model.config._attn_implementation not in _MASKS:
        return None
    return model.base_model.encoder.layer[-1]


def _first_token(layer: Any, hidden_BTH: torch.Tensor, attention_mask: Any = None, *_: Any, **__: Any) -> torch.Tensor:
    """Return what a layer makes of the first token, [batch, 1, width]."""
    attention = layer.attention.self
    first_B1H = hidden_BTH[:, :1]

    def heads(values_BTH: torch.Tensor) -> torch.Tensor:
        return values_BTH.view(*values_BTH.shape[:-1], -1, attention.attention_head_size).transpose(1, 2)

    mixed_BA1D = functional.scaled_dot_product_attention(
        heads(attention.query(first_B1H)),
        heads(attention.key(hidden_BTH)),
        heads(attention.value(hidden_BTH)),
        attn_mask=None if attention_mask is None else attention_mask[:, :, :1],
        dropout_p=attention.dropout.p if layer.training else 0.0,
        scale=attention.scaling,
    )
    mixed_B1H = mixed_BA1D.transpose(1, 2).flatten(2)
    made: torch.Tensor = layer.feed_forward_chunk(layer.attention.output(mixed_B1H, first_B1H))
    return made
