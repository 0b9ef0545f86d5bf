"""A text is soft-labelled by a teacher that did not see it, where the parallel text is labelled text too."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdmodels.classification import load_model, logits_of
from kdmodels.cleaning.leaks import overlap
from kdmodels.cross_fitting import check_folds, folds_of, learned_from
from kdmodels.encoder import load_tokenizer
from kdmodels.errors import BadInputError
from kdmodels.label_store import read_labels
from kdmodels.token_table import read_tokens
from tasks import teacher as stage
from tasks.config import load_params
from tasks.labelling import labelling
from tasks.soft_labels import soft_labels
from tests.tiny_project import TinyProject

FOLDS = 3


def test_equal_texts_and_texts_of_one_group_share_a_fold_which_does_not_depend_on_others() -> None:
    texts = [f"text {number}" for number in range(200)]
    folds = folds_of(texts, [None] * 200, 5, near=0.8)
    assert sorted(set(folds.tolist())) == [0, 1, 2, 3, 4]
    assert folds_of(["Text  7", "other"], [None, None], 5, near=0.8)[0] == folds[7]
    grouped = folds_of(texts, ["one group"] * 200, 5, near=0.8)
    assert len(set(grouped.tolist())) == 1


SENTENCE = "the parcel that I ordered in the first week of May has not arrived at our new house in Berlin yet"


def test_labelled_texts_that_are_alike_share_a_fold_or_each_would_be_taught_by_the_other() -> None:
    punctuated = [SENTENCE + end for end in (".", "!", "?", " ...", "!!", ";")]
    alike = [f"{SENTENCE} {end}" for end in ("please", "sadly", "again", "so far", "it seems")]
    apart = [f"sentence {number} of others about {number * 7} things" for number in range(20)]
    for near, same in ((0.8, [*punctuated, *alike]), (None, punctuated)):
        texts = [*same, *apart]
        folds = folds_of(texts, [None] * len(texts), 20, near=near)
        assert len(set(folds[: len(same)].tolist())) == 1
        assert len(set(folds.tolist())) > 5
    exact = folds_of(alike, [None] * 5, 20, near=None)
    assert len(set(exact.tolist())) > 1, "else the test would prove nothing"
    bridged = folds_of([punctuated[0], alike[0], "wholly other"], ["a", None, "a"], 20, near=0.8)
    assert len(set(bridged.tolist())) == 1, "what is alike brings its group along"


@given(st.lists(st.lists(st.sampled_from("abcdef"), min_size=2, max_size=7), min_size=3, max_size=12), st.data())
def test_no_text_counts_as_labelled_texts_of_two_folds(rows: list[list[str]], data: st.DataObject) -> None:
    texts = [" ".join(row) for row in rows]
    source = " ".join(data.draw(st.lists(st.sampled_from("abcdef"), min_size=2, max_size=7)))
    near = data.draw(st.sampled_from([0.6, 0.7, 0.8]))
    folds = folds_of(texts, [None] * len(texts), 20, near=near)
    like = [fold for text, fold in zip(texts, folds.tolist(), strict=True) if overlap([source], [text], near=near)]
    assert len(set(like)) <= 1


def test_a_source_text_counts_as_the_labelled_text_that_it_is_or_nearly_is() -> None:
    labelled = ["The parcel has not arrived yet, where is it now?", "My invoice is wrong."]
    sources = [
        "the parcel has not arrived yet where is it now", "My invoice is wrong.", "Something else entirely.",
        "The parcel has not arrived yet, where is it now, please?",
    ]  # fmt: skip
    for near, expected in ((0.7, [0, 1, -1, 0]), (None, [0, 1, -1, -1])):
        number_of = learned_from(labelled, near=near)
        assert [number_of(source) for source in sources] == expected


def test_folds_that_cannot_teach_are_refused() -> None:
    labels = np.array([0, 0, 1, 0])
    with pytest.raises(BadInputError, match=r"teacher\.folds: 3 folds of 4 texts leave one empty; take fewer"):
        check_folds(np.array([0, 1, 1, 0]), labels, ["a", "b"], 3)
    with pytest.raises(BadInputError, match=r"without fold 1 of 2 no text is left of the class 'b'"):
        check_folds(np.array([0, 0, 1, 1]), labels, ["a", "b"], 2)
    check_folds(np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1]), ["a", "b"], 2)


@pytest.fixture(scope="module")
def project(made: TinyProject, tmp_path_factory: pytest.TempPathFactory) -> TinyProject:
    """Label the sample's pairs after some of the labelled texts were put among them, one with other case and spacing."""
    project = made.copied_to(tmp_path_factory.mktemp("folds") / "project")
    labelled = pd.read_csv(project.root / "data/sample/labelled.en.tsv", sep="\t", quoting=3)
    path = project.root / "data/sample/parallel.en-de.tsv"
    pairs = pd.read_csv(path, sep="\t", quoting=3)
    own = labelled[labelled["split"] == "train"]["text"].tolist()[:6]
    own[0] = own[0].upper().replace(" ", "  ")
    more = pd.DataFrame({"id": [f"own{i}" for i in range(6)], "en": own, "de": [f"Satz Nummer {i}" for i in range(6)]})
    pd.concat([pairs, more]).to_csv(path, sep="\t", index=False, quoting=3)
    project.set(
        teacher={"folds": FOLDS}, corpus={"cleaning": {"similarity": "none", "numbers": "none", "length_ratio": "none"}}
    )
    project.commit("folds")
    project.repro("soft_labels@de")
    return project


