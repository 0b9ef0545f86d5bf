"""A corpus through its filters in two passes, with all that grows with it on disk."""

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from kdmodels.errors import BadInputError, DamagedError
from kdmodels.pairs import Pair, pair_hash
from kdmodels.workers import in_order

BATCH = 5000  # pairs worked on together
EXAMPLES = 5  # kept of each reason to drop a pair
_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("slot", pa.uint8()),
        ("group", pa.string()),
        ("source", pa.string()),
        ("target", pa.string()),
    ]
)

Read = Callable[[], Iterator[Pair]]


@dataclass
class Tally:
    """What was dropped of a corpus and why, and what it consists of."""

    read: Counter[str] = field(default_factory=Counter)  # by slot
    dropped: Counter[str] = field(default_factory=Counter)  # by reason
    examples: dict[str, list[Pair]] = field(default_factory=dict)  # the first of each reason

    def drop(self, reason: str, pair: Pair) -> None:
        """Count a pair that is dropped."""
        self.dropped[reason] += 1
        kept = self.examples.setdefault(reason, [])
        if len(kept) < EXAMPLES:
            kept.append(pair)


@dataclass
class Survivors:
    """The pairs that the first pass left, on disk in their order, with what finds each again (memory maps)."""

    path: Path
    exact_N: NDArray[np.uint64]
    bands_NB: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.exact_N)

    def batches(self, keep: NDArray[np.bool_]) -> Iterator[tuple[NDArray[np.int64], list[tuple[int, Pair]]]]:
        """Return, batch by batch, the rows that are kept and their pairs, each with the number of its slot."""
        if not len(self):
            return
        start = 0
        with pa.memory_map(str(self.path)) as stream:
            reader = pa.ipc.open_file(stream)
            for number in range(reader.num_record_batches):
                batch = reader.get_batch(number)
                rows = np.flatnonzero(keep[start : start + batch.num_rows])
                columns = {name: batch.column(name).take(rows).to_pylist() for name in _SCHEMA.names}
                pairs = zip(*(columns[name] for name in ("id", "source", "target", "group")), strict=True)
                yield rows + start, [(slot, Pair(*pair)) for slot, pair in zip(columns["slot"], pairs, strict=True)]
                start += batch.num_rows


def first_pass(
    slots: Sequence[tuple[str, Read, int | None]],
    *,
    make: Callable[..., Callable[[list[Pair]], Any]],
    arguments: dict[str, Any],
    folder: Path,
    begin: Callable[[], Any],
    workers: int,
    tally: Tally,
    say: Callable[[str], None],
) -> Survivors:
    """Read the pairs of all slots through the filters that look at one pair alone.

    Args:
        slots: name, reader and cap (of pairs taken; none: all) of each source, in order.
        make: makes the chain of filters from `arguments`, once in each process.
        folder: for the survivors; empty.

    Raises:
        BadInputError: where an id is used twice, or as the readers.
        DamagedError: where the filters gave pairs back in another order.
    """
    path, ids = folder / "survivors.arrow", array("Q")
    exact, bands = _Column(folder / "exact.bin"), _Column(folder / "bands.bin")
    seen, kept = 0, 0
    with exact, bands, pa.OSFile(str(path), "wb") as stream, pa.ipc.new_file(stream, _SCHEMA) as writer:
        for batch, cleaned in in_order(
            _batches(slots, ids, tally), _OfBatch, {"make": make, "arguments": arguments}, begin=begin, workers=workers
        ):
            _prove_order(batch, cleaned.pairs)
            good: list[tuple[int, Pair]] = []
            for (slot, before), after, reason in zip(batch, cleaned.pairs, cleaned.reasons, strict=True):
                if reason is None:
                    good.append((slot, after))
                else:
                    tally.drop(reason, before)
            if good:
                writer.write_batch(_record_batch(good))
                exact.append(cleaned.exact_N)
                bands.append(cleaned.bands_NB)
                kept += len(good)
            seen += len(batch)
            say(f"{seen:,} pairs cleaned, {kept:,} left")
    _check_ids(slots, ids)
    return Survivors(path, exact.read(), bands.read())


