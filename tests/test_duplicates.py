"""Of pairs that repeat each other exactly or nearly the first stays; others stay all."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdmodels.cleaning.duplicates import BANDS, repeated_rows, shingles, signatures
from tests.conftest import ROOT

WORDS = [
    "lamp",
    "door",
    "river",
    "stone",
    "green",
    "window",
    "carries",
    "yellow",
    "letter",
    "garden",
    "bridge",
    "silver",
]


def _text(seed: int, size: int) -> str:
    return " ".join(np.random.default_rng(seed).choice(WORDS, size))


def _repeated(pairs: list[tuple[str, str]], threshold: float) -> tuple[list[int], list[int]]:
    exact, near = repeated_rows(*signatures(pairs, near=True), threshold=threshold)
    return np.flatnonzero(exact).tolist(), np.flatnonzero(near).tolist()


def test_exact_repetitions() -> None:
    pairs = [("One", "Eins"), ("Two", "Zwei"), ("ONE ", "eins"), ("One", "Zwei"), ("one", "Eins"), ("Eins", "One")]
    assert _repeated(pairs, 0.8) == ([2, 4], [])


def test_the_sides_are_not_run_together() -> None:
    assert _repeated([("a b", "c"), ("a", "b c")], 0.8) == ([], [])


def test_near_repetitions_and_the_first_stays() -> None:
    first, other = (_text(1, 30), _text(2, 30)), (_text(3, 30), _text(4, 30))
    pairs = [first, other, (first[0] + " today", first[1]), (first[0].upper() + "!", first[1]), (first[0], other[1])]
    assert _repeated(pairs, 0.8) == ([], [2, 3])


def test_short_pairs_are_only_compared_exactly() -> None:
    assert _repeated(
        [("Order 17", "Bestellung 17"), ("Order 18", "Bestellung 18"), ("Order 17!", "Bestellung 17")], 0.5
    ) == (
        [],
        [],
    )


def test_numbers_are_words() -> None:
    frame = "The parcel with the number {} was sent to house {} today"
    pairs = [(frame.format(n, n + 3), frame.replace("The", "Das").format(n, n + 3)) for n in range(40)]
    assert _repeated(pairs, 0.85) == ([], [])


def test_chinese_repetitions() -> None:
    first = "我上周订购的蓝色水壶到现在还没有送到请帮我查一下"
    pairs = [
        ("I ordered the blue kettle last week and it is not here", first),
        ("I ordered the blue kettle last week and it is not here", first + "吧"),
    ]
    assert _repeated(pairs, 0.8) == ([], [1])


def test_without_near_repetitions() -> None:
    exact_N, bands_NB = signatures([("a", "b"), ("a", "b")], near=False)
    assert bands_NB.shape == (2, 0)
    exact, near = repeated_rows(exact_N, bands_NB, threshold=0.8)
    assert exact.tolist() == [False, True] and not near.any()
    exact, near = repeated_rows(*signatures([], near=True), threshold=0.8)
    assert len(exact) == len(near) == 0


def test_the_estimate_is_near_the_jaccard_similarity() -> None:
    errors = []
    for seed in range(60):
        words = [f"w{number}" for number in np.random.default_rng(seed).permutation(300)]
        left, right = " ".join(words[:40]), " ".join(words[seed % 20 : 40 + seed % 20])
        true = len(shingles(left) & shingles(right)) / len(shingles(left) | shingles(right))
        _, bands_NB = signatures([(left, ""), (right, "")], near=True)
        values = bands_NB.view(np.uint16)
        errors.append((values[0] == values[1]).mean() - true)
    assert abs(float(np.mean(errors))) < 0.02
    assert float(np.std(errors)) < 0.07


# Rows that share some of their few possible bands: all kinds of chains and clusters.
BAND = st.integers(0, 3)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(BAND, min_size=BANDS, max_size=BANDS), max_size=14), st.sampled_from([0.3, 0.6, 0.9]))
def test_near_by_definition(rows: list[list[int]], threshold: float) -> None:
    bands_NB = np.array(rows, dtype=np.uint64).reshape(len(rows), BANDS)
    exact, near = repeated_rows(np.arange(len(rows), dtype=np.uint64), bands_NB, threshold=threshold)

    def like(one: int, two: int) -> bool:
        shared = (bands_NB[one] == bands_NB[two]) & (bands_NB[one] != 0)
        return bool(shared.any() and (bands_NB[one].view("u2") == bands_NB[two].view("u2")).mean() >= threshold)

    assert not exact.any()
    for row in range(len(rows)):
        if near[row]:
            assert any(like(row, earlier) for earlier in range(row))
        else:
            assert not any(like(row, earlier) for earlier in range(row) if not near[earlier])


def test_memory_maps_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kdmodels.cleaning.duplicates._ROWS", 7)  # several blocks
    pairs = [(_text(seed % 70, 20), _text(seed % 70, 20) + (" x" if 70 < seed < 140 else "")) for seed in range(200)]
    exact_N, bands_NB = signatures(pairs, near=True)
    (tmp_path / "bands").write_bytes(b"a header" + bands_NB.tobytes())
    mapped = np.memmap(tmp_path / "bands", np.uint64, "r", offset=8, shape=bands_NB.shape)
    found, expected = repeated_rows(exact_N, mapped, threshold=0.8), repeated_rows(exact_N, bands_NB, threshold=0.8)
    assert [mask.tolist() for mask in found] == [mask.tolist() for mask in expected]
    part = repeated_rows(exact_N[50:], mapped[50:], threshold=0.8)
    assert [mask.tolist() for mask in part] == [
        m.tolist() for m in repeated_rows(exact_N[50:], bands_NB[50:], threshold=0.8)
    ]
    assert expected[0].any() and expected[1].any()


def test_the_same_signature_in_another_process() -> None:
    pair = (_text(5, 20), "Grüße und 你好 " * 6)
    program = (
        "from kdmodels.cleaning.duplicates import signatures;"
        f"print([array.tolist() for array in signatures([{pair!r}], near=True)])"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        check=True,
    )
    assert run.stdout.decode().strip() == str([array.tolist() for array in signatures([pair], near=True)])
