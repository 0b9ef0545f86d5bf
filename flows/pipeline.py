"""The pipeline flow: runs the stages of dvc.yaml that may be stale, each when those before it are done."""

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from graphlib import TopologicalSorter
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from prefect import flow, get_run_logger
from prefect.futures import PrefectFuture
from prefect.runtime import deployment, flow_run

from flows import display
from flows.alone import alone
from flows.given_up import ended_with
from flows.outcome import link, promote, show, tell_not_recorded
from flows.results import results
from flows.stage_python import stage_python
from kdmodels.errors import BadInputError
from tasks import places, presets, sharing
from tasks.config import load_params
from tasks.graph import Graph
from tasks.guard import Processes
from tasks.pools import is_served, worker_root
from tasks.recording import recorded_flow
from tasks.request import request, workspace_id
from tasks.section_types import Data
from tasks.sections import Params
from tasks.stage import BusyError, StageFailedError, graph, run_stage, stage_task, stale

NAME = "pipeline"
ASKING = "sources"  # the stage that asks outside what there is
DATA = Path("data")

Submit = Callable[[str], PrefectFuture[None]]


class PipelineFailedError(RuntimeError):
    """Some stages did not end well; the message has each with its own, and what was not started because of it."""

    def __init__(self, failures: dict[str, BaseException], not_started: Iterable[str]) -> None:
        lines = [f"{stage}: {error or type(error).__name__}" for stage, error in failures.items()]
        waiting = list(not_started)
        if waiting:
            lines.append(f"not started, since they need it: {', '.join(waiting)}")
        super().__init__("\n".join(lines))
        self.failures = failures
        self.bad_input = all(isinstance(error, StageFailedError) and error.bad_input for error in failures.values())


def _title() -> str:
    """Return what a run is called on the pages: what it brings up to date, and when it began."""
    stages = flow_run.parameters.get("stages")
    return f"{', '.join(stages) if stages else 'everything'}, {datetime.now().astimezone():%Y-%m-%d %H:%M}"


@flow(
    name=NAME,
    flow_run_name=_title,
    description="Runs the stages of dvc.yaml that may be stale, through DVC, and shows the students' results.",
    persist_result=False,
)
def pipeline(
    root: str | None = None,
    stages: list[str] | None = None,
    change: dict[str, Any] | None = None,
    parent: str | None = None,
) -> None:
    """Bring a project up to date.

    Args:
        root: the project's folder; none: that of the worker.
        stages: what to bring up to date, with all before it; none: everything.
        change: what to write into params.yaml first, such as {"student.temperature": 3}; it stays there, as after
            `dvc exp run --set-param`.
        parent: the recorded run that this is a part of; none: it stands alone.

    Raises:
        BadInputError: where params.yaml, a change of it or dvc.yaml is wrong, there is no such stage, or another flow
            runs in the same folder; nothing has run then.
        PipelineFailedError: where a stage failed; those that do not need it have run.
    """
    project = worker_root() if root is None else Path(root).absolute()
    shown = display.current()
    processes = Processes()
    with ExitStack() as inside:
        inside.enter_context(alone(project))
        inside.enter_context(ended_with([deployment.id and flow_run.id], processes, get_run_logger().warning))
        params, declared, wanted = _planned(project, stages, change)
        processes.python = inside.enter_context(stage_python(project, params))  # it loads while DVC looks
        for target in params.targets:  # before DVC looks: a result that comes home is found by the hashes of its inputs
            places.remove_others(project / DATA / "labelling" / target, params.labelling.parts)
            places.remove_others(project / DATA / "control" / target, params.control.chosen)
        own = {"workspace": workspace_id(project)}
        record = inside.enter_context(recorded_flow(project, params, NAME, parent, {**own, **_prefect_run()}))
        record.end_earlier({"flow": NAME, **own})  # this one is alone in the folder
        where = _Places(project, declared, record.environment, params.pipeline.data, processes)
        run = stage_task(shown.line, where.run, processes, params.pipeline)
        due: set[str] = set()
        failures: dict[str, BaseException] = {}
        try:
            if params.sources.refresh == "latest" and ASKING in wanted:
                due = {ASKING}  # nothing here says whether a source has changed
                failures = run_ready(declared, due, 1, partial(run.submit, force=True), shown)
            if not failures:
                due = declared.behind(stale(project)) & wanted
                shown.planned(*([name for name in declared.stages if name in part] for part in (wanted - due, due)))
                failures = run_ready(declared, due, room(params.most_threads), run.submit, shown, where.is_here)
        except BaseException:
            processes.close()
            raise
        runs = link(record, project, wanted)
        rows = results(project, params.targets)
        show(record, rows)
        ended = wanted - {*failures, *_not_started(declared, due, failures)}
        promote(record, project, params, {name: run for name, run in runs.items() if name in ended}, rows, shown)
        tell_not_recorded(record, [name for name in declared.stages if name in due & ended], runs, shown)
        if failures:
            raise PipelineFailedError(failures, _not_started(declared, due, failures))


