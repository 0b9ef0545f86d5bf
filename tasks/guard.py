"""Processes that end with the program that started them, however that ends, and with everything they started.

A guard stands between the two: `python -m tasks.guard FOLDER COMMAND ...` runs the command in a process group of its
own and reads its standard input. When that ends, because the program asks for it, was killed, or crashed, it ends the
group.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tasks.process import end_with_parent

GRACE = 5.0  # seconds between asking the group to end and killing it
_POLL = 0.05


class Closed(Exception):  # noqa: N818 - a state, not an error
    """Nothing may be started any more: what would run was cancelled."""


class Processes:
    """The guarded commands of one program part, which can be ended together.

    Attributes:
        python: that runs DVC and stages; this program's, or one of `loaded_python`
        closed: whether nothing may be started any more
    """

    def __init__(self) -> None:
        self.python = Path(sys.executable)
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self.closed = False

    def start(self, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> subprocess.Popen[str]:
        """Start a command under a guard; its output and errors are one stream of lines.

        Raises:
            Closed: after `close`.
        """
        with self._lock:
            if self.closed:
                raise Closed
            process = subprocess.Popen(
                [sys.executable, "-m", "tasks.guard", str(folder.absolute()), *command],
                cwd=Path(__file__).parents[1],  # where `tasks` is found, installed or not
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,  # Ctrl-C in a terminal reaches this program only, which ends the others
            )
            self._running.add(process)
        return process

    def finish(self, process: subprocess.Popen[str]) -> int:
        """End what is left of a command and return its exit status; negative: the signal that killed it."""
        stop(process)
        status = process.wait()
        if process.stdout:
            process.stdout.close()
        with self._lock:
            self._running.discard(process)
        return 128 - status if 128 < status <= 128 + signal.SIGRTMAX else status  # DVC's own 255 is no signal

    def close(self) -> None:
        """End every command that still runs and let none start."""
        with self._lock:
            self.closed = True
            running = list(self._running)
        for process in running:
            stop(process)


def stop(process: subprocess.Popen[str]) -> None:
    """Ask a guard to end its command."""
    if process.stdin:
        with contextlib.suppress(OSError):
            process.stdin.close()


def main(folder: str, *command: str) -> int:
    """Run a command until it ends or the standard input does; return its exit status, 128 + signal if it was killed."""
    me = os.getpid()
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        process_group=0,
        preexec_fn=lambda: end_with_parent(me),  # should the guard itself be killed; there is one thread so far
    )
    threading.Thread(target=_end_after_input, args=(process.pid,), daemon=True).start()
    status = process.wait()
    _signal_group(process.pid, signal.SIGKILL)  # what a killed command left behind
    return status if status >= 0 else 128 - status


def _end_after_input(group: int) -> None:
    while os.read(0, 4096):
        pass
    _signal_group(group, signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    while time.monotonic() < deadline and _signal_group(group, 0):
        time.sleep(_POLL)
    _signal_group(group, signal.SIGKILL)


def _signal_group(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # macOS answers the second for a group of zombies
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
