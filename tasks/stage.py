"""The stages of dvc.yaml, through DVC, and the one Prefect task that runs any of them. DVC and Prefect only here."""

import json
import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdmodels.errors import BadInputError
from tasks.__main__ import BAD_INPUT
from tasks.config import GRAPH_FILE, read_yaml
from tasks.graph import Graph
from tasks.guard import Closed, Processes
from tasks.sections import Pipeline

if TYPE_CHECKING:
    from prefect import Task

LOCK_FILE = "dvc.lock"
_KEPT_LINES = 200  # of a stage's output, to find its message in
_SHOWN_LINES = 10  # of it, where the stage gave no message
_ADVICE = (  # of DVC, after each stage the same
    "\n",
    "To track the changes with git",
    "\tgit add ",
    "To enable auto staging",
    "\tdvc config core.autostage",
    "Use `dvc push` ",
)
_BUSY = "is busy, it is being blocked by"
_EXITED = re.compile(r"exited with (-?\d+)$")

Line = Callable[[str, str], None]
Run = Callable[[str, Callable[[str], None], bool], None]


class BusyError(BadInputError):
    """Another DVC in the folder writes what was asked for."""


class StageFailedError(RuntimeError):
    """A stage did not end well; the message is the stage's own."""

    def __init__(self, stage: str, message: str, status: int | None) -> None:
        super().__init__(message)
        self.stage = stage
        self.status = status  # of the stage's process; None: it did not run, or its status is not known
        self.bad_input = status == BAD_INPUT


