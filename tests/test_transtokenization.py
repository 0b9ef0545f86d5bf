"""A transtokenized student is its teacher under another vocabulary, whatever kind of tokenizer the teacher has."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from kdmodels.encoder import frame_roles, special_ids
from kdmodels.errors import BadInputError
from kdmodels.students.transformer import build
from kdmodels.transtokenization import target_embeddings
from kdmodels.vocabulary import save_tokenizer, train_vocabulary
from tests import tiny

TEACHERS = ["wordpiece", "sentencepiece", "byte_level"]


def make_teacher(kind: str, folder: Path) -> tuple[Any, Any]:
    if kind == "sentencepiece":
        return tiny.sentencepiece_teacher()
    if kind == "byte_level":
        return tiny.byte_level_teacher()
    tokenizer = tiny.wordpiece(folder / "wordpiece")
    return tiny.bert(tokenizer), tokenizer


def target_tokenizer(teacher_tokenizer: Any, folder: Path, texts: list[str]) -> Any:
    from transformers import AutoTokenizer

    trained = train_vocabulary(texts, size=150, lowercase=True, frame=frame_roles(teacher_tokenizer))
    save_tokenizer(trained, folder, 64)
    return AutoTokenizer.from_pretrained(folder)


def identity_counts(teacher_tokenizer: Any, tokenizer: Any, shift: int) -> csr_array:
    """Align each ordinary target piece to one ordinary source piece."""
    ordinary = [i for i in range(len(teacher_tokenizer)) if i not in special_ids(teacher_tokenizer).values()]
    counts = np.zeros((len(tokenizer), len(teacher_tokenizer)))
    for number in range(5, len(tokenizer)):
        counts[number, ordinary[(number + shift) % len(ordinary)]] = 2.0
    return csr_array(counts)


@pytest.mark.parametrize("kind", TEACHERS)
def test_the_student_computes_what_the_teacher_computes_on_the_aligned_tokens(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    teacher, theirs = make_teacher(kind, tmp_path)
    ours = target_tokenizer(theirs, tmp_path / "target", tiny.GERMAN)
    counts = identity_counts(theirs, ours, shift=3)
    student = build(
        teacher=teacher,
        teacher_tokenizer=theirs,
        tokenizer=ours,
        align=lambda: counts,
        init="transtokenized",
        layers=[0, 1, 2],
        width=None,
        dropout=0.0,
        seed=1,
    ).eval()
    text = ours("das paket ist kaputt")["input_ids"]
    role_of = {number: role for role, number in special_ids(ours).items()}
    aligned = counts.toarray().argmax(axis=1)
    same = [special_ids(theirs)[role_of[i]] if i in role_of else int(aligned[i]) for i in text]
    assert same != text
    with torch.inference_mode():
        found = student(input_ids=torch.tensor([text])).logits
        expected = teacher(input_ids=torch.tensor([same])).logits
    assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("kind", TEACHERS)
def test_special_tokens_go_by_role_and_the_frame_is_the_teachers(kind: str, tmp_path: Path) -> None:
    teacher, theirs = make_teacher(kind, tmp_path)
    ours = target_tokenizer(theirs, tmp_path / "target", tiny.GERMAN)
    words = teacher.get_input_embeddings().weight.detach()
    embeddings = target_embeddings(words, identity_counts(theirs, ours, 0), theirs, ours)
    assert set(special_ids(ours)) == {"pad", "unk", "cls", "sep", "mask"}
    for role, number in special_ids(ours).items():
        assert torch.allclose(embeddings[number], words[special_ids(theirs)[role]])
    assert frame_roles(ours) == frame_roles(theirs) == (["cls"], ["sep"])


@pytest.mark.parametrize("kind", TEACHERS)
def test_padding_changes_nothing(kind: str, tmp_path: Path) -> None:
    teacher, theirs = make_teacher(kind, tmp_path)
    ours = target_tokenizer(theirs, tmp_path / "target", tiny.GERMAN)
    student = build(
        teacher=teacher, teacher_tokenizer=theirs, tokenizer=ours, align=lambda: identity_counts(theirs, ours, 0),
        init="transtokenized", layers=[2, 0], width=None, dropout=0.0, seed=1,
    ).eval()  # fmt: skip
    alone = ours(["die lampe"], return_tensors="pt")
    padded = ours(["die lampe", "stornieren sie jetzt meine bestellung"], padding=True, return_tensors="pt")
    with torch.inference_mode():
        one = student(input_ids=alone["input_ids"], attention_mask=alone["attention_mask"]).logits[0]
        two = student(input_ids=padded["input_ids"], attention_mask=padded["attention_mask"]).logits[0]
    assert torch.allclose(one, two, atol=1e-5)


def test_an_embedding_is_the_average_over_its_aligned_source_tokens(tmp_path: Path) -> None:
    teacher, theirs = make_teacher("wordpiece", tmp_path)
    ours = target_tokenizer(theirs, tmp_path / "target", tiny.GERMAN)
    words = teacher.get_input_embeddings().weight.detach()
    counts = np.zeros((len(ours), len(theirs)))
    counts[10, 20], counts[10, 30] = 3.0, 1.0
    embeddings = target_embeddings(words, csr_array(counts), theirs, ours)
    assert torch.allclose(embeddings[10], 0.75 * words[20] + 0.25 * words[30], atol=1e-6)


def test_where_nothing_is_aligned_a_piece_takes_the_embedding_of_the_same_word_else_the_mean(tmp_path: Path) -> None:
    teacher, theirs = make_teacher("wordpiece", tmp_path)
    ours = target_tokenizer(theirs, tmp_path / "target", tiny.GERMAN)
    words = teacher.get_input_embeddings().weight.detach()
    embeddings = target_embeddings(words, csr_array((len(ours), len(theirs))), theirs, ours)
    shared = next(piece for piece in ours.get_vocab() if piece in theirs.get_vocab() and "[" not in piece)
    absent = next(piece for piece in ours.get_vocab() if piece not in theirs.get_vocab())
    assert torch.allclose(embeddings[ours.get_vocab()[shared]], words[theirs.get_vocab()[shared]])
    assert torch.allclose(embeddings[ours.get_vocab()[absent]], words.mean(dim=0), atol=1e-6)


def test_an_unaligned_piece_is_made_of_its_aligned_parts_by_their_lengths(tmp_path: Path) -> None:
    teacher, theirs = make_teacher("wordpiece", tmp_path)
    ours = target_tokenizer(theirs, tmp_path / "target", ["haustier haus katze", "tier haustiere haus", "haustier"])
    words = teacher.get_input_embeddings().weight.detach()
    vocabulary = ours.get_vocab()
    assert {"haustier", "haus"} <= set(vocabulary)
    inside = next(f"##{'tier'[:end]}" for end in (4, 3, 2, 1) if f"##{'tier'[:end]}" in vocabulary)
    rest = "tier"[len(inside) - 2 :]
    counts = np.zeros((len(ours), len(theirs)))
    counts[vocabulary["haus"], 20], counts[vocabulary[inside], 30] = 1.0, 1.0
    parts = [(words[20], 4), (words[30], len(inside) - 2)]
    for character in rest:
        counts[vocabulary[f"##{character}"], 40] = 1.0
        parts.append((words[40], 1))
    found = target_embeddings(words, csr_array(counts), theirs, ours)[vocabulary["haustier"]]
    expected = sum(vector * length for vector, length in parts) / sum(length for _, length in parts)
    assert torch.allclose(found, torch.as_tensor(expected), atol=1e-6)


def test_the_chosen_layers_are_the_teachers_and_random_ones_are_not(tmp_path: Path) -> None:
    teacher, theirs = make_teacher("wordpiece", tmp_path)
    ours = target_tokenizer(theirs, tmp_path / "target", tiny.GERMAN)
    given = {
        "teacher": teacher, "teacher_tokenizer": theirs, "tokenizer": ours, "layers": [2], "width": None, "dropout": 0.0,
        "align": lambda: identity_counts(theirs, ours, 0),
    }  # fmt: skip
    name = "bert.encoder.layer.{}.output.dense.weight"
    student = build(**given, init="transtokenized", seed=1)
    assert torch.equal(student.state_dict()[name.format(0)], teacher.state_dict()[name.format(2)])
    random = build(**given, init="random", seed=1)
    assert not torch.equal(random.state_dict()[name.format(0)], teacher.state_dict()[name.format(2)])
    assert torch.equal(random.classifier.weight, build(**given, init="random", seed=1).classifier.weight)


def test_layers_that_the_teacher_has_not_are_refused_with_those_it_has(tmp_path: Path) -> None:
    teacher, theirs = make_teacher("wordpiece", tmp_path)
    given = {"teacher": teacher, "teacher_tokenizer": theirs, "tokenizer": theirs, "align": never, "dropout": 0.0}
    with pytest.raises(
        BadInputError, match=r"student\.options\.layers: \[0, 3\] .* which has 3: one or more of 0 to 2"
    ):
        build(**given, init="random", layers=[0, 3], width=None, seed=1)
    with pytest.raises(BadInputError, match=r"student\.options\.width: 7 does not fit: a multiple of the teacher's 2"):
        build(**given, init="random", layers=[0], width=7, seed=1)


def never() -> csr_array:
    raise AssertionError("a student from random weights needs no alignment")


def test_a_narrower_student_keeps_what_tells_its_embeddings_apart(tmp_path: Path) -> None:
    teacher, theirs = make_teacher("wordpiece", tmp_path)
    ours = target_tokenizer(theirs, tmp_path / "target", tiny.GERMAN)
    student = build(
        teacher=teacher, teacher_tokenizer=theirs, tokenizer=ours, align=lambda: identity_counts(theirs, ours, 0),
        init="transtokenized", layers=[0, 2], width=8, dropout=0.0, seed=1,
    )  # fmt: skip
    narrow = student.get_input_embeddings().weight.detach()
    assert narrow.shape == (len(ours), 8)
    assert student.config.num_hidden_layers == 2
    whole = target_embeddings(teacher.get_input_embeddings().weight, identity_counts(theirs, ours, 0), theirs, ours)
    centred = whole - whole.mean(dim=0)
    kept = torch.linalg.svdvals(narrow.double()).square() / torch.linalg.svdvals(narrow.double()).square().sum()
    expected = torch.linalg.svdvals(centred.double())[:8].square()
    assert torch.allclose(kept, expected / expected.sum(), atol=1e-4), "the directions of most variance, in its order"
    assert narrow.std().item() == pytest.approx(whole.std().item(), rel=0.05)


def test_the_student_knows_the_teachers_labels(tmp_path: Path) -> None:
    teacher, theirs = make_teacher("wordpiece", tmp_path)
    student = build(
        teacher=teacher, teacher_tokenizer=theirs, tokenizer=theirs, align=never, init="random", layers=[1], width=None,
        dropout=0.0, seed=1,
    )  # fmt: skip
    assert student.config.id2label == dict(enumerate(tiny.LABELS))
