"""What a team does and what befalls it: a real server, workers, schedules; killed workers, flows and servers; cancelling."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.scratch import Scratch

ROOT = Path(__file__).parents[1]
MAIN = [sys.executable, "-c", "from flows.cli import main; main()"]
EVERY = "{slug: often, interval: 20, active: true}"
MIDDLE = {"middle@de", "middle@es"}

pytestmark = pytest.mark.slow


def free_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


class Server:
    """A Prefect server that can be killed and started again on the same database."""

    def __init__(self, folder: Path, database: str | None = None) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}/api"
        self._log = folder / "server.log"
        self._variables = {
            **{name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"},
            "PREFECT_HOME": str(folder / "prefect"),
            **({"PREFECT_API_DATABASE_CONNECTION_URL": database} if database else {}),
        }
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", self.port]
        with self._log.open("a") as log:
            self.process = subprocess.Popen(command, env=self._variables, stdout=log, stderr=log)
        assert until(self._answers, 120), self._log.read_text()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/health", timeout=5):
                return True
        except OSError:
            return False

    def kill(self) -> None:
        for process in [*psutil.Process(self.process.pid).children(recursive=True), self.process]:
            process.kill()
        self.process.wait()


class Team:
    """A project with a server and workers, as the README says to start them."""

    def __init__(self, home: Scratch, server: Server, folder: Path) -> None:
        self.home, self.server, self._folder = home, server, folder
        self.environment = {
            **os.environ,
            "PREFECT_API_URL": server.address,
            "DISTILINGUA_RECORDING": "off",
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        }

    def call(self, *words: str) -> str:
        command = [*MAIN, *words, "--root", str(self.home.root)]
        return subprocess.run(command, env=self.environment, check=True, capture_output=True, text=True).stdout

    def worker(self, pool: str) -> subprocess.Popen[bytes]:
        log = self._folder / f"{pool}.log"
        with log.open("ab") as out:
            command = [*MAIN, "worker", "--pool", pool, "--root", str(self.home.root)]
            return subprocess.Popen(command, env=self.environment, stdout=out, stderr=out)

    @contextmanager
    def client(self) -> Iterator[Any]:
        from prefect.client.orchestration import SyncPrefectClient

        with SyncPrefectClient(self.server.address) as client:
            yield client

    def trigger(self) -> Any:
        """Start the deployment `scheduled`; return the run's id."""
        with self.client() as client:
            found = client.read_deployment_by_name("pipeline/scheduled")
            return client.create_flow_run_from_deployment(found.id).id

    def state(self, run: Any) -> str:
        with self.client() as client:
            return str(client.read_flow_run(run).state.name)

    def runs(self, flow: str) -> list[Any]:
        """Return the runs of a flow that have begun, the earliest first."""
        from prefect.client.schemas.filters import FlowFilter, FlowFilterName

        with self.client() as client:
            found = client.read_flow_runs(flow_filter=FlowFilter(name=FlowFilterName(any_=[flow])))
        return sorted((one for one in found if one.start_time), key=lambda one: one.start_time)

    def begun(self, stage: str) -> Callable[[], bool]:
        events = self.home.root / "events.txt"
        return lambda: events.exists() and f"start {stage}" in events.read_text(encoding="utf-8")

    def processes(self) -> list[psutil.Process]:
        """Return the processes of stages and of DVC in the project."""
        found = []
        for process in psutil.process_iter():
            try:
                words = " ".join(process.cmdline())
                if process.status() != psutil.STATUS_ZOMBIE and (
                    "tasks.guard" in words or " dvc " in words or "step.py" in words
                ) and process.cwd().startswith(str(self.home.root)):  # fmt: skip
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
                    process.environ().get("DISTILINGUA_ROOT") == str(self.home.root)
                ):
                    found.append(process)
            except psutil.Error:
                continue
        return sorted(found, key=lambda one: -one.info["create_time"])


def until(what: Callable[[], object], seconds: float = 120) -> bool:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.25)
    return False


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    one = Server(tmp_path_factory.mktemp("server"))
    yield one
    one.kill()


@pytest.fixture
def team(server: Server, tmp_path: Path) -> Iterator[Team]:
    (tmp_path / "home").mkdir()
    home = Scratch(tmp_path / "home")
    shutil.copy(ROOT / "prefect.yaml", home.root / "prefect.yaml")
    one = Team(home, server, tmp_path)
    one.call("deploy")
    yield one
    for process in [*one.engines(), *one.processes()]:
        process.kill()


@contextmanager
def workers(team: Team, *pools: str) -> Iterator[list[subprocess.Popen[bytes]]]:
    started = [team.worker(pool) for pool in pools]
    try:
        yield started
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(60)


