"""Each filter drops what it is for, keeps clean text in several scripts, and is off without a threshold."""

# ruff: noqa: RUF001 - text in many scripts

import itertools
import pickle
from typing import Any

import pytest

from kdmodels.cleaning.chain import REASONS, Chain
from kdmodels.cleaning.filters import FILTERS, Filters
from kdmodels.cleaning.leaks import Guard
from kdmodels.errors import BadInputError
from kdmodels.pairs import LabelledText, Pair

OFF: dict[str, Any] = {
    "characters": None,
    "words": None,
    "word_characters": None,
    "length_ratio": None,
    "similarity": None,
    "letters": None,
    "script": None,
    "numbers": None,
    "html": False,
}
ON: dict[str, Any] = {
    "characters": (1, 500),
    "words": (1, 80),
    "word_characters": 60,
    "length_ratio": 4.0,
    "similarity": 0.85,
    "letters": 0.3,
    "script": 0.5,
    "numbers": 0.6,
    "html": True,
}
CLEAN = [
    ("en", "de", "The ladder is 3 metres long.", "Die Leiter ist 3 Meter lang."),
    ("en", "de", "It arrived after fourteen days.", "Es kam nach 14 Tagen an."),
    ("en", "de", "Yes", "Ja, sehr gerne"),
    ("en", "de", "Room 3, 8 pm, 2 guests, 147 euros", "Zimmer drei, 20 Uhr, zwei Gäste, 147 Euro"),
    ("en", "de", "We need 47 chairs on the 26th", "Am 26. brauchen wir 47 Stühle"),
    ("en", "es", "Is my price < 20 and > 10?", "¿Mi precio es < 20 y > 10?"),
    ("en", "zh", "Is the blue kettle still available this week?", "这周蓝色的水壶还有货吗？"),
    ("en", "zh", "What does 'PARCEL FEE' mean?", "“PARCEL FEE”是什么意思？"),
    ("en", "ja", "Please send a second invoice.", "請求書をもう一度送ってください。"),
    ("en", "ko", "Please send a second invoice.", "청구서를 다시 보내 주세요."),
    ("en", "th", "The shop is closed today.", "วันนี้ร้านปิด"),
    ("en", "hi", "The room costs 250 rupees.", "कमरे का किराया २५० रुपये है।"),
    ("en", "ar", "Where is the nearest station?", "أين أقرب محطة؟"),
    ("en", "ru", "Where is the nearest station?", "Где ближайшая станция?"),
    ("en", "sr", "Where is the nearest station?", "Где је најближа станица?"),
    ("en", "sr", "Where is the nearest station?", "Gde je najbliža stanica?"),
    ("en", "sw", "The meeting begins in May 2021.", "Mkutano unaanza Mei 2021."),
    ("de", "en", "Schreib an <rosa@example.org>", "Write to <rosa@example.org>"),
]


@pytest.mark.parametrize(("source", "target", "left", "right"), CLEAN)
def test_clean_text_passes_all(source: str, target: str, left: str, right: str) -> None:
    assert Filters(source=source, target=target, **ON).reason(left, right) is None
    assert Filters(source=target, target=source, **ON).reason(right, left) is None


LONG = "This sentence stands for any other that is long enough"
FAULTS = [
    ("empty", "en", "de", "", "Ja"),
    ("empty", "en", "de", "Yes", ""),
    ("characters", "en", "de", "word " * 101, "Wort " * 70),
    ("words", "en", "de", "a b " * 60, "A B " * 60),
    ("words", "en", "zh", "word " * 60, "这是很长的句子没有尽头" * 9),
    ("word_characters", "en", "de", "see " + "x" * 61, "siehe dort, auf der langen Seite, die hier steht"),
    ("length_ratio", "en", "de", LONG, "Hier."),
    ("length_ratio", "en", "zh", LONG, "好的"),
    ("html", "en", "de", "<b>Open</b> today", "Heute offen"),
    ("html", "en", "de", "Open today", 'Heute <A href="x">offen</a>'),
    ("html", "en", "de", "Open today<br/>", "Heute offen"),
    ("html", "en", "de", "Fish &amp; chips", "Fisch und Fritten"),
    ("html", "en", "de", "<!-- no --> Open", "Offen"),
    ("similarity", "en", "de", LONG, LONG),
    ("similarity", "en", "de", LONG, LONG.upper() + "."),
    ("similarity", "en", "de", "Amazon Prime", "amazon prime"),
    ("letters", "en", "de", "-- 12 / 17 % --- a", "-- 12 / 17 % --- b"),
    ("script", "en", "de", "Where is the station?", "Где здесь станция?"),
    ("script", "en", "zh", "Where is the station?", "Wo ist der Bahnhof?"),
    ("script", "en", "zh-Hant", "Where is the station?", "Ou est la gare?"),
    ("script", "en", "sr-Latn", "Where is the station?", "Где је станица?"),
    ("swapped", "en", "ru", "Где ближайшая станция?", "Where is the nearest station?"),
    ("swapped", "zh", "en", "Is the blue kettle here?", "蓝色的水壶在这里吗？"),
    ("numbers", "en", "de", "The bus 417 leaves at 18:25.", "Der Bus 398 fährt um 16:07 ab."),
    ("numbers", "en", "hi", "The room costs 250 rupees.", "कमरे का किराया १७९ रुपये है।"),
    ("numbers", "en", "de", "Call 0176 3481 for help.", "Rufen Sie uns einfach an."),
]


