"""Soft labels on disk: sharded safetensors under a manifest that says what made them, verified at every read."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import sha256 as hash_of
from pathlib import Path
from typing import Any

import numpy as np

from kdmodels.errors import DamagedError
from kdmodels.files import read_json, sha256, whole, write_json
from kdmodels.label_rows import SoftLabels, join
from kdmodels.label_storage import Storage, unpack
from kdmodels.ledger import SEAL_BYTES, came_apart, label_seal

MANIFEST = "manifest.json"
_HASH_BYTES = 16


@dataclass(frozen=True)
class Identity:
    """What soft labels depend on beside the text. Labels of unequal identities never mix.

    Attributes:
        teacher: sha256 over the teacher's folder, tokenizer included
        folds: likewise of the teachers of the folds, where some rows are theirs
        tokenizer: sha256 over the tokenizer's definition, which turned the texts into tokens
        maximum_length: tokens a text, special tokens included
        labels: in the order of the logits
        pooling: of the last hidden layer
        backend: that computed them
        dtype: of the computation
        batch: rows a pass and the tokens that lengths are rounded up to, since sums depend on the shape
        storage: as `Storage` has it: dtype of the logits, classes a text (0: all), dtype of the hidden states or none
    """

    teacher: str
    folds: tuple[str, ...]
    tokenizer: str
    maximum_length: int
    labels: tuple[str, ...]
    pooling: str
    backend: str
    dtype: str
    batch: tuple[int, int]
    storage: tuple[str, int, str]

    @property
    def key(self) -> str:
        """Return the name of this identity's folder in the store."""
        return hash_of(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:32]

    @property
    def kept(self) -> Storage:
        """Return what is kept of the labels."""
        logits, top_classes, hidden = self.storage
        return Storage(logits, top_classes or None, hidden)

    @classmethod
    def of(cls, made_by: dict[str, Any]) -> "Identity":
        """Return the identity that a manifest says.

        Raises:
            TypeError: where it is not one.
        """
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in made_by.items()
        }
        return cls(**fields)


def append_shard(folder: Path, identity: Identity, labels: SoftLabels) -> None:
    """Write a shard and then name it in the manifest; a shard that no manifest names does not count.

    Raises:
        DamagedError: where a label is not finite, or the folder belongs to another identity.
    """
    _check_finite(labels, folder)
    entries = read_manifest(folder, identity)["shards"] if (folder / MANIFEST).exists() else []
    name = f"labels-{len(entries):05d}.safetensors"
    write_shard(folder / name, labels, identity.kept)
    entries.append({"file": name, "rows": len(labels), "sha256": sha256(folder / name)})
    _write_manifest(folder, identity, entries)


def write_shard(path: Path, labels: SoftLabels, storage: Storage) -> None:
    """Write one shard of soft labels, which are as `SoftLabels.rounded` gives them: seals are of what will be read."""
    from safetensors.numpy import save_file

    hashes = np.frombuffer(b"".join(bytes.fromhex(one) for one in labels.hashes_N), dtype=np.uint8)
    seals = np.frombuffer(b"".join(_seals(labels)), dtype=np.uint8)
    with whole(path) as temporary:
        save_file(
            {
                "hashes": hashes.reshape(len(labels), _HASH_BYTES).copy(),
                "folds": np.ascontiguousarray(labels.folds_N, dtype=np.int8),
                "seals": seals.reshape(len(labels), SEAL_BYTES).copy(),
                **storage.pack(labels.logits_NC, labels.hidden_NH),
            },
            temporary,
        )


def read_manifest(folder: Path, identity: Identity | None) -> dict[str, Any]:
    """Read a manifest and check what made the labels.

    Raises:
        BadInputError: where there is none.
        DamagedError: where it is unreadable, or says another identity than the expected one.
    """
    path = folder / MANIFEST
    manifest = read_json(path)
    if not isinstance(manifest, dict) or set(manifest) != {"made_by", "shards"}:
        raise DamagedError(f"{path}: not a manifest of soft labels. Make it again: {_AGAIN}")
    if identity is not None:
        expected = json.loads(json.dumps(asdict(identity)))
        for field, value in expected.items():
            if manifest["made_by"].get(field) != value:
                raise DamagedError(
                    f"{path}: the soft labels were made with {field} {manifest['made_by'].get(field)!r}, "
                    f"expected {value!r}. They are never mixed; make them again: dvc repro"
                )
    return manifest


