"""A run that its server has given up while it goes on, as after a machine was frozen or cut off, ends."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID

from tasks.guard import Processes

_ASKS = 10.0  # seconds between two looks


@contextmanager
def ended_with(run: str | None, processes: Processes, tell: Callable[[str], None]) -> Iterator[None]:
    """End the processes of a flow run once its server says that it is over, for the block.

    A run without a heartbeat is marked as crashed, and its stage is tried again on another worker; what still ran here
    would train beside it, and send a result of its own. A server that does not answer ends nothing.

    Args:
        run: the flow run's id; none: nothing is watched.
        processes: where its stages run; closing them ends these.
        tell: called once, where the run is ended.
    """
    if run is None:
        yield
        return
    over = threading.Event()
    threading.Thread(target=_watch, args=(UUID(run), over, processes, tell), daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _watch(run: UUID, over: threading.Event, processes: Processes, tell: Callable[[str], None]) -> None:
    from prefect.client.orchestration import get_client

    while not over.wait(_ASKS):
        state: Any = None
        with suppress(Exception), get_client(sync_client=True) as client:  # the server may be away for a while
            state = client.read_flow_run(run).state
        if state is not None and state.is_final() and not over.is_set():
            processes.close()
            tell(f"the server has this run as {state.name}: it was given up, and ends here")
            return
