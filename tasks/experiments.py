"""Candidates of a sweep as DVC experiments: the student stage alone, under other numbers, in a copy of its own.

`dvc exp run --temp` rather than optuna, since a grid of designs needs no search: what makes a candidate is written in
params.yaml, its result lies in DVC's cache where a second sweep finds it, and the workspace and its dvc.lock stay as
they are. Each candidate is a process of ours, so that it ends with the sweep; DVC's own queue would outlive it.
"""

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from kdmodels.errors import BadInputError
from tasks.guard import Closed, Processes
from tasks.sections import Student
from tasks.stage import LOCK_FILE, command, failure, stage_environment

_PREFIX = "sweep"
_CODE = ("kdmodels", "tasks")


def name_of(root: Path, target: str, section: Student, inputs: Mapping[str, str], threads: int) -> str:
    """Return the name of a candidate: the same for the same numbers, data and code.

    Args:
        inputs: path -> md5 of what the student stage reads, as dvc.lock has them
    """
    content = {
        "section": section.model_dump(mode="json"),
        "inputs": dict(inputs),
        "threads": threads,
        "code": {
            path.relative_to(root).as_posix(): sha256(path.read_bytes()).hexdigest()
            for name in _CODE
            for path in sorted((root / name).rglob("*.py"))
        },
    }
    key = sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
    return f"{_PREFIX}-{target.lower()}-{key}"


def finished(root: Path) -> set[str]:
    """Return the names of all candidates that have a result.

    Raises:
        BadInputError: where DVC cannot say, for want of a git repository with a commit.
    """
    ended = subprocess.run(
        command(root, "exp", "list", "--all-commits", "--name-only"),
        env=stage_environment({}), capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip
    if ended.returncode:
        said = ended.stderr.strip().removeprefix("ERROR: ")
        raise BadInputError(f"a sweep needs a git repository with a commit, for DVC's experiments: {said}")
    return {line.strip() for line in ended.stdout.split("\n") if line.strip().startswith(_PREFIX)}


def check_tracked(root: Path) -> None:
    """Refuse a lock file that git does not know: an experiment would find none of the data that it names.

    Raises:
        BadInputError: with what to do.
    """
    ended = subprocess.run(
        ["git", "ls-files", "--error-unmatch", LOCK_FILE], cwd=root, capture_output=True, text=True, check=False
    )
    if ended.returncode:
        raise BadInputError(
            f"{root / LOCK_FILE} is not tracked by git, and DVC's experiments carry only what is. Then: git add {LOCK_FILE}"
        )


def run_candidate(
    root: Path,
    name: str,
    stage: str,
    changes: Mapping[str, Any],
    environment: Mapping[str, str],
    line: Callable[[str], None],
    processes: Processes,
) -> None:
    """Run one stage under other numbers as an experiment of that name.

    Args:
        stage: its name in dvc.yaml, such as `student@de`
        changes: keys of params.yaml with their values

    Raises:
        StageFailedError: with the stage's own message.
        Closed: where `processes` were closed.
    """
    settings = [
        word for key, value in changes.items() for one in _overrides(key, value) for word in ("--set-param", one)
    ]
    words = ["exp", "run", "--temp", "--single-item", "--name", name, *settings, stage]
    variables = {**stage_environment(environment, processes.python), "PYTHONUNBUFFERED": "1"}
    process = processes.start(command(root, *words, python=processes.python), root, variables)
    said: list[str] = []
    try:
        for text in process.stdout or ():
            said.append(text.rstrip("\n"))
            line(said[-1])
    finally:
        status = processes.finish(process)
    if processes.closed and status:
        raise Closed(stage)
    if status:
        raise failure(stage, said, status)


def _overrides(key: str, value: Any) -> list[str]:
    """Return what gives a key a value: a mapping is put in whole, since another design's has other keys."""
    if isinstance(value, dict):
        return [f"~{key}", f"+{key}={_written(value)}"]
    return [f"{key}={_written(value)}"]


def _written(value: Any) -> str:
    """Return a value in the grammar of DVC's --set-param."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_written(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def fetch(root: Path, name: str, path: str, to: Path) -> None:
    """Copy a file or a folder that a candidate made; it appears under its name only when it is whole.

    Raises:
        BadInputError: where it is no longer in DVC's cache.
    """
    from dvc.api import DVCFileSystem

    partial = to.with_name(f".{to.name}.{os.getpid()}.partial")
    try:
        DVCFileSystem(url=str(root), rev=name).get(path, str(partial), recursive=True)
        partial.rename(to)
    except (FileNotFoundError, OSError) as error:
        raise BadInputError(
            f"{name}: its {path} is not in DVC's cache any more ({error}). To make it again: dvc exp remove {name}, "
            "then the sweep"
        ) from None
