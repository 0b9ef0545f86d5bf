"""A manifest names each file by its content, and whoever reads it gets that content or an error that says what to do."""

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from kdmodels.download_cache import obtain
from kdmodels.errors import BadInputError, DamagedError
from kdmodels.files import write_json
from kdmodels.manifests import as_found, as_record, read_manifest
from kdmodels.provenance import Found, Wanted

CONTENT = b"en\tde\none\teins\n"
WHERE = "https://data.example/en-de.tsv"
AGAIN = "dvc repro --force --single-item sources"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DISTILINGUA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def fetched() -> Found:
    def fetch(where: str, to: Path) -> str:
        to.write_bytes(CONTENT)
        return "revision 1"

    return obtain(Wanted(WHERE, "en-de.tsv", "CC0-1.0"), pin=None, again=False, fetch=fetch, today="2026-01-02")


def local(folder: Path) -> Found:
    path = folder / "en-de.tsv"
    path.write_bytes(CONTENT)
    return Found(path, str(path), path.name, sha256(CONTENT).hexdigest(), len(CONTENT), None, None, None)


def test_a_fetched_file_comes_back_as_it_was_recorded(tmp_path: Path) -> None:
    found = fetched()
    write_json(tmp_path / "de.json", {"first": [as_record(found)]})
    [record] = read_manifest(tmp_path / "de.json")["first"]
    assert as_found(record) == found
    assert record == {
        "where": WHERE,
        "name": "en-de.tsv",
        "sha256": sha256(CONTENT).hexdigest(),
        "size": len(CONTENT),
        "licence": "CC0-1.0",
        "fetched": "2026-01-02",
        "revision": "revision 1",
    }, "no path: another machine keeps it elsewhere"


def test_a_local_file_comes_back_as_it_was_recorded(tmp_path: Path) -> None:
    found = local(tmp_path)
    write_json(tmp_path / "de.json", {"first": [as_record(found)]})
    [record] = read_manifest(tmp_path / "de.json")["first"]
    assert as_found(record) == found and record["path"] == (tmp_path / "en-de.tsv").as_posix()


def test_a_local_file_that_changed_is_named_with_both_hashes(tmp_path: Path) -> None:
    found = local(tmp_path)
    found.path.write_bytes(CONTENT + b"two\tzwei\n")
    now = sha256(found.path.read_bytes()).hexdigest()
    message = refused(found, DamagedError)
    assert f"{found.path}: expected sha256 {found.sha256}" in message and f"found {now}" in message
    assert "changed since the stage sources read it" in message and AGAIN in message


def test_a_local_file_that_is_gone_is_to_be_brought_back(tmp_path: Path) -> None:
    found = local(tmp_path)
    found.path.unlink()
    message = refused(found, BadInputError)
    assert str(found.path) in message and "Bring it back" in message and AGAIN in message
    assert "fetch" not in message, "it was never fetched"


@pytest.mark.parametrize("lose", [lambda path: path.unlink(), lambda path: path.rename(path.with_name("other"))])
def test_a_fetched_file_that_is_not_in_the_cache_is_to_be_fetched(lose: Callable[[Path], Any]) -> None:
    found = fetched()
    lose(found.path)
    message = refused(found, BadInputError)
    assert f"{WHERE}: not on this machine" in message and found.sha256 in message
    assert f"To fetch it again: {AGAIN}" in message


@pytest.mark.parametrize("content", [b"", CONTENT[:-1], CONTENT.replace(b"one", b"two")])
def test_a_fetched_file_that_is_damaged_is_named_with_both_hashes(content: bytes) -> None:
    found = fetched()
    found.path.chmod(0o644)
    found.path.write_bytes(content)
    message = refused(found, DamagedError)
    assert f"expected sha256 {found.sha256}" in message and f"found {sha256(content).hexdigest()}" in message
    assert f"copy of {WHERE} in the cache is damaged" in message and AGAIN in message


def test_a_folder_in_the_place_of_a_file_is_no_file(tmp_path: Path) -> None:
    refused(replace(local(tmp_path), path=tmp_path), BadInputError)


@pytest.mark.parametrize("content", ["[]", '"de"', "null", "{", ""])
def test_what_is_no_manifest_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "de.json").write_text(content, encoding="utf-8")
    with pytest.raises(DamagedError, match=r"de\.json: (not JSON|not a manifest)"):
        read_manifest(tmp_path / "de.json")


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"de\.json: no such file.*dvc repro"):
        read_manifest(tmp_path / "de.json")


@pytest.mark.parametrize("odd", [{}, "en-de.tsv", {"where": WHERE}, {"sha256": 1, "name": "a", "where": WHERE}])
def test_what_is_no_record_of_a_file_is_named(odd: Any) -> None:
    with pytest.raises(DamagedError, match="not a record of a file"):
        as_found(odd)


def test_a_record_with_a_key_too_many_or_too_few_is_named() -> None:
    record = as_record(fetched())
    for odd in ({**record, "colour": "red"}, {name: record[name] for name in record if name != "licence"}):
        with pytest.raises(DamagedError, match=r"not a record of a file.*dvc repro --force --single-item sources"):
            as_found(odd)


def refused(found: Found, kind: type[BadInputError]) -> str:
    with pytest.raises(kind) as caught:
        as_found(as_record(found))
    return str(caught.value)
