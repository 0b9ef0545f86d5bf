"""Nothing that stands in a test set passes the guard, on either side; other text does."""

# ruff: noqa: RUF001 - text in many scripts

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdmodels.cleaning.duplicates import shingles
from kdmodels.cleaning.leaks import LEAKS, Guard, overlap
from kdmodels.pairs import LabelledText
from tests.conftest import ROOT

STSB = ROOT.parent / "shared" / "data" / "stsb"

ENGLISH = "The heavy wooden door of the old house does not close any more in winter."
GERMAN = "Die schwere Holztür des alten Hauses schließt im Winter nicht mehr richtig."
CHINESE = "老房子的木门到了冬天就关不上了，请尽快派人来修理。"


def _texts(*texts: str, group: str | None = None) -> list[LabelledText]:
    return [LabelledText(f"test-{number}", "label", text, None, group) for number, text in enumerate(texts)]


def _guard(*, near: float | None = 0.8, compare_ids: bool = False) -> Guard:
    return Guard(
        source_tests=_texts(ENGLISH, group="doors"),
        target_tests=_texts(GERMAN, CHINESE),
        near=near,
        compare_ids=compare_ids,
    )


@pytest.mark.parametrize(
    ("source", "target", "reason"),
    [
        (ENGLISH, "anders", "leak_exact"),
        ("other", GERMAN, "leak_exact"),
        ("the heavy wooden door, of the old house: does not close any more in winter", "anders", "leak_normalised"),
        ("other", GERMAN.upper().replace(" ", "  "), "leak_normalised"),
        ("other", CHINESE.replace("，", ",").replace("。", ""), "leak_normalised"),
        (ENGLISH.replace("winter", "summer"), "anders", "leak_near"),
        ("other", "Und " + GERMAN, "leak_near"),
        ("other", CHINESE.replace("请", "麻烦"), "leak_near"),
        (ENGLISH.replace("winter", "summer"), GERMAN, "leak_exact"),
        ("The heavy door of the new house closes well.", "Die Tür des neuen Hauses schließt gut.", None),
        (GERMAN, ENGLISH, None),  # each side is compared with its own language
        ("", "", None),
    ],
)
def test_each_kind(source: str, target: str, reason: str | None) -> None:
    assert _guard().reason("1", None, source, target) == reason
    assert reason is None or reason in LEAKS


def test_near_may_be_off() -> None:
    assert _guard(near=None).reason("1", None, ENGLISH.replace("winter", "summer"), "") is None


def test_ids_and_groups_count_only_where_they_are_the_corpus_own() -> None:
    assert _guard(compare_ids=True).reason("test-0", None, "other", "anders") == "leak_id"
    assert _guard(compare_ids=True).reason("9", "doors", "other", "anders") == "leak_group"
    assert _guard(compare_ids=True).reason("9", None, "other", "anders") is None
    assert _guard(compare_ids=False).reason("test-0", "doors", "other", "anders") is None


def test_a_test_text_that_is_not_normalised_is_found_all_the_same() -> None:
    guard = Guard(
        source_tests=_texts(" Gr\xc3\xbc\xc3\x9fe  aus\xa0Wien "), target_tests=[], near=None, compare_ids=False
    )
    assert guard.reason("1", None, "Grüße aus Wien", "") == "leak_exact"


def test_texts_of_punctuation_alone_are_no_leak() -> None:
    guard = Guard(source_tests=_texts("..."), target_tests=[], near=0.8, compare_ids=False)
    assert guard.reason("1", None, "?!", "") is None
    assert guard.reason("1", None, "...", "") == "leak_exact"


TEXT = st.lists(st.sampled_from("abcde"), max_size=9).map(" ".join)


@given(st.lists(TEXT, max_size=6), TEXT, st.sampled_from([0.3, 0.5, 0.7, 0.75, 1.0]))
def test_near_is_the_jaccard_similarity(tested: list[str], text: str, threshold: float) -> None:
    found = overlap([text], tested, near=threshold)
    if text in tested:
        assert found == [(text, text, "exact")]
        return

    def like(other: str) -> bool:
        union = shingles(text) | shingles(other)
        return bool(union) and len(shingles(text) & shingles(other)) / len(union) >= threshold - 1e-9

    assert bool(found) == any(like(other) for other in tested)
    assert all(like(other) and kind == "near" for _, other, kind in found)


def test_overlap_lists_what_is_found() -> None:
    training = [ENGLISH, "Something else entirely", ENGLISH.lower(), ENGLISH.replace("winter", "autumn"), ENGLISH]
    assert overlap(training, [GERMAN, ENGLISH], near=0.8) == [
        (ENGLISH, ENGLISH, "exact"),
        (ENGLISH.lower(), ENGLISH, "normalised"),
        (ENGLISH.replace("winter", "autumn"), ENGLISH, "near"),
        (ENGLISH, ENGLISH, "exact"),
    ]


@pytest.mark.skipif(not STSB.exists(), reason="the STS benchmark is not beside this project")
def test_the_known_overlap_of_the_sts_benchmark() -> None:
    train, tested = _sentences("train"), _sentences("dev") | _sentences("test")
    found = overlap(sorted(train), sorted(tested), near=None)
    assert len(tested) == 5385
    assert len({test for _, test, kind in found if kind == "exact"}) == 464


def _sentences(split: str) -> set[str]:
    with (STSB / f"stsb-en-{split}.csv").open(encoding="utf-8", newline="") as file:
        return {sentence for row in csv.reader(file) for sentence in row[:2]}
