"""The last layer on the first token alone gives what the whole layer gives, forwards and backwards."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from kdmodels.classification import forward, pad
from kdmodels.first_token import logits_of_batch, only_first_token
from tests import tiny


def some_bert(folder: Path) -> tuple[Any, Any]:
    tokenizer = tiny.wordpiece(folder)
    return tiny.bert(tokenizer), tokenizer


MODELS: dict[str, Callable[[Path], tuple[Any, Any]]] = {
    "bert": some_bert,
    "roberta": lambda folder: tiny.byte_level_teacher(),
    "xlm-roberta": lambda folder: tiny.sentencepiece_teacher(),
}


def batch(tokenizer: Any) -> tuple[torch.Tensor, torch.Tensor]:
    rows = [torch.tensor(row).numpy() for row in tokenizer(tiny.ENGLISH)["input_ids"]]
    assert len({len(row) for row in rows}) > 1  # or nothing is padded
    return pad(rows, max(map(len, rows)), tokenizer.pad_token_id)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_logits_and_gradients_are_those_of_the_whole_layer(kind: str, attention: str, tmp_path: Path) -> None:
    model, tokenizer = MODELS[kind](tmp_path)
    model.set_attn_implementation(attention)
    ids, mask = batch(tokenizer)
    found = []
    for read in (lambda: model(input_ids=ids, attention_mask=mask).logits, lambda: logits_of_batch(model, ids, mask)):
        model.zero_grad()
        logits = read()
        logits.square().sum().backward()
        found.append((logits.detach(), {name: value.grad.clone() for name, value in model.named_parameters()
                                        if value.grad is not None}))  # fmt: skip
    (plain, slopes), (ours, ours_slopes) = found
    torch.testing.assert_close(ours, plain, atol=1e-6, rtol=1e-5)
    assert slopes.keys() == ours_slopes.keys()
    for name, slope in slopes.items():
        torch.testing.assert_close(ours_slopes[name], slope, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", MODELS)
def test_the_last_layer_does_its_work_for_one_token(kind: str, tmp_path: Path) -> None:
    model, tokenizer = MODELS[kind](tmp_path)
    ids, mask = batch(tokenizer)
    seen = []
    for layer in model.base_model.encoder.layer:
        layer.intermediate.register_forward_hook(lambda module, given, made: seen.append(made.shape[1]))
    logits_of_batch(model, ids, mask)
    assert seen == [ids.shape[1], ids.shape[1], 1]


def test_hidden_states_are_whole_before_and_after_and_the_model_is_as_it_was(tmp_path: Path) -> None:
    model, tokenizer = some_bert(tmp_path)
    ids, mask = batch(tokenizer)
    names = list(model.state_dict())
    before = forward(model, ids, mask)
    logits_of_batch(model, ids, mask)
    with pytest.raises(ZeroDivisionError), only_first_token(model):
        raise ZeroDivisionError
    after = forward(model, ids, mask)
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert list(model.state_dict()) == names


def test_a_text_without_padding_and_a_dropped_out_training_work(tmp_path: Path) -> None:
    model, tokenizer = some_bert(tmp_path)
    ids = torch.tensor(tokenizer(tiny.ENGLISH[0])["input_ids"])[None]
    torch.testing.assert_close(logits_of_batch(model, ids, torch.ones_like(ids)), model(input_ids=ids).logits)
    model.train()
    torch.manual_seed(1)
    one, other = (logits_of_batch(model, ids, torch.ones_like(ids)) for _ in range(2))
    assert not torch.equal(one, other)


def test_another_architecture_is_called_as_it_is(tmp_path: Path) -> None:
    from transformers import DistilBertConfig, DistilBertForSequenceClassification

    torch.manual_seed(0)
    tokenizer = tiny.wordpiece(tmp_path)
    model = DistilBertForSequenceClassification(
        DistilBertConfig(vocab_size=len(tokenizer), dim=16, hidden_dim=32, n_heads=2, n_layers=2)
    ).eval()
    ids, mask = batch(tokenizer)
    assert torch.equal(logits_of_batch(model, ids, mask), model(input_ids=ids, attention_mask=mask).logits)
