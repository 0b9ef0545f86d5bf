"""A download is whole or not there: every fault of a server ends in the file, or in an error that names it."""

import io
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import fsspec  # type: ignore[import-untyped]
import pytest
from fsspec import AbstractFileSystem

from kdmodels import downloads
from kdmodels.errors import BadInputError
from kdmodels.limits import Limits
from tests.web import Fault, Web, served

ROOT = Path(__file__).parents[1]
BODY = bytes(range(256)) * 4000  # 1,024,000 bytes
HALF = len(BODY) // 2
LIMITS = Limits(maximum_bytes=10_000_000, maximum_ratio=100.0, attempts=3, timeout=5.0)


@pytest.fixture
def web() -> Iterator[Web]:
    with served() as found:
        yield found


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Do not wait between attempts, but say how long it would have been."""
    found: list[float] = []
    monkeypatch.setattr(downloads, "pause", found.append)
    return found


class Target:
    """Where a download goes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "corpus.bin"
        self.said: list[str] = []

    def fetch(self, where: str, **limits: Any) -> bytes:
        found = Limits(**{name: limits.get(name, getattr(LIMITS, name)) for name in LIMITS.__dataclass_fields__})
        downloads.fetch(where, self.path, limits=found, say=self.said.append)
        return self.path.read_bytes()

    def refused(self, where: str, **limits: Any) -> str:
        with pytest.raises(BadInputError) as caught:
            self.fetch(where, **limits)
        return str(caught.value)

    @property
    def left(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def to(tmp_path: Path) -> Target:
    return Target(tmp_path)


def test_a_file_comes_whole_and_its_size_and_rate_are_said(web: Web, to: Target) -> None:
    assert to.fetch(web.put("/a", BODY)) == BODY
    assert to.left == ["corpus.bin"]
    assert len(to.said) == 1 and re.search(r"corpus\.bin: whole, 1\.0 MB, .*/s", to.said[0])


def test_a_file_whose_size_the_server_does_not_say_comes_whole(web: Web, to: Target) -> None:
    assert to.fetch(web.put("/a", BODY, headers={"Content-Length": None})) == BODY


def test_what_broke_off_goes_on_from_the_middle(web: Web, to: Target, pauses: list[float]) -> None:
    assert to.fetch(web.put("/a", BODY, Fault(cut=HALF), Fault(cut=1000))) == BODY
    assert web.ranges == [None, f"bytes={HALF}-", f"bytes={HALF + 1000}-"]
    assert [request.if_range for request in web.requests] == [None, '"1"', '"1"']
    assert [request.sent for request in web.requests] == [HALF, 1000, HALF - 1000]
    assert len(pauses) == 2 and 0.5 <= pauses[0] <= 1 <= pauses[1] <= 2
    assert "trying again" in to.said[0] and to.left == ["corpus.bin"]


def test_it_goes_on_in_a_later_run_too(web: Web, to: Target) -> None:
    where = web.put("/a", BODY, Fault(cut=HALF))
    error = to.refused(where, attempts=1)
    assert where in error and f"expected {len(BODY):,} bytes, found {HALF:,} bytes" in error
    assert to.left == ["corpus.bin.part", "corpus.bin.part.json"]
    assert to.fetch(where) == BODY
    assert web.ranges == [None, f"bytes={HALF}-"] and to.left == ["corpus.bin"]


def test_without_an_entity_tag_the_date_tells_versions_apart(web: Web, to: Target) -> None:
    date = "Wed, 21 Oct 2015 07:28:00 GMT"
    page = {"headers": {"Last-Modified": date, "ETag": None}, "tag": date}
    assert to.fetch(web.put("/a", BODY, Fault(cut=HALF), **page)) == BODY
    assert [request.if_range for request in web.requests] == [None, date]


@pytest.mark.parametrize("tag", [None, 'W/"1"'])
def test_what_cannot_be_told_from_another_version_starts_again(web: Web, to: Target, tag: str | None) -> None:
    where = web.put("/a", BODY, Fault(cut=HALF), tag=tag)
    to.refused(where, attempts=1)
    assert to.left == []
    assert to.fetch(where) == BODY and web.ranges == [None, None]


@pytest.mark.parametrize("if_range", [True, False])
def test_what_changed_between_two_attempts_starts_again(web: Web, to: Target, if_range: bool) -> None:
    new = BODY[::-1]
    where = web.put("/a", BODY, Fault(cut=HALF))
    to.refused(where, attempts=1)
    web.put("/a", new, tag='"2"', if_range=if_range)  # without: a server that goes on with whatever it has
    assert to.fetch(where) == new
    assert f"bytes={HALF}-" in web.ranges


def test_what_has_become_shorter_starts_again(web: Web, to: Target) -> None:
    where = web.put("/a", BODY, Fault(cut=HALF))
    to.refused(where, attempts=1)
    web.put("/a", b"short", if_range=False, tag='"2"')
    assert to.fetch(where) == b"short"


def test_a_server_that_cannot_go_on_sends_it_all_again(web: Web, to: Target) -> None:
    where = web.put("/a", BODY, Fault(cut=HALF), Fault(cut=HALF), ranges=False)
    assert to.fetch(where) == BODY
    web.put("/b", BODY, Fault(cut=HALF), forever=True, ranges=False)
    to.refused(web.url("/b"))
    assert to.left == ["corpus.bin"]  # no part that nothing could come of


@pytest.mark.parametrize("note", ["", "[]", '{"version": "1"}', '{"version": 5, "size": "x"}'])
def test_a_part_of_who_knows_what_is_not_used(web: Web, to: Target, note: str) -> None:
    (to.folder / "corpus.bin.part").write_bytes(b"other")
    (to.folder / "corpus.bin.part.json").write_text(note, encoding="utf-8")
    assert to.fetch(web.put("/a", BODY)) == BODY and to.left == ["corpus.bin"]


def test_what_is_always_truncated_is_an_error_with_both_sizes(web: Web, to: Target) -> None:
    where = web.put("/a", BODY, Fault(cut=HALF), forever=True, ranges=False)
    error = to.refused(where)
    assert where in error and "3 attempts" in error and to.left == []
    assert f"expected {len(BODY):,} bytes, found {HALF:,} bytes" in error
    assert len(web.requests) == 3


def test_a_truncated_body_of_unknown_size_is_noticed(web: Web, to: Target) -> None:
    headers = {"Content-Length": None, "Transfer-Encoding": "chunked"}
    where = web.put("/a", b"5\r\nhello\r\n5\r\nwo", Fault(headers=dict(headers)), forever=True)
    assert "the connection" in to.refused(where)
    assert to.left == ["corpus.bin.part", "corpus.bin.part.json"]


def test_attempts_that_bring_much_do_not_count(web: Web, to: Target) -> None:
    body = BODY * 6
    where = web.put("/a", body, *[Fault(cut=len(BODY) + 100_000)] * 5)
    assert to.fetch(where, attempts=2) == body and len(web.requests) == 6


def test_503_is_waited_for(web: Web, to: Target, pauses: list[float]) -> None:
    asks = [
        Fault(503, headers={"Retry-After": value}) for value in ("7", "100000", "Fri, 31 Dec 2100 23:59:59 GMT", "?")
    ]
    assert to.fetch(web.put("/a", BODY, *asks), attempts=5) == BODY
    assert pauses[:3] == [7.0, 60.0, 60.0] and 4 <= pauses[3] <= 8


@pytest.mark.parametrize("status", [429, 500, 503])
def test_503_for_ever_is_an_error(web: Web, to: Target, status: int) -> None:
    where = web.put("/a", BODY, Fault(status), forever=True)
    error = to.refused(where)
    assert where in error and str(status) in error and "3 attempts" in error
    assert len(web.requests) == 3 and to.left == []


@pytest.mark.parametrize(("status", "hint"), [(404, "address"), (410, "address"), (401, "credentials"), (403, "cred")])
def test_what_will_not_change_is_not_tried_again(web: Web, to: Target, status: int, hint: str) -> None:
    where = web.put("/a", BODY, Fault(status))
    error = to.refused(where)
    assert where in error and str(status) in error and hint in error
    assert len(web.requests) == 1 and to.left == []


def test_no_answer_in_time_is_tried_again(web: Web, to: Target) -> None:
    never = threading.Event()
    where = web.put("/a", BODY, Fault(cut=0, hold=never), Fault(cut=HALF, hold=never))
    assert to.fetch(where, timeout=0.5) == BODY
    web.put("/b", BODY, Fault(cut=0, hold=never), forever=True)
    error = to.refused(web.url("/b"), timeout=0.1)
    never.set()
    assert web.url("/b") in error and "no answer within 0.1 s" in error and to.left == ["corpus.bin"]


def test_a_server_that_is_not_there_is_tried_again(to: Target, pauses: list[float]) -> None:
    with served() as web:
        where = web.url("/a")
    error = to.refused(where)
    assert where in error and "refused" in error and len(pauses) == 2 and to.left == []


def test_no_name_service(to: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: Any, **__: Any) -> None:
        raise OSError(-3, "Temporary failure in name resolution")

    monkeypatch.setattr("socket.getaddrinfo", none)
    assert "name resolution" in to.refused("https://data.example/a.tsv")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"\xef\xbb\xbf\n <!DOCTYPE html>\n<p>Sign in", "text/plain"),
        (b"<HTML lang=en>", "application/octet-stream"),
        (b'<?xml version="1.0"?><!-- x --><!DOCTYPE html PUBLIC>', "application/xml"),
        (b"en\tde\n", "text/html; charset=utf-8"),
    ],
)
def test_a_page_is_no_data(web: Web, to: Target, body: bytes, kind: str) -> None:
    where = web.put("/a", body, headers={"Content-Type": kind})
    error = to.refused(where)
    assert where in error and "HTML" in error and len(web.requests) == 1 and to.left == []
    to.path = to.folder / "page.html"
    assert to.fetch(where) == body