@pytest.mark.parametrize(("reason", "source", "target", "left", "right"), FAULTS)
def test_each_fault_is_found_and_only_by_its_filter(
    reason: str, source: str, target: str, left: str, right: str
) -> None:
    assert Filters(source=source, target=target, **ON).reason(left, right) == reason
    if reason != "empty":
        threshold = "script" if reason == "swapped" else reason
        alone = {**OFF, threshold: ON[threshold]}
        assert Filters(source=source, target=target, **alone).reason(left, right) == reason
        assert Filters(source=source, target=target, **OFF).reason(left, right) is None


def test_short_sides_may_be_nearly_alike_and_not_equal() -> None:
    filters = Filters(source="en", target="de", **{**OFF, "similarity": 0.8})
    assert filters.reason("Hotel Berlin", "Hotel Berlins") is None
    assert filters.reason("Hotel Berlin", "Hotel Berlin") == "similarity"


def test_a_language_whose_script_is_unknown_is_not_judged() -> None:
    filters = Filters(source="en", target="qaa", **{**OFF, "script": 0.9})
    assert filters.reason("one word", "слово") is None


def test_an_unknown_script_is_refused() -> None:
    with pytest.raises(BadInputError, match=r"en-Wxyz.*'Wxyz'.*zh-Hant"):
        Filters(source="en-Wxyz", target="de", **OFF)


def _guard() -> Guard:
    tests = [LabelledText("t1", "x", "The lamp does not burn any more.", None, None)]
    return Guard(source_tests=tests, target_tests=[], near=0.8, compare_ids=True)


def _chain(**other: Any) -> Chain:
    arguments: dict[str, Any] = {
        "language": None,
        "languages": [],
        "near_duplicates": 0.85,
        "leak_near": 0.8,
        "mend_encoding": True,
    }
    return Chain(source="en", target="de", guard=_guard(), **{**ON, **arguments, **other})


def test_the_chain_normalises_says_why_and_keeps_the_order() -> None:
    batch = [
        Pair("1", " The  house is blue.", "Das Haus ist blau f\xc3\xbcr heute.", "g"),
        Pair("2", "\u200b", "Nichts", None),
        Pair("3", "The lamp does not burn any more!", "Die Lampe brennt nicht mehr!", None),
        Pair("4", "<p>We open at nine", "Wir öffnen um neun", None),
    ]
    cleaned = _chain()(batch)
    assert cleaned.reasons == [None, "empty", "leak_normalised", "html"]
    assert [pair.id for pair in cleaned.pairs] == ["1", "2", "3", "4"]
    assert cleaned.pairs[0] == Pair("1", "The house is blue.", "Das Haus ist blau für heute.", "g")
    assert cleaned.exact_N.shape == (1,) and cleaned.bands_NB.shape == (1, 16)


def test_the_chain_judges_a_pair_by_itself() -> None:
    batch = [Pair(str(number), left, right, None) for number, (*_, left, right) in enumerate(CLEAN)]
    chain = _chain(script=None, near_duplicates=0.8)
    whole = chain(batch)
    halves = [chain(batch[:5]), chain(batch[5:])]
    assert whole.reasons == halves[0].reasons + halves[1].reasons
    assert whole.exact_N.tolist() == [*halves[0].exact_N.tolist(), *halves[1].exact_N.tolist()]
    assert whole.bands_NB.tolist() == [*halves[0].bands_NB.tolist(), *halves[1].bands_NB.tolist()]
    nothing = chain([])
    assert nothing.reasons == [] and nothing.bands_NB.shape == (0, 16)


def test_the_first_filter_in_order_gives_the_reason() -> None:
    # Of any two faults in one pair that both are found alone, the earlier in the documented order is given.
    pair = ("<b>12 345 678 90</b> " + "x" * 61, "<i>98 765 432 12 77 77</i> " + "x" * 61)
    named = [reason for reason in ("word_characters", "html", "numbers") if reason in FILTERS]
    for first, second in itertools.combinations(named, 2):
        both = {**OFF, first: ON[first], second: ON[second]}
        assert Filters(source="en", target="de", **both).reason(*pair) == first
    assert REASONS[: len(FILTERS)] == FILTERS
    assert len(set(REASONS)) == len(REASONS)


def test_what_a_worker_is_given_can_be_sent_there() -> None:
    guard = pickle.loads(pickle.dumps(_guard()))
    assert guard.reason("1", None, "The lamp does not burn any more.", "Egal") == "leak_exact"