def graph(root: Path) -> Graph:
    """Return the stages that dvc.yaml declares, one for each item of a matrix.

    Raises:
        BadInputError: where DVC refuses dvc.yaml.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo:
            own = {stage: stage.name for stage in repo.index.stages if _declared(stage, root)}
            edges = repo.index.graph
            return Graph(
                upstream={
                    name: frozenset(own[dep] for dep in edges[stage] if dep in own) for stage, name in own.items()
                },
                pool={name: (stage.meta or {}).get("pool") for stage, name in own.items()},
            )
    except DvcException as error:
        said = ask(root, "stage", "list").stderr.strip()  # with line and key, which the error itself has not
        raise BadInputError(f"{root / GRAPH_FILE}: {said.removeprefix('ERROR: ') or error}") from None


def _declared(stage: Any, root: Path) -> bool:
    return bool(getattr(stage, "name", None)) and Path(stage.path).resolve() == (root / GRAPH_FILE).resolve()


def stale(root: Path, *stages: str) -> dict[str, list[str]]:
    """Return the stages whose code, numbers, inputs or outputs differ from those in dvc.lock, each with the reasons.

    Stages behind them are not in it: whether they change shows when those before them have run.

    Args:
        stages: that are looked at; none: all

    Raises:
        BusyError: where another DVC in the folder writes what they read or make.
        BadInputError: where DVC cannot say.
    """
    ended = ask(root, "status", "--json", *stages)
    if ended.returncode:
        error = BusyError if _BUSY in ended.stderr else BadInputError
        raise error(f"dvc status: {ended.stderr.strip().removeprefix('ERROR: ')}")
    return {name: [*_reasons(found)] for name, found in json.loads(ended.stdout).items() if found}


def _reasons(found: Any) -> Iterable[str]:
    for item in found:
        if isinstance(item, str):
            yield item
            continue
        for kind, changes in item.items():
            for path, change in changes.items() if isinstance(changes, dict) else ():
                if isinstance(change, dict):  # of a params file: what happened to each key
                    yield from (f"{path}: {key} {what}" for key, what in change.items())
                else:
                    yield f"{kind.removeprefix('changed ').rstrip('s')} {path} {change}"


def locked_outputs(root: Path) -> dict[str, dict[str, str]]:
    """Return of each stage that has run its outputs, path -> md5, as dvc.lock has them.

    Raises:
        BadInputError: where dvc.lock is not readable.
    """
    path = root / LOCK_FILE
    if not path.exists():
        return {}
    stages = read_yaml(path).get("stages") or {}
    return {
        name: {out["path"]: out["md5"] for out in stage.get("outs") or () if "md5" in out}
        for name, stage in stages.items()
    }


def run_stage(
    root: Path,
    stage: str,
    environment: Mapping[str, str],
    line: Callable[[str], None],
    processes: Processes,
    *,
    force: bool,
    pull: bool = False,
) -> None:
    """Have DVC run one stage, or restore what it made before from the run cache.

    Whatever ends it, no process of it is left; if it fails, its earlier outputs are brought back.

    Args:
        root: the project.
        stage: its name in dvc.yaml, such as `student@de`.
        environment: variables for the stage's process.
        line: called with each line of its output.
        processes: where it runs; closing them ends it.
        force: run it though nothing has changed.
        pull: look in the remote too for what it made before.

    Raises:
        StageFailedError: with the stage's own message.
        Closed: where `processes` were closed.
    """
    words = ["repro", "--single-item", *(["--force"] if force else []), *(["--pull"] if pull else []), stage]
    variables = {**stage_environment(environment, processes.python), "PYTHONUNBUFFERED": "1"}
    process = processes.start(command(root, *words, python=processes.python), root, variables)
    last: deque[str] = deque(maxlen=_KEPT_LINES)
    try:
        for text in process.stdout or ():
            if not text.startswith(_ADVICE):
                last.append(text.rstrip("\n"))
                line(last[-1])
    finally:
        status = processes.finish(process)
        if status:
            restore(root, stage)
    if processes.closed and status:
        raise Closed(stage)
    if status:
        raise failure(stage, list(last), status)


def restore(root: Path, stage: str) -> None:
    """Bring the outputs back that dvc.lock has for a stage, if it ever ran; what cannot be brought back stays away."""
    if stage in locked_outputs(root):
        subprocess.run(
            command(root, "checkout", "--force", stage),
            env=stage_environment({}),
            capture_output=True,
            check=False,
            start_new_session=True,  # Ctrl-C does not interrupt it
        )


def stage_task(line: Line, run: Run, processes: Processes, params: Pipeline) -> "Task[..., None]":
    """Return the Prefect task that runs a stage, given its name.

    Args:
        line: called with a stage's name and each line of its output, which stands in the task run's log too.
        run: runs a stage, here or on another machine: its name, what is told of it, and whether to force it.
        processes: where the stages run; once they are closed nothing is tried again.
        params: how often and after how long a stage is tried again; never after bad input.
    """
    from prefect import get_run_logger, task
    from prefect.cache_policies import NO_CACHE

    def again(_task: Any, _run: Any, state: Any) -> bool:
        error = state.result(raise_on_failure=False)
        return isinstance(error, StageFailedError) and not error.bad_input and not processes.closed

    @task(
        name="stage",
        task_run_name="{stage}",
        retries=params.retries,
        retry_delay_seconds=params.retry_delay,
        retry_condition_fn=again,
        cache_policy=NO_CACHE,
        persist_result=False,
    )
    def stage_run(stage: str, force: bool = False) -> None:
        log = get_run_logger()

        def tell(text: str) -> None:
            log.info("%s", text)
            line(stage, text)

        run(stage, tell, force)

    return stage_run


def failure(stage: str, lines: list[str], status: int) -> StageFailedError:
    """Return the error of a stage that did not end well, its message found in what it said."""
    exited = [int(found[1]) for text in lines if (found := _EXITED.search(text))]  # DVC's own is the last
    code = exited[-1] if exited and status > 0 else None
    starts = [number for number, text in enumerate(lines) if text.startswith("error: ")]
    own = [
        text for text in lines if text and not text.startswith(("The earlier output of ", "ERROR: ", "Running stage "))
    ]
    if starts:
        message = "\n".join(text for text in lines[starts[-1] :] if text in own).removeprefix("error: ")
    elif code is not None:
        ending = f"killed by signal {-code}; is there memory enough?" if code < 0 else f"ended with status {code}"
        message = "\n".join([ending, *own[-_SHOWN_LINES:]])
    elif status < 0:
        message = f"dvc was killed by signal {-status}"
    else:
        message = (
            "\n".join(text.removeprefix("ERROR: ") for text in lines[-_SHOWN_LINES:]) or f"dvc ended with {status}"
        )
    return StageFailedError(stage, message, code)


def command(root: Path, *words: str, python: Path = Path(sys.executable)) -> list[str]:
    """Return the command that runs DVC in a project."""
    return [str(python), "-m", "dvc", "--cd", str(root), "--wait-for-lock", *words]


def ask(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run DVC in a project and return how it ended, with what it said."""
    return subprocess.run(
        command(root, *words), env=stage_environment({}), capture_output=True, text=True, encoding="utf-8", check=False
    )


def stage_environment(more: Mapping[str, str], python: Path = Path(sys.executable)) -> dict[str, str]:
    """Return the variables that DVC and stages run under, where `python` in a cmd is the one that is given."""
    path = os.pathsep.join([str(python.parent), *filter(None, [os.environ.get("PATH")])])
    return {**os.environ, "DVC_NO_ANALYTICS": "1", "DO_NOT_TRACK": "true", **more, "PATH": path}
