"""A `python` for the stages of scratch projects that has their libraries loaded, which takes each of them seconds.

A server loads the libraries once. `python -m tasks ...`, asked for below the folder of `start`, is a small program that
hands its folder, variables and open files to the server, which forks itself for it; anything else that is asked of this
`python` is done by the real one. The project's own code is loaded by each stage, from its own folder, and what happens to
the small program happens to the stage: the two end together and with the same status.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import selectors
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NoReturn

# what loads the others; all of the project's stages need most of it
_LIBRARIES = (
    "torch", "torch._dynamo", "transformers", "transformers.models.auto.modeling_auto",
    "transformers.models.bert.modeling_bert", "pandas", "pyarrow.parquet", "scipy.sparse", "scipy.stats", "sklearn.metrics",
    "sklearn.linear_model", "sklearn.feature_extraction.text", "safetensors.torch", "tokenizers", "ruamel.yaml", "pydantic",
)  # fmt: skip
_FORWARDED = (signal.SIGTERM, signal.SIGINT)
_PROGRAM = """import json, os, signal, socket, sys

if sys.argv[1:3] != ["-m", "tasks"]:
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
socket.send_fds(server, [b"0"], [0, 1, 2])
asked = {{"arguments": sys.argv[3:], "folder": os.getcwd(), "variables": dict(os.environ)}}
server.sendall(json.dumps(asked).encode() + b"\\n")
for number in {forwarded!r}:
    signal.signal(number, lambda number, frame: server.sendall(bytes([number])))
status = int(server.makefile().readline() or 1)
if status < 0:
    signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
sys.exit(status)
"""


@cache
def start(server: str) -> Path:
    """Start a server of this process, if it was not started; return the folder in which its `python` is."""
    folder = Path(tempfile.mkdtemp(prefix=f"python-{server}-", dir=Path.home()))  # the tests' own, removed at their end
    address = str(folder / "address")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        variables = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}  # as `tasks` sets them
        variables.pop("PYTHONPATH", None)
        process = subprocess.Popen(
            [sys.executable, __file__, str(listening.fileno())], stdin=subprocess.PIPE, pass_fds=[listening.fileno()],
            env=variables, start_new_session=True,
        )  # fmt: skip
    assert process.stdin
    atexit.register(process.wait)
    atexit.register(process.stdin.close)  # it ends with its input, also where this process is killed
    program, command = folder / "program.py", folder / "python"
    program.write_text(_PROGRAM.format(python=sys.executable, address=address, forwarded=[*map(int, _FORWARDED)]))
    words = shlex.join([sys.executable, "-IS", str(program)])
    command.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    command.chmod(0o755)
    return folder


def serve(listening: socket.socket) -> list[str] | None:
    """Fork for everyone who asks, until the standard input ends; return, in a fork, the arguments of a stage."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with selectors.DefaultSelector() as selector:
        selector.register(listening, selectors.EVENT_READ)
        selector.register(0, selectors.EVENT_READ)
        while all(key.fileobj for key, _ in selector.select()):
            asking, _ = listening.accept()
            if not os.fork():
                listening.close()
                return _keep(asking)
            asking.close()
    return None


def _keep(asking: socket.socket) -> list[str]:
    """Fork a stage, pass on to it what who asks is told, and tell who asks its status; return in the stage alone."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, files, _, _ = socket.recv_fds(asking, 1, 3)
    asked = json.loads(asking.makefile().readline())
    stage = os.fork()
    if stage:
        for file in files:
            os.close(file)
        threading.Thread(target=_pass_on, args=(asking, stage), daemon=True).start()
        status = os.waitstatus_to_exitcode(os.waitpid(stage, 0)[1])
        with suppress(OSError):  # who asked was killed
            asking.sendall(f"{status}\n".encode())
        os._exit(0)
    asking.close()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["variables"])
    arguments: list[str] = asked["arguments"]
    return arguments


def _pass_on(asking: socket.socket, stage: int) -> None:
    with suppress(ProcessLookupError):
        while said := asking.recv(1):
            os.kill(stage, said[0])
        os.kill(stage, signal.SIGKILL)


def run(arguments: list[str]) -> NoReturn:
    """Be the stage, and end without taking down what the server loaded, which takes longer than a small stage."""
    sys.argv = ["-m", *arguments]
    sys.path[0] = str(Path.cwd())
    status: object = None
    try:
        runpy.run_module("tasks", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        status = end.code
    except BaseException:
        traceback.print_exc()
        status = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else bool(status))


if __name__ == "__main__":
    for name in _LIBRARIES:
        importlib.import_module(name)
    gc.freeze()  # or each fork would copy all that is loaded, only to look through it
    given = serve(socket.socket(fileno=int(sys.argv[1])))
    if given is not None:
        run(given)
