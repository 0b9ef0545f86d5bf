"""The command line: clear messages, exit statuses, results, and nothing heavy imported where it is not needed."""

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from flows.cli import app
from flows.display import Bars, Plain, current, displayed
from flows.results import HEADINGS, cells, numbers, results
from tests.scratch import Scratch
from tests.test_flow import until
from tests.tiny import LABELS, bert_teacher

ROOT = Path(__file__).parents[1]
HEAVY = {"torch", "transformers", "mlflow", "prefect", "dvc", "pandas", "numpy", "sklearn"}
METRICS = {
    "student": {
        "accuracy": {"value": 0.77, "low": 0.7, "high": 0.82},
        "macro_f1": {"value": 0.75, "low": 0.7, "high": 0.8},
    },
    "teacher": {"accuracy": {"value": 0.83, "low": 0.8, "high": 0.86}},
    "majority": {"accuracy": {"value": 0.2, "low": 0.2, "high": 0.2}},
    "gap_closed": 0.905,
    "held_out": {"agreement": {"value": 0.88, "low": 0.8, "high": 0.9}},
    "student_parameters": 8700000,
    "student_megabytes": 34.8,
}
SPEED = {"student_sentences_per_second": 800.0, "teacher_sentences_per_second": 400.0, "times_faster": 2.0}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scratch:
    monkeypatch.setenv("DISTILINGUA_RECORDING", "off")
    return Scratch(tmp_path)


def call(project: Scratch, *words: str, given: str | bytes | None = None) -> Result:
    return CliRunner().invoke(app, [*words, "--root", str(project.root)], input=given)


def evaluated(project: Scratch, target: str, metrics: dict[str, Any]) -> None:
    folder = project.root / "data/evaluation" / target
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "speed.json").write_text(json.dumps(SPEED))


