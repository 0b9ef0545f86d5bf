"""Presets: overlays of params.yaml for known corpora."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kdmodels.errors import BadInputError
from kdmodels.files import whole
from tasks.config import PARAMS_FILE, load_params, overlaid, read_yaml

FOLDER = "presets"
BASE = "sample"  # every preset is laid over it, so that nothing of an earlier one stays
LINK = Path("data/external")


def preset_names(root: Path) -> list[str]:
    """Return the names of the presets: the files of the folder `presets`."""
    return sorted(path.stem for path in (root / FOLDER).glob("*.yaml"))


def use(root: Path, name: str, *, data: Path | None, force: bool) -> None:
    """Write a preset into params.yaml.

    Args:
        root: the project.
        data: a folder that `data/external` becomes a link to; none: the link stays as it is.
        force: overwrite edits of params.yaml that are not saved anywhere.

    Raises:
        BadInputError: where there is no such preset, or params.yaml has edits that would be lost, or the preset reads
            `data/external` and there is none. Nothing is changed then.
    """
    allowed = preset_names(root)
    if name not in allowed:
        raise BadInputError(f"no preset {name!r}; those in {root / FOLDER} are: {', '.join(allowed)}")
    path = root / PARAMS_FILE
    present = path.read_text(encoding="utf-8")
    if not force and not _saved(root, present):
        raise BadInputError(
            f"{path} has edits that are not committed, and a preset would overwrite them. Commit them (git commit "
            f"{PARAMS_FILE}), take them back (git checkout {PARAMS_FILE}), or give --force to lose them"
        )
    if data is not None:
        _check_link(root, data)
    text = overlaid(present, _overlays(root, name))
    if f"folder: {LINK}" in text and data is None and not (root / LINK).exists():
        raise BadInputError(f"the preset {name!r} reads {LINK}, which is not there: give its data's folder with --data")
    with taken_back(root):
        _write(root, text)
        load_params(root)
    if data is not None:
        _link(root, data)


def change(root: Path, changes: dict[str, Any]) -> None:
    """Write values into params.yaml, as `dvc exp run --set-param` does. Whether they are right, `load_params` says.

    Args:
        root: the project.
        changes: values by their keys: `{"student.temperature": 3}` or `{"student": {"temperature": 3}}`.

    Raises:
        BadInputError: where there is no such key. Nothing is changed then.
    """
    present = (root / PARAMS_FILE).read_text(encoding="utf-8")
    overlays = {f"change {number}": _nested(key, value) for number, (key, value) in enumerate(changes.items(), 1)}
    _write(root, overlaid(present, overlays))


def _nested(key: str, value: Any) -> dict[str, Any]:
    first, dot, rest = key.partition(".")
    return {first: _nested(rest, value) if dot else value}


@contextmanager
def taken_back(root: Path) -> Iterator[None]:
    """Leave params.yaml as it was before the block, where the block finds something wrong (BadInputError)."""
    path = root / PARAMS_FILE
    before = path.read_text(encoding="utf-8") if path.is_file() else None
    try:
        yield
    except BadInputError:
        if before is not None:
            _write(root, before)
        raise


def _write(root: Path, text: str) -> None:
    with whole(root / PARAMS_FILE) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _overlays(root: Path, name: str) -> dict[str, dict[str, Any]]:
    paths = [root / FOLDER / f"{one}.yaml" for one in ([BASE] if name == BASE else [BASE, name])]
    return {str(path): read_yaml(path) for path in paths}


def _saved(root: Path, present: str) -> bool:
    """Say whether nothing is lost with params.yaml: it is the committed one, or that with a preset over it."""
    command = ["git", "show", f"HEAD:./{PARAMS_FILE}"]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, encoding="utf-8", check=False)
    except OSError:  # no git on this machine
        return False
    if done.returncode:
        return False
    committed = done.stdout
    return present == committed or any(_gives(root, name, committed, present) for name in preset_names(root))


def _gives(root: Path, name: str, committed: str, present: str) -> bool:
    try:
        return overlaid(committed, _overlays(root, name)) == present
    except BadInputError:  # a preset that is wrong gave nothing
        return False


def _check_link(root: Path, data: Path) -> None:
    link = root / LINK
    if not data.is_dir():
        raise BadInputError(f"--data {data}: no such folder")
    if link.exists() and not link.is_symlink():
        raise BadInputError(f"{link} is no link but a folder of its own; move it away first, or leave out --data")


def _link(root: Path, data: Path) -> None:
    link = root / LINK
    link.parent.mkdir(parents=True, exist_ok=True)
    temporary = link.with_name(f".{link.name}.{os.getpid()}")
    temporary.symlink_to(data.absolute(), target_is_directory=True)
    temporary.replace(link)