@dataclass(frozen=True)
class _Places:
    """Where stages run: here, or, those of a pool that this machine does not serve, on a worker of it."""

    project: Path
    declared: Graph
    environment: Mapping[str, str]
    data: Data
    processes: Processes

    def is_here(self, stage: str) -> bool:
        """Say whether this machine serves the pool of a stage."""
        return is_served(self.declared.pool[stage])

    def run(self, stage: str, tell: Callable[[str], None], force: bool) -> None:
        """Run a stage where it belongs; errors as of `run_stage` and `run_elsewhere`."""
        pool = self.declared.pool[stage]
        if pool is None or self.is_here(stage):
            run_stage(self.project, stage, self.environment, tell, self.processes, force=force)
            return
        if not force and not self._may_be_stale(stage):  # a clone without its outputs would run it all the same
            tell("nothing has changed")
            return
        from flows.remote import run_elsewhere

        if self.data == "remote":
            sharing.check_remote(self.project)
            sharing.push(self.project, self.declared.upstream[stage], run_cache=False)
        run_elsewhere(
            pool, request(self.project, stage, self.environment, force=force, data=self.data), tell, self.processes
        )
        if self.data == "remote":
            sharing.bring_home(self.project, stage, self.environment, tell, self.processes)

    def _may_be_stale(self, stage: str) -> bool:
        try:
            return bool(stale(self.project, stage))
        except (
            BusyError
        ):  # a run that was given up is still at it in this folder; who takes the stage waits for its turn
            return True


def room(threads: int) -> int:
    """Return how many stages the machine has room for at once, each with a number of threads."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // threads)


def _prefect_run() -> dict[str, str]:
    """Return tags by which one finds the run on Prefect's pages from its record."""
    return {"prefect_run": str(flow_run.id), "prefect_run_name": flow_run.name}


def _planned(project: Path, stages: list[str] | None, change: dict[str, Any] | None) -> tuple[Params, Graph, set[str]]:
    """Return the params, with what is to be changed in them, the graph and the stages wanted; a wrong word changes nothing."""
    with presets.taken_back(project):
        if change:
            presets.change(project, change)
        params, declared = load_params(project), graph(project)
        return params, declared, _wanted(declared, stages)


def _wanted(declared: Graph, stages: list[str] | None) -> set[str]:
    unknown = sorted(set(stages or ()) - set(declared.stages))
    if unknown:
        raise BadInputError(f"no stage {', '.join(unknown)} in dvc.yaml; there are: {', '.join(declared.stages)}")
    return declared.before(declared.stages if stages is None else stages)


def run_ready(
    declared: Graph,
    due: set[str],
    limit: int,
    submit: Submit,
    shown: display.Display,
    is_here: Callable[[str], bool] = lambda _: True,
) -> dict[str, BaseException]:
    """Run stages, each when those before it have ended well, and return those that failed with their errors.

    What most others wait for goes first.

    Args:
        limit: of those that run here at once; of others there may be as many as are ready, since their pools have limits.
        is_here: whether a stage runs on this machine.
    """
    sorter = TopologicalSorter({name: declared.upstream[name] & due for name in declared.stages if name in due})
    sorter.prepare()
    order = sorted(due, key=lambda name: (-len(declared.behind([name])), declared.stages.index(name)))
    ready: set[str] = set()
    running: dict[str, PrefectFuture[None]] = {}
    failures: dict[str, BaseException] = {}
    ended: SimpleQueue[str] = SimpleQueue()
    while True:
        ready.update(sorter.get_ready())
        for name in [name for name in order if name in ready]:
            if is_here(name) and sum(map(is_here, running)) >= limit:
                continue
            ready.remove(name)
            shown.started(name)
            running[name] = submit(name)
            running[name].add_done_callback(lambda _, name=name: ended.put(name))  # type: ignore[misc]
        if not running:
            break
        name = ended.get()
        outcome: Any = running.pop(name).result(raise_on_failure=False)
        if isinstance(outcome, BaseException):
            failures[name] = outcome
            shown.ended(name, f"failed: {outcome}")
        else:
            sorter.done(name)
            shown.ended(name, "done")
    for name in _not_started(declared, due, failures):
        shown.ended(name, "not started, since what it needs failed")
    return failures


def _not_started(declared: Graph, due: set[str], failures: Iterable[str]) -> list[str]:
    failed = set(failures)
    return [name for name in declared.stages if name in (declared.behind(failed) & due) - failed]
