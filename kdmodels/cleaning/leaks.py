"""The leak guard: what stands in a test set, word for word or nearly, does not teach.

Likeness is the true Jaccard similarity of the neighbouring words (`shingles`), no estimate. Of each test text only its
rarest shingles are indexed, just so many that a text as alike as the threshold must hold one of them
(prefix filtering: Bayardo et al. 2007, Scaling up all pairs similarity search), so that most texts cost one look-up.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from kdmodels.cleaning.duplicates import shingles
from kdmodels.cleaning.normalisation import normalised
from kdmodels.cleaning.words import words
from kdmodels.pairs import LabelledText, plain

# `Guard.reason` gives the first that holds; `overlap` names the last three without their prefix.
LEAKS = ("leak_id", "leak_group", "leak_exact", "leak_normalised", "leak_near")


class Guard:
    """Knows the test sets of both languages and recognises their texts among training pairs; to be sent to workers."""

    def __init__(
        self,
        *,
        source_tests: Sequence[LabelledText],
        target_tests: Sequence[LabelledText],
        near: float | None,
        compare_ids: bool,
    ) -> None:
        """Index the test texts.

        Args:
            source_tests, target_tests: in the language of each side of the pairs; what either side holds, leaks.
            near: Jaccard similarity of neighbouring words, 0 to 1, from which a text counts as a test text; none: off.
            compare_ids: whether ids and groups are the corpus's own, so that equal ones mean the same document; not
                where they are line numbers, which all corpora share.
        """
        both = (*source_tests, *target_tests)
        self._ids = frozenset(text.id for text in both) if compare_ids else frozenset()
        self._groups = frozenset(text.group for text in both if text.group is not None) if compare_ids else frozenset()
        self._source = _Texts((text.text for text in source_tests), near)
        self._target = _Texts((text.text for text in target_tests), near)

    def reason(self, pair_id: str, group: str | None, source: str, target: str) -> str | None:
        """Return how a normalised pair leaks (one of LEAKS), or none."""
        if pair_id in self._ids:
            return "leak_id"
        if group in self._groups:
            return "leak_group"
        found = {match[0] for match in (self._source.match(source), self._target.match(target)) if match is not None}
        return next((f"leak_{kind}" for kind in _KINDS if kind in found), None)


def overlap(training: Iterable[str], tested: Iterable[str], *, near: float | None) -> list[tuple[str, str, str]]:
    """Return each training text that stands in a test set: the text, the test text, and how.

    How: `exact`, the same text; `normalised`, the same but for case, punctuation and white space; `near`, as alike as
    the threshold. A training text that occurs twice is listed twice.
    """
    find = finder(tested, near=near)
    matched = ((text, find(text)) for text in training)
    return [(text, match[1], match[0]) for text, match in matched if match is not None]


def finder(tested: Iterable[str], *, near: float | None) -> Callable[[str], tuple[str, str] | None]:
    """Return what tells how a text stands in a test set and as which text, as `overlap` does, or none."""
    texts = _Texts(tested, near)
    return lambda text: texts.match(text) or texts.match(normalised(text, mend_encoding=True))


def likenesses(texts: Sequence[str], *, near: float | None) -> list[tuple[int, int]]:
    """Return pairs of texts, by their numbers, that link all texts which are alike, as `overlap` measures it.

    Texts that are the same but for case, punctuation and white space are linked in a chain; of those that are as alike as
    the threshold, one of each such chain is paired with one of the other.
    """
    found = _Texts(texts, near)
    folded = [_folded(normalised(text, mend_encoding=True)) for text in texts]
    first: dict[str, int] = {}
    links = [(first.setdefault(text, number), number) for number, text in enumerate(folded) if text]
    number_of = {texts[number]: number for number in first.values()}
    links += [(number_of[one], number_of[other]) for one, other in found.alike_pairs()]
    return [(one, other) for one, other in links if one != other]


_KINDS = ("exact", "normalised", "near")


class _Texts:
    """Test texts, found by an equal or a like text."""

    def __init__(self, texts: Iterable[str], near: float | None) -> None:
        self._near = near
        self._exact: dict[str, str] = {}
        self._folded: dict[str, str] = {}
        for text in texts:
            self._exact.setdefault(normalised(text, mend_encoding=True), text)
            self._exact.setdefault(text, text)
            self._folded.setdefault(_folded(normalised(text, mend_encoding=True)), text)
        self._folded.pop("", None)  # texts of punctuation alone say nothing about each other
        self._shingles: list[frozenset[str]] = []
        self._texts: list[str] = []
        self._index: dict[str, list[int]] = {}
        if near is not None:
            self._index_shingles(near)
        self._keys = frozenset(self._index)

    def _index_shingles(self, near: float) -> None:
        for text in self._folded.values():
            found = frozenset(shingles(normalised(text, mend_encoding=True)))
            if found:
                self._shingles.append(found)
                self._texts.append(text)
        counts = Counter(shingle for found in self._shingles for shingle in found)
        for number, found in enumerate(self._shingles):
            # As alike as `near` means at least near * len(found) shingles in common.
            rarest = sorted(found, key=lambda shingle: (counts[shingle], shingle))
            for shingle in rarest[: len(found) - math.ceil(near * len(found) - _ROUNDING) + 1]:
                self._index.setdefault(shingle, []).append(number)

    def match(self, text: str) -> tuple[str, str] | None:
        if text in self._exact:
            return "exact", self._exact[text]
        folded = _folded(text)
        if folded in self._folded:
            return "normalised", self._folded[folded]
        if self._near is not None:
            found = shingles(text)
            if not found.isdisjoint(self._keys):
                number = next(self._alike(found, self._near), None)
                if number is not None:
                    return "near", self._texts[number]
        return None

    def alike_pairs(self) -> Iterator[tuple[str, str]]:
        """Yield the indexed texts that are as alike as the threshold, each two once."""
        if self._near is not None:
            for number, found in enumerate(self._shingles):
                for other in self._alike(set(found), self._near):
                    if other < number:
                        yield self._texts[other], self._texts[number]

    def _alike(self, found: set[str], near: float) -> Iterator[int]:
        numbers = {number for shingle in found & self._keys for number in self._index[shingle]}
        for number in sorted(numbers):
            common = len(found & self._shingles[number])
            if common >= near * (len(found) + len(self._shingles[number]) - common) - _ROUNDING:
                yield number


_ROUNDING = 1e-9  # 0.7 * 10 is a little more than 7


def _folded(text: str) -> str:
    return " ".join(words(plain(text)))
