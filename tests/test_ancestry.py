"""From a student one walks back to every run and file that it was made from."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from kdmodels.errors import BadInputError
from kdmodels.provenance import Found
from tasks.ancestry import ancestry, as_mermaid, as_tree
from tasks.descent import as_list, descent
from tasks.hashes import dvc_md5
from tasks.recording import recorded, run_that_made
from tasks.sections import Params
from tests.recording_project import PROJECT, make, runs, write


def made(params: Params) -> Path:
    """Make a student of a corpus and a teacher, both of labelled text, which came from outside."""
    far = Found(Path("x"), "https://example.org/a.gz", "a.gz", "ab" * 32, 7, "CC0-1.0", "2026-11-25", "v8")
    with recorded("labelled", {}, Path("data/labelled"), params) as record:
        record.sources([("labelled", far)])
        write("data/labelled/train.parquet", "labelled")
        write("data/labelled/test/de.parquet", "tests")
        record.output(Path("data/labelled"))
    labelled = {"train": Path("data/labelled/train.parquet"), "test": Path("data/labelled/test/de.parquet")}
    make("corpus", labelled, "data/corpus/de", params, "pairs")
    lock = write("corpora.lock", "{}")
    for content in ("an earlier teacher", "the teacher"):
        with recorded("teacher", {"train": labelled["train"], "lock": lock}, Path("data/teacher"), params) as record:
            write("data/teacher/model/weights", content)
            Path("data/teacher/folds").mkdir(exist_ok=True)
            record.output(Path("data/teacher"))
        if content == "an earlier teacher":
            write("data/teacher/model/weights", "the teacher")
    inputs = {
        "pairs": Path("data/corpus/de"),
        "teacher": Path("data/teacher/model"),
        "folds": Path("data/teacher/folds"),
    }
    inputs["nobody"] = write("data/found.txt", "by hand")
    make("student", inputs, "data/student/de", params, "student")
    return Path("data/student/de")


def test_a_walk_reaches_each_run_once_and_all_that_came_from_outside(client: Any, params: Params) -> None:
    student = made(params)
    top = ancestry(Path(), run_that_made(Path(), "student@de", {student.as_posix(): dvc_md5(student)}))
    assert top.run == runs(client)["student@de"].info.run_id
    assert [one.name for one in top.parents] == ["teacher", "corpus@de"], (
        "one run of the teacher, though two made empty folds"
    )
    assert top.parents[0].run == runs(client)["teacher"].info.run_id
    assert [one.name for one in top.parents[1].parents] == ["labelled"], "known by a file in a folder of its output"
    assert top.unknown == ("data/found.txt",)
    tree = as_tree(top).split("\n")
    assert tree[0].startswith(f"student@de  {top.run[:8]}  20")
    assert tree[1].startswith("├─ teacher  ") and tree[2].startswith("│  ├─ labelled  ")
    assert "labelled: https://example.org/a.gz  CC0-1.0  sha256 abababababab" in tree[3]
    assert "│  └─ corpora.lock  of the project itself, as git has it" in tree
    assert sum("labelled  " in line and line.endswith("above") for line in tree) == 1
    assert tree[-1] == "└─ data/found.txt  no run of it is recorded"
    graph = as_mermaid(top)
    assert graph.startswith('graph LR\n  n0["student@de<br/>') and graph.count('("a.gz<br/>CC0-1.0")') == 1
    assert graph.count(" --> ") == 5


def test_what_several_stages_wrote_below_one_folder_leads_to_each_of_them(client: Any, params: Params) -> None:
    shutil.copy(PROJECT / "dvc.yaml", "dvc.yaml")
    halves = ["1_of_2", "2_of_2"]
    split = params.model_copy(update={"labelling": params.labelling.model_copy(update={"parts": halves})})
    for name in ("all", *halves):
        make("labelling", {}, f"data/labelling/de/{name}", split, name)
    for name in ("tf_idf", "hard_labels"):
        make("control", {}, f"data/control/de/{name}", split, name)
    make("soft_labels", {"labelling": Path("data/labelling/de")}, "data/soft_labels/de", split)
    inputs = {"soft_labels": Path("data/soft_labels/de"), "controls": Path("data/control/de")}
    make("evaluation", inputs, "data/evaluation/de", split, "evaluation")
    top = ancestry(Path(), runs(client)["evaluation@de"].info.run_id)
    assert [one.name for one in top.parents] == ["soft_labels@de", "control@de"] and not top.unknown
    assert [one.name for one in top.parents[0].parents] == ["labelling@de"] * 2 and not top.parents[0].unknown
    read = {entry.dataset.name for entry in runs(client)["soft_labels@de"].inputs.dataset_inputs}
    assert read == {"labelling/de/1_of_2", "labelling/de/2_of_2"}, "what another split left behind is not read"


def test_what_is_not_recorded_is_said(client: Any, project: Path, params: Params) -> None:
    with pytest.raises(BadInputError, match=r"x' or 1=1.: no run of this id is recorded, .*; there are: none"):
        ancestry(Path(), "x' or 1=1")
    with pytest.raises(BadInputError, match="student@de: no run is recorded that made its present outputs"):
        run_that_made(Path(), "student@de", {"data/student/de": "0" * 32})
    (project / ".distilingua/mlflow.db").unlink()
    with pytest.raises(BadInputError, match=r"mlflow\.db: nothing is recorded yet.*distilingua run"):
        ancestry(Path(), "x")


def test_from_a_data_set_one_walks_forward_to_every_model_made_from_it(client: Any, params: Params) -> None:
    made(params)
    student = runs(client)["student@de"].info.run_id
    client.create_registered_model("distilingua-de")
    client.create_model_version("distilingua-de", "file:///x", student)
    for what in ("a.gz", "ab" * 32, "abababab"):
        lines = as_list(descent(Path(), what)).split("\n")
        names = [line.split("  ")[0].strip() or line.strip().split("  ")[0] for line in lines]
        assert names[0] == "labelled" and set(names) == {"labelled", "corpus@de", "teacher", "student@de"}
        assert len(lines) == 5, "two teachers, and the student once"
        assert sum(line.endswith("registered as distilingua-de version 1") for line in lines) == 1
    (of_corpus,) = descent(Path(), runs(client)["corpus@de"].info.run_id)
    assert [one.run for one in of_corpus.children] == [student]
    with pytest.raises(BadInputError, match=r"'nothing': no recorded run read .*; data sets are: .*a\.gz"):
        descent(Path(), "nothing")
