"""Stages of another pool run on its worker: in the same folder, or in a clone whose result comes home through DVC."""

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import typer

from flows import remote
from flows.deploying import AUTOMATION, deploy
from flows.pipeline import pipeline
from flows.prefect_api import check_pool, connected
from kdmodels.errors import BadInputError, DamagedError
from tasks import pools, request, sharing
from tasks.config import read_yaml
from tasks.guard import Closed, Processes
from tasks.section_types import Data
from tasks.stage import locked_outputs
from tests.scratch import Scratch, initialised

ROOT = Path(__file__).parents[1]
MIDDLE = {"middle@de", "middle@es"}
OTHERS = {"first", "last", "lone"}


@pytest.fixture(scope="module")
def deployed(prefect_api: str) -> str:
    """Have the pools and deployments on the tests' server."""
    deploy(Path(), debug=True)
    return prefect_api


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deployed: str) -> Scratch:
    """A project on a machine that serves the pool cpu alone."""
    monkeypatch.setenv("DISTILINGUA_RECORDING", "off")
    monkeypatch.setenv(pools.SERVED, "cpu")
    (tmp_path / "home").mkdir()
    return Scratch(tmp_path / "home")


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A project's files, to be spoiled."""
    for name in ("params.yaml", "dvc.yaml", "prefect.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(initialised(), tmp_path, dirs_exist_ok=True)
    return tmp_path


@contextmanager
def worker(root: Path, address: str, log: Path) -> Iterator[subprocess.Popen[str]]:
    """Have a worker of the pool gpu in a folder."""
    command = [
        sys.executable,
        "-c",
        "from flows.cli import main; main()",
        "worker",
        "--pool",
        "gpu",
        "--root",
        str(root),
    ]
    variables = {**os.environ, "PREFECT_API_URL": address}
    variables.pop(pools.SERVED, None)
    with log.open("w") as out:
        process = subprocess.Popen(command, env=variables, stdout=out, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)
        with connected() as client:  # the tests' server has no service that finds out who is gone
            for one in client.read_workers_for_work_pool("gpu"):
                route = "/work_pools/{work_pool_name}/workers/{name}"
                client.request("DELETE", route, path_params={"work_pool_name": "gpu", "name": one.name})


def with_remote(home: Scratch, folder: Path) -> Path:
    """Give a project a remote, and return a clone of it."""
    home.change("params.yaml", home.read("params.yaml").replace("data: workspace ", "data: remote "))
    home.dvc("remote", "add", "--default", "shared", str(folder / "remote"))
    home.change(".gitignore", "/data/\n/events.txt\n/pids.txt\n")
    git(home.root, "add", "--all")
    git(home.root, "commit", "--quiet", "--message", "start")
    git(folder, "clone", "--quiet", str(home.root), "clone")
    return folder / "clone"


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=folder, check=True)


def events(root: Path) -> set[str]:
    path = root / "events.txt"
    lines = path.read_text(encoding="utf-8").split("\n") if path.exists() else []
    return {line.removeprefix("end ") for line in lines if line.startswith("end ")}


