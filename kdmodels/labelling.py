"""The teacher's pass over source texts: each distinct text once, and the same bytes whatever came before."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray

from kdmodels.classification import forward, pad
from kdmodels.cross_fitting import MAIN
from kdmodels.label_store import Identity, SoftLabels, append_shard, join, read_store

Text = tuple[str, NDArray[np.integer]]  # its hash and its token ids
POOLING = "masked mean of the last hidden layer"
DTYPE = "float32"


def device() -> str:
    """Return where the teacher reads: on the GPU, where there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def backend() -> str:
    """Return what computes, with the kind of GPU: labels of two kinds differ in their last bits, and are never mixed."""
    return "torch" if device() == "cpu" else f"torch, {torch.cuda.get_device_name()}"


def bucket_of(model: Any, bucket: int) -> int:
    """Return the tokens that lengths are rounded up to, for texts that a model reads together.

    A recurrent network packs a batch by its lengths, so that a text's sums depend on how long the others are: it reads
    texts of one length together. Others read up to `bucket` lengths together.
    """
    return 1 if any(isinstance(module, torch.nn.RNNBase) for module in model.modules()) else bucket


def label_texts(
    model: Any,
    texts: Sequence[Text],
    *,
    store: Path,
    identity: Identity,
    part: str,
    shard_rows: int,
    padding: int,
    say: Callable[[str], None],
) -> tuple[SoftLabels, int]:
    """Return soft labels of all texts, sorted by hash, and the number of teacher passes over texts that it took.

    What the store holds is not computed again; what is computed goes into the store shard by shard, so that an
    interrupted run goes on where it stopped. Others who label the same part with the same teacher meanwhile wait, since they
    may want the same texts; those of other parts do not, since theirs are other texts.

    Args:
        part: to which all the texts belong, such as `1_of_2`

    Raises:
        DamagedError: where the teacher gives a value that is not finite.
    """
    folder = store / identity.key
    folder.mkdir(parents=True, exist_ok=True)
    files = FileLock(folder / ".lock")
    with FileLock(folder / f".{part}.lock"):
        refused: list[str] = []
        with files:
            known = read_store(folder, identity, refused)
        for message in refused:
            say(f"warning: refused and made again: {message}")
        done = set() if known is None else set(known.hashes_N.tolist())
        missing = {name: ids for name, ids in texts if name not in done}
        say(f"{len(texts) - len(missing)} of {len(texts)} texts are labelled already")
        found = [] if known is None else [known]
        made = 0
        for shard in _shards(missing, identity.batch, shard_rows):
            labels = join([_label_batch(model, batch, identity.batch, padding) for batch in shard])
            with files:
                append_shard(folder, identity, labels)
            found.append(labels)
            made += len(labels)
            say(f"labelled {made} of {len(missing)} texts")
    everything = join(found).sorted_rows()
    wanted = everything.rows_of(sorted(name for name, _ in texts))
    return everything.at(wanted), made


def _shards(missing: dict[str, Any], batch: tuple[int, int], shard_rows: int) -> Iterator[list[list[Text]]]:
    """Cut texts into batches of one padded length each, and batches into shards.

    The order depends on the texts alone, so what is left of an interrupted run is cut as it would have been.
    """
    rows, bucket = batch
    by_length: dict[int, list[Text]] = {}
    for name, ids in sorted(missing.items()):
        by_length.setdefault(_padded(len(ids), bucket), []).append((name, ids))
    batches = [
        group[start : start + rows] for _, group in sorted(by_length.items()) for start in range(0, len(group), rows)
    ]
    each = shard_rows // rows
    for start in range(0, len(batches), each):
        yield batches[start : start + each]


def _padded(length: int, bucket: int) -> int:
    return -(-length // bucket) * bucket


def _label_batch(model: Any, batch: list[Text], shape: tuple[int, int], padding: int) -> SoftLabels:
    """Label one batch, filled up to the fixed number of rows: sums depend on a batch's shape in their last bits."""
    rows, bucket = shape
    filled = [batch[i % len(batch)][1] for i in range(rows)]
    ids, mask = pad(filled, _padded(max(len(one) for one in filled), bucket), padding)
    with torch.inference_mode():
        logits, hidden = forward(model, ids.to(model.device), mask.to(model.device))
    return SoftLabels(
        np.array([name for name, _ in batch]),
        logits[: len(batch)].float().cpu().numpy(),
        hidden[: len(batch)].float().cpu().numpy(),
        np.full(len(batch), MAIN, dtype=np.int8),
    )
