"""The plain control learns from labels, is the same after saving, and knows what it does not know."""

from pathlib import Path

import numpy as np
import pytest

from kdmodels.errors import BadInputError, DamagedError
from kdmodels.tf_idf import TfIdf, fit, load

TEXTS = ["das Paket ist spät", "wo ist mein Paket", "die Lampe ist kaputt", "eine kaputte Lampe", "Rechnung falsch"] * 4
LABELS = np.array([1, 1, 2, 2, 0] * 4)


def fitted(classes: int = 4) -> TfIdf:
    return fit(
        TEXTS, LABELS, np.ones(len(TEXTS)), held_out_texts=TEXTS[:5], held_out_labels_M=LABELS[:5], classes=classes
    )


def test_it_learns_and_gives_a_class_that_it_never_saw_no_chance() -> None:
    logits = fitted().logits(["mein Paket", "Lampe", "die Rechnung ist falsch"])
    assert logits.argmax(axis=1).tolist() == [1, 2, 0]
    assert logits.shape == (3, 4)
    assert (logits[:, 3] < logits[:, :3].min(axis=1) - 10).all()


def test_it_is_the_same_after_saving_and_holds_no_pickle(tmp_path: Path) -> None:
    model = fitted()
    model.save(tmp_path)
    again = load(tmp_path)
    assert np.array_equal(again.logits(TEXTS), model.logits(TEXTS))
    assert again.parameters == model.parameters > 0
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}


def test_two_classes_and_texts_in_a_script_without_spaces() -> None:
    texts = ["我的包裹在哪里", "包裹迟到了", "灯坏了", "坏了的灯"] * 3
    labels = np.array([0, 0, 1, 1] * 3)
    model = fit(texts, labels, np.ones(12), held_out_texts=texts[:4], held_out_labels_M=labels[:4], classes=2)
    assert model.logits(["包裹", "灯坏"]).argmax(axis=1).tolist() == [0, 1]


def test_one_class_alone_is_always_answered() -> None:
    one = np.array([2, 2])
    model = fit(["Paket", "Lampe"], one, np.ones(2), held_out_texts=["x"], held_out_labels_M=one[:1], classes=4)
    assert model.logits(["Paket", "anderes"]).argmax(axis=1).tolist() == [2, 2]


def test_a_pair_that_weighs_more_counts_more() -> None:
    texts, labels = ["Paket", "Paket"], np.array([0, 1])
    for weight, expected in ((np.array([9.0, 1.0]), 0), (np.array([1.0, 9.0]), 1)):
        model = fit(texts, labels, weight, held_out_texts=["x"], held_out_labels_M=np.array([0]), classes=2)
        assert model.logits(["Paket"]).argmax() == expected


def test_a_missing_or_damaged_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="no such file"):
        load(tmp_path)
    fitted().save(tmp_path)
    (tmp_path / "tf_idf.safetensors").write_bytes(b"half")
    with pytest.raises(DamagedError, match="the TF-IDF classifier cannot be read"):
        load(tmp_path)
