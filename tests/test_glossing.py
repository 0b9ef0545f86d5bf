"""Labelled source text is glossed word for word by what the parallel corpus aligned, and keeps its labels."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

from kdmodels.alignment import align
from kdmodels.glossing import Lexicon, gloss, glosses, lexicon, starts_of_words, words_of
from tests import tiny
from tests.tiny_project import TinyProject


def plain(tokenizer: Any, texts: list[str]) -> list[Any]:
    return [np.array(row) for row in tokenizer(texts, add_special_tokens=False)["input_ids"]]


def spelled(tokenizer: Any, words: list[tuple[int, ...]]) -> list[str]:
    pieces = ("".join(tokenizer.convert_ids_to_tokens(list(word))) for word in words)
    return [text.replace("##", "").strip("▁Ġ") for text in pieces]


def test_pieces_are_put_together_to_words_in_each_kind_of_vocabulary(tmp_path: Path) -> None:
    wordpiece = tiny.wordpiece(tmp_path / "tokenizer", size=60)
    unigram, byte_level = tiny.sentencepiece_teacher()[1], tiny.byte_level_teacher()[1]
    for tokenizer in (wordpiece, unigram, byte_level):
        text = "where is my order"
        (ids,) = plain(tokenizer, [text])
        assert spelled(tokenizer, words_of(ids, starts_of_words(tokenizer))) == text.split(), type(tokenizer)
    (ids,) = plain(wordpiece, ["cancel my order"])
    assert len(ids) > 3, "some of these words have several pieces"


def made(tmp_path: Path) -> tuple[Any, Any, Lexicon]:
    english, german = tiny.wordpiece(tmp_path / "en", size=70), tiny.wordpiece(tmp_path / "de", tiny.GERMAN, size=80)
    source, target = plain(english, tiny.ENGLISH * 3), plain(german, tiny.GERMAN * 3)
    sizes = {"source_size": len(english), "target_size": len(german)}
    counts = align(source, target, iterations=10, symmetrised=True, **sizes)
    known = lexicon(
        source, target, counts, source_starts_V=starts_of_words(english), target_starts_V=starts_of_words(german),
        iterations=10, symmetrised=True,
    )  # fmt: skip
    return english, german, known


def test_a_gloss_has_the_words_that_were_aligned_in_the_source_order(tmp_path: Path) -> None:
    english, german, known = made(tmp_path)
    (ids,) = plain(english, ["my order is late"])
    pieces = gloss(ids, known, candidates=1, random=np.random.default_rng(0))
    words = spelled(german, words_of(np.array(pieces), starts_of_words(german)))
    assert words[1:] == ["bestellung", "ist", "spät"], "as no sentence of the corpus says it"


def test_a_word_is_drawn_by_how_often_it_was_aligned() -> None:
    counts = csr_array(np.array([[3.0], [1.0], [0.5]]))
    known = Lexicon({(0,): 0}, [(7,), (8, 9), (5,)], counts.tocsc(), counts.tocsc(), np.array([True]))
    random = np.random.default_rng(0)
    drawn = [tuple(gloss(np.array([0]), known, candidates=2, random=random)) for _ in range(2000)]
    assert set(drawn) == {(7,), (8, 9)}, "no more than the candidates"
    assert drawn.count((7,)) / 2000 == pytest.approx(0.75, abs=0.03)


def test_a_word_never_seen_is_glossed_by_its_pieces_and_one_without_any_left_out() -> None:
    pieces = csr_array(np.array([[0.0, 2.0, 0.0], [0.0, 0.0, 0.01]]))
    known = Lexicon({}, [], csr_array((0, 0)).tocsc(), pieces.tocsc(), np.array([True, False, True]))
    random = np.random.default_rng(0)
    assert gloss(np.array([0, 1]), known, candidates=5, random=random) == [0]
    assert gloss(np.array([2]), known, candidates=5, random=random) == [], "0.01 of an alignment says nothing"


def test_glosses_are_framed_cut_and_numbered_and_the_same_for_the_same_seed(tmp_path: Path) -> None:
    english, german, known = made(tmp_path)
    texts = [*plain(english, ["my order is late"]), np.array([], dtype=np.int64), *plain(english, ["the lamp"])]
    numbers = {"copies": 3, "candidates": 3, "maximum_length": 4}
    rows, text_N = glosses(texts, known, german, seed=1, **numbers)
    assert text_N.tolist() == [0, 0, 0, 2, 2, 2], "a text without a word has none"
    assert all(row[0] == german.cls_token_id and row[-1] == german.sep_token_id and len(row) <= 4 for row in rows)
    again, _ = glosses(texts, known, german, seed=1, **numbers)
    other, _ = glosses(texts * 5, known, german, seed=2, **numbers)
    assert all((one == same).all() for one, same in zip(rows, again, strict=True))
    assert len({row.tobytes() for row in other}) > len({row.tobytes() for row in rows})


def test_a_student_learns_from_glosses_through_the_declared_stage(copy: TinyProject) -> None:
    project = copy
    learned = (project.root / "data/student/de/model/model.safetensors").read_bytes()
    project.set(student={"pairs": 10, "epochs": 1, "glosses": {"loss": "cross_entropy", "copies": 1}})
    assert project.repro("student@de") == ["student@de"]
    assert (project.root / "data/student/de/model/model.safetensors").read_bytes() != learned
    card = (project.root / "data/student/de/model/README.md").read_text(encoding="utf-8")
    assert "10 sentence pairs" in card, "and from no more than it may"
    assert "no labelled `de` text was used, and labelled `en` text was glossed word for word." in card
    project.set(student={"glosses": {"loss": "soft_kl"}})
    ended = project.run("python", "-m", "tasks", "student", "out=x", check=False)
    assert ended.returncode == 2
    assert (
        "student.glosses.loss: the loss 'soft_kl' cannot stand there; those that can: cross_entropy, none"
        in ended.stderr
    )
