"""A run that its server has given up while it goes on, as after a machine was frozen or cut off, ends."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID

from tasks.guard import Processes

_ASKS = 10.0  # seconds between two looks
_NAME = "watch of flow runs"


@contextmanager
def ended_with(runs: Sequence[str | None], processes: Processes, tell: Callable[[str], None]) -> Iterator[None]:
    """End the processes of a flow run once its server says that it, or who asked for it, is over, for the block.

    A run without a heartbeat is marked as crashed, and its stage is tried again on another worker; what still ran here
    would train beside it, and send a result of its own. A flow that was killed before it could cancel what it had asked
    for leaves that running. A server that does not answer ends nothing.

    Args:
        runs: ids of the flow runs; without any nothing is watched.
        processes: where its stages run; closing them ends these.
        tell: called once, where the run is ended.
    """
    watched = [UUID(run) for run in runs if run]
    if not watched:
        yield
        return
    over = threading.Event()
    threading.Thread(target=_watch, args=(watched, over, processes, tell), name=_NAME, daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _watch(runs: list[UUID], over: threading.Event, processes: Processes, tell: Callable[[str], None]) -> None:
    from prefect.client.orchestration import get_client

    while not over.wait(_ASKS):
        found: list[Any] = []
        with suppress(Exception), get_client(sync_client=True) as client:  # the server may be away for a while
            found = [client.read_flow_run(run) for run in runs]
        for run in found:
            if run.state is not None and run.state.is_final() and not over.is_set():
                processes.close()
                tell(f"the server has the run {run.name} as {run.state.name}: what belongs to it ends here")
                return
