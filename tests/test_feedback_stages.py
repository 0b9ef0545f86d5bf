"""Rounds of feedback and joint learning, through the declared stages on tiny numbers."""

import json
import sys

import pandas as pd

from tests.tiny_project import TinyProject

FEEDBACK = [sys.executable, "-c", "from flows.cli import main; main()", "feedback"]


def test_joint_learning_is_a_stage_of_its_own_and_stands_in_the_report(copy: TinyProject) -> None:
    assert json.loads((copy.root / "data/joint/de/metrics.json").read_text())["made"] is False
    copy.set(joint={"epochs": 1, "learning_rate": 0.001}, feedback={"margin": 1.0})
    assert sorted(copy.repro()) == ["evaluation@de", "joint@de"]
    found = json.loads((copy.root / "data/joint/de/metrics.json").read_text())
    assert found["made"] and found["accepted"]
    assert set(found["before"]) == set(found["after"]) == {"valid_accuracy", "agreement"}
    folder = copy.root / "data/joint/de/models"
    for name in ("teacher", "student"):
        own = (
            copy.root / ("data/teacher" if name == "teacher" else "data/student/de") / "model/model.safetensors"
        ).read_bytes()
        assert (folder / name / "model.safetensors").read_bytes() != own, "both have learned"
    held = pd.read_parquet(folder / "held_out.parquet")
    before = pd.read_parquet(copy.root / "data/student/de/held_out.parquet")
    assert held["teacher"].tolist() == before["teacher"].tolist(), "judged by the teacher as it was"
    metrics = json.loads((copy.root / "data/evaluation/de/metrics.json").read_text())
    assert {"accuracy", "held_out", "student_minus_control"} <= set(metrics["controls"]["joint"])
    assert metrics["controls"]["joint"]["accepted"] is True, "the margin lets everything pass"
    assert "student and teacher were accepted" in (copy.root / "data/evaluation/de/report.md").read_text(
        encoding="utf-8"
    )
    assert "after learning together with the teacher" in (copy.root / "data/evaluation/de/report.md").read_text()


def test_rounds_of_feedback_are_judged_kept_or_dropped_and_cost_nothing_again(copy: TinyProject) -> None:
    neutral = (copy.root / "feedback.json").read_text()
    teacher = (copy.root / "data/teacher/metrics.json").read_text()
    copy.set(feedback={"rounds": 1, "margin": 0.0})
    first = copy.run(*FEEDBACK)
    assert "Rounds of feedback" in first.stdout
    rounds = pd.read_csv(copy.root / "feedback/rounds.csv")
    assert rounds["round"].tolist() == [0, 1]
    start = rounds.iloc[0]
    good = (rounds["valid_accuracy"] >= start["valid_accuracy"]) & (rounds["agreement"] >= start["agreement"])
    assert rounds["accepted"].tolist() == good.tolist()
    kept = json.loads((copy.root / "feedback.json").read_text())
    order = rounds[rounds["accepted"]].sort_values(
        ["agreement", "valid_accuracy", "round"], ascending=[False, False, True]
    )
    assert kept["round"] == order["round"].iloc[0]
    assert (kept["weight"] == {}) == (kept["round"] == 0)
    assert copy.repro() == [], "the project is up to date with the round it was left at"
    assert (copy.root / "feedback/curve.png").stat().st_size > 1000
    page = (copy.root / "feedback/report.md").read_text(encoding="utf-8")
    assert "| round | teacher, source validation |" in page and "| billing |" in page

    again = copy.run(*FEEDBACK)
    assert "Running stage" not in again.stdout + again.stderr, "each round comes out of the run cache"
    assert pd.read_csv(copy.root / "feedback/rounds.csv").equals(rounds)

    copy.run(*FEEDBACK, "--neutral")
    assert (copy.root / "feedback.json").read_text() == neutral
    copy.repro("teacher")
    assert (copy.root / "data/teacher/metrics.json").read_text() == teacher


def test_where_a_round_fails_the_project_keeps_what_it_was_told(copy: TinyProject) -> None:
    wrong = {"round": 1, "weight": {"no such class": 2.0}, "smoothing": {}}
    (copy.root / "feedback.json").write_text(json.dumps(wrong))
    ended = copy.run(sys.executable, "-m", "dvc", "repro", "teacher", check=False)
    assert "weight names the class 'no such class', which is none of" in ended.stdout + ended.stderr
    told = {"round": 1, "weight": {"billing": 2.0}, "smoothing": {}}
    (copy.root / "feedback.json").write_text(json.dumps(told))
    copy.set(teacher={"init": "no/such encoder"})
    ended = copy.run(*FEEDBACK, check=False)
    assert ended.returncode == 2 and "teacher.init" in ended.stderr
    assert json.loads((copy.root / "feedback.json").read_text()) == told
