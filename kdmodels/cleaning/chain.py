"""The whole chain of cleaning for a batch of pairs: normalise, filter, guard, identify, and find again."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kdmodels.cleaning.duplicates import signatures
from kdmodels.cleaning.filters import FILTERS, Filters
from kdmodels.cleaning.languages import Identifier
from kdmodels.cleaning.leaks import LEAKS, Guard
from kdmodels.cleaning.normalisation import normalised
from kdmodels.pairs import Pair

# Why a pair is dropped, in the order of asking: the first that holds is given. `swapped` is found by the scripts or,
# where both sides have the same, by the languages. The last three are decided over the whole corpus, by the caller.
REASONS = (*FILTERS, *LEAKS, "language", "repeated", "near_repeated", "translation_score")


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A batch after the chain.

    `pairs` and `reasons` hold one entry for each pair that came in, in order: the pair normalised, and why it is
    dropped or none. `exact_N` and `bands_NB` are the signatures of those that are kept, in order.
    """

    pairs: list[Pair]
    reasons: list[str | None]
    exact_N: NDArray[np.uint64]
    bands_NB: NDArray[np.uint64]


class Chain:
    """All that is asked of a pair alone. Build it once in each process that works and call it for each batch.

    What it says of a pair depends on no other pair, so that batches and workers may be cut as one likes.
    """

    def __init__(
        self,
        *,
        source: str,
        target: str,
        guard: Guard | None,
        mend_encoding: bool,
        characters: tuple[int, int] | None,
        words: tuple[int, int] | None,
        word_characters: int | None,
        length_ratio: float | None,
        similarity: float | None,
        letters: float | None,
        script: float | None,
        numbers: float | None,
        html: bool,
        language: float | None,
        languages: list[str],
        near_duplicates: float | None,
        leak_near: float | None,
    ) -> None:
        """Load what the chain needs; none switches a step off.

        Args:
            source, target: language codes (BCP-47).
            guard: knows the test sets; none: there are none.
            mend_encoding: as of `normalised`.
            characters, words, word_characters, length_ratio, similarity, letters, script, numbers, html: of `Filters`.
            language: confidence, 0 to 1, from which a side is believed to be in another language.
            languages: that a side may be in beside source and target.
            near_duplicates: only whether signatures are made; the threshold is that of `repeated_rows`.
            leak_near: that the guard was built with; it is asked no second time.

        Raises:
            BadInputError: where a script or a language is unknown.
        """
        del leak_near
        self._guard, self._mend_encoding, self._confidence = guard, mend_encoding, language
        self._near = near_duplicates is not None
        self._filters = Filters(
            source=source,
            target=target,
            characters=characters,
            words=words,
            word_characters=word_characters,
            length_ratio=length_ratio,
            similarity=similarity,
            letters=letters,
            script=script,
            numbers=numbers,
            html=html,
        )
        self._identifier = Identifier(source, target, languages) if language is not None else None

    def __call__(self, batch: Sequence[Pair]) -> Cleaned:
        """Normalise the pairs of a batch and say which are to be dropped, and why."""
        pairs = [self._normalised(pair) for pair in batch]
        reasons = [self._reason(pair) for pair in pairs]
        if self._identifier is not None and self._confidence is not None:
            left = [number for number, reason in enumerate(reasons) if reason is None]
            sides = [(pairs[number].source, pairs[number].target) for number in left]
            for number, reason in zip(left, self._identifier.reasons(sides, confidence=self._confidence), strict=True):
                reasons[number] = reason
        kept = [(pair.source, pair.target) for pair, reason in zip(pairs, reasons, strict=True) if reason is None]
        return Cleaned(pairs, reasons, *signatures(kept, near=self._near))

    def _normalised(self, pair: Pair) -> Pair:
        source = normalised(pair.source, mend_encoding=self._mend_encoding)
        target = normalised(pair.target, mend_encoding=self._mend_encoding)
        return Pair(pair.id, source, target, pair.group)

    def _reason(self, pair: Pair) -> str | None:
        reason = self._filters.reason(pair.source, pair.target)
        if reason is None and self._guard is not None:
            reason = self._guard.reason(pair.id, pair.group, pair.source, pair.target)
        return reason
