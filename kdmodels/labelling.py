"""The teacher's pass over source texts: each distinct text once, and the same bytes whatever came before."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray

from kdmodels.classification import pad
from kdmodels.cross_fitting import MAIN
from kdmodels.label_rows import SoftLabels, gather, join
from kdmodels.label_store import Identity, append_shard, read_store
from kdmodels.teacher_pass import Pass

Text = tuple[str, NDArray[np.integer]]  # its hash and its token ids
POOLING = "masked mean of the last hidden layer"


def bucket_of(model: Any, bucket: int) -> int:
    """Return the tokens that lengths are rounded up to, for texts that a model reads together.

    A recurrent network packs a batch by its lengths, so that a text's sums depend on how long the others are: it reads
    texts of one length together. Others read up to `bucket` lengths together.
    """
    return 1 if any(isinstance(module, torch.nn.RNNBase) for module in model.modules()) else bucket


def label_texts(
    make_pass: Callable[[], Pass],
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
        make_pass: gives what reads a batch; called where there is something to read
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
        if not missing:
            return gather(found, [name for name, _ in texts]), made
        read = make_pass()
        with _Writer(folder, identity, files) as writer:
            for shard in _shards(missing, identity.batch, shard_rows):
                made_now = join([_label_batch(read, batch, identity.batch, padding) for batch in shard])
                labels = made_now.rounded(identity.kept)
                writer.write(labels)
                found.append(labels)
                made += len(labels)
                say(f"labelled {made} of {len(missing)} texts")
    return gather(found, [name for name, _ in texts]), made


class _Writer:
    """Writes one shard while the next is labelled."""

    def __init__(self, folder: Path, identity: Identity, files: FileLock) -> None:
        self._folder, self._identity, self._files = folder, identity, files
        self._thread = ThreadPoolExecutor(1)
        self._last: Future[None] | None = None

    def __enter__(self) -> "_Writer":
        return self

    def write(self, labels: SoftLabels) -> None:
        """Begin to write a shard, once the one before it is on the disk."""
        self._wait()
        self._last = self._thread.submit(self._append, labels)

    def __exit__(self, *_: object) -> None:
        with self._thread:
            self._wait()

    def _wait(self) -> None:
        if self._last is not None:
            last, self._last = self._last, None
            last.result()

    def _append(self, labels: SoftLabels) -> None:
        with self._files:
            append_shard(self._folder, self._identity, labels)


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


def _label_batch(read: Pass, batch: list[Text], shape: tuple[int, int], padding: int) -> SoftLabels:
    """Label one batch, filled up to the fixed number of rows: sums depend on a batch's shape in their last bits."""
    rows, bucket = shape
    filled = [batch[i % len(batch)][1] for i in range(rows)]
    ids, mask = pad(filled, _padded(max(len(one) for one in filled), bucket), padding)
    logits, hidden = read(ids.numpy(), mask.numpy())
    return SoftLabels(
        np.array([name for name, _ in batch]),
        logits[: len(batch)],
        hidden[: len(batch)],
        np.full(len(batch), MAIN, dtype=np.int8),
    )
