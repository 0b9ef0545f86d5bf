"""Data between clones of a project, through a DVC remote: what a stage needs goes there, its result comes home."""

import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from kdmodels.errors import BadInputError, DamagedError
from kdmodels.redaction import redacted
from tasks.guard import Processes
from tasks.pools import SERVED
from tasks.stage import StageFailedError, ask, run_stage

NOWHERE = "none"  # as the pools that a machine serves: it runs no stage
_SHOWN_LINES = 5


def has_remote(root: Path) -> bool:
    """Say whether the project has a default DVC remote."""
    ended = ask(root, "config", "core.remote")
    return ended.returncode == 0 and bool(ended.stdout.strip())


def check_remote(root: Path) -> None:
    """Refuse a project without a remote.

    Raises:
        BadInputError: with the command that sets one.
    """
    if not has_remote(root):
        raise BadInputError(
            f"{root}: there is no default DVC remote, and clones share data through one: dvc remote add --default NAME FOLDER "
            "(or an address), in every clone. Machines with one shared folder need none: pipeline.data: workspace"
        )


def push(root: Path, stages: Iterable[str], *, run_cache: bool) -> None:
    """Send the outputs of stages to the remote.

    Args:
        run_cache: with what makes another clone restore them without running

    Raises:
        DamagedError: where they did not all get there; to go on would mean to train a second time, unseen.
    """
    names = sorted(stages)
    if not names:
        return
    ended = ask(root, "push", *(["--run-cache"] if run_cache else []), *names)
    if ended.returncode:
        raise DamagedError(
            f"dvc push {' '.join(names)}: {_said(ended)}. Check the remote: its place, rights, and space"
        )


def pull(root: Path, stages: Iterable[str]) -> None:
    """Get the outputs of stages from the remote, as dvc.lock has them.

    Raises:
        DamagedError: where they are not all there.
    """
    names = sorted(stages)
    if not names:
        return
    ended = ask(root, "pull", "--force", *names)
    if ended.returncode:
        raise DamagedError(
            f"dvc pull {' '.join(names)}: {_said(ended)}. Check the remote, and that both clones use the same"
        )


def bring_home(
    root: Path, stage: str, environment: Mapping[str, str], line: Callable[[str], None], processes: Processes
) -> None:
    """Restore a stage's result that another clone has pushed; it is never run here.

    Raises:
        DamagedError: where it is not in the remote.
        Closed: where `processes` were closed.
    """
    try:
        run_stage(root, stage, {**environment, SERVED: NOWHERE}, line, processes, force=False, pull=True)
    except StageFailedError as error:
        raise DamagedError(
            f"{stage}: another machine has run it, and its result did not come home: {error}. See whether both use the same "
            "DVC remote, and what the worker's log says of its push"
        ) from None


def _said(ended: subprocess.CompletedProcess[str]) -> str:
    lines = [line.removeprefix("ERROR: ") for line in ended.stderr.split("\n") if line.strip()]
    return redacted(" ".join(lines[-_SHOWN_LINES:])) or f"status {ended.returncode}"
