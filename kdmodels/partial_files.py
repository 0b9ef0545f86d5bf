"""A file that is still coming: what there is of it, which version it is a part of, and what a source gives."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kdmodels.files import write_json

HEAD = 1024  # bytes in which a page shows that it is one


class BrokeOffError(Exception):
    """A fault that may be gone at the next attempt; `wait` is how many seconds the server asks for."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Answer:
    """What a source gives: the bytes of a file from `start` on, its whole size, what tells this version of it from
    another (none: nothing does), and the content type."""

    chunks: Iterator[bytes]
    start: int
    size: int | None
    version: str | None
    kind: str


class Part:
    """What has come so far, in a file beside the one it will be, with a note of which version it is a part of."""

    def __init__(self, to: Path) -> None:
        self.to = to
        self.path, self._note = (to.with_name(to.name + ending) for ending in (".part", ".part.json"))
        self.resumes = True
        self.version: str | None = None
        self.expected: int | None = None
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            self.version, self.expected = str(note["version"]), None if note["size"] is None else int(note["size"])
        except (OSError, ValueError, TypeError, KeyError):
            self.discard()  # whose part it is cannot be known
        if self.expected is not None and self.size >= self.expected:
            self.discard()

    @property
    def size(self) -> int:
        """Return how many bytes are there."""
        return self.path.stat().st_size if self.path.exists() else 0

    def head(self) -> bytes:
        """Return the first bytes."""
        if not self.path.exists():
            return b""
        with self.path.open("rb") as file:
            return file.read(HEAD)

    def begin(self, version: str | None, size: int | None) -> None:
        """Start again from nothing."""
        self.discard()
        self.version, self.expected = version if self.resumes else None, size
        if self.version is not None:
            write_json(self._note, {"version": version, "size": size})

    def publish(self) -> None:
        """Make it the whole file."""
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        self.path.replace(self.to)
        self._note.unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove it."""
        self.version = self.expected = None
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def tidy(self) -> None:
        """Leave nothing that no later call can go on from."""
        if self.version is None or self.size == 0:
            self.discard()
