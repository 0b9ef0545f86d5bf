"""A stage as several processes: the same result, nothing left of it whatever ends it, and one message of an error."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from safetensors.torch import load_file

from tests.tiny_project import TinyProject

STUDENT = [
    "student", "tokens=data/tokens/de", "soft_labels=data/soft_labels/de", "teacher=data/teacher/model",
    "labelled=data/labelled/target/de.parquet", "train=data/labelled/train.parquet", "out=data/student/de",
]  # fmt: skip
TEACHER = [
    "teacher", "encoder=data/encoder", "train=data/labelled/train.parquet", "valid=data/labelled/valid.parquet",
    "labels=data/labelled/labels.json", "feedback=feedback.json", "out=data/teacher",
]  # fmt: skip
FILES = ("model/model.safetensors", "training.csv", "metrics.json")


def run(project: TinyProject, words: list[str]) -> str:
    """Run a stage and return what it said."""
    ended = project.run(sys.executable, "-m", "tasks", *words)
    return ended.stdout + ended.stderr


def start(project: TinyProject, words: list[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tasks", *words], cwd=project.root, env=project.environment, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def until(process: "subprocess.Popen[str]", sign: str) -> str:
    """Read what a process says up to a line with a sign in it."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if re.search(sign, line):
            return said
    raise AssertionError(said)


def gone(processes: list[psutil.Process]) -> bool:
    """Say whether processes end, within a minute."""
    _, alive = psutil.wait_procs(processes, timeout=60)
    return not alive


def remains(project: TinyProject) -> list[Path]:
    return [path for path in (project.root / "data").rglob(".*") if path.name != ".gitignore"]


def bytes_of(project: TinyProject, folder: str) -> dict[str, bytes]:
    return {name: (project.root / folder / name).read_bytes() for name in FILES}


def test_an_error_of_all_processes_is_told_once(copy: TinyProject) -> None:
    copy.set(student={"processes": 2})
    shard = copy.root / "data/soft_labels/de/labels-00000.safetensors"
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.chmod(0o644)
    shard.write_bytes(content)
    before = bytes_of(copy, "data/student/de")
    ended = copy.run("python", "-m", "tasks", *STUDENT, check=False)
    assert ended.returncode == 2
    assert ended.stderr.count("error: ") == 1
    assert ended.stderr.count("labels-00000.safetensors: the shard is damaged") == 1
    assert "Traceback" not in ended.stderr
    assert bytes_of(copy, "data/student/de") == before, "the earlier output is whole"
    assert not remains(copy)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["student", "teacher", "control"])
def test_two_processes_make_what_one_does(copy: TinyProject, stage: str) -> None:
    words, folder = {
        "student": (STUDENT, "data/student/de"),
        "teacher": (TEACHER, "data/teacher"),
        "control": (
            ["control", *STUDENT[1:-1], "pairs=data/corpus/de/pairs.parquet", "out=data/control/de/hard_labels"],
            "data/control/de/hard_labels",
        ),
    }[stage]
    copy.set(student={"dropout": 0.0, "pair_weight": "confidence"}, teacher={"label_smoothing": 0.1})
    config = copy.root / "data/encoder/config.json"
    config.chmod(0o644)
    config.write_text(re.sub(r'(dropout_prob": )0.1', r"\1 0.0", config.read_text()))
    run(copy, words)
    one = load_file(copy.root / folder / "model/model.safetensors")
    steps = (copy.root / folder / "training.csv").read_text().split("\n")
    copy.set(student={"processes": 2}, teacher={"processes": 2})
    said = run(copy, words)
    two = load_file(copy.root / folder / "model/model.safetensors")
    assert set(one) == set(two)
    for key in one:
        if not key.endswith("key.bias"):  # its gradient is rounding, which AdamW makes steps of
            assert (one[key] - two[key]).abs().max() < 1e-4, key
    again = (copy.root / folder / "training.csv").read_text().split("\n")
    assert [line.split(",")[0] for line in again] == [line.split(",")[0] for line in steps]
    shown = re.findall(r"^step \d+: \w+", said, re.MULTILINE)
    assert shown and len(shown) == len(set(shown)), "only the first process prints"
    assert not remains(copy)


@pytest.mark.slow
def test_whatever_is_killed_nothing_is_left_and_the_rest_comes_to_the_same_bytes(
    copy: TinyProject, tmp_path: Path
) -> None:
    copy.set(student={"processes": 2, "epochs": 5})
    other = copy.copied_to(tmp_path / "other")
    run(copy, STUDENT)
    whole = bytes_of(copy, "data/student/de")

    with start(other, STUDENT) as launcher:  # one of the processes is killed
        said = until(launcher, r"^step 8:")
        pair = psutil.Process(launcher.pid).children()
        assert len(pair) == 2
        pair[1].kill()
        said += launcher.communicate()[0]
    assert launcher.returncode == 1
    assert said.count("error: ") == 1
    assert "process 2 of 2 was killed by signal 9" in said
    assert "Traceback" not in said
    assert gone(pair) and not remains(other)

    with start(other, STUDENT) as launcher:  # who started them is killed
        said = until(launcher, r"^step 16:")
        assert "step 4:" not in said, "it goes on from the checkpoint of that step"
        pair = psutil.Process(launcher.pid).children()
        launcher.kill()
    assert gone(pair)

    with start(other, STUDENT) as launcher:  # it is told to end
        assert "step 8:" not in until(launcher, r"^step \d+:")
        pair = psutil.Process(launcher.pid).children()
        launcher.send_signal(signal.SIGTERM)
        said = launcher.communicate()[0]
    assert launcher.returncode == 1
    assert said.count("interrupted; run it again to go on from the last checkpoint") == 1
    assert "Traceback" not in said
    assert gone(pair) and not remains(other)

    run(other, STUDENT)
    assert bytes_of(other, "data/student/de") == whole
