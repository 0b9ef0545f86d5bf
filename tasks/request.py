"""What travels with a stage that another machine is to run, and how that machine proves that it may.

Code does not travel: both must have the same, by content. Params, the lock file and the other small files that git tracks
and flows change do, since a worker in a clone of its own has those of another day.
"""

import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from kdmodels.errors import BadInputError
from kdmodels.files import whole
from kdmodels.redaction import redacted
from tasks.config import GRAPH_FILE, PARAMS_FILE
from tasks.section_types import Data

_CODE = ("kdmodels", "tasks")  # what makes the outputs; the flow that sends may be newer
_CARRIED = (PARAMS_FILE, "dvc.lock", "feedback.json", "corpora.lock")


class Request(BaseModel):
    """A stage to run, with the state of the project that asks for it.

    Attributes:
        stage: its name in dvc.yaml, such as `student@de`
        force: run it though nothing has changed
        data: how its result gets home: both have one folder, or clones share a DVC remote
        workspace: which folder asks, by an id that lies in it
        commit: of its git repository, for messages
        code: sha256 over the files that make outputs
        files: the small files that travel, by name
        environment: variables for the stage, without secrets
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: str
    force: bool
    data: Data
    workspace: str
    commit: str
    code: str
    files: dict[str, str]
    environment: dict[str, str]


def request(root: Path, stage: str, environment: Mapping[str, str], *, force: bool, data: Data) -> Request:
    """Return what is sent to another machine, read from a project as it is now.

    Raises:
        BadInputError: where a secret would travel: whoever sees the Prefect server could read it there.
    """
    files = {name: (root / name).read_text(encoding="utf-8") for name in _CARRIED if (root / name).is_file()}
    for name, text in files.items():
        if redacted(text) != text:
            raise BadInputError(
                f"{root / name}: holds a secret (in an address, or the value of a secret variable), which would stand on the "
                "Prefect server for all to read. Fetch that file once into the folder of the sources and name it there, or "
                "run the flow on a machine that serves all pools (unset DISTILINGUA_POOLS)"
            )
    return Request(
        stage=stage,
        force=force,
        data=data,
        workspace=workspace_id(root),
        commit=_commit(root),
        code=code_sha256(root),
        files=files,
        environment=dict(environment),
    )


def workspace_id(root: Path) -> str:
    """Return the id of a project's folder, made once; a clone has another, the same folder on another machine the same."""
    from filelock import FileLock

    path = root / ".dvc/tmp/workspace-id"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if not path.is_file():
            with whole(path) as temporary:
                temporary.write_text(uuid.uuid4().hex, encoding="ascii")
        return path.read_text(encoding="ascii")


def code_sha256(root: Path) -> str:
    """Return the hash of the code that makes outputs, and of dvc.yaml: names and contents."""
    found = sha256()
    for path in [root / GRAPH_FILE, *(path for name in _CODE for path in sorted((root / name).rglob("*.py")))]:
        found.update(f"{path.relative_to(root).as_posix()}\0{sha256(path.read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()


def check_workspace(root: Path, asked: Request) -> None:
    """Refuse a request of another folder, where both are to have one.

    Raises:
        BadInputError: with what to do.
    """
    if workspace_id(root) != asked.workspace:
        raise BadInputError(
            f"{root}: the flow runs in another folder, and params.yaml says that all share one (pipeline.data: workspace). "
            "Start the worker in the flow's folder; or set pipeline.data: remote, for clones that share a DVC remote"
        )


def check_code(root: Path, asked: Request) -> None:
    """Refuse a request of other code: its result would not be what the flow asks for.

    Raises:
        BadInputError: with both commits.
    """
    if code_sha256(root) != asked.code:
        ours, theirs = _commit(root), asked.commit
        what = (
            f"both are at commit {ours[:12]}, so one has edits"
            if ours == theirs
            else f"it is at commit {ours[:12] or 'none'}, the flow at {theirs[:12] or 'none'}"
        )
        raise BadInputError(
            f"{root}: the code of this worker (kdmodels, tasks, dvc.yaml) is not the flow's: {what}. Bring both to the same "
            "commit, without edits, and start the worker again"
        )


@contextmanager
def taken_over(root: Path, asked: Request) -> Iterator[None]:
    """Give a clone the small files of a request for the block; one request at a time.

    They stay as they are afterwards: the next request brings its own.
    """
    from filelock import FileLock

    path = root / ".dvc/tmp/request.lock"  # the clone's own, also where clones share what outlasts outputs
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path):
        for name, text in asked.files.items():
            if name in _CARRIED and (not (root / name).is_file() or (root / name).read_text(encoding="utf-8") != text):
                with whole(root / name) as temporary:
                    temporary.write_text(text, encoding="utf-8")
        yield


def _commit(root: Path) -> str:
    ended = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=False)
    return ended.stdout.strip() if ended.returncode == 0 else ""
