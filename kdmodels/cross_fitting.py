"""Cross-fitting: soft labels of a text from a teacher that did not see the text.

A teacher's soft labels of its own training text are the gold labels in disguise. So the labelled text is cut into folds,
each fold gets a teacher that was trained on the others (the cross-fitting of Chernozhukov et al. 2018, arXiv 1608.00060,
section 3; out-of-fold predictions as in stacking, Wolpert 1992), and parallel text that is labelled text too is
soft-labelled by the teacher of its fold.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from kdmodels.cleaning.leaks import overlap
from kdmodels.errors import BadInputError
from kdmodels.pairs import plain, text_hash

MAIN = -1  # the teacher of all labelled text, which is no fold's


def folds_of(texts: Iterable[str], groups: Iterable[str | None], folds: int) -> NDArray[np.int64]:
    """Return the fold of each text, [texts], by a hash of its group, or else of the text.

    So equal texts and texts of one group share a fold, and a text stays in its fold when others join.
    """
    keys = (plain(text) if group is None else group for text, group in zip(texts, groups, strict=True))
    return np.array([int(text_hash(f"fold\0{key}"), 16) % folds for key in keys], dtype=np.int64)


def check_folds(folds_N: NDArray[np.int64], labels_N: NDArray[np.int64], names: Sequence[str], folds: int) -> None:
    """Refuse folds that leave a teacher nothing to learn a class from.

    Raises:
        BadInputError: with the fold and the class.
    """
    if len(np.unique(folds_N)) < folds:
        raise BadInputError(f"teacher.folds: {folds} folds of {len(folds_N)} texts leave one empty; take fewer")
    for fold in range(folds):
        seen = set(labels_N[folds_N != fold].tolist())
        missing = [name for number, name in enumerate(names) if number not in seen]
        if missing:
            raise BadInputError(
                f"teacher.folds: without fold {fold} of {folds} no text is left of the class {missing[0]!r}; take more folds, "
                "or label more texts of it"
            )


def folds_to_label_by(
    sources: Sequence[str], labelled: Sequence[str], folds_N: NDArray[np.int64], near: float | None
) -> NDArray[np.int64]:
    """Return for each source text the fold whose teacher did not see it; -1 where no teacher saw it.

    Args:
        sources: of the parallel text
        labelled: the texts that the teachers learned from
        folds_N: [labelled], the fold of each of them
        near: likeness from which a source text counts as a labelled one, as the leak guard measures it; none: equal
            texts only, whatever their case, spacing and punctuation
    """
    fold_of = {text: int(fold) for text, fold in zip(labelled, folds_N, strict=True)}
    found = {ours: fold_of[theirs] for ours, theirs, _ in overlap(list(dict.fromkeys(sources)), labelled, near=near)}
    return np.array([found.get(text, MAIN) for text in sources], dtype=np.int64)
