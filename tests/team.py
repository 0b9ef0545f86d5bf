"""A Prefect server, workers and a project, each a process of its own, as the README says to start them."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from flows.server import answers, free_port
from tests.scratch import Scratch

ROOT = Path(__file__).parents[1]
MAIN = [sys.executable, "-c", "from flows.cli import main; main()"]


def until(what: Callable[[], object], seconds: float = 300) -> bool:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.25)
    return False


class Server:
    """A Prefect server that can be killed and started again on the same database."""

    def __init__(self, folder: Path, database: str | None = None) -> None:
        self.port = str(free_port())
        self.address = f"http://127.0.0.1:{self.port}/api"
        self._log = folder / "server.log"
        self._variables = {
            **{name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"},
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_SERVER_API_HOST": "127.0.0.1",  # its pages ask there
            "PREFECT_SERVER_API_PORT": self.port,
            **({"PREFECT_API_DATABASE_CONNECTION_URL": database} if database else {}),
        }
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", self.port]
        with self._log.open("a") as log:
            self.process = subprocess.Popen(command, env=self._variables, stdout=log, stderr=log)
        assert answers(f"{self.address}/health", 120, lambda: self.process.poll() is None), self._log.read_text()

    def kill(self) -> None:
        for process in [*psutil.Process(self.process.pid).children(recursive=True), self.process]:
            process.kill()
        self.process.wait()


class Team:
    """A project with a server and workers, as the README says to start them."""

    def __init__(self, root: Path, server: Server, folder: Path, recording: str = "off") -> None:
        self.root, self.server, self._folder = root, server, folder
        self._began = datetime.now(UTC)  # the server has runs of earlier tests
        self.environment = {
            **os.environ,
            "PREFECT_API_URL": server.address,
            "DISTILINGUA_RECORDING": recording,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        }
        shutil.copy(ROOT / "prefect.yaml", root / "prefect.yaml")

    def call(self, *words: str) -> str:
        command = [*MAIN, *words, "--root", str(self.root)]
        ended = subprocess.run(command, env=self.environment, check=False, capture_output=True, text=True)
        assert ended.returncode == 0, f"{words}:\n{ended.stdout}\n{ended.stderr}"
        return ended.stdout

    def worker(self, pool: str, root: Path | None = None) -> subprocess.Popen[bytes]:
        """Start a worker in the project's folder, or in a clone of it."""
        log = self._folder / f"{pool}.log"
        with log.open("ab") as out:
            command = [*MAIN, "worker", "--pool", pool, "--root", str(root or self.root)]
            return subprocess.Popen(command, env=self.environment, stdout=out, stderr=out)

    @contextmanager
    def client(self) -> Iterator[Any]:
        from prefect.client.orchestration import SyncPrefectClient

        with SyncPrefectClient(self.server.address) as client:
            yield client

    def trigger(self, *stages: str) -> Any:
        """Start the deployment `scheduled`, for some stages or all; return the run's id."""
        with self.client() as client:
            found = client.read_deployment_by_name("pipeline/scheduled")
            parameters = {"stages": [*stages]} if stages else {}
            return client.create_flow_run_from_deployment(found.id, parameters=parameters).id

    def state(self, run: Any) -> str:
        with self.client() as client:
            return str(client.read_flow_run(run).state.name)

    def runs(self, flow: str, name: str | None = None) -> list[Any]:
        """Return the runs of a flow that have begun under this team, the earliest first; all, or those of a name."""
        from prefect.client.schemas.filters import FlowFilter, FlowFilterName

        with self.client() as client:
            found = client.read_flow_runs(flow_filter=FlowFilter(name=FlowFilterName(any_=[flow])))
        begun = [one for one in found if one.start_time and one.start_time >= self._began and name in (None, one.name)]
        return sorted(begun, key=lambda one: one.start_time)

    def log(self, run: Any) -> list[str]:
        """Return what stands in the log of a flow run, in its order."""
        from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
        from prefect.client.schemas.sorting import LogSort

        lines: list[str] = []
        with self.client() as client:
            while True:
                found = client.read_logs(
                    LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run])), 200, len(lines), LogSort.TIMESTAMP_ASC
                )
                lines += [line.message for line in found]
                if len(found) < 200:
                    return lines

    def worker_of(self, run: Any) -> str:
        """Return the name of the worker that took a run; its process is the number at its end."""
        said = next(line for line in self.log(run) if line.startswith("Worker '"))
        return said.split("'")[1]

    def processes(self) -> list[psutil.Process]:
        """Return the processes of stages and of DVC in the project."""
        found = []
        for process in psutil.process_iter():
            try:
                words = " ".join(process.cmdline())
                if process.status() != psutil.STATUS_ZOMBIE and (
                    any(sign in words for sign in ("tasks.guard", " dvc ", "step.py", "-m tasks "))
                ) and process.cwd().startswith(str(self.root)):  # fmt: skip
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def engines(self) -> list[psutil.Process]:
        """Return the processes of flow runs, the latest first."""
        found = []
        for process in psutil.process_iter(["cmdline", "create_time"]):
            try:
                if "prefect.engine" in (process.info["cmdline"] or []) and (
                    process.environ().get("DISTILINGUA_ROOT") == str(self.root)
                ):
                    found.append(process)
            except psutil.Error:
                continue
        return sorted(found, key=lambda one: -one.info["create_time"])

    def begun(self, stage: str) -> Callable[[], bool]:
        """Return whether a stage of the scratch project has begun."""
        events = self.root / "events.txt"
        return lambda: events.exists() and f"start {stage}" in events.read_text(encoding="utf-8")


@contextmanager
def workers(team: Team, *pools: str, roots: dict[int, Path] | None = None) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Have a worker of each pool, in the project's folder or, by its place among them, in a clone."""
    started = [team.worker(pool, (roots or {}).get(place)) for place, pool in enumerate(pools)]
    try:
        yield started
    finally:
        for process in started:
            process.terminate()
        for process in started:
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()  # it waits for a server that is gone, or for a run
                process.wait()


def lose(worker: subprocess.Popen[bytes]) -> None:
    """Kill a worker and all that it started, at once, as a machine does whose power fails."""
    below = psutil.Process(worker.pid).children(recursive=True)
    for process in [psutil.Process(worker.pid), *below]:
        process.suspend()  # or one would see the end of another, and act on it
    for process in [psutil.Process(worker.pid), *below]:
        process.kill()
    worker.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    one = Server(tmp_path_factory.mktemp("server"))
    yield one
    one.kill()


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    (tmp_path / "home").mkdir()
    return Scratch(tmp_path / "home")


@pytest.fixture
def team(server: Server, scratch: Scratch, tmp_path: Path) -> Iterator[Team]:
    """Have a team on the scratch project, deployed and without workers."""
    one = Team(scratch.root, server, tmp_path)
    one.call("deploy")
    yield one
    for process in [*one.engines(), *one.processes()]:
        process.kill()
