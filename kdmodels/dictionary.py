"""A bilingual dictionary, cleaned: short pairs that serve the vocabulary and the alignment, and are no text to learn from."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

from kdmodels.cleaning.chain import Chain
from kdmodels.cleaning.leaks import Guard
from kdmodels.cleaning.words import words
from kdmodels.pairs import Pair, plain

_BATCH = 5000  # entries cleaned together
# Of the filters of sentences those that hold for a word too: it may well be the same in both languages, or half as long.
_LONGEST = 200  # characters
_WORDS = 20
_LETTERS = 0.5
_SCRIPT = 0.5


def entries(
    pairs: Iterable[Pair], needed: Iterable[str], *, source: str, target: str, guard: Guard, mend_encoding: bool
) -> tuple[list[tuple[str, str]], Counter[str]]:
    """Return the entries of a dictionary, each once, and counts: read, kept, and dropped by reason.

    Args:
        needed: source texts; an entry is kept where each of its source words stands in one of them, since those of other
            words would fill the vocabulary with what no text asks for
        source, target: language codes (BCP-47)
        guard: knows the test sets; a phrase that stands in one is dropped
    """
    known = {word for text in needed for word in words(text.casefold())}
    clean = Chain(
        source=source,
        target=target,
        guard=guard,
        mend_encoding=mend_encoding,
        characters=(1, _LONGEST),
        words=(1, _WORDS),
        word_characters=None,
        length_ratio=None,
        similarity=None,
        letters=_LETTERS,
        script=_SCRIPT,
        numbers=None,
        html=True,
        language=None,
        languages=[],
        near_duplicates=None,
        leak_near=None,
    )
    counts: Counter[str] = Counter()
    kept: dict[tuple[str, str], tuple[str, str]] = {}
    coming = _needed(pairs, known, counts)
    while batch := list(islice(coming, _BATCH)):
        cleaned = clean(batch)
        for pair, reason in zip(cleaned.pairs, cleaned.reasons, strict=True):
            key = (plain(pair.source), plain(pair.target))
            found = reason or ("repeated" if key in kept else None)
            counts[f"dropped/{found}" if found else "kept"] += 1
            if found is None:
                kept[key] = (pair.source, pair.target)
    return list(kept.values()), counts


def _needed(pairs: Iterable[Pair], known: set[str], counts: Counter[str]) -> Iterator[Pair]:
    for pair in pairs:
        counts["read"] += 1
        if known.issuperset(words(pair.source.casefold())):
            yield pair
        else:
            counts["dropped/other_words"] += 1
