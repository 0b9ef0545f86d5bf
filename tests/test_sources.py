"""What the corpora consist of is found, fetched once, pinned, and taken anew only when that is asked for."""

import gzip
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from kdmodels.errors import BadInputError, DamagedError
from kdmodels.manifests import as_found, as_record, read_manifest
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


def lock(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "corpora.lock").read_text())
    return found


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


def test_what_has_changed_upstream_is_refused_with_both_hashes(tmp_path: Path, web: Web) -> None:
    address = web.put("/pairs.tsv", PAIRS.encode())
    params = project(tmp_path, address)
    find(tmp_path, params)
    expected = lock(tmp_path)[address]["sha256"]
    web.put("/pairs.tsv", (PAIRS + "p9\tnew\tneu\n").encode())
    for path in sorted((tmp_path / "cache").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    with pytest.raises(
        DamagedError, match=rf"{address}: expected sha256 {expected}.*changed upstream.*refresh: latest"
    ):
        find(tmp_path, params)
    assert lock(tmp_path)[address]["sha256"] == expected


def test_latest_asks_again_and_tells_what_changed(tmp_path: Path, web: Web, capsys: pytest.CaptureFixture[str]) -> None:
    address = web.put("/pairs.tsv", PAIRS.encode())
    find(tmp_path, project(tmp_path, address))
    before = (tmp_path / "sources/de.json").read_bytes(), (tmp_path / "corpora.lock").read_bytes()
    latest = project(tmp_path, address, refresh="latest")
    find(tmp_path, latest)
    assert ((tmp_path / "sources/de.json").read_bytes(), (tmp_path / "corpora.lock").read_bytes()) == before
    web.put("/pairs.tsv", (PAIRS + "p9\tnew\tneu\n").encode())
    find(tmp_path, latest)
    assert f"changed at its source, taken anew: {address}" in capsys.readouterr().out
    assert (tmp_path / "sources/de.json").read_bytes() != before[0]
    find(tmp_path, project(tmp_path, address))
    assert as_found(read_manifest(tmp_path / "sources/de.json")["first"][0]).path.read_text().endswith("neu\n")


def test_one_address_is_fetched_once_for_all_languages(tmp_path: Path, web: Web) -> None:
    web.put("/pairs.tsv", PAIRS.encode())
    params = project(tmp_path, web.put("/pairs.tsv", PAIRS.encode())).model_copy(update={"targets": ["de", "es"]})
    record = Record()
    (tmp_path / "corpora.lock").write_text("{}")
    (tmp_path / "sources").mkdir()
    sources(tmp_path / "corpora.lock", tmp_path / "sources", params, record)  # type: ignore[arg-type]
    assert record.values == {"files": 3, "fetched": 1, "changed": 0}


def test_secrets_of_an_address_are_kept_nowhere(tmp_path: Path, web: Web) -> None:
    address = web.put("/pairs.tsv", PAIRS.encode()) + "?token=verysecret"
    find(tmp_path, project(tmp_path, address))
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and b"verysecret" in path.read_bytes()]
    assert not kept


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


@pytest.mark.parametrize("content", ['{"https://a": {"sha256": 1}}', '["https://a"]', "{"])
def test_a_broken_lock_is_named(tmp_path: Path, web: Web, content: str) -> None:
    params = project(tmp_path, web.put("/pairs.tsv", PAIRS.encode()))
    (tmp_path / "corpora.lock").write_text(content)
    with pytest.raises(BadInputError, match=r"corpora\.lock: (each entry needs|not JSON)"):
        find(tmp_path, params)


def test_a_local_file_that_changed_since_is_named(tmp_path: Path) -> None:
    write(tmp_path / "labelled.en.tsv", LABELLED)
    (tmp_path / "parallel.en-de.tsv").write_text(PAIRS)
    manifest = find(tmp_path, numbers(tmp_path)) / "de.json"
    [record] = read_manifest(manifest)["first"]
    assert as_record(as_found(record)) == record
    (tmp_path / "parallel.en-de.tsv").write_text(PAIRS + "p9\tnew\tneu\n")
    with pytest.raises(DamagedError, match=r"parallel\.en-de\.tsv: expected sha256 .* run it again"):
        as_found(record)
    (tmp_path / "parallel.en-de.tsv").unlink()
    with pytest.raises(BadInputError, match="not on this machine"):
        as_found(record)


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
