"""Files as they come, plain or packed, opened as one stream of bytes. Nothing is unpacked to disk."""

import gzip
import io
import lzma
import re
import stat
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import cast

from kdmodels.errors import BadInputError, DamagedError
from kdmodels.limits import Limits

_STREAMS = {".gz", ".xz", ".zst"}
_ZIP = ".zip"
_OTHERS = {".bz2", ".7z", ".rar", ".tar", ".tgz", ".txz", ".lz4", ".br", ".z"}
_FLOOR = 10_000_000  # unpacked bytes up to which any ratio passes: a short file of one repeated line packs very well
_BUFFER = 1 << 20  # bytes
_SHOWN = 20  # names that an error lists
_UNREADABLE = (EOFError, OSError, RuntimeError, ValueError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)


@dataclass(frozen=True, slots=True)
class Entry:
    """Something to read: a file, or a member of a zip archive.

    `shown` is how messages name it; the ending of `name`, which is without that of a packing, says its format.
    """

    path: Path
    shown: str
    name: str
    member: str | None

    def open(self, limits: Limits | None) -> io.BufferedReader:
        """Open it for reading its unpacked bytes.

        Args:
            limits: none: they were checked before, with `check`.

        Raises:
            BadInputError: where it is missing, encrypted or, while it is read, exceeds the limits.
            DamagedError: where it is truncated or damaged; mostly while it is read.
        """
        _check_file(self.path, self.shown)
        size = self.path.stat().st_size
        try:
            if self.member is not None:
                with zipfile.ZipFile(self.path) as archive:  # the member keeps the file open
                    packed = min(archive.getinfo(self.member).compress_size, size)
                    raw = cast(io.BufferedIOBase, archive.open(self.member))
            else:
                raw, packed = _opened(self.path), size
        except _UNREADABLE as error:
            raise _damaged(self.shown, error) from None
        meter = _Meter(raw, self.shown, packed, limits if self.is_packed else None)
        return io.BufferedReader(meter, _BUFFER)

    @property
    def is_packed(self) -> bool:
        """Say whether its bytes are compressed."""
        return self.member is not None or self.path.suffix.lower() in _STREAMS


def entry(path: Path) -> Entry:
    """Return a file that is no archive as something to read, named by its path."""
    return Entry(path, str(path), _without_packing(path.name), None)


def entries(path: Path, shown: str, pattern: str | None) -> list[Entry]:
    """Return what a file holds to read: itself, or the members of a zip archive, sorted by name.

    Args:
        shown: how messages name the file
        pattern: of the members' names; none: the archive must hold just one. A file that is no archive takes none.

    Raises:
        BadInputError: where the archive has an unsafe name or a link, no member fits or several do without a
            pattern, a pattern is given for what is no zip archive, or the packing is none of those that are read.
        DamagedError: where the archive is not readable.
    """
    ending = path.suffix.lower()
    if ending in _OTHERS or _without_packing(path.name).lower().endswith(".tar"):
        raise BadInputError(f"{shown}: {ending} is not read; pack it as .gz, .xz, .zst or .zip, or not at all")
    if ending != _ZIP:
        if pattern is not None:
            raise BadInputError(f"{shown}: members are named ({pattern}), and this is no .zip; set members: []")
        return [Entry(path, shown, _without_packing(path.name), None)]
    members = _members(path, shown)
    fitting = [name for name in members if pattern is None or fnmatchcase(name, pattern)]
    if not fitting and pattern is not None:
        raise BadInputError(f"{shown}: no member fits {pattern!r}; there are {_listed(members)}")
    if len(fitting) != 1 and pattern is None:
        raise BadInputError(
            f"{shown}: holds {len(members)} members, {_listed(members)}; name the one to read, or a pattern, in members"
        )
    return [Entry(path, f"{shown}/{name}", PurePosixPath(name).name, name) for name in fitting]


