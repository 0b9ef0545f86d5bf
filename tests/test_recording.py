"""Each computation is an MLflow run with its numbers, data and versions, below that of its flow."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from kdmodels.errors import BadInputError
from kdmodels.provenance import Found
from tasks import tracking
from tasks.hashes import dvc_md5
from tasks.recording import recorded, recorded_flow
from tasks.sections import Params
from tests.recording_project import make, runs, write


def test_a_stage_is_a_run_with_its_numbers_data_and_versions(client: Any, project: Path, params: Params) -> None:
    for command in (["init", "-q"], ["-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "m", "--allow-empty"]):
        subprocess.run(["git", *command], check=True)
    write("dvc.lock", "schema: '2.0'\n")
    tokens = write("data/tokens/de/tokens.parquet")
    with recorded("student", {"tokens": tokens.parent}, Path("data/student/de"), params) as record:
        for step in range(1200):
            record.metrics({"loss": 1 / (step + 1), "eval@odd": step % 2}, step)
        record.artifact(write("data/student/de/report.md"))
        pictures = write("data/student/de/pictures/one.txt").parent
        record.artifact(pictures)
        record.output(Path("data/student/de"))
    run = runs(client)["student@de"]
    assert run.info.status == "FINISHED"
    assert run.data.params["student.temperature"] == json.dumps(params.student.temperature)
    assert run.data.params["student.options.layers"] == json.dumps(params.student.options["layers"])
    assert run.data.params.keys() >= {"seed", "threads", "source"}
    assert not any(name.startswith("teacher.") for name in run.data.params)
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [(metric.step, metric.value) for metric in history] == [(step, 1 / (step + 1)) for step in range(1200)]
    assert "eval-odd" in run.data.metrics
    tags = run.data.tags
    head = subprocess.run(["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    assert (tags["stage"], tags["language"], tags["git_commit"]) == ("student", "de", head)
    assert tags["code_dirty"] == "false", "data and dvc.lock are no code"
    assert re.fullmatch("[0-9a-f]{64}", tags["dvc_lock"])
    assert tags["output.data/student/de/report.md"] == dvc_md5(Path("data/student/de/report.md"))
    assert tags["output.data/student/de"] == dvc_md5(Path("data/student/de"))
    read = run.inputs.dataset_inputs[0]
    assert (read.dataset.name, read.dataset.digest) == ("tokens/de", dvc_md5(tokens.parent))
    assert read.tags[0].value == "tokens"
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["pictures", "report.md", "state"]
    kept = {Path(file.path).name for file in client.list_artifacts(run.info.run_id, "state")}
    assert kept == {"dvc.lock"}, "of the small files that it started from, those there are"
    assert run.info.artifact_uri.startswith((project / ".distilingua" / "mlartifacts").as_uri())
    write("tasks/student.py", "changed")
    make("labelled", {}, "data/labelled", params)
    assert runs(client)["labelled"].data.tags["code_dirty"] == "true"


def test_text_from_outside_is_recorded_with_its_address_licence_and_hash(client: Any, params: Params) -> None:
    found = [
        Found(Path("x"), "https://example.org/a.gz", "a.gz", "ab" * 32, 7, "CC0-1.0", "2026-11-25", "v8"),
        Found(Path("data/sample/a.tsv"), "data/sample/a.tsv", "a.tsv", "cd" * 32, 7, None, None, None),
    ]
    with recorded("corpus", {}, Path("data/corpus/de"), params) as record:
        record.sources([("corpus.first", found[0]), ("corpus.second", found[1])])
        write("data/corpus/de/pairs.parquet")
    far, near = runs(client)["corpus@de"].inputs.dataset_inputs
    assert (far.dataset.name, far.dataset.digest) == ("a.gz", "ab" * 16)
    assert json.loads(far.dataset.source)["url"] == "https://example.org/a.gz"
    tags = {tag.key: tag.value for tag in far.tags}
    assert tags["mlflow.data.context"] == "corpus.first"
    assert (tags["licence"], tags["sha256"], tags["fetched"], tags["revision"]) == (
        "CC0-1.0", "ab" * 32, "2026-11-25", "v8",
    )  # fmt: skip
    assert {tag.key: tag.value for tag in near.tags}["licence"] == "not stated"


def test_a_failing_stage_fails_as_it_would_and_its_run_says_why(client: Any, params: Params) -> None:
    error = BadInputError("data/x.tsv:7: from https://me:hunter2@127.0.0.1/x")
    with pytest.raises(BadInputError) as raised, recorded("corpus", {}, Path("data/corpus/de"), params):
        raise error
    assert raised.value is error
    run = runs(client)["corpus@de"]
    assert run.info.status == "FAILED"
    assert run.data.tags["error"].startswith("BadInputError: data/x.tsv:7")
    assert "hunter2" not in run.data.tags["error"]
    with pytest.raises(KeyboardInterrupt), recorded("corpus", {}, Path("data/corpus/es"), params):
        raise KeyboardInterrupt
    assert runs(client)["corpus@es"].info.status == "KILLED"


def test_a_flow_may_stand_below_another_with_its_stages_below_it(
    client: Any, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    with recorded_flow(Path(), params, "feedback") as whole:
        assert whole.id
        for number in range(2):
            with recorded_flow(Path(), params, f"round {number}", whole.id) as one, monkeypatch.context() as patch:
                for name, value in one.environment.items():
                    patch.setenv(name, value)
                make("corpus", {}, f"data/corpus/{'de' if number else 'es'}", params, "text")
                one.metrics({"agreement": 0.5 + number})
    found = runs(client)
    above = {name: run.data.tags.get("mlflow.parentRunId") for name, run in found.items()}
    ids = {name: run.info.run_id for name, run in found.items()}
    assert above["feedback"] is None
    assert above["round 0"] == above["round 1"] == ids["feedback"]
    assert (above["corpus@es"], above["corpus@de"]) == (ids["round 0"], ids["round 1"])
    assert {run.info.status for run in found.values()} == {"FINISHED"}


def test_a_flow_has_its_stages_below_it_and_links_what_was_made_earlier(
    client: Any, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    make("corpus", {}, "data/corpus/de", params, "the same")
    earlier = runs(client)["corpus@de"].info.run_id
    with recorded_flow(Path(), params, "pipeline") as flow:
        with monkeypatch.context() as patch:
            for name, value in flow.environment.items():
                patch.setenv(name, value)
            make("corpus", {}, "data/corpus/es", params, "another")
            killed = tracking.Run(Path(), params.recording.experiment)
            killed.start("student@de", {}, {})
        outputs = {"data/corpus/de/made.txt": dvc_md5(Path("data/corpus/de/made.txt"))}
        assert flow.link("corpus@de", outputs) == earlier
        assert flow.link("corpus@es", {"data/corpus/es": dvc_md5(Path("data/corpus/es"))}) is not None
        assert flow.link("corpus@zh", {"data/corpus/zh/made.txt": "0" * 32}) is None
        assert flow.link("corpus@de", {**outputs, "data/corpus/de": "0" * 32 + ".dir"}) is None, "exactly this"
        flow.metrics({"stages_run": 1})
        flow.table("results", [{"language": "de", "accuracy": 0.5}, {"language": "es", "accuracy": 0.25}])
        flow.artifact(write("notes.txt"))
    found = runs(client)
    pipeline = found["pipeline"]
    assert found["corpus@es"].data.tags["mlflow.parentRunId"] == pipeline.info.run_id
    assert "mlflow.parentRunId" not in found["corpus@de"].data.tags
    assert pipeline.data.tags["result.corpus-de"] == earlier
    assert pipeline.data.tags["result.corpus-es"] == found["corpus@es"].info.run_id
    assert pipeline.data.metrics == {"stages_run": 1}
    assert pipeline.data.params["student.epochs"] == str(params.student.epochs)
    assert found["student@de"].info.status == "KILLED", "a run whose process was killed does not stay open"
    listed = Path(client.download_artifacts(pipeline.info.run_id, "stages.md")).read_text(encoding="utf-8")
    assert f"| corpus@de | made earlier | {earlier} |" in listed
    assert "| corpus@es | ran now |" in listed
    assert "| corpus@zh | not recorded |" in listed
    table = json.loads(Path(client.download_artifacts(pipeline.info.run_id, "results.json")).read_text("utf-8"))
    assert table == {"columns": ["language", "accuracy"], "data": [["de", 0.5], ["es", 0.25]]}


def test_the_runs_of_a_flow_that_was_killed_are_closed_by_the_next_in_its_folder(client: Any, params: Params) -> None:
    lost = {}
    for workspace in ("here", "elsewhere"):
        flow, stage = (tracking.Run(Path(), params.recording.experiment) for _ in range(2))
        flow.start("pipeline", {"flow": "pipeline", "workspace": workspace}, {})
        stage.start("student@de", {}, {}, flow.id)
        lost[workspace] = [flow.id, stage.id]
    with recorded_flow(Path(), params, "pipeline", tags={"workspace": "here"}) as record:
        record.end_earlier({"flow": "pipeline", "workspace": "here"})
        assert {client.get_run(run).info.status for run in lost["here"]} == {"KILLED"}
        assert "its record stops here" in client.get_run(lost["here"][0]).data.tags["error"]
        assert {client.get_run(run).info.status for run in lost["elsewhere"]} == {"RUNNING"}
        assert client.get_run(record.id).info.status == "RUNNING", "not itself"


def test_no_secret_is_recorded(client: Any, params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    init = "https://me:hunter2@127.0.0.1/model"
    secret = params.model_copy(update={"teacher": params.teacher.model_copy(update={"init": init})})
    monkeypatch.setenv("DVC_EXP_NAME", init)
    make("teacher", {}, "data/teacher", secret)
    with recorded_flow(Path(), secret, "pipeline"):
        pass
    assert runs(client)["teacher"].data.params["teacher.init"] == "https://***@127.0.0.1/model"
    for path in Path(".distilingua").rglob("*"):
        assert path.is_dir() or b"hunter2" not in path.read_bytes()
