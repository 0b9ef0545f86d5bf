"""The teacher's soft labels of every distinct source text."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kdmodels.classification import label_names, load_model
from kdmodels.encoder import load_tokenizer, tokenizer_sha256
from kdmodels.files import folder_sha256
from kdmodels.label_store import Identity, write_labels
from kdmodels.labelling import BACKEND, DTYPE, POOLING, label_texts
from kdmodels.token_table import read_tokens
from tasks import places
from tasks.sections import Params

if TYPE_CHECKING:
    from tasks.recording import Recorder


def soft_labels(tokens: Path, teacher: Path, out: Path, params: Params, record: "Recorder") -> None:
    """Write raw logits and pooled hidden states of the source texts, sharded, with a manifest.

    They are copied from the label store, which outlasts outputs and is shared by all targets; what it lacks is
    labelled first.
    """
    table = read_tokens(tokens)
    texts = {
        name: np.array(ids, dtype=np.int64) for name, ids in zip(table["source_hash"], table["source_ids"], strict=True)
    }
    model = load_model(teacher).eval()
    tokenizer = load_tokenizer(teacher)
    identity = Identity(
        teacher=folder_sha256(teacher),
        tokenizer=tokenizer_sha256(tokenizer),
        maximum_length=params.tokens.maximum_length,
        labels=tuple(label_names(model)),
        pooling=POOLING,
        backend=BACKEND,
        dtype=DTYPE,
        batch=(params.soft_labels.batch_rows, params.soft_labels.bucket),
    )
    labels, made = label_texts(
        model,
        sorted(texts.items()),
        store=places.label_store(Path()),
        identity=identity,
        shard_rows=params.soft_labels.shard_rows,
        padding=tokenizer.pad_token_id,
        say=lambda line: print(line, flush=True),
    )
    write_labels(out, identity, labels, params.soft_labels.shard_rows)
    record.metrics({"texts": len(labels), "teacher_passes": made})
