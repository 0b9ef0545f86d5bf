"""The download cache: content by its sha256, shared by all projects of a user.

    <cache>/files/<sha256>/<name>                           contents, never changed
    <cache>/addresses/<sha256 of the address>.json          what an address gave last, and when
    <cache>/incoming/<sha256 of the address>/<name>.part    what is still coming

Each address has a lock, so that two processes download it once.
"""

import errno
import json
import os
import re
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256 as hash_of
from pathlib import Path

from kdmodels.errors import BadInputError, DamagedError
from kdmodels.files import sha256, write_json
from kdmodels.provenance import Found, Wanted
from kdmodels.redaction import redacted

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_PARTS = (".part", ".part.json")  # what a download goes on from
_LONGEST_NAME = 200  # bytes; a file system takes 255, with the endings
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_WRITING = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}


@dataclass(frozen=True, slots=True)
class Pin:
    """What an address gave: its content, the day (ISO 8601) and what its name was resolved to, such as a commit."""

    sha256: str
    size: int
    fetched: str
    revision: str | None


def cache_folder() -> Path:
    """Return the folder of the cache: DISTILINGUA_CACHE, or where this system keeps a user's caches."""
    named = os.environ.get("DISTILINGUA_CACHE", "")
    if named:
        return Path(named).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("distilingua")


