"""A tracking server that is killed while a stage records to it costs a record, and neither a result nor a later run."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.server import answers, free_port
from tasks.recording import ui_command
from tests.recording_project import client_of, runs
from tests.team import MAIN, until
from tests.tiny_project import TinyProject

STAGE = "student@de"
GIVEN_UP = "from here on nothing is recorded in MLflow"
UNRECORDED = f"warning: not recorded in MLflow, or not to the end: {STAGE}. Their results are whole"

pytestmark = pytest.mark.slow


class Tracking:
    """MLflow's server on a project's own database, that can be killed and started again."""

    def __init__(self, root: Path, log: Path) -> None:
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        self._log = log
        self._command, self._variables = ui_command(root, port)
        self.start()

    def start(self) -> None:
        environment = {**os.environ, **self._variables}
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                self._command, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        assert answers(f"{self.address}/health", 120, lambda: self._process.poll() is None), self._log.read_text()

    def kill(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def runs(self) -> dict[str, Any]:
        return runs(client_of(self.address))

    def has_metrics(self, stage: str) -> bool:
        run = self.runs().get(stage)
        return run is not None and "loss" in run.data.metrics


@pytest.fixture
def tracking(copy: TinyProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tracking]:
    server = Tracking(copy.root, tmp_path / "mlflow.log")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
    yield server
    server.kill()


def start(copy: TinyProject, prefect_api: str, log: Path) -> subprocess.Popen[bytes]:
    """Start the flow for the student, as a person does; what it says goes into a file."""
    environment = {**copy.environment, "PREFECT_API_URL": prefect_api, "DISTILINGUA_RECORDING": "on"}
    with log.open("wb") as out:
        return subprocess.Popen([*MAIN, "run", STAGE], cwd=copy.root, env=environment, stdout=out, stderr=out)


@pytest.mark.parametrize("again", [False, True], ids=["stays away", "comes back"])
def test_a_tracking_server_that_is_killed_in_mid_run_costs_a_record_and_nothing_else(
    again: bool, copy: TinyProject, tracking: Tracking, prefect_api: str, tmp_path: Path
) -> None:
    copy.set(student={"epochs": 500})  # some half a minute: the server shall be back before it ends
    undisturbed = copy.copied_to(tmp_path / "undisturbed")
    log = tmp_path / "flow.log"
    with start(copy, prefect_api, log) as flow:
        assert until(lambda: tracking.has_metrics(STAGE)), log.read_text()
        tracking.kill()
        assert until(lambda: GIVEN_UP in log.read_text() or flow.poll() is not None)
        assert flow.poll() is None, "the stage goes on"
        if again:
            tracking.start()
        assert flow.wait(600) == 0, log.read_text()
    said = log.read_text()
    assert said.count(f"{STAGE} | warning: {GIVEN_UP}") == 1
    assert said.count(GIVEN_UP) == (1 if again else 2), "the flow itself, once"
    assert said.count(UNRECORDED) == 1
    undisturbed.repro(STAGE)
    assert copy.outputs() == undisturbed.outputs()
    if not again:
        tracking.start()
    copy.set(student={"epochs": 2, "temperature": 3.0})
    with start(copy, prefect_api, log) as flow:
        assert flow.wait(600) == 0, log.read_text()
    assert "recorded in MLflow" not in log.read_text()
    found = tracking.runs()[STAGE]
    assert found.info.status == "FINISHED" and "held_out/agreement" in found.data.metrics
    assert (
        client_of(tracking.address).get_model_version_by_alias("distilingua-de", "candidate").run_id
        == found.info.run_id
    )
