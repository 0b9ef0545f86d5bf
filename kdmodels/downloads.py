"""Downloads: a file comes whole or not at all, goes on where it broke off, and is tried by one policy."""

import errno
import random
import re
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NoReturn

from kdmodels.errors import BadInputError
from kdmodels.limits import Limits
from kdmodels.partial_files import HEAD, Answer, BrokeOffError, Part
from kdmodels.progress import Meter
from kdmodels.redaction import redacted
from kdmodels.transports import SHORT, over_fsspec, over_http

# requests and fsspec without pooch: it cannot resume, keeps no cap while it streams and has a retry policy of its own, so
# that only its checking of hashes would be left, which the cache does for the files of every other source as well.

_PROGRESS = 1 << 20  # bytes; an attempt that brings as many more than all before it is the first of a new count
_LONGEST_PAUSE = 60.0  # seconds, whatever a server asks for
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
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
    part = Part(to)
    tries, longest = 0, part.size
    meter = Meter(to.name, say)
    try:
        while True:
            try:
                _attempt(answer(where, part, limits), shown, part, limits, meter)
                break
            except BrokeOffError as error:
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


def _attempt(opened: AbstractContextManager[Answer], shown: str, part: Part, limits: Limits, meter: Meter) -> None:
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
                if page and len(head) < HEAD:
                    head += chunk[:HEAD]
                    if _PAGE.match(head):
                        _is_page(shown, part)
                meter.show(count)
    if answer.size is not None and count != answer.size:
        raise BrokeOffError(SHORT)


def _too_large(shown: str, size: str, part: Part, limits: Limits) -> NoReturn:
    part.discard()
    raise BadInputError(
        f"{shown}: has {size}, allowed: {limits.maximum_bytes:,}. If it is what you expect, raise the maximum: "
        "sources.maximum_gigabytes"
    )


def _is_page(shown: str, part: Part) -> NoReturn:
    name = part.to.name
    part.discard()
    raise BadInputError(
        f"{shown}: {name} was expected, an HTML page came, such as sites send to sign in or for what is gone. Open the "
        "address in a browser and take that of the file itself"
    )


def _given_up(shown: str, part: Part, tries: int, error: Exception) -> str:
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


def _opener(where: str, shown: str) -> Callable[[str, Part, Limits], AbstractContextManager[Answer]]:
    scheme, colon, rest = where.partition("://")
    scheme = scheme.lower()
    if not colon or not rest or scheme in _REFUSED or "::" in where:
        raise BadInputError(
            f"{shown}: no address to download from; allowed: https://, http://, s3://, gs:// and what else fsspec has a "
            "driver for. A file of this machine is given by its path"
        )
    return over_http if scheme in {"http", "https"} else over_fsspec
