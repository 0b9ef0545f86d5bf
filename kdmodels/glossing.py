"""Glosses: labelled source text put into the target language word for word, by the alignment of a parallel corpus.

A gloss has the words of a translation and not its order or grammar, and keeps the label of the text it is made from. So a
student reads labelled text of the labelled text's own domain, which the parallel text need not be of. Bilingual
dictionaries carry labels across languages since Fortuna & Shawe-Taylor 2005 and Shi, Mihalcea & Tian 2010 ("Cross
Language Text Classification by Model Translation", EMNLP D10-1103); training on text whose words are drawn from
translations is CoSDA-ML's (Qin et al. 2020, arXiv 2006.06402). Here the dictionary is what the parallel corpus itself
gives, a word is drawn by how often it was aligned, and a word never seen is glossed by its pieces.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array

from kdmodels.alignment import align
from kdmodels.encoder import frame_roles, special_ids
from kdmodels.token_rows import TokenRows

Word = tuple[int, ...]
Ids = NDArray[np.integer[Any]]
_LEAST = 0.05  # expected times that two words were aligned; below, nothing is known of their being translations


def starts_of_words(tokenizer: Any) -> NDArray[np.bool_]:
    """Return of each piece of a fast tokenizer's vocabulary whether a word starts with it, [vocabulary].

    WordPiece marks pieces inside a word, SentencePiece and byte-level BPE those that start one.
    """
    kind = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["type"]
    starts = np.zeros(max(len(tokenizer), *tokenizer.get_vocab().values()) + 1, dtype=bool)
    for piece, number in tokenizer.get_vocab().items():
        starts[number] = not piece.startswith("##") if kind == "WordPiece" else piece.startswith(("▁", "Ġ"))
    return starts


def words_of(ids: Ids, starts_V: NDArray[np.bool_]) -> list[Word]:
    """Return the words of a text of pieces, without special tokens."""
    cuts = [place for place in range(len(ids)) if place == 0 or starts_V[ids[place]]]
    ends = [*cuts[1:], len(ids)] if cuts else []
    return [tuple(ids[one:other].tolist()) for one, other in zip(cuts, ends, strict=True)]


@dataclass(frozen=True)
class Lexicon:
    """Which target words and pieces translate which source words and pieces, and how often.

    Attributes:
        words: source word -> its column
        target_words: of each row of the counts
        counts: [target words, source words]
        piece_counts: [target vocabulary, source vocabulary]
        source_starts_V: of each source piece, whether it starts a word
    """

    words: dict[Word, int]
    target_words: list[Word]
    counts: csc_array
    piece_counts: csc_array
    source_starts_V: NDArray[np.bool_]


def lexicon(
    source: Sequence[Ids],
    target: Sequence[Ids],
    piece_counts: csr_array,
    *,
    source_starts_V: NDArray[np.bool_],
    target_starts_V: NDArray[np.bool_],
    iterations: int,
    symmetrised: bool,
) -> Lexicon:
    """Align whole words, as `kdmodels.alignment.align` aligns pieces.

    Args:
        source, target: ids of the pieces of each pair, without special tokens
        piece_counts: [target vocabulary, source vocabulary], what `align` gave for the pieces
    """
    numbers: tuple[dict[Word, int], dict[Word, int]] = ({}, {})
    sides = []
    for rows, starts_V, number in zip((source, target), (source_starts_V, target_starts_V), numbers, strict=True):
        sides.append(
            TokenRows.of([number.setdefault(word, len(number)) for word in words_of(ids, starts_V)] for ids in rows)
        )
    counts = align(
        *sides,
        source_size=len(numbers[0]),
        target_size=len(numbers[1]),
        iterations=iterations,
        symmetrised=symmetrised,
    )
    return Lexicon(numbers[0], list(numbers[1]), csc_array(counts), csc_array(piece_counts), source_starts_V)


def gloss(ids: Ids, known: Lexicon, *, candidates: int, random: np.random.Generator) -> list[int]:
    """Return the pieces of one gloss of a text.

    Args:
        ids: pieces of the source text, without special tokens
        candidates: translations that a word's is drawn from, the most frequent ones
    """
    made: list[int] = []
    for word in words_of(ids, known.source_starts_V):
        column = known.words.get(word)
        row = None if column is None else _drawn(known.counts, column, candidates, random)
        if row is not None:
            made += known.target_words[row]
            continue
        pieces = (_drawn(known.piece_counts, piece, candidates, random) for piece in word)
        made += [piece for piece in pieces if piece is not None]
    return made


def _drawn(counts: csc_array, column: int, candidates: int, random: np.random.Generator) -> int | None:
    """Return a row of a column, drawn by its counts; none where the column has nothing to speak of."""
    if column >= counts.shape[1]:
        return None
    part = slice(counts.indptr[column], counts.indptr[column + 1])
    values, rows = counts.data[part], counts.indices[part]
    if not len(values):
        return None
    best = np.argsort(-values, kind="stable")[:candidates]
    total = values[best].sum()
    return None if total < _LEAST else int(rows[best[random.choice(len(best), p=values[best] / total)]])


def glosses(
    texts: Sequence[Ids],
    known: Lexicon,
    tokenizer: Any,
    *,
    copies: int,
    candidates: int,
    maximum_length: int,
    seed: int,
) -> tuple[list[Ids], Ids]:
    """Return glosses of texts as token ids with special tokens, and of each the number of its text.

    A text of which no word is known has none.

    Args:
        texts: pieces of each source text, without special tokens
        tokenizer: of the target language
        copies: of each text, each drawn anew
        maximum_length: tokens, special tokens included
    """
    random = np.random.default_rng(seed)
    roles = special_ids(tokenizer)
    before, after = ([roles[role] for role in side] for side in frame_roles(tokenizer))
    room = maximum_length - len(before) - len(after)
    made = [
        (number, gloss(ids, known, candidates=candidates, random=random)[:room])
        for number, ids in enumerate(texts)
        for _ in range(copies)
    ]
    kept = [(number, pieces) for number, pieces in made if pieces]
    rows: list[Ids] = [np.array([*before, *pieces, *after], dtype=np.int64) for _, pieces in kept]
    return rows, np.array([number for number, _ in kept], dtype=np.int64)
