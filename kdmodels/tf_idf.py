"""The plain control: logistic regression on the TF-IDF of words and characters."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdmodels.errors import DamagedError
from kdmodels.files import read_json, write_json

_KINDS: dict[str, dict[str, Any]] = {  # in the order of their names, as JSON keeps them
    "characters": {"analyzer": "char_wb", "ngram_range": (2, 4)},
    "words": {"analyzer": "word", "ngram_range": (1, 2), "token_pattern": r"(?u)\w+"},
}
_MOST_FEATURES = 50_000  # of each kind, the most frequent
_STRENGTHS = (1.0, 10.0, 100.0)  # inverse regularisations that are tried
_SETTINGS, _WEIGHTS = "tf_idf.json", "tf_idf.safetensors"


class TfIdf:
    """A classifier of texts; it knows the classes that it has seen and gives the others no chance."""

    def __init__(
        self,
        vocabularies: dict[str, list[str]],
        idf: dict[str, NDArray[np.float64]],
        seen: NDArray[np.int64],
        coefficients: NDArray[np.float64],
        intercepts: NDArray[np.float64],
        classes: int,
    ) -> None:
        self._vocabularies, self._idf, self._seen = vocabularies, idf, seen
        self._coefficients, self._intercepts, self._classes = coefficients, intercepts, classes
        self._vectorizers = {kind: _vectorizer(kind, vocabularies[kind], idf[kind]) for kind in vocabularies}

    @property
    def parameters(self) -> int:
        """Return the number of its weights."""
        return int(self._coefficients.size + self._intercepts.size + sum(values.size for values in self._idf.values()))

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return logits of texts, [texts, classes]."""
        from scipy.sparse import hstack

        features = hstack([vectorizer.transform(texts) for vectorizer in self._vectorizers.values()]).tocsr()
        known = features @ self._coefficients.T + self._intercepts
        if len(self._seen) == 2 and known.shape[1] == 1:  # of two classes scikit-learn keeps one row
            known = np.hstack([np.zeros_like(known), known])
        logits = np.full((len(texts), self._classes), known.min(initial=0.0) - 50.0, dtype=np.float32)
        logits[:, self._seen] = known
        return logits

    def save(self, folder: Path) -> None:
        """Write it as JSON and safetensors; no pickle."""
        from safetensors.numpy import save_file

        write_json(folder / _SETTINGS, {"classes": self._classes, "vocabularies": self._vocabularies})
        save_file(
            {
                "seen": self._seen,
                "coefficients": self._coefficients,
                "intercepts": self._intercepts,
                **{f"idf_{kind}": values for kind, values in self._idf.items()},
            },
            folder / _WEIGHTS,
        )


def load(folder: Path) -> TfIdf:
    """Read a classifier that was saved.

    Raises:
        BadInputError, DamagedError: where there is none, or it cannot be read.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    settings = read_json(folder / _SETTINGS)
    try:
        weights = load_file(folder / _WEIGHTS)
        return TfIdf(
            settings["vocabularies"],
            {kind: weights[f"idf_{kind}"] for kind in settings["vocabularies"]},
            weights["seen"],
            weights["coefficients"],
            weights["intercepts"],
            settings["classes"],
        )
    except (OSError, KeyError, SafetensorError) as error:
        raise DamagedError(
            f"{folder}: the TF-IDF classifier cannot be read ({error}). To restore it: dvc checkout --force"
        ) from None


def fit(
    texts: Sequence[str],
    labels_N: NDArray[np.integer[Any]],
    weight_N: NDArray[np.floating[Any]],
    *,
    held_out_texts: Sequence[str],
    held_out_labels_M: NDArray[np.integer[Any]],
    classes: int,
) -> TfIdf:
    """Fit a classifier; how strongly it is regularised is chosen by its accuracy on held-out texts, first of equals.

    Words and pairs of words, and two to four characters inside words (which is what tells words apart in scripts
    without spaces), each weighed by its inverse document frequency; logistic regression over all classes.

    Args:
        labels_N: [texts], the teacher's, or people's
        weight_N: [texts], of each in the loss
    """
    from scipy.sparse import hstack
    from sklearn.linear_model import LogisticRegression

    vectorizers = {kind: _vectorizer(kind, None, None) for kind in _KINDS}
    features = hstack([vectorizer.fit_transform(texts) for vectorizer in vectorizers.values()]).tocsr()
    vocabularies = {kind: [str(word) for word in one.get_feature_names_out()] for kind, one in vectorizers.items()}
    idf = {kind: np.asarray(one.idf_, dtype=np.float64) for kind, one in vectorizers.items()}
    if len(np.unique(labels_N)) == 1:  # nothing to tell apart
        weights = np.zeros((1, features.shape[1]))
        return TfIdf(vocabularies, idf, np.unique(labels_N).astype(np.int64), weights, np.zeros(1), classes)
    best: tuple[float, TfIdf] | None = None
    for strength in _STRENGTHS:
        model = LogisticRegression(C=strength, max_iter=1000).fit(features, labels_N, sample_weight=weight_N)
        fitted = TfIdf(
            vocabularies, idf, model.classes_.astype(np.int64), model.coef_.copy(), model.intercept_.copy(), classes
        )
        right = float((fitted.logits(held_out_texts).argmax(axis=1) == held_out_labels_M).mean())
        if best is None or right > best[0]:
            best = (right, fitted)
    assert best is not None
    return best[1]


def _vectorizer(kind: str, vocabulary: list[str] | None, idf: NDArray[np.float64] | None) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(
        **_KINDS[kind],
        lowercase=True,
        sublinear_tf=True,
        vocabulary=vocabulary,
        max_features=_MOST_FEATURES if vocabulary is None else None,
    )
    if idf is not None:
        vectorizer.idf_ = idf
    return vectorizer
