"""Where text comes from: what a corpus source wants to read, and what was found for it."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file that a corpus source reads.

    `where` is a local path or an address with a scheme; `name` a file name whose ending says the format.
    """

    where: str
    name: str
    licence: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """A file on this disk, whole and verified, with where it came from.

    `where` is without secrets. `fetched` is the day of its first download (ISO 8601), none for a local file;
    `revision` what a name was resolved to, such as a commit.
    """

    path: Path
    where: str
    name: str
    sha256: str
    size: int
    licence: str | None
    fetched: str | None
    revision: str | None
