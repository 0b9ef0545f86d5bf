"""Models are recorded with their lineage, and a student predicts anywhere."""

import hashlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from kdmodels.errors import BadInputError
from tasks.hashes import dvc_md5
from tasks.recording import recorded, ui_command
from tasks.sections import Params
from tests.recording_project import client_of, make, own_metrics, runs, tiny_student, write


def test_the_teacher_is_recorded_by_its_hash_and_not_copied(client: Any, project: Path, params: Params) -> None:
    with recorded("teacher", {}, Path("data/teacher"), params) as record:
        weights = write("data/teacher/model/model.safetensors", "weights")
        write("data/teacher/model/config.json", "{}")
        record.teacher_model(weights.parent)
        record.output(Path("data/teacher"))
    made = runs(client)["teacher"].outputs.model_outputs[0].model_id
    model = client.get_logged_model(made)
    assert model.status == "READY"
    assert model.tags["mlflow.model.isExternal"] == "true"
    assert model.tags["weights_sha256"] == hashlib.sha256(b"weights").hexdigest()
    assert not list((project / ".distilingua").rglob("*.safetensors"))
    make("student", {"teacher": weights.parent}, "data/student/de", params)
    reader = client.get_run(runs(client)["student@de"].info.run_id)
    assert [item.model_id for item in reader.inputs.model_inputs] == [made]


PREDICT = """
import json, socket, sys
def refuse(*arguments, **named):
    raise OSError("no network")
socket.getaddrinfo = refuse
import mlflow
mlflow.set_tracking_uri(sys.argv[1])
found = mlflow.pyfunc.load_model(sys.argv[2]).predict(json.loads(sys.argv[3]))
assert not {"tasks", "kdmodels", "flows"} & sys.modules.keys()
print("\\n" + found.to_json(orient="records"))
"""