def test_the_stages_of_another_pool_run_in_its_workers_clone_and_come_home_as_a_local_run_makes_them(
    home: Scratch, tmp_path: Path, deployed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = with_remote(home, tmp_path)
    with worker(clone, deployed, tmp_path / "worker.log"):
        pipeline(str(home.root))
        assert events(home.root) == OTHERS
        assert events(clone) == MIDDLE
        before = locked_outputs(home.root)
        (home.root / "events.txt").unlink()
        home.change("params.yaml", home.read("params.yaml").replace("temperature: 2.0", "temperature: 3.0"))
        home.change("in.txt", "new\n")
        pipeline(str(home.root))
        assert locked_outputs(home.root) != before
        (home.root / "data/first").unlink()
        (clone / "events.txt").unlink()
        pipeline(str(home.root))
        assert events(clone) == set(), "what comes before them is made again, the same: they are not sent"
    monkeypatch.delenv(pools.SERVED)
    shutil.copytree(home.root, tmp_path / "local")
    for name in ("data", "dvc.lock", ".dvc/cache"):
        path = tmp_path / "local" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    pipeline(str(tmp_path / "local"))
    assert read_yaml(tmp_path / "local/dvc.lock") == read_yaml(home.root / "dvc.lock")
    assert (home.root / "data/last").read_text() == "lastmiddle@defirstnew\nmiddle@esfirstnew\n"


def test_in_a_shared_folder_nothing_travels(home: Scratch, tmp_path: Path, deployed: str) -> None:
    with worker(home.root, deployed, tmp_path / "worker.log"):
        pipeline(str(home.root))
    assert events(home.root) == MIDDLE | OTHERS
    assert (home.root / "data/last").exists()


def on_a_worker(root: Path, asked: request.Request, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a stage as a worker of a folder does, and return the state it ends in."""
    monkeypatch.setenv(pools.ROOT, str(root))
    monkeypatch.setenv(pools.SERVED, "gpu")
    return remote.stage(asked.stage, asked, return_state=True)


def unset_remote(clone: Path) -> None:
    subprocess.run([sys.executable, "-m", "dvc", "--cd", str(clone), "config", "--unset", "core.remote"], check=True)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda clone: (clone / "dvc.yaml").write_text((clone / "dvc.yaml").read_text() + "# edited\n"),
         r"the code of this worker .* is not the flow's: both are at commit \w+, so one has edits"),
        (unset_remote, "there is no default DVC remote, and clones share data through one"),
        (lambda clone: (clone / "rules.json").write_text('{"middle@de": "exit 2"}'), "middle@de does not like it"),
    ],
    ids=["edited code", "no remote", "bad input"],
)  # fmt: skip
def test_what_a_worker_refuses_need_not_be_tried_again(
    home: Scratch, tmp_path: Path, spoil: Callable[[Path], object], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = with_remote(home, tmp_path)
    home.dvc("repro", "first")
    sharing.push(home.root, ["first"], run_cache=False)
    spoil(clone)
    state = on_a_worker(clone, asked_by(home), monkeypatch)
    assert state.is_failed() and state.name == remote.BAD_INPUT
    assert re.search(message, state.message)
    assert events(clone) == set()


def test_what_fails_on_a_worker_may_be_tried_again(
    home: Scratch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = with_remote(home, tmp_path)
    home.dvc("repro", "first")
    state = on_a_worker(clone, asked_by(home), monkeypatch)
    assert state.is_failed() and state.name == "Failed"
    assert re.search("dvc pull first: .*Check the remote, and that both clones use the same", state.message)
    sharing.push(home.root, ["first"], run_cache=False)
    (clone / "rules.json").write_text('{"middle@de": "killed once"}')
    assert re.search("killed by signal 9", on_a_worker(clone, asked_by(home), monkeypatch).message)
    assert on_a_worker(clone, asked_by(home), monkeypatch).is_completed()


def test_a_worker_of_another_folder_is_refused_where_all_share_one(
    home: Scratch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = with_remote(home, tmp_path)
    state = on_a_worker(clone, asked_by(home, "workspace"), monkeypatch)
    assert state.name == remote.BAD_INPUT
    assert re.search(r"the flow runs in another folder.*pipeline\.data: workspace", state.message)
    monkeypatch.delenv(pools.ROOT)
    state = remote.stage("middle@de", asked_by(home), return_state=True)
    assert "DISTILINGUA_ROOT is not set: start the worker with distilingua worker" in state.message


def asked_by(home: Scratch, data: Data = "remote") -> request.Request:
    return request.request(home.root, "middle@de", {}, force=False, data=data)


def test_a_secret_does_not_travel(home: Scratch) -> None:
    path = home.root / "params.yaml"
    path.write_text(
        path.read_text(encoding="utf-8") + "# https://me:verysecret@data.example/pairs.tsv\n", encoding="utf-8"
    )
    with pytest.raises(BadInputError, match=r"params\.yaml: holds a secret") as refused:
        asked_by(home)
    assert "verysecret" not in str(refused.value)


def test_a_result_that_was_not_pushed_is_an_error_and_never_a_second_training(home: Scratch, tmp_path: Path) -> None:
    with_remote(home, tmp_path)
    home.dvc("repro", "first")
    with pytest.raises(DamagedError, match=r"middle@de: another machine has run it, and its result did not come home"):
        sharing.bring_home(home.root, "middle@de", {}, lambda _: None, Processes())
    assert events(home.root) == {"first"}


def test_a_remote_that_cannot_be_written_is_an_error(home: Scratch, tmp_path: Path) -> None:
    with_remote(home, tmp_path)
    home.dvc("repro", "first")
    shutil.rmtree(tmp_path / "remote", ignore_errors=True)
    (tmp_path / "remote").write_text("a file stands in its place")
    with pytest.raises(DamagedError, match=r"dvc push first: .*Check the remote: its place, rights, and space"):
        sharing.push(home.root, ["first"], run_cache=False)
    shutil.rmtree(home.root / ".dvc/cache")
    shutil.rmtree(home.root / "data")
    with pytest.raises(DamagedError, match=r"dvc pull first: .*Check the remote"):
        sharing.pull(home.root, ["first"])


def test_code_is_compared_by_content_and_not_by_its_place(home: Scratch, tmp_path: Path) -> None:
    clone = with_remote(home, tmp_path)
    asked = request.request(home.root, "middle@de", {"A": "b"}, force=False, data="remote")
    request.check_code(clone, asked)
    with pytest.raises(BadInputError, match="the flow runs in another folder"):
        request.check_workspace(clone, asked)
    request.check_workspace(home.root, asked)
    (clone / "params.yaml").write_text("other: 1\n")
    with request.taken_over(clone, asked):
        assert (clone / "params.yaml").read_text() == home.read("params.yaml")
    assert asked.model_validate(asked.model_dump(mode="json")) == asked
    with pytest.raises(ValueError, match="extra"):
        request.Request.model_validate({**asked.model_dump(), "shell": "$(x)"})


def test_clones_that_share_what_outlasts_outputs_do_not_wait_for_each_other(
    home: Scratch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = with_remote(home, tmp_path)
    git(tmp_path, "clone", "--quiet", str(home.root), "two")
    monkeypatch.setenv("DISTILINGUA_HOME", str(tmp_path / "kept"))
    asked, both = asked_by(home), threading.Event()

    def take() -> None:
        with request.taken_over(tmp_path / "two", asked):
            both.set()

    with request.taken_over(one, asked):
        threading.Thread(target=take, daemon=True).start()
        assert both.wait(60)


def test_no_worker_on_a_pool_is_said_with_the_command_that_starts_one(
    home: Scratch, deployed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(remote, "_PATIENCE", 0.1)
    said: list[str] = []
    processes = Processes()

    def tell(text: str) -> None:
        said.append(text)
        if "no worker" in text:
            processes.close()

    with pytest.raises(Closed):
        remote.run_elsewhere("gpu", asked_by(home), tell, processes)
    assert said[0] == "sent to the pool gpu"
    assert "no worker serves the pool gpu. To start one, where its machine is: distilingua worker --pool gpu" in said


def test_a_stage_is_sent_once_also_where_the_server_answers_too_late(
    home: Scratch, deployed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import httpx
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName

    send, late = httpx.Client.send, [True]

    def slow(client: httpx.Client, asked: httpx.Request, *words: Any, **named: Any) -> httpx.Response:
        answer = send(client, asked, *words, **named)
        if asked.url.path.endswith("/create_flow_run") and late and late.pop():
            raise httpx.ReadTimeout("the server has the run, and its answer does not come")
        return answer

    processes = Processes()
    with monkeypatch.context() as patch, pytest.raises(Closed):
        patch.setattr(httpx.Client, "send", slow)
        one = asked_by(home).model_copy(update={"stage": "late@de"})
        remote.run_elsewhere("gpu", one, lambda _: processes.close(), processes)
    assert not late
    with connected() as client:
        found = client.read_flow_runs(flow_run_filter=FlowRunFilter(name=FlowRunFilterName(any_=["late@de"])))
    assert len(found) == 1


def test_a_pool_that_the_server_does_not_know_is_named(home: Scratch) -> None:
    asked = asked_by(home)
    with pytest.raises(BadInputError, match=r"the pool 'tpu', and the Prefect server knows none.*distilingua deploy"):
        remote.run_elsewhere("tpu", asked, lambda _: None, Processes())


def test_deploying_again_changes_nothing(deployed: str, capsys: pytest.CaptureFixture[str]) -> None:
    def there() -> Any:
        with connected() as client:
            pools_there = [(pool.name, pool.type, pool.concurrency_limit, pool.id) for pool in client.read_work_pools()]
            found = [
                (one.name, one.id, one.entrypoint, [s.id for s in one.schedules]) for one in client.read_deployments()
            ]
            automations = [one.id for one in client.read_automations_by_name(AUTOMATION)]
        return sorted(pools_there), sorted(found), automations

    before = there()
    deploy(Path(), debug=True)
    assert there() == before
    said = capsys.readouterr().out
    assert "pool gpu: there already, of type process" in said
    assert f"automation {AUTOMATION!r}: there already" in said
    assert "deployment scheduled: 30 2 * * * Europe/Berlin (paused)" in said
    with pytest.raises(BadInputError, match=r"--pool 'tpu': the Prefect server has no such pool; it has cpu, gpu"):
        check_pool("tpu")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("cron: 30 2 * * *", "cron: every night", r"prefect deploy refuses it:(.|\n)*[cC]ron"),
        ("work_pool: {name: gpu}", "work_pool: {name: tpu}", r"refuses it:(.|\n)*'tpu' which does not exist"),
    ],
)
def test_what_prefect_refuses_of_a_deployment_is_shown(
    copied: Path, deployed: str, capsys: pytest.CaptureFixture[str], old: str, new: str, message: str
) -> None:
    path = copied / "prefect.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(typer.Exit):
        deploy(copied, debug=False)
    assert re.search(message, capsys.readouterr().err)


def test_a_pool_of_dvc_yaml_that_params_do_not_name_is_refused(
    copied: Path, deployed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = copied / "params.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("{cpu: none, gpu: none}", "{cpu: none}"), encoding="utf-8")
    with pytest.raises(typer.Exit):
        deploy(copied, debug=False)
    assert "stages of the pool 'gpu', which is not in params.yaml: pipeline.pools" in capsys.readouterr().err


def test_a_server_that_is_not_named_does_not_answer_or_is_of_another_version_is_told(
    deployed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    with temporary_settings({PREFECT_API_URL: None}), pytest.raises(BadInputError, match="no Prefect server is named"):
        check_pool("gpu")
    nowhere = {PREFECT_API_URL: "http://127.0.0.1:9/api", PREFECT_CLIENT_MAX_RETRIES: 0}
    with (
        temporary_settings(nowhere),
        pytest.raises(BadInputError, match=r"127\.0\.0\.1:9/api: the Prefect server does not answer"),
    ):
        check_pool("gpu")
    monkeypatch.setattr("prefect.__version__", "3.0.0")
    with pytest.raises(BadInputError, match=r"the Prefect server is of version .*, this environment of 3\.0\.0"):
        check_pool("gpu")


def test_parameters_of_other_types_or_names_start_nothing(deployed: str) -> None:
    from prefect.exceptions import PrefectHTTPStatusError

    with connected() as client:
        found = client.read_deployment_by_name("pipeline/scheduled")
        for parameters in ({"stages": "student@de; touch x"}, {"stages": {"a": 1}}, {"stage": ["student@de"]}):
            with pytest.raises(PrefectHTTPStatusError, match=r"4\d\d"):
                client.create_flow_run_from_deployment(found.id, parameters=parameters)
