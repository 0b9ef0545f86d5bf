"""What a person sees of a run on Prefect's pages and of a student on MLflow's, in a real browser.

`pytest -m slow tests/test_pages.py --pictures pictures` keeps the pictures that the README shows.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from flows.server import answers, free_port
from tests import browser
from tests.browser import Page
from tests.recording_project import client_of, runs
from tests.team import MAIN, Server, Team, until, workers
from tests.tiny_project import make

STAGES = ["sources", "labelled", "corpus@de", "encoder", "tokens@de", "teacher", "student@de", "evaluation@de"]
LINEAGE = ["├─ labelled", "├─ soft_labels@de", "└─ teacher", "corpus.first: data/sample/parallel.en-de.tsv  CC0-1.0"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not browser.PROGRAM.exists(), reason="Chromium is not installed: apt install chromium"),
]


class Shown(NamedTuple):
    """A project that workers have brought up to date, and where its pages are."""

    team: Team
    run: Any
    mlflow: str


@pytest.fixture(scope="module")
def shown(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    folder = tmp_path_factory.mktemp("shown")
    team = Team(make(folder).root, server, folder, recording="on")
    team.call("deploy")
    with workers(team, "cpu", "gpu"):
        run = team.trigger()
        assert until(lambda: team.state(run) in {"Completed", "Failed", "Crashed"}, 1800)
        assert team.state(run) == "Completed", team.log(run)
        assert until(lambda: any("is champion" in line for line in team.log(run))), (
            "its last lines come after its state"
        )
    port = str(free_port())
    command = [*MAIN, "ui", "--port", port, "--root", str(team.root)]
    with (folder / "ui.log").open("w") as log, subprocess.Popen(command, env=team.environment, stdout=log) as pages:
        address = f"http://127.0.0.1:{port}"
        try:
            assert answers(address, 120, lambda: pages.poll() is None)
            yield Shown(team, run, address)
        finally:
            pages.terminate()


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    with browser.browser(tmp_path / "browser") as one:
        yield one


@pytest.fixture
def pictures(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    chosen = request.config.getoption("--pictures")
    return Path(chosen) if chosen else tmp_path


def test_prefects_page_of_a_run_names_its_stages_pools_results_and_lines(
    shown: Shown, page: Page, pictures: Path
) -> None:
    page.open(f"{shown.team.server.address.removesuffix('/api')}/runs/flow-run/{shown.run}")
    assert page.shows("everything, 20", "Completed", "scheduled", "cpu", "Running stage 'sources'"), page.text()
    page.picture(pictures / "prefect-run.png", left=250)
    lines = ("sent to the pool gpu", "Running stage 'student@de'", "agreement", "distilingua-de version 1 is champion")
    assert page.shows_below(*STAGES, *lines), page.text()
    page.click("Task Runs")
    assert page.shows("evaluation@de", "joint@de"), page.text()
    page.click("Subflow Runs")
    assert page.shows("student@de", "Work Pool\ngpu"), page.text()
    page.click("Artifacts")
    assert page.shows("results", "Students beside their teacher"), page.text()
    page.click("results")
    assert page.shows("language", "accuracy", "times the teacher's speed", "1 Item"), page.text()


def test_mlflows_page_of_a_student_tells_its_aliases_and_what_it_was_made_from(
    shown: Shown, page: Page, pictures: Path
) -> None:
    page.open(f"{shown.mlflow}/#/models/distilingua-de/versions/1")
    assert page.shows("Version 1", "@ candidate", "@ champion", "student@de", *LINEAGE), page.text()
    assert page.shows("promotion", "the first of its name", "test.accuracy"), page.text()
    page.click("Close")  # MLflow's assistant, which opens by itself the first time
    page.picture(pictures / "mlflow-model.png", left=195)


def test_mlflows_page_of_a_run_tells_its_parent_numbers_and_data_and_what_it_was_made_from(
    shown: Shown, page: Page, pictures: Path
) -> None:
    run = runs(client_of(shown.mlflow))["student@de"].info
    page.open(f"{shown.mlflow}/#/experiments/{run.experiment_id}/runs/{run.run_id}")
    assert page.shows("student@de", "Finished", "Parent run\npipeline", "What it was made from", *LINEAGE), page.text()
    assert page.shows("held_out/agreement", "tokens/de", "student.temperature", "git_commit"), page.text()
    page.click("Close")  # MLflow's assistant, which opens by itself the first time
    page.picture(pictures / "mlflow-run.png", left=195)
