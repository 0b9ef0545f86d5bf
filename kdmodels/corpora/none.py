"""No corpus: for a slot that is not used."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from kdmodels.pairs import Pair
from kdmodels.provenance import Found, Wanted


def pair_files(*, folder: Path, source: str, target: str) -> list[Wanted]:
    """Return no files."""
    del folder, source, target
    return []


def read_pairs(found: Sequence[Found], *, source: str, target: str) -> Iterator[Pair]:
    """Return no pairs."""
    del found, source, target
    return iter(())