@pytest.mark.parametrize("words", [[], ["run"], ["use"], ["status"], ["predict"], ["export"], ["serve"], ["ui"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys\nfrom flows.cli import app\n"
        f"try: app([*{words!r}, '--help'])\nexcept SystemExit as end: assert not end.code\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ended.stdout.endswith("[]\n")
    assert "Usage:" in ended.stdout


@pytest.mark.parametrize("name", ["flows.pipeline", "flows.sweep", "flows.feedback"])
def test_a_flow_imports_nothing_that_only_its_stages_need(name: str) -> None:
    heavy = {"torch", "transformers", "sklearn", "dvc", "matplotlib", "datasets"}
    code = f"import sys\nimport {name}\nprint(sorted({heavy!r} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ended.stdout == "[]\n"


def test_status_imports_nothing_heavy_and_says_why(project: Scratch) -> None:
    code = (
        "import sys\nfrom flows.cli import app\n"
        f"try: app(['status', '--root', {str(project.root)!r}])\nexcept SystemExit as end: assert not end.code\n"
        f"print(sorted({HEAVY - {'dvc'}!r} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ended.stdout.endswith("[]\n")
    lines = ended.stdout.split("\n")
    assert "first      stale: never made" in lines
    assert "last       stale: never made; needs middle@de, middle@es" in lines
    project.dvc("repro")
    assert "stale" not in call(project, "status").output
    project.change("in.txt", "new\n")
    shown = call(project, "status").output
    assert "first      stale: dep in.txt modified" in shown
    assert "middle@de  waits: needs first" in shown
    assert "lone       fresh" in shown
    assert "distilingua run" in shown


def test_a_run_shows_lines_results_and_where_to_look_next(project: Scratch, prefect_api: str) -> None:
    evaluated(project, "de", METRICS)
    ended = call(project, "run")
    assert ended.exit_code == 0
    assert "lone | lone reads ['other.txt']" in ended.output
    assert "last: done" in ended.output
    for word in ("0.770 (0.700–0.820)", "0.830", "0.880", "34.8", "800"):
        assert word in ended.output
    assert 'distilingua predict --target de "..."' in ended.output
    assert "report.md" in ended.output
    again = call(project, "run")
    assert "5 stages fresh, 0 to look at: none" in again.output


def test_a_failing_stage_is_one_message_and_a_status(
    project: Scratch, prefect_api: str, capfd: pytest.CaptureFixture[str]
) -> None:
    project.rules(lone="exit 2")
    ended = call(project, "run")
    assert ended.exit_code == 2
    assert "error: lone: lone does not like it\nand says why\n" in ended.output
    assert "Traceback" not in ended.output
    project.rules(lone="exit 1")
    ended = call(project, "run", "lone", "--debug")
    assert ended.exit_code == 1
    assert "Traceback" in capfd.readouterr().err + ended.output
    assert os.environ.pop("DISTILINGUA_DEBUG") == "1"


@pytest.mark.parametrize("command", [["run"], ["status"], ["predict", "--target", "de", "x"], ["ui"]])
def test_wrong_params_and_places_are_one_message(project: Scratch, command: list[str], tmp_path: Path) -> None:
    project.change("params.yaml", project.read("params.yaml").replace("seed: 1", "seed: one"))
    ended = call(project, *command)
    assert ended.exit_code == 2
    assert f"error: {project.root / 'params.yaml'}: seed:" in ended.output
    assert "Traceback" not in ended.output
    (project.root / "params.yaml").unlink()
    assert "no such file" in call(project, *command).output


def test_a_stage_that_does_not_exist_is_answered_with_those_that_do(project: Scratch, prefect_api: str) -> None:
    ended = call(project, "run", "students")
    assert ended.exit_code == 2
    assert "no stage students in dvc.yaml; there are: first, middle@de, middle@es, last, lone" in ended.output


def test_a_server_that_does_not_answer_is_named(project: Scratch) -> None:
    command = [sys.executable, "-c", "from flows.cli import main; main()", "run", "--root", str(project.root)]
    address = "http://127.0.0.1:1/api"
    ended = subprocess.run(command, env={**os.environ, "PREFECT_API_URL": address}, capture_output=True, text=True)
    assert ended.returncode == 2
    assert address in ended.stderr and "unset it to run without" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert project.events() == []


@pytest.mark.parametrize("target", ["fr", "../x", "a;b", ""])
def test_a_language_that_is_no_target_is_refused(project: Scratch, target: str) -> None:
    ended = call(project, "predict", "--target", target, "text")
    assert ended.exit_code == 2
    assert f"--target {target!r} is not one of the targets in params.yaml: de, es" in ended.output


def test_without_a_student_it_says_how_to_get_one(project: Scratch) -> None:
    ended = call(project, "predict", "--target", "de", "text")
    assert ended.exit_code == 2
    assert "there is no student for 'de' yet. To train it: distilingua run" in ended.output


@pytest.fixture
def student(project: Scratch) -> Path:
    folder = project.root / "data/student/de/model"
    folder.mkdir(parents=True)
    return bert_teacher(folder)


def test_predict_prints_label_and_probabilities_of_each_text(project: Scratch, student: Path) -> None:
    lines = call(project, "predict", "--target", "de", "the lamp", "my order").stdout.split("\n")
    label, probabilities, text = lines[0].split("\t")
    assert text == "the lamp" and label in LABELS
    named = dict(word.split("=") for word in probabilities.split(" "))
    assert set(named) == set(LABELS) and next(iter(named)) == label
    assert sum(map(float, named.values())) == pytest.approx(1, abs=0.002)
    given = "the lamp\r\nmy\u2028order\n\nlast".encode()
    rows = [
        json.loads(line) for line in call(project, "predict", "-t", "de", "--json", given=given).stdout.split("\n")[:-1]
    ]
    assert [row["text"] for row in rows] == ["the lamp", "my\u2028order", "", "last"]
    assert rows[0]["label"] == label and set(rows[0]["probabilities"]) == set(LABELS)


def test_input_that_is_not_utf_8_is_named_by_its_line(project: Scratch, student: Path) -> None:
    ended = call(project, "predict", "--target", "de", given=b"good\nbad \xff\n")
    assert ended.exit_code == 2
    assert "standard input, line 2: not UTF-8" in ended.output


def test_predict_into_a_closed_pipe_is_quiet(project: Scratch, student: Path) -> None:
    command = [
        sys.executable,
        "-c",
        "from flows.cli import main; main()",
        "predict",
        "-t",
        "de",
        "-C",
        str(project.root),
    ]
    program = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert program.stdin and program.stdout and program.stderr
    program.stdout.close()
    program.stdin.write(b"text\n" * 10)
    program.stdin.close()
    said = program.stderr.read()
    program.stderr.close()
    program.wait()
    assert said == b""


def test_results_are_read_as_the_evaluation_writes_them(project: Scratch) -> None:
    evaluated(project, "de", METRICS)
    without = {"student": {}, "held_out": METRICS["held_out"], "student_parameters": 5, "student_megabytes": 1.0}
    evaluated(project, "es", without)
    (project.root / "data/evaluation/zh").mkdir()  # an evaluation that did not end
    de, es = results(project.root, ["de", "es", "zh", "fr"])
    assert de["accuracy"] == 0.77 and de["teacher_accuracy"] == 0.83 and de["times_faster"] == 2.0
    assert es["accuracy"] is None and es["agreement"] == 0.88
    assert len(cells(de)) == len(HEADINGS)
    assert cells(es)[:4] == ["es", "–", "–", "–"]
    assert numbers([es]).keys() == {
        f"es/{name}" for name in ("agreement", "parameters", "megabytes", "sentences_per_second", "times_faster")
    }


def test_pages_are_served_until_ctrl_c_and_leave_nothing(project: Scratch, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]
    code = (
        "import functools, pathlib; from flows.pages import serve; tell = functools.partial(print, flush=True)\n"
        f"try: serve({command!r}, {{}}, pathlib.Path({str(tmp_path)!r}), {port}, tell)\n"
        "except KeyboardInterrupt: print('ended')"
    )
    program = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert program.stdout
    with program.stdout:
        assert program.stdout.readline() == f"http://127.0.0.1:{port}\n"
        busy = call(project, "ui", "--port", str(port))
        assert busy.exit_code == 2
        assert f"port {port} is taken by another program; choose one with --port" in busy.output
        program.send_signal(signal.SIGINT)
        assert program.stdout.read() == "ended\n"
    program.wait()

    def closed() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) != 0

    assert until(closed)


def test_a_server_of_pages_that_ends_by_itself_is_reported(tmp_path: Path) -> None:
    from flows.pages import serve
    from flows.server import free_port

    command = [sys.executable, "-c", "import sys; print('no database'); sys.exit(3)"]
    with pytest.raises(RuntimeError, match=r"ended with status 3:\nno database"):
        serve(command, {}, tmp_path, free_port(), print)


def test_bars_show_each_stage_and_plain_lines_what_it_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with displayed():
        shown = current()
        assert isinstance(shown, Plain)
        shown.line("lone", "hello")
    assert "lone | hello" in capsys.readouterr().out
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdout", terminal)
    with displayed():
        bars = current()
        assert isinstance(bars, Bars)
        bars.planned([], ["first", "lone", "last"])
        bars.started("first")
        bars.started("lone")
        bars.ended("first", "done")
        bars.line("lone", "[bold]not markup")
        bars.ended("lone", "done")
        bars.ended("last", "not started")
        bars.said("what is said at the end belongs to no bar")
    assert "lone: done after 0 s" in terminal.getvalue()
    assert "what is said at the end" in terminal.getvalue()
    assert "last: not started" in terminal.getvalue()


def test_make_help_lists_what_can_be_made() -> None:
    make = shutil.which("make")
    assert make
    ended = subprocess.run(
        [make, "-C", str(Path(__file__).parents[1]), "help"], check=True, capture_output=True, text=True
    )
    for word in ("make run", "make test", "make test-slow", "make lock", "make check"):
        assert word in ended.stdout


def test_a_preset_is_used_by_its_name(project: Scratch, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "presets", project.root / "presets")
    shutil.copy(ROOT / "params.yaml", project.root / "params.yaml")
    wrong = call(project, "use", "sib200")
    assert wrong.exit_code == 2
    assert "no preset 'sib200'; those in" in wrong.output and "sib200-sw" in wrong.output
    unsaved = call(project, "use", "debian-it")
    assert unsaved.exit_code == 2 and "edits that are not committed" in unsaved.output, "it is in no commit at all"
    used = call(project, "use", "sib200-sw", "--data", str(tmp_path), "--force")
    assert used.exit_code == 0 and "params.yaml is set to sib200-sw. To run it: distilingua run" in used.output
    assert "sib200/{language}/train.tsv" in project.read("params.yaml")
    alone = call(project, "run", "--data", str(tmp_path))
    assert alone.exit_code == 2 and "--data belongs to a preset" in alone.output