def test_a_page_that_comes_in_pieces_is_no_data(web: Web, to: Target) -> None:
    assert "HTML" in to.refused(web.put("/a", b"<!doctype html><p>Sign in", Fault(cut=5)))
    assert to.left == []


@pytest.mark.parametrize("length", [{}, {"Content-Length": None}])
def test_what_is_too_large_is_refused(web: Web, to: Target, length: dict[str, None]) -> None:
    where = web.put("/a", BODY, headers=dict(length))
    error = to.refused(where, maximum_bytes=HALF)
    assert where in error and f"{HALF:,}" in error and "maximum_gigabytes" in error
    assert len(web.requests) == 1 and to.left == []
    assert (f"{len(BODY):,}" in error) == (not length)
    assert to.fetch(where, maximum_bytes=len(BODY)) == BODY


def test_what_is_sent_packed_is_not_taken_for_the_file(web: Web, to: Target) -> None:
    where = web.put("/a", b"\x1f\x8b...", headers={"Content-Encoding": "gzip"})
    assert "gzip" in to.refused(where) and to.left == []
    to.path = to.folder / "corpus.tsv.gz"
    assert to.fetch(where) == b"\x1f\x8b..."


def test_a_full_disk_is_seen_before(web: Web, to: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(total=10, free=5))
    error = to.refused(web.put("/a", BODY))
    assert "no room" in error and f"{len(BODY):,} bytes to come, 5 free" in error and to.left == []