def obtain(
    wanted: Wanted, *, pin: Pin | None, again: bool, fetch: Callable[[str, Path], str | None], today: str
) -> Found:
    """Return a file on this disk, verified: a local one as it is, an address's from the cache or fetched into it.

    Args:
        pin: what the address must give, unless it is asked again
        again: ask the source, whatever is known; what it gives may differ from the pin
        fetch: makes the file of an address, and returns the revision if there is one; not called for a local path
        today: ISO 8601, the day that is recorded for what is fetched now

    A file of the cache that is no longer what it was is removed with a warning, and fetched anew.

    Raises:
        BadInputError: where a local file cannot be read, the name is none of a file, the cache cannot be written, or
            the fetching fails.
        DamagedError: where what was fetched is not what was pinned.
    """
    if not _SCHEME.match(wanted.where):
        return _local(wanted)
    if (
        wanted.name in {"", ".", ".."}
        or re.search(r"[/\\\0]", wanted.name)
        or len(os.fsencode(wanted.name)) > _LONGEST_NAME
    ):
        raise BadInputError(
            f"{redacted(wanted.where)}: {wanted.name[:_LONGEST_NAME]!r} is no name for a file; expected: at most "
            f"{_LONGEST_NAME} bytes, without / and \\"
        )
    with _explained(), _locked(wanted.where) as record:
        expected = None if again else pin or _known(record)
        if expected is not None and (path := _stored(expected.sha256, wanted.name)) is not None:
            return _found(wanted, path, expected)
        with _incoming(record.stem) as folder:
            to = folder / wanted.name
            revision = fetch(wanted.where, to)
            if not to.is_file():
                raise RuntimeError(f"{redacted(wanted.where)}: its source said it had made {wanted.name}, and did not")
            got = Pin(sha256(to), to.stat().st_size, today, revision)
            if pin is not None and not again and got.sha256 != pin.sha256:
                to.unlink()
                raise _changed(wanted, pin, got)
            path = _content(got.sha256, wanted.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            to.chmod(0o444)  # many projects read it, none may write to it
            to.replace(path)
        write_json(record, {"where": redacted(wanted.where), **asdict(got)})
        return _found(wanted, path, got if again or pin is None else pin)


def cached(sha256: str, name: str) -> Path | None:
    """Return the path of a content, if it is there; it is not verified."""
    path = _content(sha256, name)
    return path if path.is_file() else None


def verify(found: Found) -> None:
    """Prove that a file is still what it was when it was found.

    Raises:
        BadInputError: where it is gone or cannot be read.
        DamagedError: where its sha256 is another.
    """
    local = found.fetched is None
    try:
        now = sha256(found.path)
    except OSError as error:
        raise BadInputError(
            f"{found.path}: cannot be read ({error.strerror}); it is {found.where}. "
            + ("Bring it back, and run" if local else "To fetch it anew, run")
            + " the stage sources: dvc repro --force --single-item sources"
        ) from None
    if now != found.sha256:
        size = found.path.stat().st_size
        raise DamagedError(
            f"{found.path}: expected sha256 {found.sha256} ({found.size:,} bytes), found {now} ({size:,} bytes). "
            + (
                "It changed since the stage sources read it; run it again"
                if local
                else f"The copy of {found.where} in the cache is damaged; to fetch it anew, run the stage sources"
            )
            + ": dvc repro --force --single-item sources"
        )


def _local(wanted: Wanted) -> Found:
    path, shown = Path(wanted.where), redacted(wanted.where)
    if path.is_dir():
        raise BadInputError(f"{shown}: a file is expected, this is a folder")
    if not path.exists():
        raise BadInputError(f"{shown}: no such file. Check the path; what is no path starts with a scheme, https://")
    if not path.is_file():
        raise BadInputError(f"{shown}: a file is expected, this is a device or a pipe")
    try:
        return Found(
            path, shown, wanted.name, sha256(path), path.stat().st_size, wanted.licence, fetched=None, revision=None
        )
    except OSError as error:
        raise BadInputError(f"{shown}: cannot be read ({error.strerror}). Check who may read it") from None


def _found(wanted: Wanted, path: Path, pin: Pin) -> Found:
    return Found(
        path=path,
        where=redacted(wanted.where),
        name=wanted.name,
        sha256=pin.sha256,
        size=path.stat().st_size,
        licence=wanted.licence,
        fetched=pin.fetched,
        revision=pin.revision,
    )


def _changed(wanted: Wanted, pin: Pin, got: Pin) -> DamagedError:
    where = redacted(wanted.where)
    return DamagedError(
        f"{where}: expected sha256 {pin.sha256} ({pin.size:,} bytes, as fetched on {pin.fetched}), found {got.sha256} "
        f"({got.size:,} bytes). It has changed upstream, or what came is damaged. To take the new content of all "
        "sources: sources.refresh: latest; of this one: remove its entry from corpora.lock"
    )


def _content(sha256: str, name: str) -> Path:
    return cache_folder() / "files" / sha256 / name


def _stored(expected: str, name: str) -> Path | None:
    """Return a content under a name, verified; one that another project stored under another name serves as well."""
    path = _content(expected, name)
    others = list(path.parent.iterdir()) if path.parent.is_dir() else []
    for other in sorted(others, key=lambda one: (one != path, one)):
        if sha256(other) != expected:
            warnings.warn(f"{other}: damaged, its sha256 is no longer that of its folder; removed", stacklevel=3)
            other.unlink(missing_ok=True)
            continue
        if other != path:
            temporary = (
                cache_folder() / "incoming" / f"{expected}.{os.getpid()}"
            )  # not where it would pass for a content
            temporary.parent.mkdir(parents=True, exist_ok=True)
            temporary.unlink(missing_ok=True)
            try:
                temporary.hardlink_to(other)
            except OSError:  # a file system without links
                shutil.copy(other, temporary)
            temporary.replace(path)
        return path
    return None


def _known(record: Path) -> Pin | None:
    """Return what an address gave last, or none where that is not known; a damaged record is as good as none."""
    try:
        values = json.loads(record.read_text(encoding="utf-8"))
        pin = Pin(values["sha256"], values["size"], values["fetched"], values["revision"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return pin if re.fullmatch(r"[0-9a-f]{64}", str(pin.sha256)) else None


@contextmanager
def _locked(where: str) -> Iterator[Path]:
    """Give the record of an address while no other process has it."""
    from filelock import FileLock

    key = hash_of(redacted(where).encode()).hexdigest()  # without secrets: those change, and are not kept
    record = cache_folder() / "addresses" / f"{key}.json"
    record.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(record.with_suffix(".lock")):
        yield record


@contextmanager
def _incoming(key: str) -> Iterator[Path]:
    """Give a folder to download to; afterwards nothing is in it but what a download can go on from."""
    folder = cache_folder() / "incoming" / key
    folder.mkdir(parents=True, exist_ok=True)
    _clear(folder)
    try:
        yield folder
    finally:
        _clear(folder)
        if not any(folder.iterdir()):
            folder.rmdir()


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif not path.name.endswith(_PARTS):
            path.unlink()


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what the disk refuses into an error that says so."""
    try:
        yield
    except OSError as error:
        ours = str(error.filename).startswith(str(cache_folder()))
        if error.errno not in _NO_ROOM and not (error.errno in _NO_WRITING and ours):
            raise
        fault = "no room in" if error.errno in _NO_ROOM else "cannot write to"
        raise BadInputError(
            f"{fault} the download cache {cache_folder()} ({error.strerror}). "
            "Mend that, or let DISTILINGUA_CACHE name another folder"
        ) from None
