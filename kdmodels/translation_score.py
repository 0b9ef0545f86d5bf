"""How well the words of a pair translate each other, so that shifted and badly translated pairs sink.

A target word speaks for its pair where some source word explains it better than chance: the evidence of word t given
the source words s is log((e + max_i p(t | s_i)) / (e + p(t))), with p(t | s) from IBM model 1 (`alignment`) and p(t) the
word's own frequency. A pair's evidence is the mean over its known words, in both directions.

What a number means is told by pairs that are no translations: each source of the sample with the target of another
pair of like length. The score of a pair is the share of those that have less evidence.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kdmodels.alignment import align
from kdmodels.cleaning.words import words

Floats = NDArray[np.float32]

_FEWEST_PAIRS = 2  # that a word must stand in: one that stands in a single pair is aligned to whatever stands beside it
_FEWEST_WORDS = 3  # known to the model, over both sides, or a pair is not judged
_LONGEST = 40  # words of a side that are looked at
_LEAST = 1e-3  # probabilities below are as good as none; they are most of the cells
_SMOOTHING = 1e-3  # e
_EXPLAINED = 0.05  # p(t | s) from which a source word explains a target word
_FEWEST_RANDOM = 20  # random pairs, or a share of them means nothing


@dataclass(frozen=True)
class _Direction:
    """What one language's words say of the other's.

    `keys` are cause * effects + effect, ascending; `probability` p(effect | cause); `prior` p(effect).
    """

    causes: dict[str, int]
    effects: dict[str, int]
    keys: NDArray[np.int64]
    probability: Floats
    prior: Floats

    def best(
        self, cause: list[list[int]], effect: list[list[int]]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
        """Return for each known effect word: the number of its pair, its id, and its best p(effect | cause)."""
        causes, effects = ([len(row) for row in side] for side in (cause, effect))
        cells = np.array(causes) * np.array(effects)
        pair_of_word = np.repeat(np.arange(len(effect)), effects)
        word = np.fromiter((number for row in effect for number in row), dtype=np.int64, count=sum(effects))
        flat = np.fromiter((number for row in cause for number in row), dtype=np.int64, count=sum(causes))
        width = np.repeat(causes, effects)  # of each word: the causes it is held against
        first = np.repeat(np.cumsum(causes) - causes, effects)
        start = np.cumsum(width) - width
        place = np.arange(int(cells.sum())) - np.repeat(start, width) + np.repeat(first, width)
        keys = flat[place] * len(self.effects) + np.repeat(word, width)
        found = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        probability = np.where(self.keys[found] == keys, self.probability[found], np.float32(0))
        best = np.zeros(len(word), dtype=np.float32)
        held = width > 0
        if held.any():
            best[held] = np.maximum.reduceat(probability, start[held])
        return pair_of_word, word, best


@dataclass(frozen=True)
class _Model:
    """Both directions, fitted on one half of the sample."""

    forward: _Direction  # source words cause target words
    backward: _Direction

    def evidence(self, source: Sequence[list[str]], target: Sequence[list[str]]) -> tuple[NDArray[np.float64], Floats]:
        """Return each pair's evidence and the share of its known target words that are explained; or not a number."""
        total, known = np.zeros(len(source)), np.zeros(len(source))
        covered: Floats = np.full(len(source), np.nan, dtype=np.float32)
        for direction, cause, effect in ((self.forward, source, target), (self.backward, target, source)):
            if not len(direction.keys):
                continue
            pair, word, best = direction.best(
                [_ids(row, direction.causes) for row in cause], [_ids(row, direction.effects) for row in effect]
            )
            evidence = np.log((_SMOOTHING + best) / (_SMOOTHING + direction.prior[word]))
            counts = np.bincount(pair, minlength=len(source))
            total += np.bincount(pair, weights=evidence, minlength=len(source))
            known += counts
            if direction is self.forward:
                explained = np.bincount(pair, weights=best >= _EXPLAINED, minlength=len(source))
                with np.errstate(invalid="ignore"):
                    covered = (explained / counts).astype(np.float32)
        judged = known >= _FEWEST_WORDS
        return np.where(judged, total / np.maximum(known, 1), np.nan), covered


