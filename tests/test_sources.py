"""What the corpora consist of is found, fetched once, pinned, and taken anew only when that is asked for."""

import gzip
import json
import shutil
import socket
from collections.abc import Iterator
from datetime import datetime, tzinfo
from hashlib import sha256
from pathlib import Path
from typing import Any, NoReturn

import pytest

from kdmodels.errors import BadInputError, DamagedError
from kdmodels.manifests import as_found, read_manifest
from tasks import sources as stage
from tasks.config import load_params
from tasks.sections import Params
from tasks.sources import sources
from tests.text_project import LABELLED, Record, find, numbers, write
from tests.web import Web, served

ROOT = Path(__file__).parents[1]
PAIRS = "id\ten\tde\n" + "".join(f"p{i}\tsource {i}\tZiel {i}\n" for i in range(5))


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Web]:
    """A server, and an empty download cache."""
    monkeypatch.setenv("DISTILINGUA_CACHE", str(tmp_path / "cache"))
    with served() as server:
        yield server


def project(folder: Path, address: str, **changes: Any) -> Params:
    write(folder / "labelled.en.tsv", LABELLED)
    params = numbers(folder, pairs={"paths": [address]})
    return params.model_copy(update={"sources": params.sources.model_copy(update={"folder": str(folder), **changes})})


