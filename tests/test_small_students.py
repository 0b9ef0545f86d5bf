"""The small students: padding changes nothing, a folder gives the same answers, and what is asked wrongly is refused."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from kdmodels.choice import choose
from kdmodels.classification import forward, load_model
from kdmodels.encoder import load_tokenizer
from kdmodels.errors import BadInputError
from kdmodels.inference import Predictor
from kdmodels.transtokenization import target_embeddings
from tests import tiny

OPTIONS: dict[str, dict[str, Any]] = {
    "bilstm": {"init": "random", "embedding_width": 12, "hidden_width": 10, "depth": 2},
    "cnn": {"init": "random", "embedding_width": 12, "filters": 7, "windows": [2, 3]},
    "bag": {"embedding_width": 8, "buckets": 200, "characters": [2, 3]},
}
WIDTH = {"bilstm": 20, "cnn": 14, "bag": 8}


def counts(tokenizer: Any, teacher_tokenizer: Any) -> csr_array:
    random = np.random.default_rng(0)
    return csr_array(random.random((len(tokenizer), len(teacher_tokenizer))))


def build(name: str, folder: Path, seed: int = 1, **changes: Any) -> tuple[Any, Any]:
    """Return a student with its tokenizer, built from a tiny teacher."""
    theirs = tiny.wordpiece(folder / "teacher")
    ours = tiny.wordpiece(folder / "tokenizer", tiny.GERMAN)
    student = choose("students", name).build(
        teacher=tiny.bert(theirs), teacher_tokenizer=theirs, tokenizer=ours, align=lambda: counts(ours, theirs),
        dropout=0.1, seed=seed, **OPTIONS[name] | changes,
    )  # fmt: skip
    return student, ours


@pytest.mark.parametrize("name", OPTIONS)
def test_the_answer_to_a_text_does_not_depend_on_padding_nor_on_its_neighbours(name: str, tmp_path: Path) -> None:
    student, tokenizer = build(name, tmp_path)
    student.eval()
    texts = ["die lampe", "stornieren sie jetzt meine bestellung"]
    together = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        logits_BC, pooled_BH = forward(student, together["input_ids"], together["attention_mask"])
        for row, text in enumerate(texts):
            alone = tokenizer(text, return_tensors="pt")
            one, pooled = forward(student, alone["input_ids"], alone["attention_mask"])
            assert torch.allclose(one[0], logits_BC[row], atol=1e-6)
            assert torch.allclose(pooled[0], pooled_BH[row], atol=1e-6)
    assert logits_BC.shape == (2, 3)
    assert pooled_BH.shape == (2, WIDTH[name])


@pytest.mark.parametrize("name", OPTIONS)
def test_a_saved_student_gives_the_same_answers_through_the_predictor(name: str, tmp_path: Path) -> None:
    student, tokenizer = build(name, tmp_path)
    folder = tmp_path / "student"
    student.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    assert {path.suffix for path in folder.iterdir()} <= {".json", ".safetensors"}
    batch = tokenizer(tiny.GERMAN, padding=True, return_tensors="pt")
    with torch.inference_mode():
        expected = student(**batch).logits.softmax(dim=-1)
        again = load_model(folder).eval()(**load_tokenizer(folder)(tiny.GERMAN, padding=True, return_tensors="pt"))
    assert torch.equal(again.logits.softmax(dim=-1), expected)
    found = list(Predictor(folder, batch_rows=3).predict(tiny.GERMAN))
    for prediction, row in zip(found, expected, strict=True):
        assert list(prediction.probabilities) == tiny.LABELS
        assert list(prediction.probabilities.values()) == pytest.approx(row.tolist(), abs=1e-6)


@pytest.mark.parametrize("name", OPTIONS)
def test_the_same_seed_gives_the_same_student(name: str, tmp_path: Path) -> None:
    one, two, other = (build(name, tmp_path, seed)[0].state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(value, two[key]) for key, value in one.items())
    assert not all(torch.equal(value, other[key]) for key, value in one.items())


@pytest.mark.parametrize("name", ["bilstm", "cnn"])
@pytest.mark.parametrize("width", [16, 12])
def test_word_embeddings_start_from_the_teachers(name: str, width: int, tmp_path: Path) -> None:
    student, tokenizer = build(name, tmp_path, init="transtokenized", embedding_width=width)
    theirs = load_tokenizer(tmp_path / "teacher")
    whole = target_embeddings(
        tiny.bert(theirs).get_input_embeddings().weight, counts(tokenizer, theirs), theirs, tokenizer
    )
    found = student.get_input_embeddings().weight.detach()
    assert found.shape == (len(tokenizer), width)
    if width == 16:
        assert torch.equal(found, whole)


def test_a_bag_by_hand(tmp_path: Path) -> None:
    """The vector of a text is the mean of the rows of its pieces' n-grams and of pairs of pieces."""
    student, tokenizer = build("bag", tmp_path)
    student.eval()
    ids = tokenizer("die lampe")["input_ids"]
    real = [number for number in ids if number not in tokenizer.all_special_ids]
    rows = [row for number in real for row in student.buckets_VN[number].tolist() if row]
    rows += [(left * 1_000_003 + right) % 200 + 1 for left, right in pairwise(real)]
    expected = student.embeddings.weight[rows].mean(dim=0)
    batch = tokenizer("die lampe", return_tensors="pt")
    assert torch.allclose(student.pool(batch["input_ids"], batch["attention_mask"])[0], expected, atol=1e-6)
    nothing = tokenizer("", return_tensors="pt")
    assert student.pool(nothing["input_ids"], nothing["attention_mask"]).abs().sum().item() == 0


def test_the_hash_of_an_n_gram_is_the_same_in_every_process(tmp_path: Path) -> None:
    student, tokenizer = build("bag", tmp_path, buckets=10_000)
    number = tokenizer.convert_tokens_to_ids("l")  # a piece of one character: itself, and "<l" as the start of a word
    # crc32 of "piece l" and of "<l", modulo 10,000, plus 1
    assert [row for row in student.buckets_VN[number].tolist() if row] == [4894, 4180]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("bilstm", {"depth": 0}, "embedding_width, hidden_width and depth are numbers above 0"),
        ("cnn", {"windows": []}, "each of the windows are numbers above 0"),
        ("cnn", {"windows": [3, 0]}, "each of the windows are numbers above 0"),
        ("bag", {"buckets": 0}, "buckets are numbers above 0"),
        ("bag", {"characters": [4, 2]}, r"fewest and the most of an n-gram; given 8, 200 and \[4, 2\]"),
    ],
)
def test_options_that_make_no_student_are_refused(
    name: str, change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(BadInputError, match=message):
        build(name, tmp_path, **change)


def test_a_folder_of_an_architecture_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    student, tokenizer = build("cnn", tmp_path)
    student.save_pretrained(tmp_path / "student")
    tokenizer.save_pretrained(tmp_path / "student")
    settings = tmp_path / "student/config.json"
    values = json.loads(settings.read_text()) | {"architecture": "../../evil"}
    settings.write_text(json.dumps(values))
    with pytest.raises(
        BadInputError, match=r"'\.\./\.\./evil' is not one of: bag, bilstm, cnn, multilingual, transformer"
    ):
        load_model(tmp_path / "student")