def test_overlapping_text_is_labelled_by_the_teacher_of_its_fold_and_all_else_by_the_main_one(
    project: TinyProject,
) -> None:
    data = project.root / "data"
    table = read_tokens(data / "tokens/de", ["source_hash", "source_ids"])
    labels = read_labels(data / "soft_labels/de", identity=None)
    source = pd.read_parquet(data / "corpus/de/pairs.parquet").set_index("source_hash")["source"].to_dict()
    assignment = pd.read_parquet(data / "teacher/folds/assignment.parquet")
    fold_of = {" ".join(text.casefold().split()): fold for text, fold in assignment.to_numpy()}
    ids = dict(zip(table["source_hash"], table["source_ids"], strict=True))
    counts = json.loads((data / "soft_labels/de/folds.json").read_text())
    overlapping = 0
    for name, logits, fold in zip(labels.hashes_N.tolist(), labels.logits_NC, labels.folds_N.tolist(), strict=True):
        expected = fold_of.get(" ".join(source[name].casefold().split()), -1)
        overlapping += expected != -1
        assert fold == expected or expected == -1  # a near repetition may be of a fold as well
        folder = data / "teacher" / ("model" if fold == -1 else f"folds/{fold}")
        tokenizer = load_tokenizer(folder)
        ours = logits_of(load_model(folder), [np.array(ids[name])], padding=tokenizer.pad_token_id, batch_rows=1)
        assert np.allclose(ours[0], logits, atol=1e-5)
    assert overlapping >= 5
    assert counts["out_of_fold"] >= overlapping
    assert counts["in_sample"] == 0
    assert counts["texts"] == len(labels)


def test_the_teacher_tells_how_good_it_is_on_text_that_it_did_not_see(project: TinyProject) -> None:
    metrics = json.loads((project.root / "data/teacher/metrics.json").read_text())
    assert 0 <= metrics["out_of_fold"]["accuracy"] <= 1
    assert 0 <= metrics["folds"]["valid_accuracy"]["mean"] <= 1
    assert 0 <= metrics["folds"]["valid_accuracy"]["spread"] <= 1
    calibration = json.loads((project.root / "data/teacher/calibration.json").read_text())
    assert 0.05 <= calibration["temperature"] <= 20
    assert set(calibration["valid"]) == {"before", "after"}


def test_tokens_of_another_run_than_the_pairs_are_refused(project: TinyProject, tmp_path: Path) -> None:
    data = project.root / "data"
    pairs = pd.read_parquet(data / "corpus/de/pairs.parquet")
    pairs[pairs["source"] != pairs["source"][0]].to_parquet(tmp_path / "pairs.parquet")
    made = (data / "tokens/de", tmp_path / "pairs.parquet", data / "teacher/model", data / "teacher/folds")
    record: Any = None
    with pytest.raises(BadInputError, match=r"lacks the text \w+ \(1 such texts\).*different runs.*dvc repro"):
        labelling(*made, tmp_path / "all", load_params(project.root), record)


