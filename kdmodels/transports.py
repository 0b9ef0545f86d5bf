"""How the bytes of an address come: over http, or with what fsspec has a driver for."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import responses
from typing import TYPE_CHECKING, Any, NoReturn

from kdmodels.errors import BadInputError
from kdmodels.limits import Limits
from kdmodels.partial_files import Answer, BrokeOffError, Part
from kdmodels.redaction import redacted

if TYPE_CHECKING:
    import requests

SHORT = "the connection was closed too early"
_CHUNK = 1 << 18  # bytes
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}


@contextmanager
def over_http(where: str, part: Part, limits: Limits, start: int | None = None) -> Iterator[Answer]:
    """Open an address over http, from where the part ends, or from `start`.

    Raises:
        BrokeOffError: for a fault that may be gone at the next attempt.
        BadInputError: for any other.
    """
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
        raise BrokeOffError(_said(error, limits)) from None
    except (requests.RequestException, ValueError) as error:  # their text holds the address
        raise BadInputError(f"{shown}: not an address that can be fetched ({type(error).__name__})") from None
    with response:
        asked, status, version = "Range" in headers, response.status_code, _version(response)
        if asked and (status == 416 or (status == 206 and not _goes_on(response, offset, part))):
            with over_http(where, part, limits, start=0) as answer:
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
        yield Answer(_http_chunks(response, limits), first, size, version, response.headers.get("Content-Type", ""))


def _http_chunks(response: "requests.Response", limits: Limits) -> Iterator[bytes]:
    import urllib3

    try:
        yield from response.raw.stream(_CHUNK, decode_content=False)
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise BrokeOffError(_said(error, limits)) from None


def _version(response: "requests.Response") -> str | None:
    """Return what an If-Range takes: a strong entity tag, or else a date."""
    tag: str = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified")


def _goes_on(response: "requests.Response", offset: int, part: Part) -> bool:
    """Say whether a partial answer is the rest of what was begun; some servers do not look at If-Range."""
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip())
    if found is None or int(found[1]) != offset or _version(response) not in {None, part.version}:
        return False
    return part.expected is None or found[2] in {"*", str(part.expected)}


def _refuse(shown: str, response: "requests.Response", part: Part) -> NoReturn:
    status = response.status_code
    said = f"{status} {responses.get(status, '')}".strip()
    if status in {408, 425, 429} or status >= 500:
        raise BrokeOffError(f"the server answers {said}", _retry_after(response.headers.get("Retry-After", "")))
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
        return SHORT
    return f"the connection broke off ({getattr(cause, 'strerror', None) or type(cause).__name__})"


def _innermost(error: BaseException) -> BaseException:
    while inner := error.__cause__ or error.__context__:
        error = inner
    return error


@contextmanager
def over_fsspec(where: str, part: Part, limits: Limits) -> Iterator[Answer]:
    """Open what fsspec has a driver for; timeouts are the driver's own. Errors as of `over_http`."""
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
        raise BrokeOffError(_text(error, where)) from None
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
        yield Answer(_file_chunks(file, where, shown), offset, info.get("size"), version, "")


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
        raise BrokeOffError(_text(error, where)) from None


def _text(error: Exception, where: str) -> str:
    return f"{type(error).__name__}: {redacted(str(error).replace(where, redacted(where)))[:200]}"
