"""A sweep trains students only, goes on where it stopped, and ranks its designs on held-out pairs."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from kdmodels.errors import BadInputError
from tasks.config import load_params
from tasks.designs import designs_of
from tasks.experiments import name_of
from tasks.sections import Params
from tests.tiny_project import TinyProject, make

ROOT = Path(__file__).parents[1]
SWEEP = [sys.executable, "-c", "from flows.cli import main; main()", "sweep", "--target", "de"]


@pytest.fixture(scope="module")
def params() -> Params:
    return load_params(ROOT)


def with_designs(params: Params, designs: dict[str, dict[str, object]]) -> Params:
    return params.model_copy(update={"sweep": params.sweep.model_copy(update={"designs": designs})})


def test_every_design_comes_at_each_temperature_that_it_looks_at(params: Params) -> None:
    found = designs_of(with_designs(params, {"kl": {"output_loss": "soft_kl"}, "hard": {"output_loss": "hard_labels"}}))
    assert [design.name for design in found] == ["kl, temperature 1", "kl, temperature 2", "kl, temperature 4", "hard"]
    assert [design.section.temperature for design in found[:3]] == [1.0, 2.0, 4.0]
    assert found[3].section.output_loss == "hard_labels"
    assert found[0].changes == {"output_loss": "soft_kl", "temperature": 1.0}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"output_los": "soft_kl"}, r"sweep\.designs\.b\.output_los: no such key of the section student"),
        ({"output_loss": "softkl"}, r"sweep\.designs\.b\.output_loss: 'softkl' is not one of"),
        ({"output_loss": "hidden_mse"}, r"sweep\.designs\.b\.output_loss: the loss 'hidden_mse' cannot stand there"),
        ({"hidden_weight": -1.0}, r"sweep\.designs\.b\.hidden_weight.*greater than or equal to 0"),
        ({"architecture": "rnn"}, r"sweep\.designs\.b\.architecture: 'rnn' is not one of: bag, bilstm"),
        ({"architecture": "bag"}, r"sweep\.designs\.b\.options.*bag takes: embedding_width, buckets, characters"),
        ({"options": {"init": "random"}}, r"sweep\.designs\.b\.options"),
        ({"glosses": {"loss": "none"}}, r"sweep\.designs\.b\.glosses\.weight: Field required"),
        ({"label_loss": "cross_entropy"}, r"sweep\.designs\.b\.label_loss: it needs labelled\.target_labels: true"),
        ({"seed": 3}, r"sweep\.designs\.b\.seed: the sweep varies it by itself"),
        ({"output_loss": "none"}, r"sweep\.designs\.b: .*would learn nothing"),
    ],
)
def test_a_design_that_is_none_is_refused_before_anything_runs(
    params: Params, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(BadInputError, match=message):
        designs_of(with_designs(params, {"a": {}, "b": changes}))


def test_two_designs_of_the_same_numbers_are_refused(params: Params) -> None:
    with pytest.raises(BadInputError, match=r"'a, temperature 1' and 'b, temperature 1' are the same numbers"):
        designs_of(with_designs(params, {"a": {}, "b": {"output_loss": "soft_kl"}}))


def test_a_candidate_has_the_same_name_for_the_same_numbers_data_and_code(params: Params, tmp_path: Path) -> None:
    for name in ("kdmodels", "tasks"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "code.py").write_text("a = 1\n")
    section = params.student
    first = name_of(tmp_path, "de", section, {"data": "1"}, 1)
    (tmp_path / "tasks/__pycache__").mkdir()
    (tmp_path / "tasks/__pycache__/code.cpython-311.pyc").write_bytes(b"compiled")
    assert name_of(tmp_path, "de", section, {"data": "1"}, 1) == first
    assert name_of(tmp_path, "de", section, {"data": "2"}, 1) != first
    assert name_of(tmp_path, "de", section, {"data": "1"}, 2) != first
    assert name_of(tmp_path, "de", section.model_copy(update={"seed": 9}), {"data": "1"}, 1) != first
    (tmp_path / "tasks/code.py").write_text("a = 2\n")
    assert name_of(tmp_path, "de", section, {"data": "1"}, 1) != first


def passes(project: TinyProject) -> int:
    """Count the rows that all label stores hold."""
    stores = (project.root / ".distilingua/labels").rglob("manifest.json")
    return sum(shard["rows"] for path in stores for shard in json.loads(path.read_text())["shards"])


def test_a_sweep_costs_no_teacher_pass_ranks_and_runs_only_what_is_new(copy: TinyProject) -> None:
    project = copy
    project.set(student={"epochs": 1}, sweep={"temperatures": [2.0], "seeds": [1]})
    bag = {"embedding_width": 8, "buckets": 500, "characters": [2, 3]}
    designs: dict[str, dict[str, object]] = {
        "kl": {"output_loss": "soft_kl"},
        "bag": {"architecture": "bag", "options": bag, "hidden_weight": {"shape": "linear", "start": 4.0, "end": 1.0}},
    }
    project.put("sweep", "designs", designs)
    project.run("git", "rm", "--cached", "--quiet", "dvc.lock")
    untracked = project.run(*SWEEP, check=False)
    assert untracked.returncode == 2
    assert "dvc.lock is not tracked by git" in untracked.stderr
    project.commit("sweep")
    labelled, lock = passes(project), (project.root / "dvc.lock").read_text()
    assert labelled == 60, "the pairs' source texts, once"
    first = project.run(*SWEEP)
    assert "Designs, de" in first.stdout
    assert passes(project) == labelled
    assert (project.root / "dvc.lock").read_text() == lock, "the workspace keeps its own student"
    names = project.dvc("exp", "list", "--name-only").split()
    assert len([name for name in names if name.startswith("sweep-de-")]) == 2
    page = (project.root / "sweep/de/report.md").read_text(encoding="utf-8")
    assert "| kl |" in page and "| bag |" in page and "Kendall's tau" in page
    results = pd.read_csv(project.root / "sweep/de/results.csv")
    assert set(results["design"]) == {"kl", "bag"}
    assert (project.root / "sweep/de/effects.png").stat().st_size > 1000

    designs["third"] = {
        "output_loss": "reverse_kl",
        "hidden_phase": {"loss": "none", "epochs": 1, "learning_rate": 0.001},
    }
    project.put("sweep", "designs", designs)
    second = project.run(*SWEEP)
    ran = [line for line in (second.stdout + second.stderr).split("\n") if "Running stage 'student@de'" in line]
    assert len(ran) == 1, "only the new design"
    assert passes(project) == labelled
    assert (project.root / "dvc.lock").read_text() == lock

    wrong = subprocess.run(
        [*SWEEP[:-1], "fr"], cwd=project.root, env=project.environment, capture_output=True, text=True
    )
    assert wrong.returncode == 2
    assert "--target 'fr' is not one of the targets in params.yaml: de" in wrong.stderr


@pytest.mark.slow
def test_a_sweep_with_a_design_that_fails_ranks_those_that_ran(copy: TinyProject) -> None:
    project = copy
    project.set(student={"epochs": 1}, sweep={"temperatures": [2.0], "seeds": [1]})
    options = {"init": "transtokenized", "layers": [0, 9], "width": "none"}
    project.put(
        "sweep",
        "designs",
        {"kl": {"output_loss": "soft_kl"}, "mse": {"output_loss": "logit_mse"}, "third": {"options": options}},
    )
    project.commit("sweep")
    failed = project.run(*SWEEP, check=False)
    assert failed.returncode == 2 and "third, seed 1: student.options.layers: [0, 9] are not layers" in failed.stderr
    page = (project.root / "sweep/de/report.md").read_text(encoding="utf-8")
    assert "| kl |" in page and "| mse |" in page and "third" not in page, "those that ran are ranked"


@pytest.mark.slow
def test_a_sweep_that_is_killed_goes_on_with_the_candidate_that_was_not_done(tmp_path: Path) -> None:
    project = make(tmp_path)
    project.set(student={"epochs": 1}, sweep={"temperatures": [2.0], "seeds": [1]})
    project.put(
        "sweep", "designs", {"kl": {"output_loss": "soft_kl"}, "long": {"epochs": 400, "learning_rate": 0.0001}}
    )
    project.repro("soft_labels@de")
    project.commit("sweep")
    killed = subprocess.Popen(
        SWEEP, cwd=project.root, env=project.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 300
    while not project.dvc("exp", "list", "--name-only").count("sweep-de-"):
        assert time.monotonic() < deadline and killed.poll() is None
        time.sleep(1)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    project.put("sweep", "designs", {"kl": {"output_loss": "soft_kl"}, "long": {"epochs": 2}})
    second = project.run(*SWEEP)
    ran = [line for line in (second.stdout + second.stderr).split("\n") if "Running stage 'student@de'" in line]
    assert len(ran) == 1, "what had ended is not run again"
    assert set(pd.read_csv(project.root / "sweep/de/results.csv")["design"]) == {"kl", "long"}
