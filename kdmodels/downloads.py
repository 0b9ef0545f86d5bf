"""Downloads: a file comes whole or not at all, goes on where it broke off, and is tried by one policy."""

import errno
import json
import os
import random
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import responses
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from kdmodels.errors import BadInputError
from kdmodels.files import write_json
from kdmodels.limits import Limits
from kdmodels.redaction import redacted

if TYPE_CHECKING:
    import requests

# requests and fsspec without pooch: it cannot resume, keeps no cap while it streams and has a retry policy of its own, so
# that only its checking of hashes would be left, which the cache does for the files of every other source as well.

_CHUNK = 1 << 18  # bytes
_PROGRESS = 1 << 20  # bytes; an attempt that brings as many more than all before it is the first of a new count
_LONGEST_PAUSE = 60.0  # seconds, whatever a server asks for
_BETWEEN_LINES = 10.0  # seconds
_HEAD = 1024  # bytes in which a page shows that it is one
_SHORT = "the connection was closed too early"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}
_PAGE = re.compile(rb"(?is)\A(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<(!doctype\s+html|html)\b")
# Of what fsspec knows: this machine itself, and wrappers around another address, which would hide a path or the real size.
_REFUSED = {
    *("file", "local", "asynclocal", "data", "memory", "dvc", "git"),
    *("dir", "reference", "generic", "async_wrapper", "asyncwrapper", "zip", "tar", "libarchive"),
    *("cached", "blockcache", "filecache", "simplecache"),
}


def fetch(where: str, to: Path, *, limits: Limits, say: Callable[[str], None] | None) -> None:
    """Download an address to a file: http, https, and what fsspec has a driver for (s3, gs, ftp, ...).

    What breaks off is tried again after growing pauses, and goes on where it was as long as the source still has the
    same file. After a failure nothing is left but `<to>.part` and `<to>.part.json`, which the next call goes on from.

    Args:
        say: takes a line now and then where standard error is no terminal, which gets a progress bar; none: silence.

    Raises:
        BadInputError: where the address is wrong or refused, the file is too large or a web page, the disk is full,
            or all attempts failed; with the address, without its secrets.
    """
    shown = redacted(where)
    answer = _opener(where, shown)
    part = _Part(to)
    tries, longest = 0, part.size
    meter = _Meter(to.name, say)
    try:
        while True:
            try:
                _attempt(answer(where, part, limits), shown, part, limits, meter)
                break
            except _BrokeOffError as error:
                tries = 1 if part.size >= longest + _PROGRESS else tries + 1
                longest = max(longest, part.size)
                if tries >= limits.attempts:
                    raise BadInputError(_given_up(shown, part, tries, error)) from None
                seconds = min(_LONGEST_PAUSE, max(_backoff(tries), error.wait))
                meter.close()
                if say is not None:
                    say(f"{shown}: {error}; trying again in {seconds:.0f} s")
                pause(seconds)
        part.publish()
    except OSError as error:  # of this disk: those of the source have become errors of ours
        part.discard()
        raise BadInputError(
            f"{shown}: no room for it in {to.parent} ({error.strerror}). Make room, or let DISTILINGUA_CACHE name a "
            "folder on another disk"
            if error.errno in _FULL
            else f"{shown}: cannot be written to {to.parent} ({error.strerror or type(error).__name__})"
        ) from None
    finally:
        meter.close()
        part.tidy()
    meter.finish(to.stat().st_size)


def pause(seconds: float) -> None:
    """Wait between two attempts."""
    time.sleep(seconds)


class _BrokeOffError(Exception):
    """A fault that may be gone at the next attempt; `wait` is how many seconds the server asks for."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a source gives: the bytes of a file from `start` on, its whole size, what tells this version of it from
    another (none: nothing does), and the content type."""

    chunks: Iterator[bytes]
    start: int
    size: int | None
    version: str | None
    kind: str


