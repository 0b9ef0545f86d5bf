"""Soft labels in parts, and the parts joined to what one pass over all texts would have given, byte for byte."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kdmodels.errors import BadInputError, DamagedError
from kdmodels.files import read_json, write_json
from kdmodels.label_rows import SoftLabels, join
from kdmodels.label_store import MANIFEST, Identity, read_manifest, read_shard, write_labels
from kdmodels.parts import belongs
from kdmodels.text_hashes import corpus_sha256

_NOTE = "part.json"  # beside the shards
_COUNTS = ("texts", "in_sample", "out_of_fold")


@dataclass(frozen=True)
class LabelPart:
    """Some of a corpus's soft labels.

    Attributes:
        identity: what made them, with the teachers of those folds only that have rows here
        labels: none where no text of the corpus belongs to the part
        counts: of its texts, and of those that a teacher learned from: labelled in-sample, and out of fold
        corpus: hash over all texts of the corpus, by `corpus_sha256`, those of other parts too
    """

    identity: Identity
    labels: SoftLabels | None
    counts: Mapping[str, int]
    corpus: str


def write_part(folder: Path, part: LabelPart, shard_rows: int) -> None:
    """Write a part as a folder of shards with a manifest, and a note of how much of what it is."""
    write_labels(folder, part.identity, part.labels, shard_rows)
    write_json(folder / _NOTE, {**part.counts, "corpus": part.corpus})


def join_parts(folder: Path, names: Sequence[str]) -> LabelPart:
    """Return the parts below a folder as one, its rows sorted by hash, as if they had never been apart.

    Args:
        names: all parts of the corpus, in any order

    Raises:
        BadInputError: where one is missing.
        DamagedError: where one is damaged, made by something else or for another corpus than the others, or a text is in
            the wrong part, in none or there twice.
    """
    parts = {name: _read_part(folder / name) for name in sorted(names)}
    _, first = next(iter(parts.items()))
    teachers: dict[int, str] = {}
    for name, part in parts.items():
        _check_alike(folder, next(iter(parts)), name, asdict(first.identity), asdict(part.identity))
        if part.corpus != first.corpus:
            raise _not_alike(folder, next(iter(parts)), name, "for another corpus")
        for fold, teacher in _teachers(folder / name, part).items():
            if teachers.setdefault(fold, teacher) != teacher:
                raise _not_alike(folder, next(iter(parts)), name, f"with another teacher of fold {fold}")
    rows = [part.labels for part in parts.values() if part.labels is not None]
    if not rows:
        raise DamagedError(f"{folder}: no text has soft labels. {_again(folder, names)}")
    labels = (rows[0] if len(rows) == 1 else join(rows)).sorted_rows()
    if corpus_sha256(labels.hashes_N) != first.corpus:
        raise DamagedError(
            f"{folder}: its parts ({', '.join(names)}) do not have each text of the corpus once. {_again(folder, names)}"
        )
    return LabelPart(
        identity=replace(first.identity, folds=tuple(teachers[fold] for fold in sorted(teachers))),
        labels=labels,
        counts={key: sum(part.counts[key] for part in parts.values()) for key in _COUNTS},
        corpus=first.corpus,
    )


def _read_part(folder: Path) -> LabelPart:
    if not (folder / MANIFEST).is_file():
        raise BadInputError(f"{folder}: this part of the soft labels is missing. To make it: dvc repro")
    manifest, note = read_manifest(folder, None), read_json(folder / _NOTE)
    try:
        identity = Identity.of(manifest["made_by"])
        part = LabelPart(identity, None, {key: int(note[key]) for key in _COUNTS}, str(note["corpus"]))
    except (KeyError, TypeError, ValueError):
        raise DamagedError(
            f"{folder}: {MANIFEST} or {_NOTE} is incomplete. {_again(folder.parent, [folder.name])}"
        ) from None
    if not manifest["shards"]:
        return part
    return replace(part, labels=join(_read_own(folder, entry) for entry in manifest["shards"]))


def _read_own(folder: Path, entry: dict[str, Any]) -> SoftLabels:
    labels = read_shard(folder, entry)
    for name in labels.hashes_N.tolist():
        if not belongs(name, folder.name):
            raise DamagedError(
                f"{folder}: the text {name} belongs to another part. {_again(folder.parent, [folder.name])}"
            )
    return labels


def _teachers(folder: Path, part: LabelPart) -> dict[int, str]:
    """Return the teacher of each fold that has rows in a part: its manifest has them in the order of the folds."""
    folds = [] if part.labels is None else np.unique(part.labels.folds_N[part.labels.folds_N >= 0]).tolist()
    if len(folds) != len(part.identity.folds):
        raise DamagedError(
            f"{folder}: it has rows of {len(folds)} folds, and {MANIFEST} names {len(part.identity.folds)} teachers of "
            f"folds. {_again(folder.parent, [folder.name])}"
        )
    return dict(zip(folds, part.identity.folds, strict=True))


def _check_alike(folder: Path, first: str, name: str, ours: dict[str, object], theirs: dict[str, object]) -> None:
    for field in ours.keys() - {"folds"}:
        if ours[field] != theirs[field]:
            raise _not_alike(folder, first, name, f"with {field} {theirs[field]!r}, {first} with {ours[field]!r}")


def _not_alike(folder: Path, first: str, name: str, how: str) -> DamagedError:
    return DamagedError(
        f"{folder}: the part {name} was made {how}; parts of different makers are never joined. "
        f"{_again(folder, [first, name])}"
    )


def _again(folder: Path, names: Sequence[str]) -> str:
    stages = " ".join(f"labelling@{folder.name}-{name}" for name in names)
    return f"Make it again: dvc repro; where DVC finds nothing to do, dvc repro --force {stages}"
