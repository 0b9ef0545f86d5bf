"""A file is fetched once for all projects, is ever after what it was then, and who changes it is told."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from kdmodels import downloads
from kdmodels.download_cache import Pin, cache_folder, cached, obtain, verify
from kdmodels.errors import BadInputError, DamagedError
from kdmodels.limits import Limits
from kdmodels.provenance import Found, Wanted
from tests.web import Fault, served

ROOT = Path(__file__).parents[1]
WHERE = "https://data.example/en-de.tsv"
LIMITS = Limits(maximum_bytes=10_000_000, maximum_ratio=100.0, attempts=2, timeout=30.0)


class Source:
    """What is behind an address, and how often it was asked."""

    def __init__(self, content: bytes = b"en\tde\n") -> None:
        self.content = content
        self.asked: list[str] = []
        self.fails: Exception | None = None

    def __call__(self, where: str, to: Path) -> str | None:
        self.asked.append(where)
        to.write_bytes(self.content)
        if self.fails:
            raise self.fails
        return f"revision {len(self.asked)}"

    def get(
        self, where: str = WHERE, *, name: str = "en-de.tsv", pin: Pin | None = None, again: bool = False, day: int = 1
    ) -> Found:
        wanted = Wanted(where, name, "CC0-1.0")
        return obtain(wanted, pin=pin, again=again, fetch=self, today=f"2026-01-0{day}")

    def pin(self) -> Pin:
        return Pin(sha256(self.content).hexdigest(), len(self.content), "2025-12-31", "revision 0")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("DISTILINGUA_CACHE", str(folder))
    return folder


@pytest.fixture
def source() -> Source:
    return Source()


def _damage(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(b"en\tdX\n")


def _files(cache: Path) -> list[str]:
    """Return what is in the cache but locks."""
    return sorted(
        str(path.relative_to(cache)) for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock"
    )


def test_the_cache_is_where_it_is_said_to_be(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder() == cache
    monkeypatch.setenv("DISTILINGUA_CACHE", "~/here")
    assert cache_folder() == Path.home() / "here"
    monkeypatch.setenv("DISTILINGUA_CACHE", "here")
    assert cache_folder() == Path.cwd() / "here"
    monkeypatch.setenv("DISTILINGUA_CACHE", "")
    assert cache_folder().name == "distilingua" and cache_folder().is_absolute()


def test_a_local_file_is_taken_as_it_is(tmp_path: Path, cache: Path, source: Source) -> None:
    path = tmp_path / "a.tsv"
    path.write_bytes(source.content)
    found = source.get(str(path), name="a.tsv", pin=Pin("0" * 64, 1, "x", None), again=True)
    assert found == Found(path, str(path), "a.tsv", source.pin().sha256, 6, "CC0-1.0", None, None)
    assert source.asked == [] and not cache.exists()


def test_a_local_file_that_cannot_be_read_is_named(tmp_path: Path, source: Source) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, said in ((tmp_path, "folder"), (tmp_path / "none.tsv", "no such file"), (tmp_path / "pipe", "pipe")):
        with pytest.raises(BadInputError, match=f"^{re.escape(str(path))}: .*{said}"):
            source.get(str(path))


def test_an_address_is_fetched_once(cache: Path, source: Source) -> None:
    found = source.get()
    pin = source.pin()
    assert found == Found(
        cache / "files" / pin.sha256 / "en-de.tsv",
        WHERE,
        "en-de.tsv",
        pin.sha256,
        6,
        "CC0-1.0",
        "2026-01-01",
        "revision 1",
    )
    assert found.path.read_bytes() == source.content
    assert cached(found.sha256, "en-de.tsv") == found.path and cached(found.sha256, "other") is None
    key = sha256(WHERE.encode()).hexdigest()
    assert _files(cache) == [f"addresses/{key}.json", f"files/{pin.sha256}/en-de.tsv"]
    assert source.get(day=2) == found  # no pin: what another project fetched
    assert source.get(pin=pin, day=2) == replace(found, fetched="2025-12-31", revision="revision 0")
    assert source.asked == [WHERE]
    assert not found.path.stat().st_mode & 0o222  # nobody changes it by mistake


def test_the_address_of_a_source_of_its_own_is_an_address(source: Source) -> None:
    assert source.get("apt:Packages").path.read_bytes() == source.content
    assert source.asked == ["apt:Packages"]


def test_one_content_serves_under_several_names_and_addresses(source: Source) -> None:
    first = source.get()
    pinned = source.get("https://other.example/x", name="other.tsv", pin=source.pin())
    assert pinned.path.parent == first.path.parent and pinned.path.name == "other.tsv"
    assert pinned.path.read_bytes() == source.content and len(source.asked) == 1
    source.get("https://third.example/x")
    assert len(source.asked) == 2


def test_what_changed_upstream_is_not_taken_for_the_pinned(cache: Path, source: Source) -> None:
    pin = source.pin()
    source.content = b"en\tde\nmore\n"
    with pytest.raises(DamagedError) as caught:
        source.get(pin=pin)
    said = str(caught.value)
    for word in (
        WHERE,
        pin.sha256,
        source.pin().sha256,
        "6 bytes",
        "11 bytes",
        "sources.refresh: latest",
        "corpora.lock",
    ):
        assert word in said
    assert _files(cache) == []


def test_asked_again_it_takes_what_there_is(source: Source) -> None:
    pin, old = source.pin(), source.get()
    source.content = b"en\tde\nmore\n"
    new = source.get(pin=pin, again=True, day=2)
    assert (new.sha256, new.fetched, new.revision) == (source.pin().sha256, "2026-01-02", "revision 2")
    assert source.get(day=3) == new
    assert source.get(pin=pin, day=3).sha256 == old.sha256  # of another project, which is pinned to it
    same = source.get(again=True, day=4)
    assert same == replace(new, fetched="2026-01-04", revision="revision 3") and len(source.asked) == 3


@pytest.mark.parametrize("pinned", [True, False])
def test_a_damaged_file_is_named_and_fetched_anew(source: Source, pinned: bool) -> None:
    pin = source.pin() if pinned else None
    found = source.get(pin=pin)
    _damage(found.path)
    with pytest.warns(UserWarning, match=f"{re.escape(str(found.path))}: damaged"):
        again = source.get(pin=pin)
    assert again.path.read_bytes() == source.content and len(source.asked) == 2
    _damage(found.path)
    source.get(pin=pin, again=True)  # whole again, for it was fetched
    verify(found)


def test_a_damaged_record_is_no_record(cache: Path, source: Source) -> None:
    source.get()
    (record,) = (cache / "addresses").glob("*.json")
    for text in ("", "[]", "{}", '{"sha256": "../../x", "size": 1, "fetched": "", "revision": null}'):
        record.write_text(text, encoding="utf-8")
        source.get()
    assert len(source.asked) == 5


def test_a_file_is_proved(tmp_path: Path, source: Source) -> None:
    local = tmp_path / "a.tsv"
    local.write_bytes(source.content)
    for found, hint in ((source.get(), "damaged"), (source.get(str(local)), "It changed since the stage sources")):
        verify(found)
        _damage(found.path)
        with pytest.raises(DamagedError) as caught:
            verify(found)
        said = str(caught.value)
        for word in (str(found.path), found.sha256, sha256(b"en\tdX\n").hexdigest(), hint, "dvc repro"):
            assert word in said
        found.path.unlink()
        with pytest.raises(BadInputError, match=r"cannot be read .*dvc repro"):
            verify(found)


def test_secrets_are_neither_kept_nor_shown(cache: Path, source: Source) -> None:
    def where(secret: str) -> str:
        return f"https://me:{secret}@data.example/a.tsv?token={secret}"

    found = source.get(where("hidden1"))
    assert source.asked == [where("hidden1")] and found.where == "https://***@data.example/a.tsv?token=***"
    assert source.get(where("hidden2")) == found and len(source.asked) == 1  # a token that was renewed
    for path in cache.rglob("*"):
        assert "hidden" not in path.name and (path.is_dir() or b"hidden" not in path.read_bytes())
    pin = source.pin()
    source.content = b"other"
    found.path.parent.joinpath("en-de.tsv").unlink()
    with pytest.raises(DamagedError) as caught:
        source.get(where("hidden1"), pin=pin)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "a\\b", "x" * 300, "a\0b"])
def test_a_name_that_is_none_is_refused(cache: Path, source: Source, name: str) -> None:
    with pytest.raises(BadInputError, match="is no name for a file"):
        source.get(name=name)
    assert source.asked == [] and not cache.exists()


def test_a_failure_leaves_nothing_behind(cache: Path, source: Source) -> None:
    source.fails = BadInputError("no such data set")
    with pytest.raises(BadInputError, match="no such data set"):
        source.get()
    assert _files(cache) == [] and not any((cache / "incoming").iterdir())

    def lazy(where: str, to: Path) -> None:
        (to.parent / "half").mkdir()
        (to.parent / "half" / "x").touch()

    with pytest.raises(RuntimeError, match="did not"):
        obtain(Wanted(WHERE, "a", None), pin=None, again=False, fetch=lazy, today="2026-01-01")
    assert _files(cache) == [] and not any((cache / "incoming").iterdir())


def test_a_cache_that_cannot_be_written_is_named(cache: Path, source: Source) -> None:
    cache.write_text("a file", encoding="utf-8")
    with pytest.raises(
        BadInputError, match=f"cannot write to the download cache {re.escape(str(cache))}.*DISTILINGUA_CACHE"
    ):
        source.get()


def _download(limits: Limits) -> Callable[[str, Path], None]:
    return lambda where, to: downloads.fetch(where, to, limits=limits, say=None)


def test_a_download_that_broke_off_goes_on_in_the_next_run(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "pause", lambda _: None)
    body = b"0123456789" * 1000
    with served() as web:
        wanted = Wanted(web.put("/a.tsv", body, Fault(cut=4000), Fault(503)), "a.tsv", None)
        with pytest.raises(BadInputError, match=r"expected 10,000 bytes, found 4,000 bytes"):
            obtain(wanted, pin=None, again=False, fetch=_download(LIMITS), today="2026-01-01")
        assert [Path(name).name for name in _files(cache)] == ["a.tsv.part", "a.tsv.part.json"]
        found = obtain(wanted, pin=None, again=False, fetch=_download(LIMITS), today="2026-01-02")
        assert web.ranges == [None, "bytes=4000-", "bytes=4000-"]
    assert found.path.read_bytes() == body and not any((cache / "incoming").iterdir())
    assert len(_files(cache)) == 2


_PROCESS = """
import sys
from pathlib import Path
from kdmodels import downloads
from kdmodels.download_cache import obtain
from kdmodels.limits import Limits
from kdmodels.provenance import Wanted

limits = Limits(maximum_bytes=10_000_000, maximum_ratio=100.0, attempts=2, timeout=30.0)
fetch = lambda where, to: downloads.fetch(where, to, limits=limits, say=None)
print("ready", flush=True)
print(obtain(Wanted(sys.argv[1], "a.tsv", None), pin=None, again=False, fetch=fetch, today="2026-01-01"))
"""


def test_two_processes_at_once_download_once(cache: Path) -> None:
    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", _PROCESS, where], cwd=ROOT, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
        )

    body, go_on = b"0123456789" * 1000, threading.Event()
    with served() as web:
        where = web.put("/a.tsv", body, Fault(cut=5000, hold=go_on))
        with start() as first:
            assert web.asked.wait(30)
            with start() as second:
                assert second.stdout is not None and second.stdout.readline() == "ready\n"
                with pytest.raises(subprocess.TimeoutExpired):
                    second.wait(0.3)  # it waits for the first
                go_on.set()
                out = [process.communicate(timeout=30)[0] for process in (first, second)]
        assert [first.returncode, second.returncode] == [0, 0] and len(web.requests) == 1
    assert out[0].removeprefix("ready\n") == out[1] and "Found(" in out[1]
    assert len(_files(cache)) == 2
