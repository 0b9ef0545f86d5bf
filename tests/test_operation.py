"""What a team does: a real server, workers, a schedule, cancelling, flows that wait for each other, PostgreSQL."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.server import free_port
from tests.scratch import Scratch
from tests.team import Server, Team, until, workers

EVERY = "{slug: often, interval: 20, active: true}"
MIDDLE = {"middle@de", "middle@es"}

pytestmark = pytest.mark.slow


def test_a_schedule_fires_by_itself_and_the_second_time_everything_is_skipped(team: Team, scratch: Scratch) -> None:
    path = team.root / "prefect.yaml"
    text = path.read_text(encoding="utf-8")
    start = text.index("{slug: nightly")
    path.write_text(text[:start] + EVERY + text[text.index("\n", start) :], encoding="utf-8")
    with workers(team, "cpu", "gpu"):
        assert "deployment scheduled: every 0:00:20 UTC (active)" in team.call("deploy")
        try:
            assert until(lambda: [one.state.name for one in team.runs("pipeline")][:2] == ["Completed"] * 2)
        finally:
            with team.client() as client:
                found = client.read_deployment_by_name("pipeline/scheduled")
                for schedule in found.schedules:
                    client.delete_deployment_schedule(found.id, schedule.id)
    events = scratch.events()
    assert sorted(event.removeprefix("end ") for event in events if event.startswith("end ")) == sorted(
        {"first", "last", "lone", *MIDDLE}
    )
    assert {one.name for one in team.runs("stage")} >= MIDDLE
    assert team.runs("pipeline")[0].name.startswith("everything, 20")


def test_cancelling_on_the_pages_ends_every_process_and_every_run(team: Team, scratch: Scratch) -> None:
    from prefect.states import Cancelling

    scratch.rules(middle_de="hang")
    with workers(team, "cpu", "gpu"):
        run = team.trigger()
        assert until(team.begun("middle@de"))
        with team.client() as client:
            client.set_flow_run_state(run, Cancelling())
        assert until(lambda: team.state(run) == "Cancelled")
        assert until(lambda: not team.processes()), team.processes()
        of_stage = team.runs("stage", "middle@de")[-1]
        assert until(lambda: team.state(of_stage.id) == "Cancelled")


def test_two_flows_at_once_take_turns(team: Team, scratch: Scratch) -> None:
    with workers(team, "cpu", "gpu"):
        both = [team.trigger(), team.trigger()]
        assert until(lambda: [team.state(run) for run in both] == ["Completed"] * 2)
        times = sorted((one.start_time, one.end_time) for one in team.runs("pipeline") if one.id in both)
    assert times[0][1] <= times[1][0]
    assert scratch.events().count("start first") == 1


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
    programs, port, data = found[-1].parent, str(free_port()), folder / "data"
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


def test_several_workers_on_postgres_run_one_after_the_other_and_lose_nothing(
    postgres: str, scratch: Scratch, tmp_path: Path
) -> None:
    server = Server(tmp_path, postgres)
    try:
        team = Team(scratch.root, server, tmp_path)
        team.call("deploy")
        with workers(team, "cpu", "cpu", "gpu", "gpu"):
            several = [team.trigger() for _ in range(4)]
            assert until(lambda: [team.state(run) for run in several] == ["Completed"] * 4, 600)
        assert "locked" not in (tmp_path / "server.log").read_text()
    finally:
        server.kill()
    events = scratch.events()
    assert sorted(event for event in events if event.startswith("start")) == sorted(
        f"start {name}" for name in ("first", "last", "lone", *MIDDLE)
    )