def test_parts_with_folds_are_joined_to_the_bytes_of_what_is_not_split(
    project: TinyProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each part on a machine of its own: with a label store of its own."""
    data = project.root / "data"
    made = (data / "tokens/de", data / "corpus/de/pairs.parquet", data / "teacher/model", data / "teacher/folds")
    params = load_params(project.root)
    names = ["3_of_3", "1_of_3", "2_of_3"]
    passes: list[float] = []

    class Record:
        def metrics(self, values: dict[str, float]) -> None:
            passes.append(values.get("teacher_passes", 0.0))

    record: Any = Record()
    for name in names:
        monkeypatch.setenv("DISTILINGUA_HOME", str(tmp_path / name))
        (tmp_path / "de" / name).mkdir(parents=True)
        labelling(*made, tmp_path / "de" / name, params, record)
    counts = json.loads((data / "soft_labels/de/folds.json").read_text())
    assert sum(passes) == counts["texts"] and min(passes) > 0
    split = params.model_copy(update={"labelling": params.labelling.model_copy(update={"parts": names})})
    (tmp_path / "joined").mkdir()
    soft_labels(tmp_path / "de", tmp_path / "joined", split, record)
    expected = {path.name: path.read_bytes() for path in (data / "soft_labels/de").iterdir()}
    assert {path.name: path.read_bytes() for path in (tmp_path / "joined").iterdir()} == expected
    assert len(json.loads(expected["manifest.json"])["made_by"]["folds"]) > 1


def test_without_folds_the_same_text_counts_as_in_sample_and_costs_no_second_pass_over_the_rest(
    project: TinyProject,
) -> None:
    before = json.loads((project.root / "data/soft_labels/de/folds.json").read_text())
    project.set(teacher={"folds": "none"})
    said = project.dvc("repro", "soft_labels@de")
    counts = json.loads((project.root / "data/soft_labels/de/folds.json").read_text())
    assert counts["in_sample"] == before["out_of_fold"]
    assert counts["out_of_fold"] == 0
    done = before["texts"] - before["out_of_fold"]
    assert f"{done} of {before['texts']} texts are labelled already" in said
    labels = read_labels(project.root / "data/soft_labels/de", identity=None)
    assert set(labels.folds_N.tolist()) == {-1}


def test_a_fold_is_trained_without_its_own_texts_and_only_once(
    project: TinyProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("DISTILINGUA_HOME", str(tmp_path / "home"))
    params = load_params(project.root)
    params = params.model_copy(update={"teacher": params.teacher.model_copy(update={"folds": FOLDS, "epochs": 1})})
    given = [project.root / f"data/labelled/{name}" for name in ("train.parquet", "valid.parquet", "labels.json")]
    given = [project.root / "data/encoder", *given, project.root / "feedback.json"]
    texts = pd.read_parquet(given[1])
    folds = folds_of(texts["text"].tolist(), [None] * len(texts), FOLDS, near=params.corpus.cleaning.leak_near)
    lengths: list[int] = []
    tune = stage.fine_tune

    def watched(make_model: Any, ids: Any, *rest: Any, **more: Any) -> Any:
        lengths.append(len(ids))
        if len(lengths) == 4:
            raise KeyboardInterrupt
        return tune(make_model, ids, *rest, **more)

    class Record:
        def __getattr__(self, name: str) -> Any:
            return lambda *_, **__: None

    record: Any = Record()
    monkeypatch.setattr(stage, "fine_tune", watched)
    (tmp_path / "one").mkdir()
    with pytest.raises(KeyboardInterrupt):
        stage.teacher(*given, tmp_path / "one", params, record)
    (tmp_path / "two").mkdir()
    stage.teacher(*given, tmp_path / "two", params, record)
    left = [int((folds != fold).sum()) for fold in range(FOLDS)]
    assert lengths[:3] == [len(texts), left[0], left[1]]
    assert lengths[3:] == [left[2], left[2]], "what was finished before the kill is not done again"
    assert sorted(path.name for path in (tmp_path / "two/folds").iterdir()) == ["0", "1", "2", "assignment.parquet"]
    assert not list((tmp_path / "home").rglob("*-done")), "it waits only until the stage has ended"
