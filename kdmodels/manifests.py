"""Manifests: which files a corpus consists of, as JSON records."""

from pathlib import Path
from typing import Any

from kdmodels.download_cache import cached, verify
from kdmodels.errors import BadInputError, DamagedError
from kdmodels.files import read_json
from kdmodels.provenance import Found

_AGAIN = "dvc repro --force --single-item sources"


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
        DamagedError: where it is not what it was when it was recorded, or the record is none.
    """
    try:
        values = dict(record)
        local = values.pop("path", None)
        path = Path(local) if local is not None else cached(values["sha256"], values["name"])
        found = Found(path=path or Path(), **values)
    except (TypeError, ValueError, KeyError):
        raise DamagedError(f"{str(record)[:200]}: not a record of a file. Make the manifest again: {_AGAIN}") from None
    if path is None or not path.is_file():
        remedy = "To fetch it again" if local is None else "Bring it back, and run the stage sources"
        raise BadInputError(f"{found.where}: not on this machine (sha256 {found.sha256}). {remedy}: {_AGAIN}")
    verify(found)
    return found


def read_manifest(path: Path) -> dict[str, Any]:
    """Read a manifest: records of files, by slot or by use.

    Raises:
        BadInputError: where there is none.
        DamagedError: where it is no JSON object.
    """
    values = read_json(path)
    if not isinstance(values, dict):
        raise DamagedError(f"{path}: not a manifest, a JSON object, but {str(values)[:80]}. Make it again: {_AGAIN}")
    return values
