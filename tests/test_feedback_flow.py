"""Rounds of feedback are accepted or not by what they did, whatever trains behind them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from flows import feedback as flow
from flows.feedback import Round, best
from kdmodels.feedback import NEUTRAL, Feedback, read_feedback, teaches, write_feedback
from tasks.config import load_params

ROOT = Path(__file__).parents[1]
LABELS = ["a", "b"]
HASHES = [f"{number:032x}" for number in range(40)]
Outcome = Callable[
    [int, Feedback], tuple[float, float]
]  # of a round: accuracy of the teacher, share of pairs that agree


class Project:
    """A folder in which a stand-in for the pipeline writes what a round of training came to."""

    def __init__(self, root: Path, outcome: Outcome) -> None:
        self.root, self.outcome = root, outcome
        self.told: list[Feedback] = []
        self.params = load_params(ROOT)
        (root / "data/labelled").mkdir(parents=True)
        (root / "data/labelled/labels.json").write_text(json.dumps(LABELS))
        write_feedback(root / flow.FILE, NEUTRAL)

    def pipeline(self, root: str, stages: list[str] | None = None, parent: str | None = None) -> None:
        if stages is None:
            return
        told = read_feedback(self.root / flow.FILE, LABELS)
        accuracy, share = self.outcome(len(self.told), told)
        self.told.append(told)
        (self.root / "data/teacher").mkdir(exist_ok=True)
        (self.root / "data/teacher/metrics.json").write_text(json.dumps({"valid": {"accuracy": accuracy}}))
        teacher = np.array(["a", "b"] * 20)
        student = teacher.copy()
        for half in (teaches(HASHES), ~teaches(HASHES)):  # the same share on both parts, class b only
            rows = [i for i in np.flatnonzero(half) if teacher[i] == "b"]
            wrong = rows[: round((1 - share) * half.sum())]
            student[wrong] = "a"
        for target in self.params.targets:
            folder = self.root / f"data/student/{target}"
            folder.mkdir(parents=True, exist_ok=True)
            columns = {"source_hash": HASHES, "teacher": teacher, "student": student, "confidence": np.full(40, 0.8)}
            pd.DataFrame(columns).to_parquet(folder / "held_out.parquet")

    def run(self, monkeypatch: pytest.MonkeyPatch, **numbers: Any) -> list[Round]:
        changed = self.params.feedback.model_copy(update=numbers)
        params = self.params.model_copy(update={"feedback": changed})
        monkeypatch.setenv("DISTILINGUA_RECORDING", "off")
        monkeypatch.setattr(flow, "load_params", lambda root: params)
        monkeypatch.setattr(flow, "pipeline", self.pipeline)
        return list(flow.feedback.fn(str(self.root)))


def test_a_class_that_students_miss_gets_more_weight_each_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project(tmp_path, lambda number, told: (0.9, 0.7 + 0.05 * number))
    rounds = project.run(monkeypatch, rounds=2, margin=0.01)
    assert [one.accepted for one in rounds] == [True] * 3
    weights = [told.weight["b"] for told in project.told[1:]]
    assert 1 < weights[0] < weights[1], "it goes on from what the accepted round was told"
    assert [told.round for told in project.told] == [0, 1, 2]
    assert read_feedback(tmp_path / flow.FILE, LABELS) == project.told[2], "the best is kept"
    assert "| 2 | 0.900 |" in (tmp_path / "feedback/report.md").read_text(encoding="utf-8")
    found = pd.read_csv(tmp_path / "feedback/rounds.csv")
    assert found["agreement"].is_monotonic_increasing and set(project.params.targets) <= set(found.columns)


@pytest.mark.parametrize("worse", ["accuracy", "agreement"])
def test_a_round_that_does_harm_is_not_accepted_and_the_next_takes_half_the_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, worse: str
) -> None:
    def outcome(number: int, told: Feedback) -> tuple[float, float]:
        bad = number == 1
        return (0.85 if bad and worse == "accuracy" else 0.9, 0.5 if bad and worse == "agreement" else 0.7)

    project = Project(tmp_path, outcome)
    rounds = project.run(monkeypatch, rounds=2, margin=0.02, strength=1.0, smoothing=0.2, limit=100.0)
    assert [one.accepted for one in rounds] == [True, False, True]
    first, second = project.told[1].weight["b"], project.told[2].weight["b"]
    assert second == pytest.approx(first**0.5, abs=1e-3), "from round 0 again, half as far"
    assert project.told[2].smoothing["b"] == pytest.approx(project.told[1].smoothing["b"] / 2, abs=1e-3)
    assert read_feedback(tmp_path / flow.FILE, LABELS) == NEUTRAL, "no better than the first: the first is kept"
    assert "feedback did not help" in (tmp_path / "feedback/report.md").read_text(encoding="utf-8")


def test_a_margin_forgives_so_much_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    accuracy = [0.9, 0.895, 0.885]
    project = Project(tmp_path, lambda number, told: (accuracy[number], 0.7))
    rounds = project.run(monkeypatch, rounds=2, margin=0.01)
    assert [one.accepted for one in rounds] == [True, True, False], "against the first round, so that nothing drifts"


def test_where_nothing_is_left_to_say_no_further_round_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Project(tmp_path, lambda number, told: (0.9, 1.0))
    assert len(project.run(monkeypatch, rounds=5)) == 2


def test_no_rounds_are_the_start_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Project(tmp_path, lambda number, told: (0.9, 0.7))
    (only,) = project.run(monkeypatch, rounds=0)
    assert only.feedback == NEUTRAL


@pytest.mark.parametrize(("fails_in", "expected"), [(0, "as before"), (2, "the best until then")])
def test_where_a_round_fails_the_file_is_left_at_what_was_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_in: int, expected: str
) -> None:
    def outcome(number: int, told: Feedback) -> tuple[float, float]:
        if number == fails_in:
            raise RuntimeError("no memory")
        return 0.9, 0.7 + 0.05 * number

    project = Project(tmp_path, outcome)
    before = Feedback(3, {"a": 2.0}, {})
    write_feedback(tmp_path / flow.FILE, before)
    with pytest.raises(RuntimeError, match="no memory"):
        project.run(monkeypatch, rounds=3)
    kept = before if expected == "as before" else project.told[1]
    assert read_feedback(tmp_path / flow.FILE, LABELS) == kept


def test_the_best_is_the_accepted_one_nearest_to_the_first_teacher_and_the_earliest_of_equals() -> None:
    def one(number: int, agreement: float, accepted: bool) -> Round:
        return Round(Feedback(number, {}, {}), 0.9, agreement, {}, 0.5, accepted)

    rounds = [one(0, 0.7, True), one(1, 0.9, False), one(2, 0.8, True), one(3, 0.8, True)]
    assert best(rounds).feedback.round == 2
