"""Tiny random models, tokenizers and texts, made where a test needs them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForSequenceClassification,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
)

from kdmodels.token_rows import TokenRows
from kdmodels.vocabulary import save_tokenizer, train_vocabulary

Text = tuple[str, NDArray[np.integer[Any]]]  # its hash and its token ids
ENGLISH = [
    "the parcel is late",
    "my invoice is wrong",
    "the lamp is broken",
    "please send the parcel",
    "cancel my order now",
    "the invoice has two errors",
    "a wonderful lamp",
    "where is my order",
]
GERMAN = [
    "das paket ist spät",
    "meine rechnung ist falsch",
    "die lampe ist kaputt",
    "bitte senden sie das paket",
    "stornieren sie jetzt meine bestellung",
    "die rechnung hat zwei fehler",
    "eine wunderbare lampe",
    "wo ist meine bestellung",
]
LABELS = ["billing", "delivery", "product"]


def shape(tokenizer: Any) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "max_position_embeddings": 66,
        "pad_token_id": tokenizer.pad_token_id,
        "id2label": dict(enumerate(LABELS)),
        "label2id": {label: number for number, label in enumerate(LABELS)},
    }


def wordpiece(folder: Path, texts: Sequence[str] = ENGLISH, size: int = 120) -> Any:
    """Save and load a WordPiece tokenizer."""
    save_tokenizer(train_vocabulary(texts, size=size, lowercase=True, frame=(["cls"], ["sep"])), folder, 64)
    return PreTrainedTokenizerFast.from_pretrained(folder)


def bert(tokenizer: Any, seed: int = 0, **changes: Any) -> Any:
    """Return a random BERT classifier, its shape as given or as `shape` has it."""
    torch.manual_seed(seed)
    return BertForSequenceClassification(BertConfig(**shape(tokenizer) | changes)).eval()


def bert_teacher(folder: Path, seed: int = 0) -> Path:
    """Save a random BERT classifier with its tokenizer."""
    tokenizer = wordpiece(folder)
    bert(tokenizer, seed).save_pretrained(folder)
    return folder


def sentencepiece_teacher(**changes: Any) -> tuple[Any, Any]:
    """Return a random XLM-R with a unigram tokenizer, its special tokens numbered and framed as XLM-R's are."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer.train_from_iterator(
        ENGLISH, trainers.UnigramTrainer(vocab_size=100, special_tokens=special, unk_token="<unk>", show_progress=False)
    )
    wrapped = _wrap(tokenizer)
    return XLMRobertaForSequenceClassification(XLMRobertaConfig(**shape(wrapped) | changes)).eval(), wrapped


def byte_level_teacher() -> tuple[Any, Any]:
    """Return a random RoBERTa with a byte-level BPE tokenizer whose special tokens stand behind the others."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.train_from_iterator(ENGLISH, trainers.BpeTrainer(vocab_size=300, show_progress=False))
    tokenizer.add_special_tokens(["<mask>", "</s>", "<unk>", "<s>", "<pad>"])
    wrapped = _wrap(tokenizer)
    numbers = shape(wrapped) | {"max_position_embeddings": 66 + wrapped.pad_token_id}
    return RobertaForSequenceClassification(RobertaConfig(**numbers)).eval(), wrapped


def _wrap(tokenizer: Tokenizer) -> Any:
    ids = [(token, tokenizer.token_to_id(token)) for token in ("<s>", "</s>")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=ids
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_max_length=64,
    )


def columns(texts: Sequence[Text]) -> tuple[NDArray[np.str_], TokenRows]:
    """Return hashes and token ids as labelling takes them."""
    return np.array([name for name, _ in texts]), TokenRows.of(ids for _, ids in texts)
