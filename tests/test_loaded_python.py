"""The `python` that has the libraries loaded does to a stage what the real one does: it runs, fails and is killed alike."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests import loaded_python

STAGE = """
import os, sys, time
print(os.getcwd(), os.environ["SAID"], *sys.argv[1:], sys.stdin.read(), "torch" in sys.modules, flush=True)
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
def test_a_stage_ends_with_who_asked_for_it(project: Path, number: signal.Signals) -> None:
    asking = subprocess.Popen(
        ["python", "-m", "tasks", "hang"], cwd=project, env=variables(), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert asking.stdout
    with asking.stdout:
        asking.stdout.readline()
        stage = psutil.Process(int(asking.stdout.readline()))
        asking.send_signal(number)
        assert asking.wait(60) == -number
        stage.wait(60)
