"""Stages on other machines: a flow run in the pool of a stage, which a worker there takes."""

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

from prefect import flow, get_run_logger
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import FlowRun, State
from prefect.client.schemas.sorting import LogSort
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed, Failed

from flows.alone import turn
from flows.given_up import ended_with
from kdmodels.errors import BadInputError, DamagedError
from tasks import sharing
from tasks.guard import Closed, Processes
from tasks.pools import worker_root
from tasks.request import Request, check_code, check_workspace, taken_over
from tasks.stage import StageFailedError, graph, run_stage

NAME = "stage"
BAD_INPUT = "BadInput"  # the state of a run that need not be tried again
_POLL = 1.0  # seconds
_PATIENCE = 20.0  # seconds without a worker after which it is said, and between two times
_PAGE = 200  # log lines asked for at once
_LOGGER = "prefect.flow_runs.stage"  # what a stage says, apart from what Prefect says of its run

Tell = Callable[[str], None]


@flow(
    name=NAME,
    flow_run_name="{stage}",
    description="Runs one stage of dvc.yaml for a pipeline that another machine runs.",
    persist_result=False,
)
def stage(stage: str, request: Request, asked_by: str | None = None) -> State[Any]:
    """Run a stage in the project of the worker that took it, and send its result home.

    Args:
        stage: its name in dvc.yaml, such as `student@de`.
        request: the same, with the state of the project that asks.
        asked_by: id of the flow run that waits for it; once that is over, so is this; none: nobody waits.
    """
    logger: Any = get_run_logger()
    log = logger.getChild("stage")
    processes = Processes()

    def tell(text: str) -> None:
        log.info("%s", text)

    try:
        root = worker_root()
        check_code(root, request)
        with ended_with([flow_run.id, asked_by], processes, tell):
            if request.data == "workspace":
                check_workspace(root, request)
                with turn(root, stage, processes, tell):
                    run_stage(root, stage, request.environment, tell, processes, force=request.force)
            else:
                sharing.check_remote(root)
                with taken_over(root, request):
                    sharing.pull(root, graph(root).upstream[stage])
                    run_stage(root, stage, request.environment, tell, processes, force=request.force)
                    sharing.push(root, [stage], run_cache=True)
    except (StageFailedError, DamagedError) as error:  # the second is bad input too, and may be mended by then
        wrong = isinstance(error, StageFailedError) and error.bad_input
        return Failed(name=BAD_INPUT if wrong else "Failed", message=str(error))
    except BadInputError as error:
        return Failed(name=BAD_INPUT, message=str(error))
    except Closed:
        return Cancelled(message="What belongs to a run that is over ends with it.")
    except BaseException:
        processes.close()
        raise
    return Completed()


def run_elsewhere(pool: str, request: Request, tell: Tell, processes: Processes) -> None:
    """Have a worker of a pool run a stage, and wait for it; its log lines are told as they come.

    Raises:
        BadInputError: where there is no such pool or deployment.
        StageFailedError: where the stage failed there, or its worker was lost.
        Closed: where `processes` were closed; the run is cancelled.
    """
    with get_client(sync_client=True) as client:
        try:
            made: Any = run_deployment(
                f"{NAME}/{pool}",
                parameters={
                    "stage": request.stage,
                    "request": request.model_dump(mode="json"),
                    "asked_by": flow_run.id,
                },
                flow_run_name=request.stage,
                timeout=0,
                idempotency_key=uuid4().hex,  # Prefect sends again what is answered late, and would make a second run
            )
        except ObjectNotFound:
            raise BadInputError(
                f"{request.stage} wants a machine of the pool {pool!r}, and the Prefect server knows none of that name. "
                "To create the pools and deployments: distilingua deploy"
            ) from None
        tell(f"sent to the pool {pool}")
        try:
            run = _wait(client, made, pool, tell, processes)
        except BaseException:
            _cancel(client, made)
            raise
    state = run.state
    if state is None or not state.is_completed():
        name, message = (state.name, state.message) if state else ("unknown", None)
        said = message or f"ended as {name}"
        if state is not None and state.is_crashed():
            said = f"its worker was lost ({said})"
        raise StageFailedError(request.stage, said, 2 if name == BAD_INPUT else None)


def _wait(client: SyncPrefectClient, made: FlowRun, pool: str, tell: Tell, processes: Processes) -> FlowRun:
    seen: set[UUID] = set()
    quiet_since = time.monotonic()
    while True:
        run = client.read_flow_run(made.id)
        _tell_log(client, run, seen, tell)
        if run.state is not None and run.state.is_final():
            _tell_log(client, run, seen, tell)
            return run
        if processes.closed:
            raise Closed(made.name)
        waits = run.state is not None and run.state.is_scheduled()
        if not waits:
            quiet_since = time.monotonic()
        elif time.monotonic() - quiet_since > _PATIENCE:
            quiet_since = time.monotonic()
            _tell_of_workers(client, pool, tell)
        time.sleep(_POLL)


def _tell_log(client: SyncPrefectClient, run: FlowRun, seen: set[UUID], tell: Tell) -> None:
    """Tell the lines that are new. They come in batches, and not always in their order: the last page is read again."""
    place = max(0, len(seen) - _PAGE)
    while True:
        lines = client.read_logs(
            log_filter=LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id])),
            limit=_PAGE, offset=place, sort=LogSort.TIMESTAMP_ASC,
        )  # fmt: skip
        for line in lines:
            if line.name == _LOGGER and line.id not in seen:
                tell(line.message)
        seen |= {line.id for line in lines if line.id is not None}
        if len(lines) < _PAGE:
            return
        place += len(lines)


def _tell_of_workers(client: SyncPrefectClient, pool: str, tell: Tell) -> None:
    workers = client.read_workers_for_work_pool(pool)
    online = [worker.name for worker in workers if worker.status is not None and worker.status.value == "ONLINE"]
    if online:
        tell(f"waits in the pool {pool}: {', '.join(online)} may be busy")
    else:
        tell(f"no worker serves the pool {pool}. To start one, where its machine is: distilingua worker --pool {pool}")


def _cancel(client: SyncPrefectClient, run: FlowRun) -> None:
    from prefect.states import Cancelling

    client.set_flow_run_state(run.id, Cancelling())
