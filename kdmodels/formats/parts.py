"""The files of a corpus, each with its place in the corpus, from which ids are made."""

from collections.abc import Sequence
from dataclasses import dataclass

from kdmodels.archives import Entry, entries
from kdmodels.formats.paths import below
from kdmodels.provenance import Found


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a corpus, or a member of a zip archive; `place` is its path within the corpus."""

    entry: Entry
    place: str


def parts_of(found: Sequence[Found], pattern: str, member: str | None) -> list[Part]:
    """Return what is to be read of some files, in their order.

    Args:
        pattern: the path, glob or address that they were found by
        member: of a zip archive, a name or pattern of names; none: it holds just one

    Raises:
        BadInputError: where an archive is refused, or its members do not fit.
        DamagedError: where an archive is not readable.
    """
    parts = []
    for one in found:
        place = below(one.where, pattern)
        for entry in entries(one.path, one.where, member):
            parts.append(Part(entry, place if entry.member is None else f"{place}/{entry.member}"))
    return parts
