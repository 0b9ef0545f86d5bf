"""Pages in a browser, served by a program of their own until Ctrl-C."""

import os
import socket
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from flows.server import START_SECONDS, answers
from kdmodels.errors import BadInputError
from tasks.guard import Processes


def serve(
    command: Sequence[str], environment: Mapping[str, str], root: Path, port: int, tell: Callable[[str], None]
) -> None:
    """Run a server of pages until it ends or the program is interrupted; nothing of it stays behind.

    Args:
        command: the server's.
        environment: variables it needs.
        root: the folder it runs in.
        port: the one it listens on.
        tell: called with the address when it answers.

    Raises:
        BadInputError: where the port is taken.
        RuntimeError: where the server does not start or ends by itself.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a server that has just ended does not count
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise BadInputError(f"port {port} is taken by another program; choose one with --port") from None
    address = f"http://127.0.0.1:{port}"
    processes = Processes()
    process = processes.start(command, root, {**os.environ, **environment})
    said: deque[str] = deque(maxlen=20)
    reader = threading.Thread(target=said.extend, args=(process.stdout,), daemon=True)
    reader.start()
    try:
        if answers(address, START_SECONDS, lambda: process.poll() is None):
            tell(address)
            process.wait()
    finally:
        processes.close()
        process.wait()
        reader.join()
        status = processes.finish(process)
    raise RuntimeError("\n".join([f"the server of the pages ended with status {status}:", *map(str.rstrip, said)]))
