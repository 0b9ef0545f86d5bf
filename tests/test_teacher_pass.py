"""A teacher's pass gives the same labels in torch and in onnxruntime, or says that it does not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kdmodels.classification import load_model
from kdmodels.encoder import load_tokenizer
from kdmodels.errors import BadInputError
from kdmodels.teacher_pass import _Checked, check_alike, device, full_name, teacher_pass
from tests import tiny
from tests.test_small_students import build


def batch(tokenizer: Any, texts: list[str]) -> tuple[Any, Any]:
    found = tokenizer(texts, padding=True, return_tensors="np")
    return found["input_ids"].astype(np.int64), found["attention_mask"].astype(np.int64)


def saved_sentencepiece_teacher(folder: Path) -> Path:
    model, tokenizer = tiny.sentencepiece_teacher()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("make", "hidden"),
    [(tiny.bert_teacher, True), (tiny.bert_teacher, False), (saved_sentencepiece_teacher, True)],
)
def test_onnxruntime_gives_the_labels_of_torch_for_any_batch(
    make: Callable[[Path], Path], hidden: bool, tmp_path: Path
) -> None:
    model, tokenizer = load_model(make(tmp_path / "teacher")), load_tokenizer(tmp_path / "teacher")
    ours, theirs = (
        teacher_pass(model, name, "float32", tokenizer.pad_token_id, hidden) for name in ("onnxruntime", "torch")
    )
    for texts in (tiny.ENGLISH, tiny.ENGLISH[:1], [" ".join(tiny.ENGLISH[:4]), "lamp"]):
        for mine, other in zip(ours(*batch(tokenizer, texts)), theirs(*batch(tokenizer, texts)), strict=True):
            assert mine.dtype == np.float32 and mine.shape == other.shape and mine == pytest.approx(other, abs=1e-5)
        assert ours(*batch(tokenizer, texts))[1].shape[1] == (model.config.hidden_size if hidden else 0)


def test_logits_without_hidden_states_are_the_same(tmp_path: Path) -> None:
    model, tokenizer = load_model(tiny.bert_teacher(tmp_path / "teacher")), load_tokenizer(tmp_path / "teacher")
    with_them, without = (teacher_pass(model, "torch", "float32", 0, hidden) for hidden in (True, False))
    given = batch(tokenizer, tiny.ENGLISH)
    logits, hidden = without(*given)
    assert logits == pytest.approx(with_them(*given)[0], abs=1e-5)
    assert hidden.shape == (len(tiny.ENGLISH), 0)


def test_the_first_batch_tells_whether_onnxruntime_is_believed(tmp_path: Path) -> None:
    model, tokenizer = load_model(tiny.bert_teacher(tmp_path / "teacher")), load_tokenizer(tmp_path / "teacher")
    read = teacher_pass(model, "onnxruntime", "float32", 0, hidden=True)
    assert isinstance(read, _Checked)
    with torch.no_grad():
        model.classifier.bias[0] += 1  # torch's, after the graph was drawn
    with pytest.raises(BadInputError, match=r"does not give the teacher's labels: KL .* labelling\.backend: torch"):
        read(*batch(tokenizer, tiny.ENGLISH))


def test_labels_are_alike_within_a_hundred_thousandth_of_a_nat_and_with_the_same_best_class() -> None:
    logits = np.array([[2.0, 0.0, -1.0]], dtype=np.float32)
    check_alike(logits + np.float32(1e-4), logits)
    with pytest.raises(BadInputError, match="KL"):
        check_alike(logits + np.array([[0.02, 0, 0]], dtype=np.float32), logits)
    near = np.array([[1.0, 0.9995]], dtype=np.float32)
    with pytest.raises(BadInputError, match="another class"):
        check_alike(near[:, ::-1].copy(), near)
    tied = np.array([[1.0, 0.99999]], dtype=np.float32)
    check_alike(tied[:, ::-1].copy(), tied)
    with pytest.raises(BadInputError, match="nan"):
        check_alike(np.full((1, 3), np.nan, dtype=np.float32), logits)


def test_a_recurrent_teacher_is_left_to_torch(tmp_path: Path) -> None:
    model, tokenizer = build("bilstm", tmp_path)
    with pytest.raises(
        BadInputError, match=r"onnxruntime cannot run a teacher of the kind .*labelling\.backend: torch"
    ):
        teacher_pass(model, "onnxruntime", "float32", tokenizer.pad_token_id, hidden=True)


def test_without_onnxruntime_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model(tiny.bert_teacher(tmp_path / "teacher"))
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(BadInputError, match=r"onnxruntime is not installed.*distilingua\[onnx\]"):
        teacher_pass(model, "onnxruntime", "float32", 0, hidden=True)


def test_bfloat16_multiplies_coarsely_and_gives_float32(tmp_path: Path) -> None:
    model, tokenizer = load_model(tiny.bert_teacher(tmp_path / "teacher")), load_tokenizer(tmp_path / "teacher")
    exact, coarse = (teacher_pass(model, "torch", name, 0, hidden=True) for name in ("float32", "bfloat16"))
    given = batch(tokenizer, tiny.ENGLISH)
    for whole, rounded in zip(exact(*given), coarse(*given), strict=True):
        assert rounded.dtype == np.float32
        assert 0 < np.abs(rounded - whole).max() < 0.05


def test_labels_of_a_gpu_are_told_apart_from_those_of_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert (device(), full_name("torch"), full_name("onnxruntime")) == ("cpu", "torch", "onnxruntime")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA X")
    assert (device(), full_name("torch")) == ("cuda", "torch, NVIDIA X")
    assert full_name("onnxruntime") == "onnxruntime", "which stays on the CPU"