class _Column:
    """Rows of numbers that are written piece by piece and read as a memory map."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._shape: tuple[int, ...] = (0,)

    def __enter__(self) -> "_Column":
        self._file = self._path.open("wb")
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def append(self, values: NDArray[np.uint64]) -> None:
        self._file.write(np.ascontiguousarray(values).tobytes())
        self._shape = (self._shape[0] + len(values), *values.shape[1:])

    def read(self) -> NDArray[np.uint64]:
        if not np.prod(self._shape):  # an empty file cannot be mapped
            return np.empty(self._shape, dtype=np.uint64)
        return np.memmap(self._path, dtype=np.uint64, mode="r", shape=self._shape)


class _OfBatch:
    """The chain on a batch whose pairs come with the number of their slot."""

    def __init__(self, make: Callable[..., Callable[[list[Pair]], Any]], arguments: dict[str, Any]) -> None:
        self._chain = make(**arguments)

    def __call__(self, batch: list[tuple[int, Pair]]) -> Any:
        return self._chain([pair for _, pair in batch])


def _batches(
    slots: Sequence[tuple[str, Read, int | None]], ids: "array[int]", tally: Tally
) -> Iterator[list[tuple[int, Pair]]]:
    def every() -> Iterator[tuple[int, Pair]]:
        for number, (name, read, cap) in enumerate(slots):
            for pair in _capped(name, read, cap):
                if not pair.id:
                    raise BadInputError(
                        f"corpus.{name}: pair {tally.read[name] + 1} has an empty id; each pair needs its own"
                    )
                tally.read[name] += 1
                ids.append(_id_hash(name, pair))
                yield number, pair

    coming = every()
    while batch := list(islice(coming, BATCH)):
        yield batch


def _capped(slot: str, read: Read, cap: int | None) -> Iterator[Pair]:
    """Return the pairs of a slot; of more than the cap those whose ids have the lowest hashes, from the whole of it."""
    if cap is None:
        yield from read()
        return
    hashes = np.fromiter((_id_hash(slot, pair) for pair in read()), dtype=np.uint64)
    highest = np.partition(hashes, cap - 1)[cap - 1] if len(hashes) > cap else np.uint64(2**64 - 1)
    yield from (pair for pair in read() if _id_hash(slot, pair) <= highest)


def _id_hash(slot: str, pair: Pair) -> int:
    return xxhash.xxh3_64_intdigest(f"{slot}\0{pair.id}".encode())


def _prove_order(batch: list[tuple[int, Pair]], cleaned: Sequence[Pair]) -> None:
    for row, ((_, before), after) in enumerate(zip(batch, cleaned, strict=True)):
        if before.id != after.id:
            raise DamagedError(f"cleaning gave row {row} of a batch back as another: {before.id} became {after.id}")


def _record_batch(good: Iterable[tuple[int, Pair]]) -> pa.RecordBatch:
    rows = list(good)
    columns: dict[str, list[Any]] = {
        name: [getattr(pair, name) for _, pair in rows] for name in _SCHEMA.names if name != "slot"
    }
    columns["slot"] = [slot for slot, _ in rows]
    return pa.RecordBatch.from_pydict(columns, schema=_SCHEMA)


def _check_ids(slots: Sequence[tuple[str, Read, int | None]], hashes: "array[int]") -> None:
    """Refuse an id that was used twice in a slot. Only hashes were kept; the text is read again to name the pairs."""
    values = np.frombuffer(hashes, dtype=np.uint64) if len(hashes) else np.empty(0, dtype=np.uint64)
    ordered = np.sort(values)
    repeated = set(ordered[1:][ordered[1:] == ordered[:-1]].tolist())
    if not repeated:
        return
    for name, read, cap in slots:
        seen: dict[str, int] = {}
        for number, pair in enumerate(_capped(name, read, cap), start=1):
            if _id_hash(name, pair) not in repeated:
                continue
            if pair.id in seen:
                raise BadInputError(
                    f"corpus.{name}: the id {pair.id!r} of pair {number} was used already by pair {seen[pair.id]}; ids are "
                    "unique, since each pair is known by its own"
                )
            seen[pair.id] = number


def sample_rows(survivors: Survivors, keep: NDArray[np.bool_], most: int) -> NDArray[np.bool_]:
    """Return which rows belong to a sample of those that are kept, at most so many: those with the lowest hashes.

    So the sample does not depend on the order of the corpus, and most of it stays when the corpus grows.
    """
    rows = np.flatnonzero(keep)
    if len(rows) > most:
        hashes = np.asarray(survivors.exact_N)[rows]
        rows = rows[np.argsort(hashes, kind="stable")[:most]]
    chosen = np.zeros(len(survivors), dtype=bool)
    chosen[rows] = True
    return chosen


class Scoring:
    """The second pass on one batch: how well the words of each pair translate each other; without a scorer, not asked."""

    def __init__(self, scorer: Any) -> None:
        self._scorer = scorer

    def __call__(self, batch: list[Pair]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the score of each pair and the share of its target words that its source explains; none: not a number."""
        if self._scorer is None:
            nothing = np.full(len(batch), np.nan, dtype=np.float32)
            return nothing, nothing
        sides = [pair.source for pair in batch], [pair.target for pair in batch]
        hashes = [pair_hash(pair.source, pair.target) for pair in batch]
        scores, covered = self._scorer.judge(*sides, hashes)
        return scores, covered
