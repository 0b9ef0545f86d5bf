"""A teacher may start from random weights: a small LSTM over a vocabulary of the labelled text."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from kdmodels.classification import forward, label_names, load_model, logits_of, pad
from kdmodels.encoder import load_tokenizer
from kdmodels.errors import BadInputError
from kdmodels.files import folder_sha256
from kdmodels.students import bilstm, transformer
from kdmodels.untrained import save_untrained_bilstm
from tests import tiny
from tests.tiny_project import TinyProject


def saved(folder: Path, seed: int = 1) -> Path:
    folder.mkdir(parents=True)
    save_untrained_bilstm(
        folder, tiny.ENGLISH, tiny.LABELS, vocabulary_size=120, lowercase=True, maximum_length=32, embedding_width=12,
        hidden_width=8, depth=1, dropout=0.1, seed=seed,
    )  # fmt: skip
    return folder


def test_it_is_loaded_as_any_encoder_with_a_head_for_the_labels(tmp_path: Path) -> None:
    folder = saved(tmp_path / "encoder")
    tokenizer, model = load_tokenizer(folder), load_model(folder)
    assert tokenizer.model_max_length == 32
    assert label_names(model) == tiny.LABELS
    ids = [np.array(row) for row in tokenizer(tiny.ENGLISH)["input_ids"]]
    assert logits_of(model, ids, padding=tokenizer.pad_token_id, batch_rows=4).shape == (8, 3)
    assert label_names(load_model(folder, ["x", "y"])) == ["x", "y"], "and gets a new head for other labels"
    assert logits_of(load_model(folder, ["x", "y"]), ids, padding=0, batch_rows=4).shape == (8, 2)


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    one, same, other = (saved(tmp_path / name, seed) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert folder_sha256(one) == folder_sha256(same) != folder_sha256(other)


def test_a_student_of_the_same_numbers_takes_over_all_but_the_embeddings(tmp_path: Path) -> None:
    folder = saved(tmp_path / "encoder")
    teacher, theirs = load_model(folder).eval(), load_tokenizer(folder)
    ours = tiny.wordpiece(tmp_path / "tokenizer", tiny.GERMAN)
    counts = np.zeros((len(ours), len(theirs)))
    counts[ours.convert_tokens_to_ids("lampe"), theirs.convert_tokens_to_ids("lamp")] = 1
    from scipy.sparse import csr_array

    given = {
        "teacher": teacher, "teacher_tokenizer": theirs, "tokenizer": ours, "align": lambda: csr_array(counts), "dropout": 0.0,
        "seed": 3, "init": "transtokenized", "embedding_width": 12, "depth": 1,
    }  # fmt: skip
    student = bilstm.build(**given, hidden_width=8).eval()
    word, token = ours.convert_tokens_to_ids("lampe"), theirs.convert_tokens_to_ids("lamp")
    with torch.inference_mode():
        found, expected = (
            forward(model, *pad([np.array([number])], 1, 0))[0] for model, number in ((student, word), (teacher, token))
        )
    assert torch.allclose(found, expected), "an aligned word is to it what its translation is to the teacher"
    wider = bilstm.build(**given, hidden_width=9)
    assert wider.lstm.hidden_size == 9


def test_a_transformer_cannot_be_cut_from_it(tmp_path: Path) -> None:
    folder = saved(tmp_path / "encoder")
    tokenizer = load_tokenizer(folder)
    with pytest.raises(
        BadInputError, match=r"cut from the layers of its teacher, and this teacher has none; use bilstm"
    ):
        transformer.build(
            teacher=load_model(folder), teacher_tokenizer=tokenizer, tokenizer=tokenizer, align=lambda: None, dropout=0.0,  # type: ignore[arg-type, return-value]
            seed=1, init="transtokenized", layers=[0], width=None,
        )  # fmt: skip


@pytest.mark.slow
def test_the_whole_pipeline_runs_under_it(copy: TinyProject) -> None:
    project = copy
    untrained = {"vocabulary_size": 200, "embedding_width": 8, "hidden_width": 6}
    project.set(teacher={"init": "bilstm", "learning_rate": 0.01, "folds": 2, "untrained": untrained})
    project.set(student={"architecture": "bilstm", "hidden_loss": "hidden_mse"}, joint={"epochs": 1})
    project.put("student", "options", {"init": "transtokenized", "embedding_width": 8, "hidden_width": 6, "depth": 1})
    project.repro()
    metrics = json.loads((project.root / "data/evaluation/de/metrics.json").read_text())
    assert metrics["student_parameters"] > 0 and metrics["teacher_parameters"] > 0
    assert "accuracy" in metrics["controls"]["joint"]
    assert json.loads((project.root / "data/teacher/model/config.json").read_text())["architecture"] == "bilstm"
