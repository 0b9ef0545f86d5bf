"""Prefect's server for one run, where the user has set none up. It ends with the run, however that ends."""

import os
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from kdmodels.errors import BadInputError
from tasks.guard import Processes

START_SECONDS = 120  # a first start writes its database, and may share the machine with much else
_POLL = 0.1
_UNREACHABLE = "Failed to reach API"  # so Prefect says it
_ANSWER_SECONDS = 5.0
_SEND_SECONDS = 10.0
_QUIET = {  # the user's own win
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "true",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": str(START_SECONDS),
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",  # the command line shows lines and errors itself
}


def settle() -> None:
    """Set what Prefect reads from the environment when it is first imported."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)


@contextmanager
def prefect_server(module: str) -> Iterator[None]:
    """Have a server in the block: the one `PREFECT_API_URL` or the profile names, or one of its own.

    Args:
        module: imported while its own starts, since both take seconds

    Raises:
        BadInputError: where the user's does not answer.
        RuntimeError: where its own does not start.
    """
    settle()
    from prefect.settings import PREFECT_API_URL, get_current_settings, temporary_settings

    given = get_current_settings().api.url
    if given:
        try:
            yield
        except RuntimeError as error:
            if _UNREACHABLE not in str(error):
                raise
            raise BadInputError(
                f"{error}. Start the server that PREFECT_API_URL or the profile names, or unset it to run without"
            ) from error
        return
    processes = Processes()
    port = free_port()
    address = f"http://127.0.0.1:{port}/api"
    command = [sys.executable, "-m", "uvicorn", "--factory", "prefect.server.api.server:create_app"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--log-level", "error", "--lifespan", "on"]
    variables = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}
    process = processes.start(command, Path.cwd(), {**os.environ, **variables})
    said: deque[str] = deque(maxlen=20)
    threading.Thread(target=said.extend, args=(process.stdout,), daemon=True).start()  # or it stops at a full pipe
    try:
        import_module(module)
        if not answers(f"{address}/health", START_SECONDS, lambda: process.poll() is None):
            raise RuntimeError("\n".join(["Prefect's server did not start:", *map(str.rstrip, said)]))
        with temporary_settings({PREFECT_API_URL: address}):
            yield
    finally:
        send_off()
        processes.close()
        processes.finish(process)


def send_off() -> None:
    """Send what is still to be logged, or Prefect tries for minutes to send it to a server that is gone."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    APILogWorker.drain_all(timeout=_SEND_SECONDS)
    EventsWorker.drain_all(timeout=_SEND_SECONDS)


def answers(address: str, seconds: float, alive: Callable[[], bool]) -> bool:
    """Wait until an address answers; whether it did, while `alive` and within the time."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never by way of a proxy
    deadline = time.monotonic() + seconds
    while alive() and time.monotonic() < deadline:
        try:
            with direct.open(address, timeout=_ANSWER_SECONDS):
                return True
        except urllib.error.HTTPError as answer:
            answer.close()
            return True
        except OSError:
            time.sleep(_POLL)
    return False


def free_port() -> int:
    """Return a port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
