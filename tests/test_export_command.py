"""`distilingua export` and what `predict` makes of it: used while it is of the student that is there, in any format."""

import csv
import gzip
import json
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from flows.cli import app
from kdmodels.onnx_student import SETTINGS
from kdmodels.tables import write_table
from tests import tiny

ROOT = Path(__file__).parents[1]


def call(root: Path, *words: str, given: str | None = None) -> Result:
    return CliRunner().invoke(app, [*words, "--root", str(root)], input=given)


def train(root: Path, seed: int) -> None:
    folder = root / "data/student/de/model"
    shutil.rmtree(folder, ignore_errors=True)
    tokenizer = tiny.wordpiece(folder, tiny.GERMAN)
    tiny.bert(tokenizer, seed, num_hidden_layers=1).save_pretrained(folder)  # each layer costs an export seconds
    (folder / "README.md").write_text("# Card of the student\n")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project with a student and its export."""
    root = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DISTILINGUA_RECORDING", "off")
        for name in ("params.yaml", "dvc.yaml"):
            shutil.copy(ROOT / name, root)
        train(root, 0)
        (root / "data/corpus/de").mkdir(parents=True)
        (root / "data/labelled/test").mkdir(parents=True)
        write_table(
            root / "data/corpus/de/pairs.parquet",
            {"target": tiny.GERMAN * 2, "held_out": [number % 2 == 0 for number in range(16)]},
        )
        write_table(root / "data/labelled/test/de.parquet", {"text": tiny.GERMAN[:3]})
        ended = call(root, "export", "--target", "de", "--format", "onnx", "--quantize", "int8")
        assert ended.exit_code == 0, ended.output
        assert "int8 answers 100.00% of the held-out texts" in ended.output
    return root


@pytest.fixture
def project(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DISTILINGUA_RECORDING", "off")
    return Path(shutil.copytree(made, tmp_path / "project"))


def test_predict_uses_the_export_of_the_student_that_is_there(project: Path) -> None:
    (project / "data/student/de/model/model.safetensors").rename(project / "kept")  # so that only the export can answer
    settings = project / f"exports/de/{SETTINGS}"
    values = json.loads(settings.read_text())
    from kdmodels.files import folder_sha256

    settings.write_text(json.dumps(values | {"made_from": folder_sha256(project / "data/student/de/model")}))
    ended = call(project, "predict", "-t", "de", "die lampe")
    assert ended.exit_code == 0, ended.output
    assert ended.stdout.endswith("\tdie lampe\n") and ended.stderr == ""


def test_an_export_of_another_student_is_not_used_and_said(project: Path) -> None:
    before = call(project, "predict", "-t", "de", "--json", "die lampe").stdout
    train(project, 1)
    after = call(project, "predict", "-t", "de", "--json", "die lampe")
    assert json.loads(before)["probabilities"] != json.loads(after.stdout)["probabilities"]
    assert "exports/de was made of another student. To make it again: distilingua export --target de" in after.stderr
    served = call(project, "serve", "-t", "de")
    assert served.exit_code == 2 and "was made of another student" in served.output


def test_a_damaged_export_is_not_used_and_said(project: Path) -> None:
    (project / f"exports/de/{SETTINGS}").write_text("{}")
    ended = call(project, "predict", "-t", "de", "die lampe")
    assert ended.exit_code == 0 and "not of an exported student" in ended.stderr


def test_exporting_again_replaces_and_never_something_else(project: Path) -> None:
    train(project, 1)
    again = call(project, "export", "-t", "de")
    assert again.exit_code == 0, again.output
    assert json.loads((project / f"exports/de/{SETTINGS}").read_text())["quantize"] == "none"
    assert sorted(path.name for path in (project / "exports").iterdir()) == ["de"]
    precious = project / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    refused = call(project, "export", "-t", "de", "--output", str(precious))
    assert refused.exit_code == 2 and "holds something that is no exported student" in refused.output
    assert (precious / "thesis.txt").is_file()


@pytest.mark.parametrize("command", ["export", "serve"])
def test_a_language_without_a_student_or_an_export_is_named(command: str, project: Path) -> None:
    wrong = call(project, command, "--target", "../x")
    assert wrong.exit_code == 2 and "--target '../x' is not one of the targets" in wrong.output
    missing = call(project, command, "--target", "es")
    assert missing.exit_code == 2 and "there is no student for 'es' yet" in missing.output
    shutil.rmtree(project / "exports")
    if command == "serve":
        absent = call(project, "serve", "--target", "de")
        assert absent.exit_code == 2 and "To make it: distilingua export --target de" in absent.output


def test_serve_answers_until_ctrl_c(project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    code = "from flows.cli import main; main()"
    command = [sys.executable, "-c", code, "serve", "-t", "de", "--port", str(port), "--root", str(project)]
    program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert program.stdout and program.stderr
    assert program.stdout.readline() == f"http://127.0.0.1:{port}/docs  (Ctrl-C ends it)\n"
    answer = httpx.post(f"http://127.0.0.1:{port}/predict", json={"texts": ["die lampe"]}, timeout=30)
    assert answer.status_code == 200 and answer.json()["predictions"][0]["label"] in tiny.LABELS
    program.send_signal(signal.SIGINT)
    assert program.communicate(timeout=60) == ("", "")
    assert program.returncode == 0


def test_predictions_are_written_in_each_format_alike(project: Path) -> None:
    texts = ["die lampe", "tab\there", 'a "quoted" order', ""]
    (project / "texts.txt.gz").write_bytes(gzip.compress("\n".join(texts).encode() + b"\n"))
    for name in ("found.tsv", "found.jsonl", "found.parquet"):
        ended = call(
            project, "predict", "-t", "de", "--input", str(project / "texts.txt.gz"), "--output", str(project / name)
        )
        assert ended.exit_code == 0, ended.output
        assert ended.stdout == ""
    table = pd.read_parquet(project / "found.parquet")
    assert table["text"].tolist() == texts
    assert table.columns.tolist() == ["text", "label", "truncated", *(f"probability_{name}" for name in tiny.LABELS)]
    lines = [json.loads(line) for line in (project / "found.jsonl").read_text().splitlines()]
    assert [line["label"] for line in lines] == table["label"].tolist()
    with (project / "found.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, dialect="excel-tab"))
    assert [row["text"] for row in rows] == texts
    for row, line in zip(rows, lines, strict=True):
        shares = {name: float(row[f"probability_{name}"]) for name in tiny.LABELS}
        assert shares == pytest.approx(line["probabilities"], abs=1e-5)


def test_what_cannot_be_written_or_read_is_refused_and_nothing_is_left(project: Path) -> None:
    wrong = call(project, "predict", "-t", "de", "--output", str(project / "found.xlsx"), "text")
    assert wrong.exit_code == 2 and "those there are: .tsv, .jsonl, .parquet" in wrong.output
    both = call(project, "predict", "-t", "de", "--input", str(project / "x"), "text")
    assert both.exit_code == 2 and "texts are given twice" in both.output
    format_twice = call(project, "predict", "-t", "de", "--json", "--output", str(project / "found.tsv"), "text")
    assert format_twice.exit_code == 2 and "--json is for the terminal" in format_twice.output
    (project / "bad.txt").write_bytes(b"good\nbad \xff\n")
    broken = call(
        project, "predict", "-t", "de", "--input", str(project / "bad.txt"), "--output", str(project / "found.tsv")
    )
    assert broken.exit_code == 2 and "bad.txt" in broken.output
    assert not list(project.glob("*found*"))