class _Part:
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
        return self.path.stat().st_size if self.path.exists() else 0

    def head(self) -> bytes:
        if not self.path.exists():
            return b""
        with self.path.open("rb") as file:
            return file.read(_HEAD)

    def begin(self, version: str | None, size: int | None) -> None:
        """Start again from nothing."""
        self.discard()
        self.version, self.expected = version if self.resumes else None, size
        if self.version is not None:
            write_json(self._note, {"version": version, "size": size})

    def publish(self) -> None:
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        self.path.replace(self.to)
        self._note.unlink(missing_ok=True)

    def discard(self) -> None:
        self.version = self.expected = None
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def tidy(self) -> None:
        """Leave nothing that no later call can go on from."""
        if self.version is None or self.size == 0:
            self.discard()


def _attempt(opened: AbstractContextManager[_Answer], shown: str, part: _Part, limits: Limits, meter: "_Meter") -> None:
    with opened as answer:
        if answer.size is not None and answer.size > limits.maximum_bytes:
            _too_large(shown, f"{answer.size:,} bytes", part, limits)
        page = not part.to.name.lower().endswith((".html", ".htm"))
        if page and answer.kind.partition(";")[0].strip().lower() in {"text/html", "application/xhtml+xml"}:
            _is_page(shown, part)
        part.to.parent.mkdir(parents=True, exist_ok=True)
        if answer.start == 0:
            part.begin(answer.version, answer.size)
        disk = shutil.disk_usage(part.to.parent)
        if answer.size is not None and disk.total and answer.size - answer.start > disk.free:
            raise OSError(errno.ENOSPC, f"{answer.size - answer.start:,} bytes to come, {disk.free:,} free")
        meter.begin(answer.start, answer.size)
        count, head = answer.start, part.head()
        with part.path.open("ab", buffering=0) as file:
            for chunk in answer.chunks:
                count += len(chunk)
                if count > limits.maximum_bytes:
                    _too_large(shown, f"more than {limits.maximum_bytes:,} bytes", part, limits)
                rest = memoryview(chunk)
                while rest:
                    rest = rest[file.write(rest) :]
                if page and len(head) < _HEAD:
                    head += chunk[:_HEAD]
                    if _PAGE.match(head):
                        _is_page(shown, part)
                meter.show(count)
    if answer.size is not None and count != answer.size:
        raise _BrokeOffError(_SHORT)


def _too_large(shown: str, size: str, part: _Part, limits: Limits) -> NoReturn:
    part.discard()
    raise BadInputError(
        f"{shown}: has {size}, allowed: {limits.maximum_bytes:,}. If it is what you expect, raise the maximum: "
        "sources.maximum_gigabytes"
    )


def _is_page(shown: str, part: _Part) -> NoReturn:
    name = part.to.name
    part.discard()
    raise BadInputError(
        f"{shown}: {name} was expected, an HTML page came, such as sites send to sign in or for what is gone. Open the "
        "address in a browser and take that of the file itself"
    )


def _given_up(shown: str, part: _Part, tries: int, error: Exception) -> str:
    bytes_ = (
        f"expected {part.expected:,} bytes, found {part.size:,} bytes"
        if part.expected
        else f"found {part.size:,} bytes"
    )
    times = "1 attempt" if tries == 1 else f"{tries} attempts"
    more = f" ({bytes_})" if part.size else ""
    kept = " What came is kept, and the next run goes on from there." if part.size and part.version else ""
    return f"{shown}: could not be fetched in {times}: {error}{more}. Try again later, or raise sources.attempts.{kept}"


def _backoff(tries: int) -> float:
    """Return seconds: 1, 2, 4, ... less up to a half by chance, so that many clients do not come back at once."""
    return min(_LONGEST_PAUSE, 2.0 ** min(tries - 1, 10)) * random.Random().uniform(
        0.5, 1.0
    )  # no one's seed is touched


def _opener(where: str, shown: str) -> Callable[[str, _Part, Limits], AbstractContextManager[_Answer]]:
    scheme, colon, rest = where.partition("://")
    scheme = scheme.lower()
    if not colon or not rest or scheme in _REFUSED or "::" in where:
        raise BadInputError(
            f"{shown}: no address to download from; allowed: https://, http://, s3://, gs:// and what else fsspec has a "
            "driver for. A file of this machine is given by its path"
        )
    return _over_http if scheme in {"http", "https"} else _over_fsspec


