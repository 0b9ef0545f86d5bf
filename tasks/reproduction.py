"""A recorded run, made once more in a clone of its own: the same commit, params and inputs, and are the bytes the same?"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from kdmodels.errors import BadInputError, DamagedError
from tasks import sharing, tracking
from tasks.guard import Processes
from tasks.hashes import dvc_md5
from tasks.lineage import STATE, STATE_FILES, output_tag
from tasks.presets import LINK
from tasks.stage import ask, graph, locked_outputs, run_stage
from tasks.tracking_settings import SWITCH


class Compared(NamedTuple):
    """An output: its path, its hash as it was recorded (none: it was not), and its hash now."""

    path: str
    recorded: str | None
    now: str


def reproduce(
    root: Path, run: str, scratch: Path, tell: Callable[[str], None], processes: Processes, *, upstream: bool
) -> list[Compared]:
    """Run the stage of a recorded run again.

    Args:
        root: the project, whose cache has what the stage read.
        run: the run's id.
        scratch: where the clone is made; it must not be there yet.
        tell: called with each line that is said.
        processes: where stages run; closing them ends it.
        upstream: run all stages before it again too, rather than take their outputs from the cache.

    Raises:
        BadInputError: where the run is not recorded, is no stage's, ran on code that is in no commit, or kept no state.
        DamagedError: where what it read is not in the cache any more.
        StageFailedError: where it fails now.
    """
    client = tracking.reader(root)
    stage, tags = _recorded(client, run)
    _clone(root, tags["git_commit"], scratch)
    _take_state(client, run, scratch)
    if (root / LINK).is_symlink():
        (scratch / LINK).parent.mkdir(exist_ok=True)
        (scratch / LINK).symlink_to((root / LINK).resolve(), target_is_directory=True)
    before = graph(scratch)
    if stage not in before.stages:
        raise BadInputError(f"run {run} is of {stage}, which dvc.yaml of its commit does not declare with its params")
    environment = {SWITCH: "off", "DISTILINGUA_HOME": str(scratch / ".distilingua")}
    if upstream:
        needed = before.before([stage]) - {stage}
        for name in [name for name in before.stages if name in needed]:
            tell(f"runs {name}")
            run_stage(scratch, name, environment, tell, processes, force=True)
    else:
        _use_cache(root, scratch)
        try:
            sharing.pull(scratch, before.upstream[stage])
        except DamagedError as error:
            raise DamagedError(
                f"what {stage} read is not in this project's cache ({error}). Get it there, or run all before it too: --all"
            ) from None
    tell(f"runs {stage}")
    run_stage(scratch, stage, environment, tell, processes, force=True)
    made = locked_outputs(scratch)[stage]
    return [Compared(path, tags.get(output_tag(path)), dvc_md5(scratch / path)) for path in made]


def _recorded(client: Any, run: str) -> tuple[str, dict[str, str]]:
    try:
        found = client.get_run(run)
    except Exception:  # of MLflow's own kinds, which only tracking.py knows
        raise BadInputError(
            f"{run!r}: no run of this id is recorded. distilingua lineage student@de names some; MLflow's pages have all"
        ) from None
    tags: dict[str, str] = found.data.tags
    if "stage" not in tags:
        raise BadInputError(f"run {run} is of {found.info.run_name!r}, which is no stage: give that of one below it")
    if "git_commit" not in tags:
        raise BadInputError(f"run {run} was made outside git: its code is not known")
    if tags.get("code_dirty") == "true":
        raise BadInputError(
            f"run {run} ran on code with edits, which are in no commit ({tags['git_commit'][:12]} is the one before them)"
        )
    return found.info.run_name, tags


def _clone(root: Path, commit: str, scratch: Path) -> None:
    if scratch.exists():
        raise BadInputError(f"{scratch}: there is something already; give a folder that is to be made")
    for words in (
        ["clone", "--quiet", "--no-checkout", str(root), str(scratch)],
        ["-C", str(scratch), "checkout", "--quiet", "--detach", commit],
    ):
        ended = subprocess.run(["git", *words], capture_output=True, text=True, check=False)
        if ended.returncode:
            raise BadInputError(f"git {words[0]}: {ended.stderr.strip()}. The run's commit is {commit}")


def _take_state(client: Any, run: str, scratch: Path) -> None:
    kept = {Path(file.path).name for file in client.list_artifacts(run, STATE)}
    if not kept:
        raise BadInputError(f"run {run} kept no params.yaml and dvc.lock: it was recorded by an earlier version")
    with tempfile.TemporaryDirectory() as folder:
        for name in STATE_FILES:
            if name in kept:
                shutil.copyfile(client.download_artifacts(run, f"{STATE}/{name}", folder), scratch / name)


def _use_cache(root: Path, scratch: Path) -> None:
    """Let the clone read the project's cache as its remote; it writes to a cache of its own."""
    folder = ask(root, "cache", "dir").stdout.strip().split(os.linesep)[-1]
    added = ask(scratch, "remote", "add", "--local", "--force", "--default", "project", folder)
    if added.returncode:
        raise DamagedError(f"dvc remote add project {folder}: {added.stderr.strip()}")
