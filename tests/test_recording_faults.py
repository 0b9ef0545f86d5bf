"""Nothing that happens to MLflow happens to the computation."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks import places
from tasks.recording import Recorder, recorded, recorded_flow
from tasks.sections import Params
from tests.recording_project import PROJECT, client_of, make, runs, write


@pytest.fixture(params=["closed", "silent"])
def dead_port(request: pytest.FixtureRequest) -> Iterator[int]:
    """A port where nobody listens, or somebody who never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if request.param == "silent":
            listener.listen()
        yield listener.getsockname()[1]


def everything(record: Recorder) -> None:
    record.metrics({"loss": 1.0}, 1)
    record.artifact(write("x.txt"))
    record.teacher_model(Path("missing"))
    record.student_model(Path("missing"), "de", True)
    record.evaluated(Path("missing"), Path("missing"), {"accuracy": 1.0})
    record.output(write("data/teacher/x.txt").parent)


def test_a_server_that_is_down_is_one_warning(
    project: Path, params: Params, dead_port: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:hunter2@127.0.0.1:{dead_port}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with recorded_flow(Path(), params, "pipeline") as flow:
        assert flow.link("teacher", {"data/teacher/x": "0" * 32}) is None
        flow.table("results", [])
        for name, value in flow.environment.items():
            monkeypatch.setenv(name, value)
        with recorded("teacher", {"missing": Path("missing")}, Path("data/teacher"), params) as record:
            everything(record)
    said = capfd.readouterr()
    assert said.err.count("nothing is recorded") == said.err.count("\n") == 1, said.err
    assert "hunter2" not in said.err
    assert not said.out
    monkeypatch.delenv("DISTILINGUA_RECORDING")
    with pytest.raises(ZeroDivisionError), recorded("teacher", {}, Path("data/teacher"), params):
        raise ZeroDivisionError
    assert capfd.readouterr().err.count("nothing is recorded") == 1


def test_a_store_that_cannot_be_written_is_one_warning(
    project: Path, params: Params, capfd: pytest.CaptureFixture[str]
) -> None:
    write(".distilingua", "a file where the folder should be")
    with recorded("teacher", {}, Path("data/teacher"), params) as record:
        everything(record)
    assert capfd.readouterr().err.count("nothing is recorded") == 1


def test_recording_that_breaks_later_is_one_warning(
    client: Any, params: Params, capfd: pytest.CaptureFixture[str]
) -> None:
    with recorded("teacher", {}, Path("data/teacher"), params) as record:
        Path(".distilingua/mlflow.db").write_bytes(b"no database" * 1000)
        everything(record)
    said = capfd.readouterr().err
    assert said.count("\n") == 1, said
    assert said.count("nothing is recorded") == 1


def test_the_users_store_wins(client: Any, project: Path, params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project / 'other' / 'runs.db'}")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "theirs")
    make("labelled", {}, "data/labelled", params)
    assert not runs(client)
    other = client_of(os.environ["MLFLOW_TRACKING_URI"])
    assert runs(other)["labelled"].info.experiment_id == other.get_experiment_by_name("theirs").experiment_id


def test_switched_off_it_touches_nothing(project: Path, params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISTILINGUA_RECORDING", "off")
    make("labelled", {}, "data/labelled", params)
    assert [path.name for path in project.iterdir()] == ["data"]


STAGE = """
import sys
from pathlib import Path
from tasks.config import read_yaml
from tasks.sections import Params
from tasks.recording import recorded
params = Params.model_validate(read_yaml(Path(sys.argv[1])))
out = Path("data/student") / sys.argv[2]
with recorded("student", {}, out, params) as record:
    for step in range(20):
        record.metrics({"loss": 1.0 / (step + 1)}, step)
        record._run._flush()
    out.mkdir(parents=True)
    (out / "x.txt").write_text(sys.argv[2])
    record.output(out)
"""


def test_stages_that_start_at_once_on_no_store_are_all_recorded(project: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    languages = ["de", "es", "fr", "zh"]
    command = [sys.executable, "-W", "error", "-c", STAGE, str(PROJECT / "params.yaml")]
    started = [
        subprocess.Popen([*command, language], env=environment, stderr=subprocess.PIPE, text=True)
        for language in languages
    ]
    said = [process.communicate()[1] for process in started]
    assert [process.returncode for process in started] == [0] * len(languages)
    assert said == [""] * len(languages)
    client = client_of(places.tracking_store(project))
    found = runs(client)
    assert sorted(found) == [f"student@{language}" for language in languages]
    for run in found.values():
        assert run.info.status == "FINISHED"
        assert len(client.get_metric_history(run.info.run_id, "loss")) == 20