def test_a_student_predicts_anywhere_through_mlflow(
    client: Any,
    project: Path,
    params: Params,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    from transformers import pipeline

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    state = random.getstate()
    out = Path("data/student/de")
    with recorded("student", {}, out, params) as record:
        tiny_student(Path("data/student/.de.partial/model"))
        capfd.readouterr()
        record.student_model(Path("data/student/.de.partial/model"), "de", True)
        Path("data/student/.de.partial").rename(out)
        record.output(out)
    assert tuple(capfd.readouterr()) == ("", "")
    assert {path.name for path in project.iterdir()} == {"data", ".distilingua"}
    assert random.getstate() == state, "recording changes no random choice of the stage"
    version = client.get_model_version_by_alias("distilingua-de", "latest")
    run = runs(client)["student@de"]
    assert (str(version.version), version.run_id) == ("1", run.info.run_id)
    texts = ["wo ist mein paket", "abc", "f g h i j k", "a b c " * 50]
    expected = pipeline("text-classification", str(out / "model"))(texts, truncation=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    store = f"sqlite:///{project / '.distilingua' / 'mlflow.db'}"
    command = [sys.executable, "-I", "-c", PREDICT, store, "models:/distilingua-de@latest", json.dumps(texts)]
    environment = {"PATH": os.environ["PATH"], "HF_HUB_OFFLINE": "1", "HOME": str(elsewhere)}
    done = subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.strip().split("\n")[-1])
    assert [row["label"] for row in found] == [row["label"] for row in expected]
    assert [row["score"] for row in found] == pytest.approx([row["score"] for row in expected], abs=1e-6)
    model = client.get_logged_model(run.outputs.model_outputs[0].model_id)
    requirements = (Path(model.artifact_location.removeprefix("file://")) / "requirements.txt").read_text("utf-8")
    assert {line.split("==")[0] for line in requirements.split()} == {"mlflow", "torch", "transformers"}
    assert "+" not in requirements

    test_set = write("data/labelled/test/de.parquet")
    inputs = {"student": out / "model", "target_test": test_set}
    with recorded("evaluation", inputs, Path("data/evaluation/de"), params) as record:
        record.evaluated(out / "model", test_set, {"student/accuracy/value": 0.75})
    scored = client.get_logged_model(model.model_id).metrics[0]
    assert (scored.key, scored.value) == ("student/accuracy/value", 0.75)
    assert (scored.dataset_name, scored.dataset_digest) == ("labelled/test/de", dvc_md5(test_set))
    with recorded("student", {}, out, params) as record:
        record.student_model(out / "model", "de", False)
    assert str(client.get_model_version_by_alias("distilingua-de", "latest").version) == "1", "not registered"


def test_scores_of_an_unrecorded_student_are_plain_metrics(client: Any, params: Params) -> None:
    student, test_set = write("data/student/de/model/config.json", "{}").parent, write("data/labelled/test/de.parquet")
    with recorded("evaluation", {"student": student}, Path("data/evaluation/de"), params) as record:
        record.evaluated(student, test_set, {"accuracy": 0.5})
    assert own_metrics(runs(client)["evaluation@de"]) == {"accuracy": 0.5}


def test_the_pages_of_this_projects_runs(client: Any, params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    make("labelled", {}, "data/labelled", params)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command, variables = ui_command(Path(), port)
    server = subprocess.Popen(
        command,
        env={**os.environ, **variables},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                with urllib.request.urlopen(f"{address}/health") as answer:
                    assert answer.status == 200
                break
            except OSError:
                assert server.poll() is None
                time.sleep(0.2)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        with recorded("corpus", {}, Path("data/corpus/de"), params) as record:
            record.metrics({"rows": 3})
            record.artifact(write("report.md"))
            tiny_student(Path("data/model"))
            record.student_model(Path("data/model"), "de", True)
        remote = client_of(address)
        assert own_metrics(runs(remote)["corpus@de"]) == {"rows": 3}
        assert [file.path for file in remote.list_artifacts(runs(remote)["corpus@de"].info.run_id)] == ["report.md"]
        assert remote.get_model_version_by_alias("distilingua-de", "latest").status == "READY"
        assert runs(remote)["labelled"].info.status == "FINISHED"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()
    with pytest.raises(BadInputError, match=address):
        ui_command(Path(), port)


PREDICT_OWN = """
import json, sys
import mlflow
mlflow.set_tracking_uri(sys.argv[1])
found = mlflow.pyfunc.load_model(sys.argv[2]).predict(json.loads(sys.argv[3]))
import kdmodels
assert sys.argv[4] in kdmodels.__file__, kdmodels.__file__
assert not {"tasks", "flows"} & sys.modules.keys()
print("\\n" + found.to_json(orient="records"))
"""


def test_a_student_of_our_own_architecture_predicts_with_the_code_that_was_packed_with_it(
    client: Any, project: Path, params: Params, tmp_path: Path
) -> None:
    from kdmodels.inference import predict
    from tests.test_small_students import build

    out = Path("data/student/de")
    student, tokenizer = build("bag", tmp_path)
    with recorded("student", {}, out, params) as record:
        student.save_pretrained(out / "model")
        tokenizer.save_pretrained(out / "model")
        record.student_model(out / "model", "de", True)
    model = client.get_logged_model(runs(client)["student@de"].outputs.model_outputs[0].model_id)
    place = Path(model.artifact_location.removeprefix("file://"))
    assert not list(place.rglob("*.pkl"))
    texts = ["wo ist mein paket", "die lampe " * 50]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    store = f"sqlite:///{project / '.distilingua' / 'mlflow.db'}"
    words = [store, "models:/distilingua-de@latest", json.dumps(texts), "code"]
    environment = {"PATH": os.environ["PATH"], "HF_HUB_OFFLINE": "1", "HOME": str(elsewhere)}
    done = subprocess.run(
        [sys.executable, "-I", "-c", PREDICT_OWN, *words],
        cwd=elsewhere, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.strip().split("\n")[-1])
    expected = list(predict(out / "model", texts, batch_rows=32))
    assert [row["label"] for row in found] == [one.label for one in expected]
    assert [row["score"] for row in found] == pytest.approx([one.probability for one in expected], abs=1e-6)
