"""Checkpoints that are known to be whole, so that a killed training goes on from the newest good one."""

import shutil
from collections.abc import Callable
from pathlib import Path

from kdmodels.errors import BadInputError
from kdmodels.files import read_json, sha256, write_json

_SUMS = "sha256.json"
_PREFIX = "checkpoint-"


def seal(checkpoint: Path) -> None:
    """Write the sums of a finished checkpoint's files; one without them does not count."""
    files = sorted(path for path in checkpoint.rglob("*") if path.is_file() and path.name != _SUMS)
    write_json(checkpoint / _SUMS, {path.relative_to(checkpoint).as_posix(): sha256(path) for path in files})


def newest_whole(folder: Path) -> Path | None:
    """Return the newest checkpoint whose files are all as they were sealed, and remove those newer than it."""
    found = [path for path in folder.glob(f"{_PREFIX}*") if path.name.removeprefix(_PREFIX).isdigit()]
    for checkpoint in sorted(found, key=lambda path: int(path.name.removeprefix(_PREFIX)), reverse=True):
        if _is_whole(checkpoint):
            return checkpoint
        shutil.rmtree(checkpoint)
    return None


def keep(folder: Path, write: Callable[[Path], None]) -> Path:
    """Keep what a finished part of a longer work made, so that the work does not do it again after a kill.

    Args:
        write: puts it into a folder; what an earlier attempt left half-written there is gone
    """
    checkpoint = folder / f"{_PREFIX}0"
    shutil.rmtree(checkpoint, ignore_errors=True)
    checkpoint.mkdir(parents=True)
    write(checkpoint)
    seal(checkpoint)
    return checkpoint


def kept(folder: Path) -> Path | None:
    """Return the folder that `keep` filled, or none where it never came to its end."""
    return newest_whole(folder) if folder.is_dir() else None


def _is_whole(checkpoint: Path) -> bool:
    try:
        sums = read_json(checkpoint / _SUMS)
    except BadInputError:
        return False
    return all((checkpoint / name).is_file() and sha256(checkpoint / name) == value for name, value in sums.items())