def read_shard(folder: Path, entry: dict[str, Any]) -> SoftLabels:
    """Read one shard that a manifest names, verified.

    Raises:
        DamagedError: where it is missing, truncated, changed or holds a value that is not finite.
    """
    from safetensors.numpy import load_file

    path = folder / entry["file"]
    if not path.is_file():
        raise DamagedError(f"{path}: the shard is missing; {MANIFEST} beside it names it. {_REMEDY}")
    found = sha256(path)
    if found != entry["sha256"]:
        raise DamagedError(
            f"{path}: the shard is damaged: its sha256 is {found}, expected {entry['sha256']}. {_REMEDY}"
        )
    tensors = load_file(path)
    hashes = np.array([row.tobytes().hex() for row in tensors["hashes"]], dtype=f"<U{2 * _HASH_BYTES}")
    labels = SoftLabels(hashes, *unpack(tensors), tensors["folds"])
    _check_finite(labels, path)
    for row, (seal, stored) in enumerate(zip(_seals(labels), tensors["seals"], strict=True)):
        if seal != stored.tobytes():
            raise came_apart("soft_labels", path, row, labels.hashes_N[row])
    return labels


def _seals(labels: SoftLabels) -> list[bytes]:
    rows = zip(labels.hashes_N.tolist(), labels.logits_NC, labels.hidden_NH, labels.folds_N.tolist(), strict=True)
    return [label_seal(*row) for row in rows]


_AGAIN = "dvc repro --force on the stage of this folder"
_REMEDY = f"Restore it (dvc checkout --force) or, where the cache is damaged too, make it again ({_AGAIN})"


def read_labels(folder: Path, identity: Identity | None, hidden: bool = True) -> SoftLabels:
    """Read all rows of a folder, every shard verified, sorted by hash.

    Args:
        hidden: whether hidden states are wanted, most of the memory; without, they are verified and left out

    Raises:
        BadInputError, DamagedError: as `read_manifest` and `read_shard`.
    """
    entries = read_manifest(folder, identity)["shards"]
    shards = (read_shard(folder, entry) for entry in entries)
    return join(shard if hidden else shard.without_hidden() for shard in shards).sorted_rows()


def write_labels(folder: Path, identity: Identity, labels: SoftLabels | None, shard_rows: int) -> None:
    """Write all rows as a folder of shards; without rows, a manifest alone."""
    if labels is None:
        _write_manifest(folder, identity, [])
        return
    for start in range(0, len(labels), shard_rows):
        append_shard(folder, identity, labels.at(slice(start, start + shard_rows)))


def read_store(folder: Path, identity: Identity, take: Callable[[SoftLabels], None]) -> list[str]:
    """Read what a store already holds, some rows at a time, in the order they were made.

    A damaged shard is put aside, and its rows are missing.

    Args:
        take: is given the rows

    Returns:
        what is wrong with each damaged shard
    """
    if not (folder / MANIFEST).exists():
        return []
    try:
        entries = read_manifest(folder, identity)["shards"]
    except DamagedError as error:
        (folder / MANIFEST).rename(folder / f"{MANIFEST}.damaged")
        return [str(error)]
    good, refused = [], []
    for entry in entries:
        try:
            take(read_shard(folder, entry))
            good.append(entry)
        except DamagedError as error:
            refused.append(str(error))
    if refused:
        _renumber(folder, identity, good)
    return refused


def _renumber(folder: Path, identity: Identity, good: list[dict[str, Any]]) -> None:
    """Keep only the good shards, under the numbers 0, 1, 2 and so on."""
    kept = []
    for number, entry in enumerate(good):
        name = f"labels-{number:05d}.safetensors"
        (folder / entry["file"]).replace(folder / name)
        kept.append({**entry, "file": name})
    _write_manifest(folder, identity, kept)


def _write_manifest(folder: Path, identity: Identity, entries: list[dict[str, Any]]) -> None:
    write_json(folder / MANIFEST, {"made_by": asdict(identity), "shards": entries})


def _check_finite(labels: SoftLabels, where: Path) -> None:
    for name, values in (("logits", labels.logits_NC), ("hidden states", labels.hidden_NH)):
        bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if len(bad):
            raise DamagedError(
                f"{where}: the teacher's {name} of text {labels.hashes_N[bad[0]]} are not finite ({len(bad)} such rows). "
                "Train the teacher again with a lower teacher.learning_rate or in float32"
            )
