"""A `python` that has the libraries of DVC and of stages loaded, which takes each of them seconds.

A server loads the libraries once. `python -m dvc ...` and `python -m tasks ...` are a small program (`loaded_program`) that
asks the server, which forks itself for it. The project's own code is loaded by each stage, from its own folder, as ever.
This file runs as the server too, and then must not import the project's code.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import selectors
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

# What a driver of GPUs is reached by. A process that asked it something cannot be forked safely, and libraries ask when they
# are loaded.
_GPU_DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/kfd"))

_PROGRAM = Path(__file__).with_name("loaded_program.py")
SHARED = "DISTILINGUA_PYTHON"  # one that is there already, for what runs inside a block


@contextmanager
def loaded_python(libraries: Sequence[str], variables: Mapping[str, str]) -> Iterator[Path]:
    """Give a `python` for the block, the same in blocks inside; not on Linux, or beside a GPU, it is the real one.

    It can be asked at once: who asks waits until the libraries are loaded. Who has asked may outlast the block.

    Args:
        libraries: modules that load the others
        variables: under which they are loaded; whoever asks has others, of which libraries have read some by then
    """
    if SHARED in os.environ:
        yield Path(os.environ[SHARED])
        return
    if sys.platform != "linux" or any(path.exists() for path in _GPU_DRIVERS):
        yield Path(sys.executable)
        return
    with tempfile.TemporaryDirectory(prefix="distilingua-", ignore_cleanup_errors=True) as folder:
        address = str(Path(folder) / "address")
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(address)
            listening.listen()
            process = subprocess.Popen(
                [sys.executable, "-P", __file__, folder, str(listening.fileno()), *libraries],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,  # who asks brings files of its own
                stderr=subprocess.DEVNULL,
                pass_fds=[listening.fileno()],
                env={**os.environ, **variables},
                start_new_session=True,  # Ctrl-C in a terminal ends who asks, and by them what they asked for
            )
        words = shlex.join([sys.executable, "-IS", str(_PROGRAM), address, sys.executable])
        python = Path(folder) / "python"
        python.write_text(f'#!/bin/sh\nexec {words} "$@"\n', encoding="utf-8")
        python.chmod(0o755)
        os.environ[SHARED] = str(python)
        try:
            yield python
        finally:
            os.environ.pop(SHARED, None)
            with process:  # closes its input, with which it ends, also where this process is killed
                process.terminate()  # while it loads it would not look


def _serve(listening: socket.socket) -> dict[str, Any] | None:
    """Fork for everyone who asks, until the standard input ends; return, in a fork, what is to be done."""
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


def _keep(asking: socket.socket) -> dict[str, Any]:
    """Fork what is asked for, pass on to it what who asks is told, tell who asks its status; return in the fork alone."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, files, _, _ = socket.recv_fds(asking, 1, 3)
    asked: dict[str, Any] = json.loads(asking.makefile().readline())
    group = os.fork()
    with suppress(PermissionError):  # the other of the two was first
        os.setpgid(group, group)
    if group:
        for file in files:
            os.close(file)
        asking.sendall(b"begun\n")
        threading.Thread(target=_pass_on, args=(asking, group), daemon=True).start()
        status = os.waitstatus_to_exitcode(os.waitpid(group, 0)[1])
        with suppress(ProcessLookupError):  # what a killed one left behind
            os.killpg(group, signal.SIGKILL)
        with suppress(OSError):  # who asked was killed
            asking.sendall(f"{status}\n".encode())
        os._exit(0)
    asking.close()
    runpy.run_path(str(_PROGRAM))["end_with_parent"]()  # else DVC would go on under nobody
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["variables"])
    return asked


def _pass_on(asking: socket.socket, group: int) -> None:
    with suppress(ProcessLookupError):
        while said := asking.recv(1):
            os.killpg(group, said[0])
        os.killpg(group, signal.SIGKILL)


def _run(module: str, words: Sequence[str]) -> NoReturn:
    """Be what was asked for, and end without taking down what the server loaded, which takes longer than a small stage."""
    sys.argv = ["-m", *words]
    sys.path.insert(0, str(Path.cwd()))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    status: object = None
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        status = end.code
    except BaseException:
        traceback.print_exc()
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]  # as Python does when it ends, and then:
    atexit._run_exitfuncs()
    if isinstance(status, str):
        print(status, file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else bool(status))


def _main(folder: str, listening: str, *libraries: str) -> None:
    for name in libraries:
        with suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()  # or each fork would copy all that is loaded, only to look through it
    given = _serve(socket.socket(fileno=int(listening)))
    if given is not None:
        _run(given["module"], given["words"])
    shutil.rmtree(folder, ignore_errors=True)  # who started it may have been killed


if __name__ == "__main__":
    _main(*sys.argv[1:])