def test_a_disk_that_fills_up(web: Web, to: Target) -> None:
    code = (
        "import resource, sys; from pathlib import Path; from kdmodels import downloads; from kdmodels.limits import Limits\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({HALF}, {HALF}))\n"
        f"downloads.fetch(sys.argv[1], Path(sys.argv[2]), limits={LIMITS!r}, say=None)"
    )
    where = web.put("/a", BODY)
    run = subprocess.run(
        [sys.executable, "-c", code, where, str(to.path)], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert run.returncode == 1 and "BadInputError" in run.stderr
    assert f"{where}: no room for it in {to.folder}" in run.stderr.splitlines()[-1] and to.left == []


def test_a_killed_download_goes_on(web: Web, to: Target) -> None:
    never = threading.Event()
    where = web.put("/a", BODY, Fault(cut=HALF, hold=never))
    code = (
        "import sys; from pathlib import Path; from kdmodels import downloads; from kdmodels.limits import Limits\n"
        f"downloads.fetch(sys.argv[1], Path(sys.argv[2]), limits={LIMITS!r}, say=None)"
    )
    with subprocess.Popen([sys.executable, "-c", code, where, str(to.path)], cwd=ROOT) as process:
        part = to.folder / "corpus.bin.part"
        while process.poll() is None and not (part.exists() and part.stat().st_size >= 1 << 18):
            threading.Event().wait(0.01)
        process.kill()
    never.set()
    assert not to.path.exists()
    have = part.stat().st_size
    assert to.fetch(where) == BODY and web.ranges[-1] == f"bytes={have}-"


def test_credentials_work_and_are_never_shown(web: Web, to: Target) -> None:
    web.put("/a", BODY, Fault(503), Fault(cut=HALF))
    where = web.url("/a?token=hidden1", user="me:hidden2")
    assert to.fetch(where) == BODY
    assert web.requests[-1].authorization == "Basic bWU6aGlkZGVuMg==" and web.requests[-1].path.endswith("hidden1")
    said = list(to.said)
    web.put("/b", BODY, Fault(503), forever=True)
    web.put("/c", b"<html>")
    for path, limits in (("/b", {}), ("/c", {}), ("/d", {}), ("/a", {"maximum_bytes": 5})):
        said.append(to.refused(web.url(f"{path}?token=hidden1", user="me:hidden2"), **limits))
    for odd in ("http://me:hidden2@127.0.0.1:1/x?token=hidden1", "http://me:hidden2@:x/", "file://me:hidden2@h/x"):
        said.append(to.refused(odd))
    assert len(said) > 8 and "hidden" not in "\n".join(said)
    assert "***@127.0.0.1" in "\n".join(said)


def test_a_redirection_is_followed_but_not_to_a_file(web: Web, to: Target) -> None:
    web.put("/a", BODY)
    web.put("/b", b"", Fault(302, headers={"Location": web.url("/a")}))
    assert to.fetch(web.url("/b")) == BODY
    web.put("/c", b"", Fault(302, headers={"Location": "file:///etc/hostname"}), forever=True)
    web.put("/d", b"", Fault(302, headers={"Location": web.url("/d")}), forever=True)
    to.path.unlink()
    for path in ("/c", "/d"):
        assert web.url(path) in to.refused(web.url(path)) and to.left == []


@pytest.mark.parametrize(
    "where",
    [
        "file:///etc/hostname",
        "local:///etc/hostname",
        "/etc/hostname",
        "FILE:///x",
        "zip://x::file:///x",
        "memory://x",
        "https://",
    ],
)
def test_what_is_no_address_is_refused(to: Target, where: str) -> None:
    error = to.refused(where)
    assert where in error and "allowed: https://" in error and to.left == []


@pytest.mark.parametrize("where", ["http://", "http:///a", "http://[::1/a", "nosuch://a/b"])
def test_an_address_that_is_wrong_is_named(to: Target, where: str) -> None:
    assert where in to.refused(where) and to.left == []


@pytest.mark.parametrize(("scheme", "driver", "extra"), [("s3", "s3fs", "s3"), ("gs", "gcsfs", "gs")])
def test_a_missing_driver_is_named(
    to: Target, scheme: str, driver: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, driver, None)
    error = to.refused(f"{scheme}://bucket/a.tsv")
    assert f"{scheme}://bucket/a.tsv" in error and f"pip install 'distilingua[{extra}]'" in error


class _File(io.BytesIO):
    def __init__(self, fails: int | None, seeks: list[int]) -> None:
        super().__init__(BODY)
        self._fails, self._seeks = fails, seeks

    def read(self, size: int | None = -1) -> bytes:
        if self._fails is not None and self.tell() >= self._fails:
            raise RuntimeError("SlowDown")
        return super().read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        self._seeks.append(offset)
        return super().seek(offset, whence)


class _Bucket(AbstractFileSystem):  # type: ignore[misc]
    """A bucket with one file, whose reading fails when it is told to."""

    protocol = "bucket"
    tag = "1"
    failing: ClassVar[list[int]] = []  # the bytes after which it does, for each opening
    seeks: ClassVar[list[int]] = []

    def info(self, path: str, **settings: Any) -> dict[str, Any]:
        if path == "a":
            return {"name": path, "type": "directory", "size": 0}
        if path != "a/b.tsv":
            raise FileNotFoundError(path)
        return {"name": path, "type": "file", "size": len(BODY), "ETag": self.tag}

    def open(self, path: str, *args: Any, **settings: Any) -> _File:
        return _File(self.failing.pop(0) if self.failing else None, self.seeks)


def test_a_bucket_is_read_by_the_same_rules(to: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    fsspec.register_implementation("bucket", _Bucket, clobber=True)
    where = "bucket://a/b.tsv"
    _Bucket.failing = [HALF]
    assert to.fetch(where) == BODY
    assert _Bucket.seeks[0] == 0 and HALF <= _Bucket.seeks[1] < len(BODY) and len(_Bucket.seeks) == 2
    to.path.unlink()
    _Bucket.failing = [HALF]
    assert "SlowDown" in to.refused(where, attempts=1) and len(to.left) == 2
    monkeypatch.setattr(_Bucket, "tag", "2")
    _Bucket.seeks.clear()
    assert to.fetch(where) == BODY and _Bucket.seeks == [0]
    to.path.unlink()
    assert f"{len(BODY):,}" in to.refused(where, maximum_bytes=HALF)
    assert "no such file" in to.refused("bucket://a/other.tsv")
    assert "folder" in to.refused("bucket://a")
    assert to.left == []


def test_a_driver_that_cannot_connect_is_tried_again(to: Target, pauses: list[float]) -> None:
    where = "ftp://me:hidden@127.0.0.1:1/a.tsv"
    error = to.refused(where)
    assert "ftp://***@127.0.0.1:1/a.tsv" in error and "3 attempts" in error and "hidden" not in error
    assert len(pauses) == 2 and to.left == []


def test_a_terminal_gets_a_bar(web: Web, to: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert to.fetch(web.put("/a", BODY, Fault(cut=HALF))) == BODY
    assert "corpus.bin" in terminal.getvalue() and "B/s" in terminal.getvalue()


def test_lines_are_said_now_and_then(web: Web, to: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kdmodels.progress._BETWEEN_LINES", 0.0)
    to.fetch(web.put("/a", BODY))
    assert re.search(r"corpus\.bin: 262\.1 kB of 1\.0 MB, .*/s", to.said[0])
