"""Word alignment finds translations, and its first step gives the numbers computed by hand."""

from typing import Any

import numpy as np
import pytest

from kdmodels.alignment import align


def rows(*texts: list[int]) -> list[np.ndarray]:
    return [np.array(text) for text in texts]


TWO: dict[str, Any] = {"source_size": 2, "target_size": 2, "symmetrised": False}


def test_one_iteration_by_hand() -> None:
    # Source words 0 and 1, target words 0 and 1, and nothing as a third cause: from a uniform start each target word
    # is shared by the causes of its pair. Pair one has causes 0, 1, nothing: 1/3 each; pair two 0, nothing: 1/2 each.
    counts = align(rows([0, 1], [0]), rows([0, 1], [0]), iterations=1, **TWO).toarray()
    assert counts == pytest.approx(np.array([[1 / 3 + 1 / 2, 1 / 3], [1 / 3, 1 / 3]]))


def test_two_iterations_by_hand() -> None:
    # After one iteration p(0|0) = (5/6) / (7/6) = 5/7, p(0|1) = 1/2, p(0|nothing) = (5/6) / (7/6) = 5/7
    # and p(1|0) = 2/7, p(1|1) = 1/2, p(1|nothing) = 2/7.
    counts = align(rows([0, 1], [0]), rows([0, 1], [0]), iterations=2, **TWO).toarray()
    of_zero, of_one = 5 / 7 + 1 / 2 + 5 / 7, 2 / 7 + 1 / 2 + 2 / 7
    assert counts[0, 0] == pytest.approx(5 / 7 / of_zero + 1 / 2)
    assert counts[0, 1] == pytest.approx(1 / 2 / of_zero)
    assert counts[1, 1] == pytest.approx(1 / 2 / of_one)


def test_finds_the_translation_of_each_word() -> None:
    random = np.random.default_rng(0)
    source = [random.choice(20, size=5, replace=False) for _ in range(300)]
    target = [random.permutation(19 - text) for text in source]
    counts = align(source, target, source_size=20, target_size=20, iterations=8, symmetrised=False).toarray()
    assert counts.argmax(axis=1).tolist() == [19 - word for word in range(20)]


def test_a_text_without_tokens_aligns_nothing() -> None:
    counts = align(rows([], [1]), rows([0], []), iterations=2, **TWO)
    assert counts.sum() == 0


def test_the_product_of_both_directions_by_hand() -> None:
    # After one iteration, pair one: each of the four links has 1/3 from either side (two causes and nothing), pair two
    # 1/2 from either side; a link counts by the product.
    counts = align(rows([0, 1], [0]), rows([0, 1], [0]), iterations=1, **TWO | {"symmetrised": True}).toarray()
    assert counts == pytest.approx(np.array([[1 / 9 + 1 / 4, 1 / 9], [1 / 9, 1 / 9]]))


def test_a_word_of_all_pairs_takes_less_where_both_sides_must_agree() -> None:
    """Target word 9 stands everywhere and translates nothing: one direction shares it out over the source words."""
    random = np.random.default_rng(0)
    source = [random.choice(9, size=4, replace=False) for _ in range(200)]
    target = [np.append(8 - text, 9) for text in source]
    shares = []
    for symmetrised in (False, True):
        found = align(source, target, source_size=9, target_size=10, iterations=5, symmetrised=symmetrised).toarray()
        shares.append(found[9].sum() / found.sum())
    assert shares[1] < shares[0] / 2


@pytest.mark.parametrize("symmetrised", [False, True])
def test_pairs_may_be_worked_on_a_few_at_a_time(symmetrised: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(2)
    source, target = ([random.integers(0, 30, size=random.integers(0, 9)) for _ in range(60)] for _ in range(2))
    settings: dict[str, Any] = {"source_size": 30, "target_size": 30, "iterations": 4, "symmetrised": symmetrised}
    at_once = align(source, target, **settings).toarray()
    for places in (1, 40, 300):
        monkeypatch.setattr("kdmodels.alignment._TOGETHER", places)
        assert align(source, target, **settings).toarray() == pytest.approx(at_once, abs=1e-12)


def test_no_pairs_have_no_alignment() -> None:
    assert (
        align([], [], source_size=3, target_size=2, iterations=2, symmetrised=True).toarray().tolist() == [[0] * 3] * 2
    )
