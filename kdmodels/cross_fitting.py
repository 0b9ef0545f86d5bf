"""Cross-fitting: soft labels of a text from a teacher that did not see the text.

A teacher's soft labels of its own training text are the gold labels in disguise. So the labelled text is cut into folds,
each fold gets a teacher that was trained on the others (the cross-fitting of Chernozhukov et al. 2018, arXiv 1608.00060,
section 3; out-of-fold predictions as in stacking, Wolpert 1992), and parallel text that is labelled text too is
soft-labelled by the teacher of its fold.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from kdmodels.cleaning.leaks import finder, likenesses
from kdmodels.errors import BadInputError
from kdmodels.pairs import plain, text_hash

MAIN = -1  # the teacher of all labelled text, which is no fold's
UNSEEN = -1  # the number of a text that no teacher learned from


def folds_of(
    texts: Sequence[str], groups: Sequence[str | None], folds: int, *, near: float | None
) -> NDArray[np.int64]:
    """Return the fold of each text, [texts], by a hash of its group, or else of the text.

    What hangs together shares a fold: texts of one group, equal texts, and texts so alike that one source text could count
    as both. Were these in two folds, no teacher of a fold had seen nothing of it. The distance 1 - Jaccard obeys the
    triangle inequality (Levandowsky & Winter 1971, Nature 234), so two texts that a third is like to `near` are like to
    each other to 2 near - 1: that is where texts are linked. A text stays in its fold when others join, unless they are
    like it.

    Args:
        near: as in `learned_from`; the promise holds above 0.5
    """
    keys = [plain(text) if group is None else group for text, group in zip(texts, groups, strict=True)]
    hashes = [int(text_hash(f"fold\0{key}"), 16) for key in keys]
    first: dict[str, int] = {}
    links = [(first.setdefault(key, number), number) for number, key in enumerate(keys)]
    links += likenesses(texts, near=None if near is None else max(2 * near - 1, 0.0))
    one, other = np.array(links, dtype=np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(links), dtype=bool), (one, other)), shape=(len(texts), len(texts)))
    _, part_N = connected_components(graph, directed=False)
    least: dict[int, int] = {}
    for part, found in zip(part_N.tolist(), hashes, strict=True):
        least[part] = min(found, least.get(part, found))
    return np.array([least[part] % folds for part in part_N.tolist()], dtype=np.int64)


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


def learned_from(labelled: Sequence[str], *, near: float | None) -> Callable[[str], int]:
    """Return what gives for a source text the number of the labelled one that it counts as; -1 where it is none of them.

    Args:
        labelled: the texts that the teachers learned from
        near: likeness from which a source text counts as a labelled one, as the leak guard measures it; none: equal
            texts only, whatever their case, spacing and punctuation
    """
    number_of = {text: number for number, text in enumerate(labelled)}
    find = finder(labelled, near=near)

    def number(source: str) -> int:
        found = find(source)
        return UNSEEN if found is None else number_of[found[1]]

    return number
