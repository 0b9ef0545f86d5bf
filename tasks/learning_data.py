"""What a student learns from, read from the files of earlier stages."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kdmodels.classification import probabilities
from kdmodels.distillation import Labelled, Pairs
from kdmodels.errors import BadInputError
from kdmodels.glossing import glosses, lexicon, starts_of_words
from kdmodels.label_store import read_labels
from kdmodels.tables import read_table
from kdmodels.token_rows import TokenRows
from tasks.sections import Student

_LEAST_WEIGHT = 0.01  # a batch of pairs that all weigh nothing would have no mean


def read_pairs(table: dict[str, Any], soft_labels: Path, section: Student) -> tuple[Pairs, Pairs]:
    """Return the pairs to learn from, no more than the section asks for and drawn by the weights of their slots, and
    those held out.

    One without a translation score counts as the mean of all.
    """
    weighed = section.pair_weight
    compared = {section.hidden_loss, section.hidden_phase.loss} != {"none"}
    labels = read_labels(soft_labels, identity=None, hidden=compared)
    rows = labels.rows_of(table["source_hash"])
    weight = np.array(table["weight"], dtype=np.float32)
    if weighed in {"confidence", "both"}:
        weight = weight * probabilities(labels.logits_NC[rows]).max(axis=1)
    if weighed in {"translation", "both"}:
        score = table["translation_score"]
        score = np.where(np.isnan(score), np.nanmean(score) if np.isfinite(score).any() else 1.0, score)
        weight = weight * np.maximum(score, _LEAST_WEIGHT).astype(np.float32)

    def chosen(where: NDArray[np.intp]) -> Pairs:
        of_them = labels.at(rows[where])
        return Pairs(table["target_ids"].at(where), of_them.logits_NC, of_them.hidden_NH, weight[where])

    learned = np.flatnonzero(~table["held_out"])
    if section.pairs is not None and section.pairs < len(learned):
        of_slot = np.asarray(table["weight"], dtype=np.float64)[learned]
        chance = None if (of_slot == of_slot[0]).all() else of_slot / of_slot.sum()
        learned = np.sort(np.random.default_rng(section.seed).choice(learned, section.pairs, replace=False, p=chance))
    return chosen(learned), chosen(np.flatnonzero(table["held_out"]))


def read_labelled_texts(path: Path | None, tokenizer: Any, labels: list[str]) -> Labelled | None:
    """Return labelled target texts; none where they are not asked for.

    Raises:
        BadInputError: where there is no text.
    """
    if path is None:
        return None
    table = read_table(path, ["text", "label"])
    texts = table["text"].to_pylist()
    if not texts:
        raise BadInputError(
            f"{path}: there is no labelled target text for student.label_loss to learn from. Set labelled.target_labels: true "
            "where the source of labelled text has some, or label_loss: none"
        )
    ids = tokenizer(texts, truncation=True)["input_ids"]
    return Labelled([np.array(row, dtype=np.int64) for row in ids], _numbers(table["label"].to_pylist(), labels))


def _numbers(given: list[str], labels: list[str]) -> NDArray[np.int64]:
    number = {label: place for place, label in enumerate(labels)}
    return np.array([number[label] for label in given], dtype=np.int64)


def make_glosses(
    train: Path,
    sides: list[TokenRows],
    counts: csr_array,
    tokenizers: tuple[Any, Any],
    labels: list[str],
    section: Student,
) -> Labelled:
    """Return glosses of labelled source texts with their labels.

    Args:
        sides: pieces of both sides of the pairs to learn from, without special tokens
        counts: of their alignment, [target vocabulary, source vocabulary]
        tokenizers: of the source and of the target

    Raises:
        BadInputError: where not a word of the texts is known.
    """
    theirs, ours = tokenizers
    table = read_table(train, ["text", "label"])
    known = lexicon(
        sides[0],
        sides[1],
        counts,
        source_starts_V=starts_of_words(theirs),
        target_starts_V=starts_of_words(ours),
        iterations=section.alignment.iterations,
        symmetrised=section.alignment.symmetrised,
    )
    ids, text_N = glosses(
        TokenRows.of(theirs(table["text"].to_pylist(), truncation=True)["input_ids"]).without(theirs.all_special_ids),
        known,
        ours,
        copies=section.glosses.copies,
        candidates=section.glosses.candidates,
        maximum_length=ours.model_max_length,
        seed=section.seed,
    )
    if not ids:
        raise BadInputError(
            f"{train}: no word of these texts stands in the parallel corpus. Set student.glosses.loss: none"
        )
    return Labelled(ids, _numbers(table["label"].to_pylist(), labels)[text_N])