@contextmanager
def _over_http(where: str, part: _Part, limits: Limits, start: int | None = None) -> Iterator[_Answer]:
    import requests

    shown, offset = redacted(where), part.size if start is None else start
    headers = {"Accept-Encoding": "identity", "User-Agent": "distilingua"}  # identity: or the size is not the file's
    if offset and part.version is not None:
        headers |= {"Range": f"bytes={offset}-", "If-Range": part.version}
    try:
        response = requests.get(where, headers=headers, stream=True, timeout=limits.timeout)
    except (requests.Timeout, requests.ConnectionError) as error:
        cause = _innermost(error)
        if type(cause).__name__ == "SSLCertVerificationError":
            raise BadInputError(f"{shown}: its certificate is not trusted by this machine") from None
        raise _BrokeOffError(_said(error, limits)) from None
    except (requests.RequestException, ValueError) as error:  # their text holds the address
        raise BadInputError(f"{shown}: not an address that can be fetched ({type(error).__name__})") from None
    with response:
        asked, status, version = "Range" in headers, response.status_code, _version(response)
        if asked and (status == 416 or (status == 206 and not _goes_on(response, offset, part))):
            with _over_http(where, part, limits, start=0) as answer:
                yield answer
            return
        if status != 200 and not (asked and status == 206):
            _refuse(shown, response, part)
        packing = response.headers.get("Content-Encoding", "identity").lower()
        if packing not in {"", "identity"} and not (packing.endswith("gzip") and part.to.suffix.lower() == ".gz"):
            raise BadInputError(
                f"{shown}: {part.to.name} is only sent packed ({packing}). Fetch it yourself (curl --compressed) and "
                "give its path"
            )
        if asked and status == 200 and version == part.version:
            part.resumes = False  # the same file, and it does not go on from the middle
        first = offset if status == 206 else 0
        length = response.headers.get("Content-Length", "")
        size = first + int(length) if length.isdecimal() else part.expected if first else None
        yield _Answer(_http_chunks(response, limits), first, size, version, response.headers.get("Content-Type", ""))


def _http_chunks(response: "requests.Response", limits: Limits) -> Iterator[bytes]:
    import urllib3

    try:
        yield from response.raw.stream(_CHUNK, decode_content=False)
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise _BrokeOffError(_said(error, limits)) from None


def _version(response: "requests.Response") -> str | None:
    """Return what an If-Range takes: a strong entity tag, or else a date."""
    tag: str = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified")


def _goes_on(response: "requests.Response", offset: int, part: _Part) -> bool:
    """Say whether a partial answer is the rest of what was begun; some servers do not look at If-Range."""
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip())
    if found is None or int(found[1]) != offset or _version(response) not in {None, part.version}:
        return False
    return part.expected is None or found[2] in {"*", str(part.expected)}


def _refuse(shown: str, response: "requests.Response", part: _Part) -> NoReturn:
    status = response.status_code
    said = f"{status} {responses.get(status, '')}".strip()
    if status in {408, 425, 429} or status >= 500:
        raise _BrokeOffError(f"the server answers {said}", _retry_after(response.headers.get("Retry-After", "")))
    if status in {404, 410}:
        part.discard()  # nothing is there to go on from
    hint = {
        401: "It wants credentials: in the address, or in ~/.netrc",
        403: "It may want credentials (in the address, or in ~/.netrc), or not be meant for you",
    }
    raise BadInputError(f"{shown}: the server answers {said}. {hint.get(status, 'Check the address')}")


def _retry_after(value: str) -> float:
    """Return seconds; a server gives them, or a date."""
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def _said(error: BaseException, limits: Limits) -> str:
    """Say why nothing came, in words that hold no address."""
    cause = _innermost(error)
    if "Timeout" in type(error).__name__ or isinstance(cause, TimeoutError):
        return f"no answer within {limits.timeout:g} s"
    if type(cause).__name__ == "IncompleteRead":
        return _SHORT
    return f"the connection broke off ({getattr(cause, 'strerror', None) or type(cause).__name__})"


