"""Whether texts look like those that a student learned from, without any label."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

_LENGTH = 3  # of the n-grams: long enough to tell domains apart, short enough to be seen in small corpora
_QUANTILES = (0.005, 0.995)
_ADDED = 0.5  # to each count, so that what was never seen is unlikely and not impossible


@dataclass(frozen=True)
class Likeness:
    """How surprising texts are, in nats a character n-gram, and between which values as many held-out texts lie."""

    value: float
    low: float
    high: float

    @property
    def unlike(self) -> bool:
        """Say whether the texts are more surprising than text of the corpus ever is."""
        return self.value > self.high


def likeness(texts: Sequence[str], corpus: Sequence[str], *, resamples: int, seed: int) -> Likeness:
    """Compare texts with a corpus by the cross-entropy of their character trigrams under the corpus' own.

    The corpus is cut in two: one half is counted, the other gives the range that as many of its texts lie in, resampled
    (99 %), so that the threshold is none from the air. Moore & Lewis 2010, ACL P10-2041, choose text by the same measure.

    Args:
        texts: what is to be judged
        corpus: target texts that nothing was learned from, such as the held-out pairs'; ten or more
    """
    known = Counter(gram for text in corpus[::2] for gram in _grams(text))
    total, kinds = sum(known.values()), len(known) + 1

    def surprise(text: str) -> tuple[float, int]:
        grams = list(_grams(text))
        return sum(-math.log((known[gram] + _ADDED) / (total + _ADDED * kinds)) for gram in grams), len(grams)

    def mean(pairs: Iterable[tuple[float, int]]) -> float:
        sums, counts = zip(*pairs, strict=True)
        return float(sum(sums) / max(1, sum(counts)))

    held = [surprise(text) for text in corpus[1::2]]
    random = np.random.default_rng(seed)
    size = min(len(texts), len(held))
    found = [mean(held[row] for row in random.integers(len(held), size=size)) for _ in range(resamples)]
    low, high = np.quantile(found, _QUANTILES)
    return Likeness(mean(map(surprise, texts)), float(low), float(high))


def _grams(text: str) -> Iterable[str]:
    plain = f" {' '.join(text.casefold().split())} "
    return (plain[start : start + _LENGTH] for start in range(max(1, len(plain) - _LENGTH + 1)))