def test_a_schedule_fires_by_itself_and_the_second_time_everything_is_skipped(team: Team) -> None:
    path = team.home.root / "prefect.yaml"
    text = path.read_text(encoding="utf-8")
    start = text.index("{slug: nightly")
    path.write_text(text[:start] + EVERY + text[text.index("\n", start) :], encoding="utf-8")
    with workers(team, "cpu", "gpu"):
        assert "deployment scheduled: every 0:00:20 UTC (active)" in team.call("deploy")
        try:
            assert until(lambda: [one.state.name for one in team.runs("pipeline")][:2] == ["Completed"] * 2, 180)
        finally:
            with team.client() as client:
                found = client.read_deployment_by_name("pipeline/scheduled")
                for schedule in found.schedules:
                    client.delete_deployment_schedule(found.id, schedule.id)
    events = team.home.events()
    assert sorted(event.removeprefix("end ") for event in events if event.startswith("end ")) == sorted(
        {"first", "last", "lone", *MIDDLE}
    )
    assert {one.name for one in team.runs("stage")} >= MIDDLE
    assert team.runs("pipeline")[0].name.startswith("everything, 20")


def test_a_killed_worker_and_its_run_leave_nothing_and_the_stage_is_tried_again_on_another(team: Team) -> None:
    team.home.rules(middle_de="hang")
    with workers(team, "cpu", "gpu") as (_, gpu):
        run = team.trigger()
        assert until(team.begun("middle@de"))
        stage = team.engines()[0]
        gpu.send_signal(signal.SIGKILL)
        time.sleep(5)
        assert team.processes(), "the run of a killed worker goes on"
        team.home.rules()
        stage.kill()
        assert until(lambda: not team.processes(), 30), team.processes()
        with workers(team, "gpu"):
            assert until(lambda: team.state(run) == "Completed", 300)
        lost = [one for one in team.runs("stage") if one.name == "middle@de" and one.state.is_crashed()]
        assert "No heartbeat" in str(lost[-1].state.message)
    events = team.home.events()
    assert events.count("start middle@de") == 2 and events.count("end middle@de") == 1


def test_cancelling_on_the_pages_ends_every_process_and_every_run(team: Team) -> None:
    from prefect.states import Cancelling

    team.home.rules(middle_de="hang")
    with workers(team, "cpu", "gpu"):
        run = team.trigger()
        assert until(team.begun("middle@de"))
        with team.client() as client:
            client.set_flow_run_state(run, Cancelling())
        assert until(lambda: team.state(run) == "Cancelled")
        assert until(lambda: not team.processes(), 30), team.processes()
        of_stage = [one for one in team.runs("stage") if one.name == "middle@de"][-1]
        assert until(lambda: team.state(of_stage.id) == "Cancelled")


def test_a_server_that_is_killed_and_started_again_in_mid_run_does_no_harm(team: Team, server: Server) -> None:
    team.home.rules(middle_de="hang")
    with workers(team, "cpu", "gpu"):
        run = team.trigger()
        assert until(team.begun("middle@de"))
        server.kill()
        time.sleep(10)
        assert team.processes(), "stages go on"
        server.start()
        team.home.rules()
        for process in team.processes():
            if "step.py" in process.cmdline():
                process.kill()  # a stage's own process: it is tried again
        assert until(lambda: team.state(run) == "Completed", 180)
    assert team.home.events().count("end last") == 1


def test_two_flows_at_once_take_turns(team: Team) -> None:
    with workers(team, "cpu", "gpu"):
        both = [team.trigger(), team.trigger()]
        assert until(lambda: [team.state(run) for run in both] == ["Completed"] * 2, 180)
        times = sorted((one.start_time, one.end_time) for one in team.runs("pipeline") if one.id in both)
    assert times[0][1] <= times[1][0]
    assert team.home.events().count("start first") == 1


@pytest.fixture
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run PostgreSQL, as Debian has it; yield the address that Prefect's setting takes."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("PostgreSQL is not installed: apt install postgresql")
    # it refuses to run as root
    other = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    folder = Path(tempfile.mkdtemp(prefix="distilingua-postgres-"))
    if other:
        shutil.chown(folder, "postgres", "postgres")
    programs, port, data = found[-1].parent, free_port(), folder / "data"
    quiet: Any = {"check": True, "capture_output": True, "cwd": folder}
    subprocess.run([*other, str(programs / "initdb"), "-D", str(data), "-U", "prefect", "--auth=trust"], **quiet)
    options = f"-c listen_addresses=127.0.0.1 -p {port} -k {folder}"
    control = [*other, str(programs / "pg_ctl"), "-D", str(data), "-w"]
    subprocess.run([*control, "-l", str(folder / "log"), "-o", options, "start"], check=True, cwd=folder)
    try:
        yield f"postgresql+asyncpg://prefect@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], **quiet)
        shutil.rmtree(folder)


def test_several_workers_on_postgres_run_one_after_the_other_and_lose_nothing(postgres: str, tmp_path: Path) -> None:
    server = Server(tmp_path, postgres)
    try:
        (tmp_path / "home").mkdir()
        home = Scratch(tmp_path / "home")
        shutil.copy(ROOT / "prefect.yaml", home.root / "prefect.yaml")
        team = Team(home, server, tmp_path)
        team.call("deploy")
        with workers(team, "cpu", "cpu", "gpu", "gpu"):
            several = [team.trigger() for _ in range(4)]
            assert until(lambda: [team.state(run) for run in several] == ["Completed"] * 4, 240)
        assert "locked" not in (tmp_path / "server.log").read_text()
    finally:
        server.kill()
    events = home.events()
    assert sorted(event for event in events if event.startswith("start")) == sorted(
        f"start {name}" for name in ("first", "last", "lone", *MIDDLE)
    )
