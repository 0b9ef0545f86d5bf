"""The ledger: proof, row by row, that what belongs together is still together.

Each stage that writes rows seals each one, and each stage that reads them breaks the seals before it believes them. A
pair that has come apart is silent poison: training goes on, on wrong labels.
"""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kdmodels.errors import DamagedError
from kdmodels.pairs import pair_hash, text_hash

SEAL_BYTES = 8


def pair_seal(identity: str, source: str, target: str, held_out: bool, weight: float) -> str:
    """Return the seal of a pair of texts with its id, its side of the split and its weight, in hex."""
    return _digest([identity.encode(), source.encode(), target.encode(), _use(held_out, weight)]).hex()


def token_seal(
    identity: str,
    source_hash: str,
    source_ids: Sequence[int] | NDArray[np.int32],
    target_ids: Sequence[int] | NDArray[np.int32],
    held_out: bool,
    weight: float,
    translation_score: float | None,
) -> str:
    """Return the seal of a pair of token sequences with the hash that its soft labels are found by and its score."""
    ids = [np.asarray(row, dtype=np.int32).tobytes() for row in (source_ids, target_ids)]
    score = b"" if translation_score is None else np.float32(translation_score).tobytes()
    return _digest([identity.encode(), source_hash.encode(), *ids, _use(held_out, weight), score]).hex()


def _use(held_out: bool, weight: float) -> bytes:
    return bytes([held_out]) + np.float32(weight).tobytes()  # as the table keeps it


def label_seal(source_hash: str, logits_C: NDArray[np.float32], hidden_H: NDArray[np.float32], fold: int) -> bytes:
    """Return the seal of one text's soft labels with the fold whose teacher made them."""
    return _digest([source_hash.encode(), logits_C.tobytes(), hidden_H.tobytes(), fold.to_bytes(2, signed=True)])


def _digest(parts: Iterable[bytes]) -> bytes:
    digest = blake2b(digest_size=SEAL_BYTES)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))  # or another cut of the same bytes would have the same seal
        digest.update(part)
    return digest.digest()


def prove_pairs(
    path: Path,
    ids: Sequence[str],
    content_hashes: Sequence[str],
    source_hashes: Sequence[str],
    sources: Sequence[str],
    targets: Sequence[str],
    held_out: Sequence[bool],
    weights: Sequence[float],
    seals: Sequence[str],
    *,
    first: int = 0,
) -> None:
    """Prove that each row still has the two sides, the id and the hashes that it was written with.

    Args:
        first: the number of the first of these rows in the file

    Raises:
        DamagedError: with the stage and the first row that came apart.
    """
    rows = zip(ids, content_hashes, source_hashes, sources, targets, held_out, weights, seals, strict=True)
    for row, (identity, content, source_hash, source, target, held, weight, seal) in enumerate(rows, first):
        whole = content == pair_hash(source, target) and source_hash == text_hash(source)
        if not whole or seal != pair_seal(identity, source, target, held, weight):
            raise came_apart("corpus", path, row, identity)


def prove_tokens(
    path: Path,
    ids: Sequence[str],
    source_hashes: Sequence[str],
    source_ids: Sequence[Sequence[int] | NDArray[np.int32]],
    target_ids: Sequence[Sequence[int] | NDArray[np.int32]],
    held_out: Sequence[bool],
    weights: Sequence[float],
    translation_scores: Sequence[float | None],
    seals: Sequence[str],
    *,
    first: int = 0,
) -> None:
    """Prove that each row still has the two token sequences, the id and the hash that it was written with.

    Args:
        first: the number of the first of these rows in the file

    Raises:
        DamagedError: with the stage and the first row that came apart.
    """
    uses = (held_out, weights, translation_scores)
    rows = zip(ids, source_hashes, source_ids, target_ids, *uses, strict=True)
    for row, (sealed, seal) in enumerate(zip(rows, seals, strict=True), first):
        if seal != token_seal(*sealed):
            raise came_apart("tokens", path, row, sealed[0])


def came_apart(stage: str, path: Path, row: int, identity: str) -> DamagedError:
    """Return the error that names where a pair came apart."""
    return DamagedError(
        f"{path}, row {row} ({identity}): what `{stage}` wrote together has come apart. Restore it (dvc checkout --force) "
        f"or, where the cache is damaged too, make it again: dvc repro --force on the stage {stage}"
    )
