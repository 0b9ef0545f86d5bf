"""The teacher reads each distinct text once; killed and resumed, in any order and company, its labels are the same."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kdmodels.classification import load_model
from kdmodels.encoder import load_tokenizer
from kdmodels.errors import DamagedError
from kdmodels.label_store import Identity, read_labels
from kdmodels.labelling import label_texts
from kdmodels.pairs import text_hash
from kdmodels.teacher_pass import teacher_pass
from tests import tiny
from tests.tiny import Text

BATCHES_A_SHARD = 2
IDENTITY = Identity("t", (), "k", 64, tuple(tiny.LABELS), "mean", "torch", "float32", (4, 8), ("float32", 0, "float32"))


class InterruptedAfter:
    """A model that stops working after some batches, as a killed process does."""

    def __init__(self, model: object, batches: int) -> None:
        self.model, self.left = model, batches

    def __call__(self, **inputs: object) -> object:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        return self.model(**inputs)  # type: ignore[operator]

    def __getattr__(self, name: str) -> object:
        return getattr(self.model, name)

    def eval(self) -> "InterruptedAfter":
        return self

    def to(self, _: str) -> "InterruptedAfter":
        return self


@pytest.fixture
def teacher(tmp_path: Path) -> object:
    return load_model(tiny.bert_teacher(tmp_path / "teacher")).eval()


@pytest.fixture
def texts(tmp_path: Path, teacher: object) -> list[Text]:
    tokenizer = load_tokenizer(tmp_path / "teacher")
    made = [f"{one} {two}" for one in tiny.ENGLISH for two in tiny.ENGLISH[:4]]
    return [(text_hash(text), np.array(tokenizer(text)["input_ids"])) for text in made]


def label(
    model: object, texts: list[Text], store: Path, said: list[str] | None = None, identity: Identity = IDENTITY
) -> tuple[bytes, int]:
    labels, made = label_texts(
        lambda: teacher_pass(model, "torch", "float32", 0, hidden=True), *tiny.columns(texts),
        store=store, identity=identity, part="all", shard_rows=8, padding=0,
        say=said.append if said is not None else lambda _: None,
    )  # fmt: skip
    return b"".join(part.tobytes() for part in (labels.logits_NC, labels.hidden_NH)), made


def test_a_second_run_costs_no_teacher_pass(teacher: object, texts: list[Text], tmp_path: Path) -> None:
    first, made = label(teacher, texts, tmp_path / "store")
    assert made == len(texts)
    second, again = label(InterruptedAfter(teacher, 0), texts, tmp_path / "store")
    assert again == 0
    assert second == first


def test_only_new_texts_are_labelled_when_the_corpus_grows(teacher: object, texts: list[Text], tmp_path: Path) -> None:
    label(teacher, texts[:20], tmp_path / "store")
    grown, made = label(teacher, texts, tmp_path / "store")
    assert made == len(texts) - 20
    whole, _ = label(teacher, texts, tmp_path / "other")
    assert grown == whole, "the same bytes, whether labelled at once or as the corpus grew"


def test_order_does_not_matter(teacher: object, texts: list[Text], tmp_path: Path) -> None:
    forward, _ = label(teacher, texts, tmp_path / "one")
    backward, _ = label(teacher, texts[::-1], tmp_path / "two")
    assert forward == backward


@pytest.mark.parametrize("batches", [1, 3, 5])
def test_interrupted_and_resumed_gives_the_same_bytes(
    teacher: object, texts: list[Text], tmp_path: Path, batches: int
) -> None:
    undisturbed, _ = label(teacher, texts, tmp_path / "one")
    with pytest.raises(KeyboardInterrupt):
        label(InterruptedAfter(teacher, batches), texts, tmp_path / "two")
    kept = len(read_labels(tmp_path / "two" / IDENTITY.key, IDENTITY)) if batches >= BATCHES_A_SHARD else 0
    resumed, made = label(teacher, texts, tmp_path / "two")
    assert resumed == undisturbed
    assert made == len(texts) - kept
    assert (kept > 0) == (batches >= BATCHES_A_SHARD), "whole shards are kept"


def test_a_damaged_shard_is_named_and_only_it_is_made_again(teacher: object, texts: list[Text], tmp_path: Path) -> None:
    before, _ = label(teacher, texts, tmp_path / "store")
    shard = tmp_path / "store" / IDENTITY.key / "labels-00001.safetensors"
    shard.write_bytes(shard.read_bytes()[:-1])
    said: list[str] = []
    after, made = label(teacher, texts, tmp_path / "store", said)
    assert after == before
    assert made == 8
    assert any(str(shard) in line and "refused" in line for line in said)


def test_a_teacher_that_gives_nan_is_stopped(teacher: object, texts: list[Text], tmp_path: Path) -> None:
    teacher.classifier.bias.data[0] = float("nan")  # type: ignore[attr-defined]
    with pytest.raises(DamagedError, match="not finite"):
        label(teacher, texts, tmp_path / "store")


def test_labels_are_what_the_teacher_says_of_each_text_alone(
    teacher: object, texts: list[Text], tmp_path: Path
) -> None:
    import torch

    labels, _ = label_texts(
        lambda: teacher_pass(teacher, "torch", "float32", 0, hidden=True),
        *tiny.columns(texts),
        store=tmp_path / "store",
        identity=IDENTITY,
        part="all",
        shard_rows=8,
        padding=0,
        say=lambda _: None,
    )
    name, ids = texts[5]
    row = labels.rows_of([name])[0]
    with torch.inference_mode():
        output = teacher(input_ids=torch.tensor(ids[None]), output_hidden_states=True)  # type: ignore[operator]
    assert labels.logits_NC[row] == pytest.approx(output.logits[0].numpy(), abs=1e-5)
    assert labels.hidden_NH[row] == pytest.approx(output.hidden_states[-1][0].mean(dim=0).numpy(), abs=1e-5)


def test_what_is_kept_in_less_is_the_same_whether_read_or_just_labelled(
    teacher: object, texts: list[Text], tmp_path: Path
) -> None:
    less = replace(IDENTITY, storage=("float16", 1, "none"))
    fresh, _ = label(teacher, texts, tmp_path / "store", identity=less)
    read, again = label(InterruptedAfter(teacher, 0), texts, tmp_path / "store", identity=less)
    assert again == 0 and read == fresh
    label(teacher, texts[:20], tmp_path / "two", identity=less)
    assert label(teacher, texts, tmp_path / "two", identity=less)[0] == fresh


def test_a_shard_that_cannot_be_written_stops_the_labelling(
    teacher: object, texts: list[Text], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kdmodels.labelling.append_shard", full)
    with pytest.raises(OSError, match="No space left"):
        label(teacher, texts, tmp_path / "store")
