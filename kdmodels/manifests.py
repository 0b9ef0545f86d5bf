"""Manifests: which files a corpus consists of, as JSON records."""

from pathlib import Path
from typing import Any

from kdmodels.download_cache import cached, verify
from kdmodels.errors import BadInputError
from kdmodels.files import read_json
from kdmodels.provenance import Found


def as_record(found: Found) -> dict[str, Any]:
    """Return a file as a record; a fetched one is known by its hash, whichever machine keeps it where."""
    record: dict[str, Any] = {
        "where": found.where,
        "name": found.name,
        "sha256": found.sha256,
        "size": found.size,
        "licence": found.licence,
        "fetched": found.fetched,
        "revision": found.revision,
    }
    return record | ({"path": found.path.as_posix()} if found.fetched is None else {})


def as_found(record: dict[str, Any]) -> Found:
    """Return a record's file, verified.

    Raises:
        BadInputError: where this machine has not fetched it, or a local file is gone.
        DamagedError: where it is not what it was when it was recorded.
    """
    path = Path(record["path"]) if "path" in record else cached(record["sha256"], record["name"])
    if path is None or not path.is_file():
        raise BadInputError(
            f"{record['where']}: not on this machine (sha256 {record['sha256']}). "
            "To fetch it again: dvc repro --force --single-item sources"
        )
    values = {name: value for name, value in record.items() if name != "path"}
    found = Found(path=path, **values)
    verify(found)
    return found


def read_manifest(path: Path) -> dict[str, Any]:
    """Read a manifest: records of files, by slot or by use.

    Raises:
        BadInputError: where there is none.
        DamagedError: where it is no JSON object.
    """
    values: dict[str, Any] = read_json(path)
    return values