def _innermost(error: BaseException) -> BaseException:
    while inner := error.__cause__ or error.__context__:
        error = inner
    return error


@contextmanager
def _over_fsspec(where: str, part: _Part, limits: Limits) -> Iterator[_Answer]:
    """Open what fsspec has a driver for; timeouts are the driver's own."""
    import fsspec.core  # type: ignore[import-untyped]

    del limits
    shown, scheme = redacted(where), where.partition("://")[0].lower()
    try:
        system, path = fsspec.core.url_to_fs(where, skip_instance_cache=True)  # a kept one may hold a dead connection
    except ImportError as error:
        extra = _EXTRAS.get(scheme)
        install = f"pip install 'distilingua[{extra}]'" if extra else str(error)
        raise BadInputError(f"{shown}: the driver for {scheme}:// is not installed: {install}") from None
    except ValueError as error:
        raise BadInputError(f"{shown}: not an address that can be fetched ({_text(error, where)})") from None
    except Exception as error:  # some connect here
        raise _BrokeOffError(_text(error, where)) from None
    with _source_errors(where, shown):
        info: dict[str, Any] = system.info(path)
    if info.get("type") == "directory":
        raise BadInputError(f"{shown}: a folder; give the address of each file")
    versions = (info.get(key) for key in ("ETag", "etag", "generation", "LastModified", "updated", "mtime", "modify"))
    version = next((str(value) for value in versions if value is not None), None)
    same = version is not None and version == part.version and info.get("size") == part.expected
    offset = part.size if same else 0
    with _source_errors(where, shown):
        file = system.open(path, "rb", block_size=1 << 23)
        file.seek(offset)
    with file:
        yield _Answer(_file_chunks(file, where, shown), offset, info.get("size"), version, "")


def _file_chunks(file: Any, where: str, shown: str) -> Iterator[bytes]:
    while True:
        with _source_errors(where, shown):
            chunk = file.read(_CHUNK)
        if not chunk:
            return
        yield chunk


@contextmanager
def _source_errors(where: str, shown: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise BadInputError(f"{shown}: there is no such file. Check the address") from None
    except PermissionError as error:
        raise BadInputError(f"{shown}: access is denied ({_text(error, where)})") from None
    except Exception as error:  # each driver has its own
        raise _BrokeOffError(_text(error, where)) from None


def _text(error: Exception, where: str) -> str:
    return f"{type(error).__name__}: {redacted(str(error).replace(where, redacted(where)))[:200]}"


class _Meter:
    """How far it is: a bar on a terminal, lines elsewhere."""

    def __init__(self, name: str, say: Callable[[str], None] | None) -> None:
        self._name, self._say = name, say
        self._terminal = say is not None and sys.stderr.isatty()
        self._bar: Any = None
        self._began = self._last = time.monotonic()
        self._first = self._count = 0
        self._size: int | None = None
        self._came = 0

    def begin(self, start: int, size: int | None) -> None:
        self.close()
        self._count, self._size = start, size
        if self._terminal:
            from tqdm import tqdm

            self._bar = tqdm(
                total=size, initial=start, desc=self._name, unit="B", unit_scale=True, file=sys.stderr, leave=False
            )

    def show(self, count: int) -> None:
        self._came += count - self._count
        if self._bar is not None:
            self._bar.update(count - self._count)
        self._count = count
        if not self._terminal and time.monotonic() >= self._last + _BETWEEN_LINES:
            self._last = time.monotonic()
            self._line(f"{_bytes(count)}{f' of {_bytes(self._size)}' if self._size else ''}")

    def finish(self, size: int) -> None:
        self._line(f"whole, {_bytes(size)}")

    def _line(self, words: str) -> None:
        if self._say is not None:
            seconds = time.monotonic() - self._began
            self._say(f"{self._name}: {words}, {_bytes(self._came / max(seconds, 1e-3))}/s")

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 999.5:
            return f"{count:.{0 if unit == 'B' else 1}f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