def on(day: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let today be that day of January 2026."""

    class Day(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Day":
            return cls(2026, 1, day, tzinfo=tz)

    monkeypatch.setattr(stage, "datetime", Day)


def lock(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "corpora.lock").read_text())
    return found


def kept(folder: Path) -> dict[str, bytes]:
    """Return the bytes of the lock and of every manifest."""
    return {path.name: path.read_bytes() for path in (folder / "corpora.lock", *(folder / "sources").glob("*"))}


def test_what_is_fetched_is_pinned_and_not_fetched_again(tmp_path: Path, web: Web) -> None:
    address = web.put("/pairs.tsv", PAIRS.encode())
    params = project(tmp_path, address)
    first = (find(tmp_path, params) / "de.json").read_bytes()
    pinned = (tmp_path / "corpora.lock").read_bytes()
    assert set(lock(tmp_path)) == {address}
    asked = len(web.requests)
    assert (find(tmp_path, params) / "de.json").read_bytes() == first
    assert (tmp_path / "corpora.lock").read_bytes() == pinned
    assert len(web.requests) == asked
    [record] = read_manifest(tmp_path / "sources/de.json")["first"]
    assert as_found(record).path.read_text() == PAIRS
    assert "path" not in record, "another machine keeps it elsewhere"


def test_what_is_pinned_is_found_though_the_cache_has_forgotten_its_address(tmp_path: Path, web: Web) -> None:
    params = project(tmp_path, web.put("/pairs.tsv", PAIRS.encode()))
    find(tmp_path, params)
    before, asked = kept(tmp_path), len(web.requests)
    shutil.rmtree(tmp_path / "cache/addresses")
    find(tmp_path, params)
    assert kept(tmp_path) == before and len(web.requests) == asked


def test_an_emptied_cache_is_filled_again_with_what_is_pinned(
    tmp_path: Path, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = project(tmp_path, web.put("/pairs.tsv", PAIRS.encode()))
    on(1, monkeypatch)
    find(tmp_path, params)
    before, asked = kept(tmp_path), len(web.requests)
    shutil.rmtree(tmp_path / "cache")
    on(2, monkeypatch)
    find(tmp_path, params)
    assert kept(tmp_path) == before, "the day of the first download too: nothing made of it may change"
    assert len(web.requests) == asked + 1


def test_what_has_changed_upstream_is_refused_with_both_hashes(tmp_path: Path, web: Web) -> None:
    address = web.put("/pairs.tsv", PAIRS.encode())
    params = project(tmp_path, address)
    find(tmp_path, params)
    expected = lock(tmp_path)[address]["sha256"]
    before, new = kept(tmp_path)["corpora.lock"], (PAIRS + "p9\tnew\tneu\n").encode()
    web.put("/pairs.tsv", new)
    shutil.rmtree(tmp_path / "cache")
    found = sha256(new).hexdigest()
    with pytest.raises(
        DamagedError, match=rf"{address}: expected sha256 {expected}.*found {found}.*changed upstream.*refresh: latest"
    ):
        find(tmp_path, params)
    assert kept(tmp_path) == {"corpora.lock": before}, "no manifest is written"


def test_latest_asks_again_and_keeps_every_byte_of_what_has_not_changed(
    tmp_path: Path, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = web.put("/pairs.tsv", PAIRS.encode())
    on(1, monkeypatch)
    find(tmp_path, project(tmp_path, address))
    before, asked = kept(tmp_path), len(web.requests)
    on(2, monkeypatch)
    find(tmp_path, project(tmp_path, address, refresh="latest"))
    assert len(web.requests) == asked + 1
    assert kept(tmp_path) == before and lock(tmp_path)[address]["fetched"] == "2026-01-01"


def test_latest_takes_what_changed_and_says_so(
    tmp_path: Path, web: Web, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    address, new = web.put("/pairs.tsv", PAIRS.encode()), (PAIRS + "p9\tnew\tneu\n").encode()
    on(1, monkeypatch)
    find(tmp_path, project(tmp_path, address))
    before = kept(tmp_path)
    assert "changed at its source" not in capsys.readouterr().out
    web.put("/pairs.tsv", new)
    on(2, monkeypatch)
    record = Record()
    (tmp_path / "again").mkdir()
    sources(tmp_path / "corpora.lock", tmp_path / "again", project(tmp_path, address, refresh="latest"), record)  # type: ignore[arg-type]
    assert f"changed at its source, taken anew: {address}" in capsys.readouterr().out
    assert record.values["changed"] == 1
    found = sha256(new).hexdigest()
    assert lock(tmp_path)[address] == {"fetched": "2026-01-02", "revision": None, "sha256": found, "size": len(new)}
    find(tmp_path, project(tmp_path, address))
    after = kept(tmp_path)
    assert after["de.json"] != before["de.json"] and after["labelled.json"] == before["labelled.json"]
    [now] = read_manifest(tmp_path / "sources/de.json")["first"]
    assert now["fetched"] == "2026-01-02" and as_found(now).path.read_bytes() == new


def test_one_address_is_fetched_once_for_all_languages(tmp_path: Path, web: Web) -> None:
    params = project(tmp_path, web.put("/pairs.tsv", PAIRS.encode())).model_copy(update={"targets": ["de", "es"]})
    record = Record()
    (tmp_path / "corpora.lock").write_text("{}")
    (tmp_path / "sources").mkdir()
    sources(tmp_path / "corpora.lock", tmp_path / "sources", params, record)  # type: ignore[arg-type]
    assert record.values == {"files": 3, "fetched": 1, "changed": 0} and len(web.requests) == 1
    [[de], [es]] = [read_manifest(tmp_path / f"sources/{name}.json")["first"] for name in ("de", "es")]
    assert de == es


@pytest.mark.parametrize("refresh", ["pinned", "latest"])
def test_one_address_in_two_slots_is_fetched_once_and_keeps_both_licences(
    tmp_path: Path, web: Web, refresh: str
) -> None:
    params = project(tmp_path, web.put("/pairs.tsv", PAIRS.encode()), refresh=refresh)
    first, second = (
        params.corpus.first.model_copy(update={"options": {**params.corpus.first.options, "licence": licence}})
        for licence in ("CC0-1.0", "CC-BY-4.0")
    )
    corpus = params.corpus.model_copy(update={"first": first, "second": second})
    manifest = read_manifest(find(tmp_path, params.model_copy(update={"corpus": corpus})) / "de.json")
    assert [manifest[slot][0]["licence"] for slot in ("first", "second")] == ["CC0-1.0", "CC-BY-4.0"]
    assert len(web.requests) == 1


@pytest.mark.parametrize("secret", ["query", "user"])
def test_secrets_of_an_address_are_kept_nowhere(
    tmp_path: Path, web: Web, secret: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = web.put("/pairs.tsv", PAIRS.encode())
    address = f"{plain}?token=verysecret" if secret == "query" else web.url("/pairs.tsv", user="me:verysecret")
    find(tmp_path, project(tmp_path, address))
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"verysecret" in path.read_bytes()]
    shown = f"{plain}?token=***" if secret == "query" else web.url("/pairs.tsv", user="***")
    assert set(lock(tmp_path)) == {shown} and read_manifest(tmp_path / "sources/de.json")["first"][0]["where"] == shown
    said = capsys.readouterr()
    assert shown in said.out and "verysecret" not in said.out + said.err


def test_a_secret_that_is_renewed_changes_nothing(tmp_path: Path, web: Web) -> None:
    address = web.put("/pairs.tsv", PAIRS.encode())
    find(tmp_path, project(tmp_path, f"{address}?token=verysecret"))
    before, asked = kept(tmp_path), len(web.requests)
    find(tmp_path, project(tmp_path, f"{address}?token=evenmoresecret"))
    assert kept(tmp_path) == before and len(web.requests) == asked


def test_two_addresses_that_differ_only_in_a_secret_are_refused(tmp_path: Path, web: Web) -> None:
    address = web.put("/pairs.tsv", PAIRS.encode())
    params = project(tmp_path, address).model_copy(update={"targets": ["de", "es"]})
    paths = {"paths": [address + "?token={target}verysecret"]}
    first = params.corpus.first.model_copy(update={"options": params.corpus.first.options | paths})
    params = params.model_copy(update={"corpus": params.corpus.model_copy(update={"first": first})})
    with pytest.raises(
        BadInputError, match=r"token=\*\*\*: two addresses differ only in what is kept secret"
    ) as caught:
        find(tmp_path, params)
    assert "verysecret" not in str(caught.value) and lock(tmp_path) == {}


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ({"maximum_ratio": 2.0}, "no text packs so well"),
        ({"maximum_gigabytes": 0.001}, "unpacks to more than 1,000,000"),
    ],
)
def test_a_bomb_is_refused_and_nothing_is_pinned(
    tmp_path: Path, web: Web, limit: dict[str, float], message: str
) -> None:
    bomb = gzip.compress(b"id\ten\tde\n" + b"p\ta\tb\n" * 2_000_000)
    params = project(tmp_path, web.put("/pairs.tsv.gz", bomb), **limit)
    with pytest.raises(BadInputError, match=message):
        find(tmp_path, params)
    assert lock(tmp_path) == {}
    assert not list((tmp_path / "sources").iterdir())


def test_a_bomb_in_the_place_of_what_was_pinned_leaves_the_lock_as_it_was(tmp_path: Path, web: Web) -> None:
    address = web.put("/pairs.tsv.gz", gzip.compress(PAIRS.encode()))
    find(tmp_path, project(tmp_path, address))
    before = kept(tmp_path)
    web.put("/pairs.tsv.gz", gzip.compress(b"id\ten\tde\n" + b"p\ta\tb\n" * 2_000_000))
    with pytest.raises(BadInputError, match="no text packs so well"):
        find(tmp_path, project(tmp_path, address, refresh="latest", maximum_ratio=2.0))
    assert kept(tmp_path) == {"corpora.lock": before["corpora.lock"]}
    find(tmp_path, project(tmp_path, address))
    assert kept(tmp_path) == before


def test_a_local_bomb_is_refused_too(tmp_path: Path) -> None:
    params = project(tmp_path, "bomb.tsv.gz", maximum_ratio=2.0)
    (tmp_path / "bomb.tsv.gz").write_bytes(gzip.compress(b"id\ten\tde\n" + b"p\ta\tb\n" * 2_000_000))
    with pytest.raises(BadInputError, match=r"bomb\.tsv\.gz.*no text packs so well"):
        find(tmp_path, params)
    assert kept(tmp_path) == {"corpora.lock": b"{}\n"}


def test_a_source_that_fails_after_another_leaves_no_manifest(tmp_path: Path, web: Web) -> None:
    params = project(tmp_path, web.put("/pairs.tsv", PAIRS.encode()))
    gone = {"labelled": web.url("/gone.tsv")}
    labelled = params.labelled.model_copy(update={"options": params.labelled.options | gone})
    with pytest.raises(BadInputError, match=r"/gone\.tsv: the server answers 404"):
        find(tmp_path, params.model_copy(update={"labelled": labelled}))
    assert kept(tmp_path) == {"corpora.lock": b"{}\n"}


PIN: dict[str, Any] = {"sha256": "a" * 64, "size": 1, "fetched": "2026-01-01", "revision": None}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        '<<<<<<< HEAD\n{}\n=======\n{"https://a": {}}\n>>>>>>> other\n',
        '["https://a"]',
        "null",
        '{"https://a": null}',
        '{"https://a": {"sha256": 1}}',
        *(
            json.dumps({"https://a": PIN | odd})
            for odd in (
                {"sha256": 1},
                {"sha256": "../x"},
                {"size": "1"},
                {"size": True},
                {"fetched": None},
                {"revision": 5},
                {"colour": "red"},
            )
        ),
    ],
)
def test_a_broken_lock_is_named_and_left_alone(tmp_path: Path, web: Web, content: str) -> None:
    params = project(tmp_path, web.put("/pairs.tsv", PAIRS.encode()))
    (tmp_path / "corpora.lock").write_text(content, encoding="utf-8")
    with pytest.raises(
        BadInputError, match=r"corpora\.lock: .*(each entry needs|not JSON).*(?s:.*)Restore it with git"
    ):
        find(tmp_path, params)
    assert kept(tmp_path) == {"corpora.lock": content.encode()} and not web.requests


def test_a_lock_that_is_gone_is_not_taken_for_an_empty_one(tmp_path: Path, web: Web) -> None:
    params = project(tmp_path, web.put("/pairs.tsv", PAIRS.encode()))
    (tmp_path / "sources").mkdir()
    with pytest.raises(
        BadInputError, match=r"corpora\.lock: no such file\. Restore it with git, or start it anew with {}"
    ):
        sources(tmp_path / "corpora.lock", tmp_path / "sources", params, Record())  # type: ignore[arg-type]
    assert not web.requests


def test_the_sample_needs_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise OSError("no network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.chdir(ROOT)
    (tmp_path / "corpora.lock").write_text("{}")
    (tmp_path / "out").mkdir()
    sources(tmp_path / "corpora.lock", tmp_path / "out", load_params(ROOT), Record())  # type: ignore[arg-type]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "de.json", "es.json", "labelled.json", "zh.json",
    ]  # fmt: skip
