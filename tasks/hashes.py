"""Content hashes as DVC computes them, so that what is recorded elsewhere can be found in dvc.lock."""

import hashlib
import json
from pathlib import Path


def dvc_md5(path: Path) -> str:
    """Return the md5 that DVC 3 writes to dvc.lock for a file or a folder.

    A file's is that of its bytes; a folder's is that of the JSON list of its files' hashes and names, with `.dir`.

    Raises:
        OSError: where the path is missing or not readable.
    """
    if not path.is_dir():
        return _md5(path)
    files = sorted((file.relative_to(path).as_posix(), file) for file in path.rglob("*") if file.is_file())
    listed = json.dumps([{"md5": _md5(file), "relpath": name} for name, file in files], sort_keys=True)
    return hashlib.md5(listed.encode(), usedforsecurity=False).hexdigest() + ".dir"


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
