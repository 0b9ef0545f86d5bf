"""Inference on a finished student: equal to transformers' own, whatever the batches; long and endless input."""

from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

import pytest

from kdmodels.errors import BadInputError, DamagedError
from kdmodels.inference import Predictor, predict
from tests.tiny import ENGLISH, LABELS, bert_teacher

TEXTS = [*ENGLISH, "", "lamp", " ".join(ENGLISH), "ein Wort, das niemand kennt 🙂"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bert_teacher(tmp_path_factory.mktemp("student"))


def test_it_agrees_with_the_pipeline_of_transformers(folder: Path) -> None:
    from transformers import pipeline

    texts = [text for text in TEXTS if text]
    theirs = pipeline("text-classification", str(folder), top_k=None)(texts, truncation=True)
    for mine, other in zip(predict(folder, texts, batch_rows=4), theirs, strict=True):
        assert mine.label == other[0]["label"]
        expected = {row["label"]: row["score"] for row in other}
        assert list(mine.probabilities) == LABELS
        assert mine.probabilities == pytest.approx(expected, abs=1e-5)
        assert mine.probability == max(mine.probabilities.values())


def test_order_and_answers_do_not_depend_on_the_batches(folder: Path) -> None:
    whole = list(Predictor(folder, 64).predict(TEXTS))
    assert [found.text for found in whole] == TEXTS
    for rows, ahead in ((1, None), (3, None), (2, 5), (4, 1)):
        for one, other in zip(Predictor(folder, rows).predict(TEXTS, read_ahead=ahead), whole, strict=True):
            assert (one.text, one.label, one.truncated) == (other.text, other.label, other.truncated)
            assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)


def test_a_text_that_is_too_long_says_so_and_counts_with_its_beginning(folder: Path) -> None:
    beginning = "the lamp is broken " * 100
    predictor = Predictor(folder, 8)
    long, other, short = predictor.predict([beginning, beginning + "wonderful", "the lamp"])
    assert (long.truncated, other.truncated, short.truncated) == (True, True, False)
    assert long.probabilities == other.probabilities


def test_endless_input_is_read_no_further_than_needed(folder: Path) -> None:
    read: list[int] = []

    def endless() -> Iterator[str]:
        for number in count():
            read.append(number)
            yield f"order {number}"

    assert len(list(islice(Predictor(folder, 2).predict(endless()), 3))) == 3
    assert len(read) <= 2 * 32
    read.clear()
    assert next(Predictor(folder, 2).predict(endless(), read_ahead=1)).text == "order 0"
    assert read == [0]


def test_no_text_no_answer(folder: Path) -> None:
    assert list(predict(folder, [], batch_rows=4)) == []


def test_a_folder_without_a_student_and_a_damaged_one_are_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"no student there.*distilingua run"):
        Predictor(tmp_path, 4)
    weights = folder / "model.safetensors"
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes()[: -1000 if path == weights else None])
    with pytest.raises(DamagedError, match=r"cannot be read.*dvc checkout"):
        Predictor(tmp_path, 4)