class Scorer:
    """Scores pairs; to be sent to other processes."""

    def __init__(self, models: tuple[_Model, _Model], random: NDArray[np.float64]) -> None:
        self._models, self._random = models, random

    def judge(self, source: Sequence[str], target: Sequence[str], hashes: Sequence[str]) -> tuple[Floats, Floats]:
        """Return the score of each pair, and the share of its known target words that some source word explains.

        Args:
            hashes: content hashes of the pairs, in hex.

        Returns:
            [pairs], 0 to 1, the share of randomly joined pairs that it looks better than; not a number where too few of
            its words are known to judge it
            [pairs], 0 to 1; not a number where no target word is known
        """
        ours, theirs = [_words(one) for one in source], [_words(one) for one in target]
        evidence, covered = _crossed(self._models, ours, theirs, hashes)
        if len(self._random) < _FEWEST_RANDOM:
            return np.full(len(evidence), np.nan, dtype=np.float32), covered
        share = np.searchsorted(self._random, evidence) / len(self._random)
        return np.where(np.isnan(evidence), np.nan, share).astype(np.float32), covered


def fit(source: Sequence[str], target: Sequence[str], hashes: Sequence[str], *, iterations: int) -> Scorer:
    """Fit two models, each on one half of the pairs, so that no pair is scored by a model that has seen it.

    Args:
        hashes: content hashes of the pairs, in hex; they say which half each belongs to.
        iterations: of IBM model 1.
    """
    sides = [_words(one) for one in source], [_words(one) for one in target]
    halves = np.array([_half(one) for one in hashes])
    models = []
    for half in (0, 1):
        rows = np.flatnonzero(halves == half).tolist()
        ours, theirs = ([side[row] for row in rows] for side in sides)
        models.append(_Model(_direction(ours, theirs, iterations), _direction(theirs, ours, iterations)))
    both = (models[0], models[1])
    order = np.argsort([len(one) for one in sides[1]], kind="stable")
    shifted = np.empty(len(order), dtype=np.int64)
    shifted[order] = np.roll(order, 1)  # the target of another pair, of like length
    random, _ = _crossed(both, sides[0], [sides[1][row] for row in shifted.tolist()], hashes)
    return Scorer(both, np.sort(random[~np.isnan(random)]))


def _crossed(
    models: tuple[_Model, _Model], source: Sequence[list[str]], target: Sequence[list[str]], hashes: Sequence[str]
) -> tuple[NDArray[np.float64], Floats]:
    evidence, covered = np.empty(len(source)), np.empty(len(source), dtype=np.float32)
    halves = np.array([_half(one) for one in hashes])
    for half in (0, 1):
        rows = np.flatnonzero(halves == half)
        if len(rows):
            chosen = ([side[row] for row in rows.tolist()] for side in (source, target))
            evidence[rows], covered[rows] = models[1 - half].evidence(*chosen)
    return evidence, covered


def _half(content_hash: str) -> int:
    return int(content_hash[-1], 16) % 2


def _words(text: str) -> list[str]:
    return [word for word in words(text.casefold())[:_LONGEST] if not word.isdecimal()]


def _ids(row: list[str], vocabulary: dict[str, int]) -> list[int]:
    return [vocabulary[word] for word in row if word in vocabulary]


def _direction(cause: Sequence[list[str]], effect: Sequence[list[str]], iterations: int) -> _Direction:
    causes, effects = _vocabulary(cause), _vocabulary(effect)
    rows = [
        (np.array(ours, dtype=np.int64), np.array(theirs, dtype=np.int64))
        for left, right in zip(cause, effect, strict=True)
        if (ours := _ids(left, causes)) and (theirs := _ids(right, effects))
    ]
    nothing = np.empty(0, dtype=np.int64)
    if not rows:
        return _Direction(causes, effects, nothing, nothing.astype(np.float32), nothing.astype(np.float32))
    counts: csr_array = align(
        [ours for ours, _ in rows],
        [theirs for _, theirs in rows],
        source_size=len(causes),
        target_size=len(effects),
        iterations=iterations,
        symmetrised=False,
    )
    cells = counts.tocoo()
    effect_of, cause_of = (np.asarray(one, dtype=np.int64) for one in cells.coords)
    total = np.bincount(cause_of, weights=cells.data, minlength=len(causes))
    probability = cells.data / total[cause_of]
    kept = probability >= _LEAST
    keys = cause_of[kept] * len(effects) + effect_of[kept]
    order = np.argsort(keys)
    seen = np.bincount(np.concatenate([theirs for _, theirs in rows]), minlength=len(effects)).astype(np.float64)
    return _Direction(
        causes,
        effects,
        keys[order],
        probability[kept][order].astype(np.float32),
        (seen / seen.sum()).astype(np.float32),
    )


def _vocabulary(rows: Sequence[list[str]]) -> dict[str, int]:
    counts = Counter(word for row in rows for word in set(row))
    return {
        word: number for number, word in enumerate(sorted(word for word, n in counts.items() if n >= _FEWEST_PAIRS))
    }
