"""The flow: order, room, only what is stale, failures that stop no other, and nothing left when it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import psutil
import pytest

from flows import pipeline as flow_module
from flows.pipeline import PipelineFailedError, pipeline, room
from kdmodels.errors import BadInputError
from tasks import loaded_python
from tasks.loaded_python import SHARED
from tasks.sections import Params
from tasks.stage import BusyError, graph, locked_outputs, stale
from tests.scratch import Scratch

ALL = {"first", "middle@de", "middle@es", "last", "lone"}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefect_api: str) -> Scratch:
    monkeypatch.setenv("DISTILINGUA_RECORDING", "off")
    return Scratch(tmp_path)


def until(done: Callable[[], bool], seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while not done() and time.monotonic() < deadline:
        time.sleep(0.05)
    return done()


def run(project: Scratch) -> None:
    pipeline(str(project.root))


def failures_of(project: Scratch) -> PipelineFailedError:
    with pytest.raises(PipelineFailedError) as caught:
        run(project)
    return caught.value


def test_the_graph_is_as_dvc_resolves_it(project: Scratch) -> None:
    declared = graph(project.root)
    assert declared.upstream == {
        "first": frozenset(),
        "middle@de": {"first"},
        "middle@es": {"first"},
        "last": {"middle@de", "middle@es"},
        "lone": frozenset(),
    }
    assert declared.pool["middle@de"] == "gpu" and declared.pool["lone"] == "cpu"
    assert declared.behind(["middle@de"]) == {"middle@de", "last"}
    assert declared.before(["middle@de"]) == {"middle@de", "first"}


def test_a_run_keeps_the_order_and_the_next_runs_only_what_changed(project: Scratch) -> None:
    run(project)
    events = project.events()
    assert {event.removeprefix("end ") for event in events if event.startswith("end ")} == ALL
    for before, after in (("first", "middle@de"), ("first", "middle@es"), ("middle@de", "last"), ("middle@es", "last")):
        assert events.index(f"end {before}") < events.index(f"start {after}")
    assert set(locked_outputs(project.root)) == ALL
    assert locked_outputs(project.root)["lone"].keys() == {"data/lone"}
    run(project)
    assert project.started() == []
    project.change("params.yaml", project.read("params.yaml").replace("temperature: 2.0", "temperature: 3.0"))
    assert stale(project.root) == {
        f"middle@{target}": ["params.yaml: student.temperature modified"] for target in ("de", "es")
    }
    run(project)
    assert sorted(project.started()) == ["middle@de", "middle@es"]  # their outputs are the same, so last is not run
    project.change("in.txt", "new\n")
    pipeline(str(project.root), ["middle@es"])
    assert project.started() == ["first", "middle@es"]


def test_sources_are_asked_again_where_params_want_the_latest(project: Scratch) -> None:
    project.change("dvc.yaml", project.read("dvc.yaml").replace("lone", "sources"))
    run(project)
    project.events()
    run(project)
    assert project.started() == []
    project.change("params.yaml", project.read("params.yaml").replace("refresh: pinned", "refresh: latest"))
    run(project)
    assert project.started() == ["sources"], "and nothing behind it, since it gave the same"
    pipeline(str(project.root), ["first"])
    assert project.started() == [], "nor where they are not asked for"


def test_independent_stages_run_side_by_side_where_there_is_room(
    project: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow_module, "room", lambda threads: 2)
    project.rules(middle_de="meet middle@es", middle_es="meet middle@de")
    run(project)
    assert set(project.started()) == ALL


def test_never_more_stages_at_once_than_there_is_room_for(project: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow_module, "room", lambda threads: 1)
    run(project)
    events = project.events()
    assert [event.split()[0] for event in events] == ["start", "end"] * 5
    assert events[0] == "start first"  # most wait for it


def test_room_is_cores_by_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    assert [room(threads) for threads in (1, 2, 3, 8, 16)] == [8, 4, 2, 1, 1]


def test_a_failure_stops_only_what_needs_it_and_keeps_earlier_outputs(project: Scratch) -> None:
    run(project)
    before = project.read("data/middle/de")
    project.events()
    project.change("in.txt", "new\n")
    project.change("other.txt", "new\n")
    project.rules(middle_de="exit 2")
    error = failures_of(project)
    assert list(error.failures) == ["middle@de"]
    assert str(error) == ("middle@de: middle@de does not like it\nand says why\nnot started, since they need it: last")
    assert error.bad_input
    assert sorted(project.started()) == ["first", "lone", "middle@de", "middle@es"]  # bad input: not tried again
    assert project.read("data/middle/de") == before
    project.rules()
    run(project)
    assert sorted(project.started()) == ["last", "middle@de"]


class Recorded:
    """What the flow has recorded."""

    environment: ClassVar[dict[str, str]] = {"SAID_BY": "the flow"}
    wanted = False

    def __init__(self) -> None:
        self.links: dict[str, dict[str, str]] = {}
        self.tables: dict[str, list[dict[str, Any]]] = {}
        self.numbers: dict[str, float] = {}
        self.error: BaseException | None = None

    @contextmanager
    def __call__(
        self, root: Path, params: Params, name: str, parent: str | None, tags: dict[str, str]
    ) -> Iterator["Recorded"]:
        assert tags["prefect_run"] and tags["prefect_run_name"].startswith("everything, 20")
        try:
            yield self
        except PipelineFailedError as error:
            self.error = error
            raise

    def end_earlier(self, tags: dict[str, str]) -> None:
        assert tags["flow"] == "pipeline" and tags["workspace"]

    def link(self, stage: str, outputs: dict[str, str]) -> None:
        self.links[stage] = outputs

    def table(self, name: str, rows: list[dict[str, Any]]) -> None:
        self.tables[name] = rows

    def metrics(self, values: dict[str, float]) -> None:
        self.numbers |= values


def test_the_flow_records_what_made_its_results(project: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    record = Recorded()
    monkeypatch.setattr(flow_module, "recorded_flow", record)
    folder = project.root / "data/evaluation/de"
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text('{"student": {"accuracy": {"value": 0.8, "low": 0.7, "high": 0.9}}}')
    (folder / "speed.json").write_text("{}")
    project.rules(lone="say SAID_BY")
    run(project)
    assert project.events().count("the flow") == 1
    assert record.links == locked_outputs(project.root) and record.links.keys() == ALL
    assert record.tables["results.json"][0]["accuracy"] == record.numbers["de/accuracy"] == 0.8
    record.links.clear()
    run(project)  # all fresh
    assert record.links.keys() == ALL
    assert record.error is None
    project.change("in.txt", "new\n")
    project.rules(first="exit 2")
    failures_of(project)
    assert record.error is not None


def test_a_killed_stage_is_tried_again(project: Scratch) -> None:
    project.rules(lone="killed once")
    run(project)
    assert project.started().count("lone") == 2


def test_a_stage_that_is_killed_each_time_fails_in_the_end(project: Scratch) -> None:
    project.rules(lone="killed", middle_de="exit 1")
    error = failures_of(project)
    assert set(error.failures) == {"lone", "middle@de"}
    assert "killed by signal 9" in str(error.failures["lone"])
    assert not error.bad_input
    started = project.started()
    assert started.count("lone") == started.count("middle@de") == 2
    assert "last" not in started


def test_output_stands_in_the_log_line_by_line(project: Scratch) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.sorting import FlowRunSort, LogSort

    from flows.server import send_off

    pipeline(str(project.root), ["lone"])
    send_off()
    with get_client(sync_client=True) as client:
        newest = client.read_flow_runs(sort=FlowRunSort.START_TIME_DESC, limit=1)[0]
        from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId

        chosen = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[newest.id]))
        lines = [log.message for log in client.read_logs(log_filter=chosen, sort=LogSort.TIMESTAMP_ASC)]
    assert "lone reads ['other.txt']" in lines
    assert "lone warns" in lines


def test_wrong_names_and_numbers_are_refused_before_anything_runs(project: Scratch) -> None:
    with pytest.raises(BadInputError, match=r"no stage student@xx in dvc\.yaml; there are: first, middle@de"):
        pipeline(str(project.root), ["student@xx"])
    before = project.read("params.yaml")
    for change, message in (
        ({"student.temprature": 3}, r"student\.temprature: no such key in params\.yaml"),
        ({"student": {"temperature": "; touch x"}}, r"params\.yaml: student\.temperature: .*given '; touch x'"),
        ({"targets": ["$(touch x)"]}, r"targets\.0: a language code such as de"),
    ):
        with pytest.raises(BadInputError, match=message):
            pipeline(str(project.root), change=change)
        assert project.read("params.yaml") == before
    with pytest.raises(BadInputError, match="no stage student@xx"):
        pipeline(str(project.root), ["student@xx"], {"student.temperature": 3.0})
    assert project.read("params.yaml") == before
    project.change("dvc.yaml", project.read("dvc.yaml").replace("deps:", "dips:"))
    with pytest.raises(BadInputError, match="dips"):
        run(project)
    project.change("params.yaml", "seed: one\n")
    with pytest.raises(BadInputError, match="seed"):
        run(project)
    assert project.events() == []


def test_what_a_run_changes_in_params_stays_there_and_reruns_what_depends_on_it(project: Scratch) -> None:
    run(project)
    (project.root / "events.txt").unlink()
    before = project.read("params.yaml")
    pipeline(str(project.root), change={"student.temperature": 3.0})
    assert project.read("params.yaml") == before.replace("temperature: 2.0 ", "temperature: 3.0 ", 1) != before
    assert {line for line in project.events() if line.startswith("start")} == {
        "start middle@de", "start middle@es",
    }  # fmt: skip


def living(project: Scratch) -> list[str]:
    """Return the processes that have to do with the project."""
    recorded = project.root / "pids.txt"
    pids = {int(pid) for pid in recorded.read_text().split()} if recorded.exists() else set()
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            if process.status() == psutil.STATUS_ZOMBIE or process.pid == os.getpid():
                continue
        except psutil.Error:
            continue
        if process.pid in pids or any(str(project.root) in word for word in words):
            found.append(" ".join(words))
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_when_the_flow_is_ended(project: Scratch, prefect_api: str, number: signal.Signals) -> None:
    run(project)
    before = project.read("data/lone")
    project.change("other.txt", "new\n")
    project.rules(lone="hang")
    flow = project.flow(
        environment={"PREFECT_API_URL": prefect_api}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        assert until((project.root / "pids.txt").exists)
        assert len(living(project)) >= 4  # the flow, DVC, the stage and its child
        flow.send_signal(number)
        assert flow.wait(timeout=60) != 0
        assert until(lambda: not living(project)), living(project)
    finally:
        flow.kill()
        flow.wait()
    if number != signal.SIGKILL:
        assert project.read("data/lone") == before


def test_the_flow_leaves_no_servers_of_its_own_when_it_is_killed(project: Scratch) -> None:
    project.rules(lone="hang")
    command = [sys.executable, "-c", "from flows.cli import main; main()", "run", "--root", str(project.root), "lone"]
    variables = {name: value for name, value in os.environ.items() if name != SHARED}
    program = subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert until((project.root / "pids.txt").exists, 120)
        children = psutil.Process(program.pid).children(recursive=True)
        kinds = ("uvicorn", str(Path(loaded_python.__file__)))
        servers = [child for child in children if any(kind in child.cmdline() for kind in kinds)]
        assert len(servers) >= 2, "Prefect's, and the Python that stages are forked from"
    finally:
        program.kill()
        program.wait()
    assert until(lambda: not living(project)), living(project)
    assert until(lambda: not any(server.is_running() and server.status() != psutil.STATUS_ZOMBIE for server in servers))


def test_a_second_flow_in_the_same_folder_is_refused_with_who_runs_there(project: Scratch) -> None:
    project.rules(lone="meet over")
    with project.flow() as first:
        assert until(
            lambda: (
                "start lone" in (project.root / "events.txt").read_text()
                if (project.root / "events.txt").exists()
                else False
            )
        )
        with pytest.raises(
            BadInputError, match=rf"another flow runs in this folder \(process {first.pid} on .*, since 20"
        ):
            run(project)
        with (project.root / "events.txt").open("a") as events:
            events.write("start over\n")
        assert first.wait(120) == 0
    run(project)


def test_a_stage_that_another_dvc_is_at_is_told_apart_from_what_is_wrong(project: Scratch) -> None:
    project.dvc("repro", "first", "middle@de")
    written = {str(project.root / "data/middle/de"): {"pid": os.getpid(), "cmd": "dvc repro middle@de"}}
    project.change(".dvc/tmp/rwlock", json.dumps({"write": written, "read": {}}))
    with pytest.raises(BusyError, match="busy, it is being blocked by"):
        stale(project.root, "middle@de")
    assert stale(project.root, "first") == {}
