"""Controls and small students, declared and run by DVC on tiny numbers."""

import json
import sys

import pytest

from tests.tiny_project import TinyProject


def test_each_control_is_a_stage_and_stands_in_the_report(copy: TinyProject) -> None:
    """The sample has no labelled target text: that control says so instead."""
    copy.set(control={"chosen": ["tf_idf", "hard_labels", "random_weights", "target_labels"]})
    copy.set(labelled={"target_labels": True})
    ran = copy.repro()
    chosen = ["control@de-hard_labels", "control@de-random_weights", "control@de-target_labels"]
    assert set(chosen) <= set(ran)
    assert not {"teacher", "labelling@de-all", "soft_labels@de", "student@de"} & set(ran)
    metrics = json.loads((copy.root / "data/evaluation/de/metrics.json").read_text())
    assert set(metrics["controls"]) == {"tf_idf", "hard_labels", "random_weights"}
    for found in metrics["controls"].values():
        assert {"accuracy", "macro_f1", "held_out", "parameters", "megabytes", "student_minus_control"} <= set(found)
    assert {"temperature", "before", "after"} == set(metrics["calibration"])
    page = (copy.root / "data/evaluation/de/report.md").read_text(encoding="utf-8")
    assert "the student, from random weights" in page
    assert "(ceiling): not made, since there is no labelled target text" in page
    assert "the student's accuracy minus that of" in page
    copy.set(control={"chosen": ["hard_labels"]})
    copy.repro("evaluation@de")
    metrics = json.loads((copy.root / "data/evaluation/de/metrics.json").read_text())
    assert set(metrics["controls"]) == {"hard_labels"}, "what an earlier choice left behind does not count"
    assert [path.name for path in (copy.root / "data/control/de").iterdir() if path.is_dir()] == ["hard_labels"]


def test_further_seeds_are_trained_beside_the_first_and_the_report_is_over_them(copy: TinyProject) -> None:
    copy.set(control={"chosen": ["tf_idf", "hard_labels", "student_seed_2", "hard_labels_seed_2", "student_seed_1"]})
    ran = copy.repro()
    assert {"control@de-student_seed_2", "control@de-hard_labels_seed_2"} <= set(ran)
    assert not {"student@de", "control@de-tf_idf"} & set(ran)
    metrics = json.loads((copy.root / "data/evaluation/de/metrics.json").read_text())
    assert metrics["trainings"] == 2
    assert set(metrics["controls"]) == {"tf_idf", "hard_labels"}
    assert {name: one["student_minus_control"]["trainings"] for name, one in metrics["controls"].items()} == {
        "tf_idf": 2,
        "hard_labels": 2,
    }
    page = (copy.root / "data/evaluation/de/report.md").read_text(encoding="utf-8")
    assert "intervals over the test items and 2 trainings of the student" in page
    assert "The student of this folder alone, one of those trainings, has an accuracy of" in page
    assert "the student, once more with seed 1: not made, since student.seed is 1 already" in page
    data = copy.root / "data/control/de"
    weights = [(data / name / "model/model.safetensors").read_bytes() for name in ("student_seed_2", "hard_labels")]
    assert weights[0] != (copy.root / "data/student/de/model/model.safetensors").read_bytes() != weights[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("architecture", "options"),
    [
        ("bilstm", {"init": "transtokenized", "embedding_width": 8, "hidden_width": 8, "depth": 1}),
        ("cnn", {"init": "random", "embedding_width": 8, "filters": 4, "windows": [2, 3]}),
        ("bag", {"embedding_width": 8, "buckets": 500, "characters": [2, 3]}),
    ],
)
def test_a_small_architecture_goes_all_the_way_with_hidden_states_and_weights(
    copy: TinyProject, architecture: str, options: dict[str, object]
) -> None:
    copy.set(student={"architecture": architecture, "hidden_loss": "hidden_mse", "pair_weight": "both", "epochs": 1})
    copy.set(student={"hidden_phase": {"loss": "hidden_cosine", "epochs": 1}})
    copy.put("student", "options", options)
    copy.repro()
    metrics = json.loads((copy.root / "data/evaluation/de/metrics.json").read_text())
    assert metrics["student_parameters"] > 0
    student = json.loads((copy.root / "data/student/de/metrics.json").read_text())
    assert -1 <= student["hidden_phase"]["cosine"] <= 1
    predicted = copy.run(
        sys.executable, "-c", "from flows.cli import main; main()", "predict", "--target", "de", "--json", "x"
    )
    assert json.loads(predicted.stdout)["label"]
