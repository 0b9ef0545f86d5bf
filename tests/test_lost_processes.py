"""Killed processes: a worker with its run, the server, a stage. Nothing of them is left, and the result is whole."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psutil
import pytest

from tests.scratch import Scratch
from tests.team import Server, Team, until, workers

pytestmark = pytest.mark.slow


def test_a_killed_worker_and_its_run_leave_nothing_and_the_stage_is_tried_again_on_another(
    team: Team, scratch: Scratch
) -> None:
    scratch.rules(middle_de="hang")
    with workers(team, "cpu", "gpu") as (_, gpu):
        run = team.trigger()
        assert until(team.begun("middle@de"))
        stage = team.engines()[0]
        gpu.send_signal(signal.SIGKILL)
        time.sleep(5)
        assert team.processes(), "the run of a killed worker goes on"
        scratch.rules()
        stage.kill()
        assert until(lambda: not team.processes()), team.processes()
        with workers(team, "gpu"):
            assert until(lambda: team.state(run) == "Completed")
        lost = [one for one in team.runs("stage", "middle@de") if one.state.is_crashed()]
        assert "No heartbeat" in str(lost[-1].state.message)
    events = scratch.events()
    assert events.count("start middle@de") == 2 and events.count("end middle@de") == 1


@contextmanager
def asleep(processes: list[psutil.Process]) -> Iterator[Callable[[], None]]:
    """Freeze processes for the block, or until what it gives is called; none stays frozen."""

    def wake() -> None:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.resume()

    for process in processes:
        process.suspend()
    try:
        yield wake
    finally:
        wake()


def test_a_frozen_worker_is_given_up_and_ends_what_it_runs_when_it_wakes(team: Team, scratch: Scratch) -> None:
    scratch.rules(middle_de="hang")
    with workers(team, "cpu", "gpu") as (_, gpu):
        run = team.trigger()
        assert until(team.begun("middle@de"))
        frozen = [psutil.Process(gpu.pid), *psutil.Process(gpu.pid).children(recursive=True)]
        with asleep(frozen) as wake, workers(team, "gpu"):
            assert until(lambda: len(team.runs("stage", "middle@de")) == 2), "another worker takes the stage"
            waits = "waits: middle@de is still run in this folder by another"
            assert until(lambda: any(waits in line for line in team.log(team.runs("stage", "middle@de")[1].id)))
            scratch.rules()
            wake()
            assert until(lambda: team.state(run) == "Completed"), team.log(run)
        first, second = team.runs("stage", "middle@de")
        assert "the server has the run middle@de as Crashed: what belongs to it ends here" in team.log(first.id)
        assert team.worker_of(first.id) != team.worker_of(second.id)
    events = scratch.events()
    assert events.count("start middle@de") == 2 and events.count("end middle@de") == 1
    assert not team.processes()


def test_a_server_that_is_killed_and_started_again_in_mid_run_does_no_harm(
    team: Team, scratch: Scratch, server: Server
) -> None:
    scratch.rules(middle_de="hang")
    with workers(team, "cpu", "gpu"):
        run = team.trigger()
        assert until(team.begun("middle@de"))
        server.kill()
        time.sleep(10)
        assert team.processes(), "stages go on"
        server.start()
        scratch.rules()
        for process in team.processes():
            if "step.py" in process.cmdline():
                process.kill()  # a stage's own process: it is tried again
        assert until(lambda: team.state(run) == "Completed")
    assert scratch.events().count("end last") == 1


def test_a_stage_that_is_killed_under_a_worker_is_tried_again_and_leaves_no_child(team: Team, scratch: Scratch) -> None:
    scratch.rules(middle_de="hang")
    with workers(team, "cpu", "gpu"):
        run = team.trigger()
        pids = team.root / "pids.txt"
        assert until(pids.exists)
        stage, child, _ = map(int, pids.read_text(encoding="utf-8").split())
        scratch.rules()
        psutil.Process(stage).kill()
        assert until(lambda: not psutil.pid_exists(child)), "a child that does not hear SIGTERM"
        assert until(lambda: team.state(run) == "Completed")
    assert [one.state.name for one in team.runs("stage", "middle@de")][-2:] == ["Failed", "Completed"]
    assert "killed by signal 9" in str(team.runs("stage", "middle@de")[-2].state.message)
    events = scratch.events()
    assert events.count("start middle@de") == 2 and events.count("end middle@de") == 1
    assert scratch.read("data/last") == "lastmiddle@defirstin\nmiddle@esfirstin\n"
    assert not team.processes()
