"""The declared stages, run by DVC on tiny numbers: they make what they promise, once, and again the same."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from flows.cli import app
from tests.tiny_project import TinyProject, make

STAGES = [
    "sources", "labelled", "corpus@de", "encoder", "tokens@de", "teacher", "labelling@de-all", "soft_labels@de", "student@de",
    "control@de-tf_idf", "joint@de", "evaluation@de",
]  # fmt: skip


def test_the_first_repro_runs_every_stage_and_a_second_does_nothing(made: TinyProject) -> None:
    assert sorted(json.loads((made.root.parent / "ran.json").read_text())) == sorted(STAGES)
    assert made.repro() == []
    assert json.loads(made.dvc("status", "--json").split("\n")[0]) == {}


def test_the_student_is_loaded_by_a_plain_pipeline_outside_the_project(made: TinyProject, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    shutil.copytree(made.root / "data/student/de/model", folder)
    code = (
        "import json, sys; from transformers import pipeline; "
        "print(json.dumps(pipeline('text-classification', sys.argv[1])(['Wo bleibt mein Paket?'])))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(folder)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    answer = json.loads(ended.stdout.strip().split("\n")[-1])[0]
    words = ["predict", "--target", "de", "--json", "Wo bleibt mein Paket?", "--root", str(made.root)]
    ours = json.loads(CliRunner().invoke(app, words).stdout)
    assert ours["label"] == answer["label"]
    assert ours["probabilities"][answer["label"]] == pytest.approx(answer["score"], abs=1e-6)
    assert answer["label"] in json.loads((made.root / "data/labelled/labels.json").read_text())
    assert (folder / "README.md").read_text(encoding="utf-8").startswith("---\nlanguage: de\n")
    assert not list(folder.glob("*.bin"))


def test_evaluation_writes_what_readers_and_dvc_understand(made: TinyProject) -> None:
    folder = made.root / "data/evaluation/de"
    metrics = json.loads((folder / "metrics.json").read_text())
    for name in ("accuracy", "macro_f1", "expected_calibration_error", "agreement"):
        score = metrics["student"][name]
        assert 0 <= score["low"] <= score["value"] <= score["high"] <= 1
    assert {"teacher", "majority", "held_out", "student_parameters"} <= set(metrics)
    predictions = pd.read_parquet(folder / "predictions.parquet")
    assert len(predictions) == 40
    right = (predictions["actual"] == predictions["predicted"]).mean()
    assert right == pytest.approx(metrics["student"]["accuracy"]["value"])
    assert {path.name for path in (folder / "pictures").iterdir()} == {
        "confusion.png", "reliability.png", "scores.png", "predicted.png", "size.png",
    }  # fmt: skip
    shown = json.loads(made.dvc("metrics", "show", "--json").split("\n")[0])[""]["data"]
    assert "data/evaluation/de/metrics.json" in shown
    assert "data/evaluation/de/speed.json" in shown
    plots = made.dvc("plots", "show", "--json")
    assert "confusion" in plots and "eval_agreement" in plots


def test_outputs_hold_no_dates_paths_or_pickles(made: TinyProject) -> None:
    for path in (made.root / "data").rglob("*"):
        if path.is_file() and "sample" not in path.parts:
            assert path.suffix not in {".bin", ".pt", ".pkl"}, path
            assert str(made.root.parent).encode() not in path.read_bytes(), path


def test_an_experiment_with_another_temperature_retrains_the_students_only(copy: TinyProject) -> None:
    said = copy.dvc("exp", "run", "--set-param", "student.temperature=4", "student@de")
    ran = [line.split("'")[1] for line in said.split("\n") if line.startswith("Running stage")]
    assert ran == ["student@de"]


def test_a_new_language_runs_its_own_stages_and_over_the_same_english_costs_no_teacher_pass(copy: TinyProject) -> None:
    before = copy.outputs()
    copy.set(targets=["de", "es"])
    said = copy.dvc("repro")
    assert said.count("60 of 60 texts are labelled already") == 1
    ran = [line.split("'")[1] for line in said.split("\n") if line.startswith("Running stage")]
    own = ("corpus", "tokens", "soft_labels", "student", "joint", "evaluation")
    assert set(ran) == {"sources", "labelled", "labelling@es-all", "control@es-tf_idf", *(f"{name}@es" for name in own)}
    after = copy.outputs()
    changed = {path for path in before if before[path] != after[path]}
    assert changed == {
        "data/sources", "data/labelled/test", "data/labelled/target", "data/labelled/report.json",
    }, "they add the new language"  # fmt: skip


def test_without_a_test_set_there_is_agreement_and_the_distribution_of_labels(copy: TinyProject) -> None:
    (copy.root / "data/sample/test.de.tsv").unlink()
    copy.repro()
    metrics = json.loads((copy.root / "data/evaluation/de/metrics.json").read_text())
    assert "student" not in metrics
    assert 0 <= metrics["held_out"]["agreement"]["value"] <= 1
    assert sum(metrics["predicted_share"].values()) == pytest.approx(1)
    assert "no labelled test set" in (copy.root / "data/evaluation/de/report.md").read_text(encoding="utf-8")


def test_soft_labels_in_little_space_make_a_student_without_hidden_states(copy: TinyProject) -> None:
    before = sum(path.stat().st_size for path in (copy.root / "data/soft_labels/de").glob("*.safetensors"))
    copy.set(soft_labels={"logits": "float16", "hidden": "none"})
    assert copy.repro("student@de") == ["labelling@de-all", "soft_labels@de", "student@de"]
    after = sum(path.stat().st_size for path in (copy.root / "data/soft_labels/de").glob("*.safetensors"))
    assert after < before
    assert "float16" in (copy.root / "data/soft_labels/de/manifest.json").read_text()


def test_random_weights_are_a_choice(copy: TinyProject) -> None:
    copy.set(student={"options": {"init": "random"}})
    assert copy.repro("student@de") == ["student@de"]


def test_a_damaged_cache_shard_is_refused_with_its_name(copy: TinyProject) -> None:
    shard = copy.root / "data/soft_labels/de/labels-00000.safetensors"
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.chmod(0o644)
    shard.write_bytes(content)
    ended = copy.run(
        "python", "-m", "tasks", "student", "tokens=data/tokens/de", "soft_labels=data/soft_labels/de",
        "teacher=data/teacher/model", "labelled=data/labelled/target/de.parquet",
        "train=data/labelled/train.parquet", "out=data/student/de", check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    assert "labels-00000.safetensors: the shard is damaged" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert (copy.root / "data/student/de/model/model.safetensors").exists(), "the earlier output is whole"
    assert not list((copy.root / "data/student").glob(".*"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"student": {"temprature": 2.0}}, "params.yaml: student.temprature: no such key"),
        ({"targets": ["de", "a;touch spoiled"]}, "a language code such as de"),
        ({"targets": ["../x"]}, "a language code such as de"),
        (
            {"student": {"label_loss": "cross_entropy"}},
            "student.label_loss: 'cross_entropy' needs labelled target text",
        ),
        ({"student": {"output_loss": "hidden_mse"}}, "student.output_loss: the loss 'hidden_mse' cannot stand there"),
        ({"student": {"output_loss": "softkl"}}, "student.output_loss: 'softkl' is not one of: contrastive"),
        ({"labelled": {"source": "opus7"}}, "labelled.source: 'opus7' is not one of: cedict, debian, files"),
    ],
)
def test_bad_params_stop_before_anything_runs(copy: TinyProject, change: dict[str, object], message: str) -> None:
    copy.set(**change)
    words = ["sources", "lock=corpora.lock", "out=data/sources"]
    ended = copy.run("python", "-m", "tasks", *words, check=False)
    assert ended.returncode == 2
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr
    if "touch spoiled" in str(change):
        copy.dvc("repro", check=False)
    assert not (copy.root / "spoiled").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["studend", "out=x"], "no stage 'studend'; those of dvc.yaml are: sources, labelled, corpus"),
        (["labelled"], "labelled takes sources, out; given: nothing"),
        (["labelled", "out"], "key=path is expected"),
        (
            ["tokens", "corpus=nowhere", "dictionary=nowhere", "encoder=nowhere", "out=x"],
            "corpus=nowhere: no such file or folder",
        ),
    ],
)
def test_a_wrong_command_says_what_is_allowed(made: TinyProject, words: list[str], message: str) -> None:
    ended = made.run("python", "-m", "tasks", *words, check=False)
    assert ended.returncode == 2
    assert message in ended.stderr


def test_a_run_from_nothing_that_is_killed_twice_gives_the_same_bytes(made: TinyProject, tmp_path: Path) -> None:
    project = make(tmp_path)
    project.server = "second"  # sets and dictionaries may have another order there, and nothing may depend on it
    shutil.rmtree(tmp_path / "encoder")
    shutil.copytree(made.root.parent / "encoder", tmp_path / "encoder")
    project.repro("tokens@de", "teacher")
    kill(project, "labelling@de-all", r"labelled \d+ of \d+ texts")
    project.repro("soft_labels@de")
    kill(project, "student@de", "step 4: agreement")
    project.repro()
    assert project.outputs() == made.outputs()


def kill(project: TinyProject, stage: str, sign: str) -> None:
    """Run a project up to a stage, a process of its own, and kill everything when the stage says so much."""
    alone = TinyProject.at(project.root)
    alone.server = None
    with subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro", stage],
        cwd=project.root,
        env={**alone.environment, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        said, killed = "", False
        for line in process.stdout:
            said += line
            if re.search(rf"Running stage '{stage}'(.|\n)*{sign}", said):
                os.killpg(process.pid, signal.SIGKILL)
                killed = True
                break
        process.stdout.read()  # until all that held the pipe is gone: the stage must not outlive its group
    assert killed, said
    assert not list((project.root / "data" / stage.split("@")[0]).glob("de/[!.]*")), "nothing half-made is published"
