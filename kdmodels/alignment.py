"""Word alignment: which source tokens translate which target tokens, learned from a parallel corpus."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pandas import factorize
from scipy.sparse import csr_array

from kdmodels.large_arrays import empty
from kdmodels.token_rows import TokenRows

Tokens = Sequence[NDArray[np.integer[Any]]]
Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

_TOGETHER = 1 << 22  # places; of them some ten numbers are in memory at once


def align(
    source: Tokens, target: Tokens, *, source_size: int, target_size: int, iterations: int, symmetrised: bool
) -> csr_array:
    """Fit IBM model 1 and return expected alignment counts.

    For a pair with source tokens s and target tokens t, each t stems from one of the s or from nothing:
    p(a = i | t, s) = p(t | s_i) / sum_j p(t | s_j), and p(t | s) is the normalised sum of these over all pairs
    (Brown et al. 1993, "The Mathematics of Statistical Machine Translation", section 4.1).
    What stems from nothing is left out of the result.

    Args:
        source: ids of the source tokens of each pair, without special tokens.
        target: ids of the target tokens of each pair, without special tokens.
        iterations: of expectation maximisation, from a uniform start.
        symmetrised: fit the other direction too, and count the product of both posteriors: a link counts where both
            sides choose each other (the product of Liang, Taskar & Klein 2006, "Alignment by Agreement", section 3,
            taken once at the end).

    Returns:
        counts: [target_size, source_size], how often each target token is aligned to each source token.
    """
    ours, theirs = TokenRows.of(target), TokenRows.of(source)
    places = _Places(ours, theirs, source_size)
    sides = [_Direction(places, ours, places.target_at, places.source_of_cell)]
    if symmetrised:
        sides.append(_Direction(places, theirs, places.source_at, places.target_of_cell))
    for side in sides:
        for _ in range(iterations - 1):
            side.learn()
    counts: Floats = np.zeros(len(places.target_of_cell))
    for chunk in places.chunks:
        links = sides[0].links(chunk)[0]
        for side in sides[1:]:
            links = links * side.links(chunk)[0]
        counts += np.bincount(places.cell_of(chunk), weights=links, minlength=len(counts))
    return csr_array((counts, (places.target_of_cell, places.source_of_cell)), shape=(target_size, source_size))


@dataclass(frozen=True)
class _Chunk:
    """Some pairs in a row, and of all places those that are theirs."""

    pairs: slice
    places: slice


class _Places:
    """Every place where a target token stands beside a source token in a pair, some millions of them at a time.

    A pair of 25 tokens has 600 places: a million pairs have more than fits in memory. What a place's cell is, which takes
    longest to find, is kept, on the disk where they are many.

    Attributes:
        chunks: of the pairs
        target_of_cell, source_of_cell: [cells], of each distinct (target token, source token)
    """

    def __init__(self, target: TokenRows, source: TokenRows, width: int) -> None:
        """Find the cells.

        Args:
            width: of the source vocabulary
        """
        self._target, self._source, self._width = target, source, width
        each = np.diff(target.starts) * np.diff(source.starts)
        self._ends = np.concatenate([[0], np.cumsum(each)])
        self.chunks = list(self._cut())
        found: list[Integers] = []  # each more than twice as long as the next, so that little is merged often
        for chunk in self.chunks:
            found.append(_distinct(self._keys(chunk)))
            while len(found) > 1 and len(found[-2]) <= 2 * len(found[-1]):
                found[-2:] = [_distinct(np.concatenate(found[-2:]))]
        cells = _distinct(np.concatenate([np.zeros(0, dtype=np.int64), *found]))
        self._cell_of = empty(int(self._ends[-1]), np.int32)
        for chunk in self.chunks:
            numbers, keys = factorize(self._keys(chunk))  # a key stands there some thirty times: each is looked up once
            self._cell_of[chunk.places] = np.searchsorted(cells, keys)[numbers]
        self.target_of_cell, self.source_of_cell = (part.astype(np.int32) for part in (cells // width, cells % width))

    def _cut(self) -> Iterator[_Chunk]:
        pairs, first = len(self._ends) - 1, 0
        while first < pairs:
            last = int(np.searchsorted(self._ends, self._ends[first] + _TOGETHER, side="right")) - 1
            last = max(last, first + 1)
            yield _Chunk(slice(first, last), slice(int(self._ends[first]), int(self._ends[last])))
            first = last

    def _keys(self, chunk: _Chunk) -> Integers:
        ours = self._target.ids[self.target_at(chunk)].astype(np.int64)  # a key is larger than any token
        return ours * self._width + self._source.ids[self.source_at(chunk)]

    def cell_of(self, chunk: _Chunk) -> NDArray[np.int32]:
        """Return the cell of each place."""
        cells: NDArray[np.int32] = self._cell_of[chunk.places]
        return cells

    def target_at(self, chunk: _Chunk) -> Integers:
        """Return which target token of the running text stands at each place."""
        ours = self._target.starts[chunk.pairs.start : chunk.pairs.stop + 1]
        return np.repeat(np.arange(ours[0], ours[-1]), self._beside(chunk))

    def source_at(self, chunk: _Chunk) -> Integers:
        """Return which source token of the running text stands at each place."""
        beside = self._beside(chunk)
        ours = np.diff(self._target.starts[chunk.pairs.start : chunk.pairs.stop + 1])
        first = np.repeat(self._source.starts[chunk.pairs], ours)  # of each target token's pair
        places = np.arange(beside.sum())
        return places - np.repeat(np.cumsum(beside) - beside, beside) + np.repeat(first, beside)

    def _beside(self, chunk: _Chunk) -> Integers:
        """Return of each target token how many source tokens stand beside it."""
        bounds = slice(chunk.pairs.start, chunk.pairs.stop + 1)
        return np.repeat(np.diff(self._source.starts[bounds]), np.diff(self._target.starts[bounds]))


def _distinct(keys: Integers) -> Integers:
    """Return keys sorted, each once: what `numpy.unique` does, whose hashing takes ten times as long for millions of keys."""
    ordered = np.sort(keys)
    first = np.ones(len(ordered), dtype=bool)
    first[1:] = ordered[1:] != ordered[:-1]
    return ordered[first]


class _Direction:
    """One direction of the model: what explains each token of one side."""

    def __init__(
        self, places: _Places, effects: TokenRows, effect_at: Callable[[_Chunk], Integers], causes: NDArray[np.int32]
    ) -> None:
        """Start from even odds.

        Args:
            effects: the side whose tokens are to be explained
            effect_at: gives of each place of a chunk which of them stands there
            causes: [cells], the token that explains
        """
        self._places, self._effects, self._effect_at, self._causes = places, effects, effect_at, causes
        self._probability: Floats = np.ones(len(causes))
        self._from_nothing: Floats = np.ones(int(effects.ids.max(initial=-1)) + 1)

    def links(self, chunk: _Chunk) -> tuple[Floats, Floats]:
        """Return how likely the effect of each place stems from its cause, and each effect of the chunk from nothing."""
        start, stop = self._effects.starts[[chunk.pairs.start, chunk.pairs.stop]]
        nothing = self._from_nothing[self._effects.ids[start:stop]]
        at = self._effect_at(chunk) - start
        weight = self._probability[self._places.cell_of(chunk)]
        total = np.bincount(at, weights=weight, minlength=len(nothing)) + nothing
        return weight / total[at], nothing / total

    def learn(self) -> None:
        """Take one step of expectation maximisation."""
        counts, unexplained = np.zeros(len(self._causes)), np.zeros(len(self._from_nothing))
        for chunk in self._places.chunks:
            links, nothing = self.links(chunk)
            counts += np.bincount(self._places.cell_of(chunk), weights=links, minlength=len(counts))
            start, stop = self._effects.starts[[chunk.pairs.start, chunk.pairs.stop]]
            tokens = self._effects.ids[start:stop]
            unexplained += np.bincount(tokens, weights=nothing, minlength=len(unexplained))
        self._probability = counts / np.bincount(self._causes, weights=counts)[self._causes]
        self._from_nothing = unexplained / unexplained.sum()
