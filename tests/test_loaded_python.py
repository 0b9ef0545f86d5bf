"""The `python` that has the libraries loaded does to a stage what the real one does: it runs, fails and is killed alike."""

import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from tasks.__main__ import library_variables
from tasks.libraries import LIBRARIES
from tasks.loaded_python import SHARED
from tasks.loaded_python import loaded_python as loaded
from tests import loaded_python

STAGE = """
import os, subprocess, sys, time
print(os.getcwd(), os.environ["SAID"], *sys.argv[1:], sys.stdin.read(), "torch" in sys.modules, flush=True)
if sys.argv[1] == "multiply":
    import numpy, torch
    torch.set_num_threads(2)
    ones = numpy.ones((500, 500))
    sys.exit(int((ones @ ones).sum() != 500**3 or torch.from_numpy(ones).matmul(torch.from_numpy(ones)).sum() != 500**3))
if sys.argv[1] == "ask":
    sys.exit(subprocess.run(["python", "-m", "tasks", "hang"]).returncode)
if sys.argv[1] == "hang":
    print(os.getpid(), flush=True)
    time.sleep(600)
if sys.argv[1] == "fail":
    raise ValueError("it does not like it")
sys.exit(int(sys.argv[1]))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks/__init__.py").touch()
    (tmp_path / "tasks/__main__.py").write_text(STAGE, encoding="utf-8")
    return tmp_path


def variables() -> dict[str, str]:
    return {
        **os.environ,
        "SAID": "hello",
        "PATH": os.pathsep.join([str(loaded_python.start("first")), os.environ["PATH"]]),
    }


def test_folder_variables_words_input_output_and_status_are_those_of_who_asks(project: Path) -> None:
    for status in (0, 2):
        command = ["python", "-m", "tasks", str(status), "a b"]
        ended = subprocess.run(command, cwd=project, env=variables(), input="read", capture_output=True, text=True)
        assert (ended.stdout, ended.stderr) == (f"{project} hello {status} a b read True\n", "")
        assert ended.returncode == status
    command = ["python", "-m", "tasks", "fail"]
    ended = subprocess.run(command, cwd=project, env=variables(), input="", capture_output=True, text=True)
    assert ended.returncode == 1 and ended.stderr.endswith("ValueError: it does not like it\n")
    other = subprocess.run(["python", "-c", "import sys; print(sys.prefix)"], env=variables(), capture_output=True)
    assert other.stdout.decode() == f"{sys.prefix}\n", "anything else is done by the real one"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("first", ["hang", "ask"])
def test_a_stage_ends_with_who_asked_for_it(project: Path, number: signal.Signals, first: str) -> None:
    """Also through another that asked for it in its turn, as DVC does for a stage."""
    asking = subprocess.Popen(
        ["python", "-m", "tasks", first], cwd=project, env=variables(), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert asking.stdout
    with asking.stdout:
        for _ in range(1 + (first == "ask")):
            asking.stdout.readline()
        stage = psutil.Process(int(asking.stdout.readline()))
        asking.send_signal(number)
        assert asking.wait(60) == -number
        stage.wait(60)


def test_what_is_forked_ends_where_what_watches_it_is_killed(project: Path) -> None:
    asking = subprocess.Popen(
        ["python", "-m", "tasks", "hang"], cwd=project, env=variables(), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert asking.stdout
    with asking.stdout:
        asking.stdout.readline()
        stage = psutil.Process(int(asking.stdout.readline()))
        watching = stage.parent()
        assert watching
        watching.kill()
        stage.wait(60)
        assert asking.wait(60) == 1


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SHARED, raising=False)


@pytest.mark.usefixtures("alone")
def test_where_no_server_answers_the_real_python_does_it(project: Path) -> None:
    with loaded([], {}) as python:
        command = [str(python), "-m", "tasks", "3"]
        ended = subprocess.run(command, cwd=project, env=variables(), input="", capture_output=True, text=True)
        assert (ended.returncode, ended.stdout) == (3, f"{project} hello 3  False\n"), "nothing was to be loaded"
        words = [word.replace(str(python.parent), "/nowhere") for word in python.read_text().split("exec ")[1].split()]
    ended = subprocess.run(
        [*words[:-1], *command[1:]], cwd=project, env=variables(), input="", capture_output=True, text=True
    )
    assert (ended.returncode, ended.stdout) == (3, f"{project} hello 3  False\n")


@pytest.mark.usefixtures("alone")
def test_a_block_inside_another_shares_its_python() -> None:
    with loaded([], {}) as outer, loaded([], {}) as inner:
        assert inner == outer
    assert SHARED not in os.environ


@pytest.mark.usefixtures("alone")
def test_libraries_that_have_threads_of_their_own_work_in_what_is_forked(project: Path) -> None:
    with loaded(["torch", "scipy.linalg"], library_variables(2)) as python:
        command = [str(python), "-m", "tasks", "multiply"]
        ended = subprocess.run(
            command, cwd=project, env=variables(), input="", capture_output=True, text=True, timeout=120
        )
    assert (ended.returncode, ended.stdout) == (0, f"{project} hello multiply  True\n"), (
        "it was forked, and came to an end"
    )


@pytest.mark.usefixtures("alone")
def test_nothing_is_left_of_it_where_who_started_it_is_killed() -> None:
    code = """
import time
from tasks.loaded_python import loaded_python
with loaded_python([], {}) as python:
    print(python, flush=True)
    time.sleep(600)
"""
    starter = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert starter.stdout
    with starter.stdout:
        folder = Path(starter.stdout.readline().strip()).parent
    (server,) = psutil.Process(starter.pid).children()
    starter.kill()
    starter.wait()
    server.wait(60)
    assert not folder.exists()


@pytest.mark.usefixtures("alone")
def test_a_library_that_is_not_there_is_left_to_who_needs_it(project: Path) -> None:
    with loaded(["no_such_library", "torch"], {}) as python:
        command = [str(python), "-m", "tasks", "0"]
        ended = subprocess.run(command, cwd=project, env=variables(), input="", capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (0, f"{project} hello 0  True\n"), "the others are loaded"


@pytest.mark.parametrize("name", LIBRARIES)
def test_each_library_is_there(name: str) -> None:
    assert find_spec(name) is not None
