"""The teacher's pass over source texts: each distinct text once, and the same bytes whatever came before."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray

from kdmodels.classification import pad
from kdmodels.cross_fitting import MAIN
from kdmodels.label_rows import Collected, SoftLabels, join
from kdmodels.label_store import Identity, append_shard, read_store
from kdmodels.large_arrays import kept, take
from kdmodels.teacher_pass import Pass
from kdmodels.text_hashes import Hashes
from kdmodels.token_rows import TokenRows

Rows = NDArray[np.int64]
POOLING = "masked mean of the last hidden layer"


def bucket_of(model: Any, bucket: int) -> int:
    """Return the tokens that lengths are rounded up to, for texts that a model reads together.

    A recurrent network packs a batch by its lengths, so that a text's sums depend on how long the others are: it reads
    texts of one length together. Others read up to `bucket` lengths together.
    """
    return 1 if any(isinstance(module, torch.nn.RNNBase) for module in model.modules()) else bucket


def label_texts(
    make_pass: Callable[[], Pass],
    hashes_N: Hashes,
    ids: TokenRows,
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
        hashes_N: [texts], of distinct texts
        ids: of their tokens
        part: to which all the texts belong, such as `1_of_2`

    Raises:
        DamagedError: where the teacher gives a value that is not finite.
    """
    folder = store / identity.key
    folder.mkdir(parents=True, exist_ok=True)
    files = FileLock(folder / ".lock")
    order = kept(np.argsort(hashes_N))
    hashes_N, ids = take(hashes_N, order), ids.at(order)
    collected = Collected(hashes_N)
    with FileLock(folder / f".{part}.lock"):
        with files:
            refused = read_store(folder, identity, collected.add)
        for message in refused:
            say(f"warning: refused and made again: {message}")
        missing = kept(collected.missing())
        say(f"{len(hashes_N) - len(missing)} of {len(hashes_N)} texts are labelled already")
        made = 0
        if not len(missing):
            return collected.done(), made
        read = make_pass()
        with _Writer(folder, identity, files) as writer:
            for shard in _shards(missing, ids.lengths[missing], identity.batch, shard_rows):
                batches = (_label_batch(read, hashes_N[rows], ids.at(rows), identity.batch, padding) for rows in shard)
                labels = join(batches).rounded(identity.kept)
                writer.write(labels)
                collected.add(labels)
                made += len(labels)
                say(f"labelled {made} of {len(missing)} texts")
    return collected.done(), made


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


def _shards(rows: Rows, lengths: Rows, batch: tuple[int, int], shard_rows: int) -> Iterator[list[Rows]]:
    """Cut rows, in the order of their texts' hashes, into batches of one padded length each, and batches into shards.

    The order depends on the texts alone, so what is left of an interrupted run is cut as it would have been.
    """
    size, bucket = batch
    order = kept(np.argsort(_padded(lengths, bucket), kind="stable"))
    ends = np.cumsum(np.unique(_padded(lengths, bucket), return_counts=True)[1]).tolist()
    batches = (
        rows[order[start : min(start + size, end)]]
        for begin, end in pairwise([0, *ends])
        for start in range(begin, end, size)
    )
    while shard := list(islice(batches, shard_rows // size)):
        yield shard


def _padded(length: Any, bucket: int) -> Any:
    return -(-length // bucket) * bucket


def _label_batch(read: Pass, hashes_N: Hashes, ids: TokenRows, shape: tuple[int, int], padding: int) -> SoftLabels:
    """Label one batch, filled up to the fixed number of rows: sums depend on a batch's shape in their last bits."""
    rows, bucket = shape
    filled = [ids[i % len(ids)] for i in range(rows)]
    batch_ids, mask = pad(filled, _padded(max(len(one) for one in filled), bucket), padding)
    logits, hidden = read(batch_ids.numpy(), mask.numpy())
    count = len(hashes_N)
    return SoftLabels(hashes_N, logits[:count], hidden[:count], np.full(count, MAIN, dtype=np.int8))
