"""What the server has given up ends where it still runs; a stage in a shared folder has one run at a time."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.states import Cancelled, Crashed, Running, State

from flows import alone, given_up
from tasks.guard import Closed, Processes
from tests.team import until

SLEEP = [sys.executable, "-c", "import time; print('begun', flush=True); time.sleep(600)"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given_up, "_ASKS", 0.05)
    monkeypatch.setattr(alone, "_POLL", 0.05)


def watches() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == given_up._NAME]


@flow
def nothing() -> None:
    """Be a flow that a run can belong to."""


def test_a_run_that_the_server_calls_crashed_ends_its_processes_and_says_why(prefect_api: str, tmp_path: Path) -> None:
    processes, told = Processes(), list[str]()
    with get_client(sync_client=True) as client:
        run = client.create_flow_run(nothing, state=Running())
        with given_up.ended_with([str(run.id)], processes, told.append):
            process = processes.start(SLEEP, tmp_path, {})
            assert process.stdout and process.stdout.readline() == "begun\n"
            assert client.read_flow_run(run.id).state.type == StateType.RUNNING and not processes.closed
            client.set_flow_run_state(run.id, Crashed(), force=True)
            process.wait(120)
            processes.finish(process)
        assert until(lambda: told)
    assert told == [f"the server has the run {run.name} as Crashed: what belongs to it ends here"]
    with pytest.raises(Closed):
        processes.start(SLEEP, tmp_path, {})


def test_what_a_flow_asked_for_ends_with_that_flow(prefect_api: str, tmp_path: Path) -> None:
    processes, told = Processes(), list[str]()
    with get_client(sync_client=True) as client:
        asked, asking = (client.create_flow_run(nothing, state=Running()) for _ in range(2))
        with given_up.ended_with([str(asked.id), str(asking.id)], processes, told.append):
            process = processes.start(SLEEP, tmp_path, {})
            client.set_flow_run_state(asking.id, Cancelled(), force=True)
            process.wait(120)
            processes.finish(process)
        assert until(lambda: told)
    assert told == [f"the server has the run {asking.name} as Cancelled: what belongs to it ends here"]


class Answers:
    """A server that answers with one state, or with an error."""

    def __init__(self, answer: State[Any] | Exception) -> None:
        self.answer, self.asked = answer, 0

    @contextmanager
    def __call__(self, sync_client: bool) -> Iterator["Answers"]:
        yield self

    def read_flow_run(self, run: object) -> Any:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return type("Run", (), {"state": self.answer, "name": "run"})


@pytest.mark.parametrize("answer", [Running(), ConnectionError("away")], ids=["running", "away"])
def test_a_run_that_goes_on_and_a_server_that_is_away_end_nothing(
    answer: State[Any] | Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes, server, told = Processes(), Answers(answer), list[str]()
    monkeypatch.setattr("prefect.client.orchestration.get_client", server)
    with given_up.ended_with(["5bd0b6f8-94b1-4d8f-8e6f-6b8f4a3f8b4e"], processes, told.append):
        assert watches() and until(lambda: server.asked > 3)
    assert not processes.closed and not told
    assert until(lambda: not watches()), "nothing is watched after the block"


def test_a_flow_without_a_run_is_not_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Answers(Crashed())
    monkeypatch.setattr("prefect.client.orchestration.get_client", server)
    processes = Processes()
    with given_up.ended_with([None], processes, print):
        assert not watches()
    assert not processes.closed and not server.asked


def test_who_comes_second_waits_for_its_turn_and_says_for_whom(tmp_path: Path) -> None:
    told, order, first = list[str](), list[str](), threading.Event()

    def second() -> None:
        first.wait()
        with alone.turn(tmp_path, "student@de", Processes(), told.append):
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with alone.turn(tmp_path, "student@de", Processes(), told.append):
        first.set()
        assert until(lambda: told)
        with alone.turn(tmp_path, "student@es", Processes(), told.append):
            order.append("another stage")
        order.append("first")
    thread.join(120)
    assert order == ["another stage", "first", "second"]
    assert len(told) == 1 and "waits: student@de is still run in this folder by another (process " in told[0]


def test_who_is_cancelled_while_it_waits_does_not_have_its_turn(tmp_path: Path) -> None:
    processes = Processes()
    processes.close()
    other = alone.turn(tmp_path, "student@de", Processes(), print)
    with other, pytest.raises(Closed), alone.turn(tmp_path, "student@de", processes, print):
        pytest.fail("the turn of another")
    with alone.turn(tmp_path, "student@de", Processes(), print):
        pass
