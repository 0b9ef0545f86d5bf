"""Feedback: where students cannot follow their teacher, by class, decides how the teacher is fine-tuned next.

A class on whose pairs students disagree with the teacher gets more weight, as boosting gives to what was got wrong
(Freund & Schapire 1997, Journal of Computer and System Sciences 55), but by class and from unlabelled pairs; one that
students are unsure of gets softer labels, since a teacher that is softer there is easier to follow (Müller et al. 2019,
arXiv 1906.02629). That a student's results may teach its teacher is the idea of meta pseudo labels (Pham et al. 2021,
arXiv 2003.10580), here without gradients and in rounds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdmodels.errors import BadInputError
from kdmodels.files import read_json, write_json
from kdmodels.pairs import text_hash

Floats = NDArray[np.float64]
_DIGITS = 4  # of the numbers in the file, which people read and git compares
_MOST_SMOOTHING = 0.9  # of which labels still say something
_REMEDY = "Write the neutral one: distilingua feedback --neutral"


@dataclass(frozen=True)
class Feedback:
    """What a round tells the teacher.

    Attributes:
        round: 0: nothing yet
        weight: class -> of its texts in the loss, above 0; a class that is not named has 1
        smoothing: class -> added to the label smoothing of its texts, 0 to below 1; not named: 0
    """

    round: int
    weight: Mapping[str, float]
    smoothing: Mapping[str, float]


NEUTRAL = Feedback(0, {}, {})


def write_feedback(path: Path, feedback: Feedback) -> None:
    """Write the small file that git tracks."""
    write_json(path, asdict(feedback))


def read_feedback(path: Path, labels: Sequence[str] | None) -> Feedback:
    """Read that file.

    Args:
        labels: that there are; none: they are not known yet

    Raises:
        BadInputError: where it is none, or names a class that the labels have not.
    """
    found = read_json(path)
    if not isinstance(found, dict) or set(found) != {"round", "weight", "smoothing"}:
        raise BadInputError(f"{path}: round, weight and smoothing are expected in it. {_REMEDY}")
    if type(found["round"]) is not int or found["round"] < 0:
        raise BadInputError(f"{path}: round is {found['round']!r}; a whole number from 0 is expected. {_REMEDY}")
    _check(path, "weight", found["weight"], labels, "a number above 0", lambda value: 0 < value < float("inf"))
    _check(path, "smoothing", found["smoothing"], labels, "a number from 0 to below 1", lambda value: 0 <= value < 1)
    return Feedback(found["round"], found["weight"], found["smoothing"])


def _check(path: Path, name: str, values: Any, labels: Sequence[str] | None, allowed: str, fits: Any) -> None:
    if not isinstance(values, dict):
        raise BadInputError(f"{path}: {name} is {values!r}; a number for each class is expected. {_REMEDY}")
    for label, value in values.items():
        if labels is not None and label not in labels:
            raise BadInputError(
                f"{path}: {name} names the class {label!r}, which is none of {', '.join(labels)}. {_REMEDY}"
            )
        if isinstance(value, bool) or not isinstance(value, int | float) or not fits(value):
            raise BadInputError(f"{path}: {name} of {label!r} is {value!r}; allowed: {allowed}. {_REMEDY}")


def of_texts(
    feedback: Feedback, labels: Sequence[str], labels_N: NDArray[np.integer], smoothing: float
) -> tuple[Floats, Floats]:
    """Return weight and label smoothing of labelled texts, [texts] each.

    Args:
        labels_N: [texts], their classes, in the order of the labels
        smoothing: of every text, to which that of its class is added
    """
    weight_C = np.array([feedback.weight.get(label, 1.0) for label in labels])
    more_C = np.array([feedback.smoothing.get(label, 0.0) for label in labels])
    return weight_C[labels_N], np.minimum(smoothing + more_C, max(_MOST_SMOOTHING, smoothing))[labels_N]


def teaches(hashes: Sequence[str]) -> NDArray[np.bool_]:
    """Return which held-out pairs tell the teacher what to change, [pairs]; the others judge whether it was good.

    By a hash of the hash of the source text, so that a text is on one side in all languages and rounds.
    """
    return np.array([int(text_hash(f"feedback\0{name}"), 16) % 2 == 0 for name in hashes], dtype=bool)


@dataclass(frozen=True)
class Answers:
    """What teacher and students say to held-out pairs, of all languages.

    Attributes:
        teacher, student: [pairs], classes
        confidence_N: [pairs], of the student in its answer
    """

    teacher: Sequence[str]
    student: Sequence[str]
    confidence_N: Floats


def by_class(answers: Answers, labels: Sequence[str], prior: float) -> tuple[Floats, Floats]:
    """Return disagreement and doubt by the teacher's class, [classes] each, 0 to 1.

    Disagreement is the share of other answers, doubt one minus the mean confidence. Each is drawn to the mean of all
    classes as if `prior` pairs of that mean had been seen, so that three pairs of a rare class decide little.
    """
    given, other = np.array(answers.teacher), np.array(answers.teacher) != np.array(answers.student)
    doubt_N = 1 - np.asarray(answers.confidence_N, dtype=np.float64)
    found = []
    for values_N in (other.astype(np.float64), doubt_N):
        mean = float(values_N.mean())
        sums = [(values_N[given == label].sum(), int((given == label).sum())) for label in labels]
        found.append(np.array([(total + prior * mean) / (count + prior) for total, count in sums]))
    return found[0], found[1]


def next_feedback(
    before: Feedback,
    answers: Answers,
    labels: Sequence[str],
    *,
    strength: float,
    smoothing: float,
    limit: float,
    prior: float,
) -> Feedback:
    """Return what the next round tells the teacher.

    The weight of a class is multiplied by (its disagreement / the mean over classes) ^ strength, kept within 1 / limit
    to limit, and all are divided by their geometric mean; its smoothing is `smoothing` times its doubt.

    Args:
        before: what the teacher of these answers was told
    """
    disagreement_C, doubt_C = by_class(answers, labels, prior)
    old_C = np.array([before.weight.get(label, 1.0) for label in labels])
    mean = disagreement_C.mean()
    change_C = (disagreement_C / mean) ** strength if mean > 0 else np.ones(len(labels))
    weight_C = np.clip(old_C * change_C, 1 / limit, limit)
    weight_C = weight_C / np.exp(np.log(weight_C).mean())
    return Feedback(
        before.round + 1,
        {label: round(float(value), _DIGITS) for label, value in zip(labels, weight_C, strict=True)},
        {label: round(float(smoothing * value), _DIGITS) for label, value in zip(labels, doubt_C, strict=True)},
    )
