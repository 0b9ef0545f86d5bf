"""What stands for a `python` whose libraries are loaded: hands what it was asked to do to the server of `loaded_python`.

`ADDRESS PYTHON ARGUMENTS ...`, under an isolated Python that has nothing to load. Folder, variables and open files are this
program's; what happens to it happens to what the server forks, and the two end together and with the same status. Anything
else, and everything where no server answers, is done by the real Python.
"""

import ctypes
import json
import os
import signal
import socket
import sys
from contextlib import suppress
from typing import NoReturn, TextIO

_MODULES = frozenset({"dvc", "tasks"})
_FORWARDED = (signal.SIGTERM, signal.SIGINT)
_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Do as `process.end_with_parent`, which is project code: neither this program nor the server may load that."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main(address: str, python: str, *words: str) -> NoReturn:
    """Have the server do it, and end as it did."""
    end_with_parent()  # DVC leaves a stage running when it is killed
    server = None
    if words[:1] == ("-m",) and _MODULES.intersection(words[1:2]):
        with suppress(OSError):
            server = _asked(address, words)
    if server is None:
        os.execv(python, [python, *words])
    for number in _FORWARDED:
        signal.signal(number, lambda number, _: server.sendall(bytes([number])))
    with server, server.makefile() as answers:
        if not _line(answers):  # it ended before it began with this
            os.execv(python, [python, *words])
        status = int(_line(answers) or 1)
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)


def _line(answers: TextIO) -> str:
    """Return the next line, or nothing where the other side is gone."""
    with suppress(ConnectionError):
        return answers.readline()
    return ""


def _asked(address: str, words: tuple[str, ...]) -> socket.socket:
    server = socket.socket(socket.AF_UNIX)
    server.connect(address)
    socket.send_fds(server, [b"0"], [0, 1, 2])
    asked = {"module": words[1], "words": words[2:], "folder": os.getcwd(), "variables": dict(os.environ)}  # noqa: PTH109 - it loads more
    server.sendall(json.dumps(asked).encode() + b"\n")
    return server


if __name__ == "__main__":
    main(*sys.argv[1:])