def check(path: Path, shown: str, limits: Limits) -> None:
    """Read a packed file through once: it is whole, and unpacks within the limits. A plain file passes unread.

    What passed is known by its sha256 from then on, so that later readers need no limits.

    Raises:
        BadInputError: where it unpacks to more than `limits.maximum_bytes`, or to more than `limits.maximum_ratio`
            times its own size; and as `entries`.
        DamagedError: where it is truncated or damaged.
    """
    if path.suffix.lower() == _ZIP:
        _check_file(path, shown)
        inside = [Entry(path, f"{shown}/{name}", name, name) for name in _members(path, shown)]
    else:
        inside = [one for one in [Entry(path, shown, path.name, None)] if one.is_packed]
    total = 0  # over all members: many small ones, or one that stands in the directory many times, are a bomb as well
    for one in inside:
        with one.open(limits) as stream:
            while count := len(stream.read(_BUFFER)):
                total += count
                _check_size(shown, total, path.stat().st_size, limits)


class _Meter(io.RawIOBase):
    """A stream that counts what comes out of it."""

    def __init__(self, raw: io.BufferedIOBase, shown: str, packed: int, limits: Limits | None) -> None:
        super().__init__()
        self._raw, self._shown, self._packed, self._limits = raw, shown, packed, limits
        self._count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            data = self._raw.read(len(buffer))
        except _UNREADABLE as error:
            raise _damaged(self._shown, error) from None
        self._count += len(data)
        if self._limits is not None:
            _check_size(self._shown, self._count, self._packed, self._limits)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._raw.close()
        super().close()


def _check_size(shown: str, unpacked: int, packed: int, limits: Limits) -> None:
    if unpacked > limits.maximum_bytes:
        raise BadInputError(
            f"{shown}: unpacks to more than {limits.maximum_bytes:,} bytes ({packed:,} packed). If it is what you "
            "expect, raise the maximum: sources.maximum_gigabytes"
        )
    if unpacked > max(_FLOOR, packed * limits.maximum_ratio):
        raise BadInputError(
            f"{shown}: {packed:,} bytes unpack to more than {unpacked:,}, over {limits.maximum_ratio:g} times as many: "
            "no text packs so well. If it is what you expect, raise the maximum: sources.maximum_ratio"
        )


def _opened(path: Path) -> io.BufferedIOBase:
    ending = path.suffix.lower()
    if ending == ".gz":
        return gzip.open(path, "rb")
    if ending == ".xz":
        return lzma.open(path, "rb")
    if ending == ".zst":
        import pyarrow as pa

        stream: io.BufferedIOBase = pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")
        return stream
    return path.open("rb")


def _members(path: Path, shown: str) -> list[str]:
    """Return the sorted names of an archive's files; all members are looked at, since one bad one taints the rest."""
    _check_file(path, shown)
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except _UNREADABLE as error:
        raise _damaged(shown, error) from None
    seen: set[str] = set()
    for info in infos:
        fault = "its name stands twice" if info.filename in seen else _fault(info)
        if fault:
            raise BadInputError(f"{shown}: refused, for its member {info.orig_filename!r}: {fault}")
        seen.add(info.filename)
    return sorted(info.filename for info in infos if not info.is_dir())


def _fault(info: zipfile.ZipInfo) -> str | None:
    name, kind = info.orig_filename, stat.S_IFMT(info.external_attr >> 16)
    if ".." in re.split(r"[/\\]", name):
        return "'..' leads out of the archive"
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return "its path is absolute"
    if "\\" in name or "\0" in name:
        return "a backslash or NUL stands in its name"
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        return "it is a link" if kind == stat.S_IFLNK else "it is no plain file"
    if info.flag_bits & 0x1:
        return "it is encrypted"
    return None


def _check_file(path: Path, shown: str) -> None:
    if path.is_dir():
        raise BadInputError(f"{shown}: a file is expected, this is a folder")
    if not path.exists():
        raise BadInputError(f"{shown}: no such file")


def _without_packing(name: str) -> str:
    stem, dot, ending = name.rpartition(".")
    return stem if dot + ending.lower() in _STREAMS else name


def _damaged(shown: str, error: Exception) -> DamagedError:
    return DamagedError(f"{shown}: truncated, damaged or not of the kind its name says ({error}). Get it anew")


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return (", ".join(every[:_SHOWN]) or "none") + more
