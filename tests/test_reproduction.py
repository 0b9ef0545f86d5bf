"""A recorded run is made again from its commit, its params and its inputs, and its bytes are compared."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kdmodels.errors import BadInputError
from tasks import tracking
from tasks.guard import Processes
from tasks.lineage import output_tag
from tasks.recording import recorded_flow, run_that_made
from tasks.reproduction import reproduce
from tasks.sections import Params
from tasks.stage import locked_outputs
from tests.recording_project import make, runs, write
from tests.tiny_project import TinyProject


def call(project: TinyProject, *words: str) -> Any:
    from flows.cli import app

    return CliRunner().invoke(app, ["reproduce", *words, "--root", str(project.root)])


def recorded(project: TinyProject, stage: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have a stage run once more, recorded; return its run's id."""
    with monkeypatch.context() as patch:
        patch.setenv("DISTILINGUA_RECORDING", "on")
        project.dvc("repro", "--force", "--single-item", stage)
    return run_that_made(project.root, stage, locked_outputs(project.root)[stage])


def test_a_students_run_gives_the_same_bytes_again_whatever_the_project_is_like_now(
    copy: TinyProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = recorded(copy, "student@de", monkeypatch)
    copy.set(student={"epochs": 3}, seed=7)
    (copy.root / "data/student/de/metrics.json").write_text("spoiled")
    told = call(copy, run, "--into", str(tmp_path / "again"))
    assert told.exit_code == 0, told.output
    assert "data/student/de/model: equal" in told.output and "differs" not in told.output
    assert (tmp_path / "again/data/student/de/model/model.safetensors").is_file()
    there = call(copy, run, "--into", str(tmp_path / "again"))
    assert there.exit_code == 2 and "there is something already" in there.output


def test_other_bytes_are_shown_and_what_is_not_in_the_cache_is_named(
    copy: TinyProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = recorded(copy, "tokens@de", monkeypatch)
    tracking.reader(copy.root).set_tag(run, output_tag("data/tokens/de"), "0" * 32 + ".dir")
    told = call(copy, run, "--all", "--into", str(tmp_path / "again"))
    assert told.exit_code == 1
    assert f"data/tokens/de: differs: {'0' * 32}.dir, now " in told.output
    assert f"The clone is in {tmp_path / 'again'}" in told.output
    shutil.rmtree(copy.root / ".dvc/cache")
    told = call(copy, run)
    assert told.exit_code != 0 and "what tokens@de read is not in this project's cache" in told.output


def test_what_cannot_be_made_again_is_refused_with_the_reason(
    client: Any, project: Path, params: Params, tmp_path: Path
) -> None:
    def refused(run: str, message: str) -> None:
        with pytest.raises(BadInputError, match=message):
            reproduce(project, run, tmp_path / "again", print, Processes(), upstream=False)
        assert not (tmp_path / "again").exists()

    refused("x' or 1=1", r"no run of this id is recorded")
    make("corpus", {}, "data/corpus/de", params)
    refused(runs(client)["corpus@de"].info.run_id, "made outside git")
    with recorded_flow(Path(), params, "pipeline") as flow:
        assert flow.id
    refused(flow.id, "is of 'pipeline', which is no stage")
    for command in (["init", "-q"], ["commit", "-qm", "m", "--allow-empty"]):
        subprocess.run(["git", *command], check=True)
    write("tasks/corpus.py", "edited")
    make("corpus", {}, "data/corpus/de", params)
    refused(runs(client)["corpus@de"].info.run_id, "ran on code with edits, which are in no commit")
