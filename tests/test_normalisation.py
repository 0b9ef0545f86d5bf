"""Normalising mends what is broken, leaves what is proper, and done twice changes nothing more."""

# ruff: noqa: RUF001 - text in many scripts

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdmodels.cleaning.normalisation import normalised
from kdmodels.cleaning.words import is_spaced, length, letters, words

ODD = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "&amp;",
                "amp;",
                "lt;",
                "&#",
                "Ã¼",
                "â€œ",
                "Â",
                "\u200b",
                "\u200c",
                "\u200d",
                "\ufeff",
                "\xad",
                "e\u0301",
                "\u0301",
                "\x85",
                "\u2028",
                "\xa0",
                "\ud83d",
                "\ude00",
                "\ud800",
                "\x1b[31m",
                "می",
                "ے",
                "क्",
                "👩",
                "🏽",
                "\ufe0f",
                " ",
                "<",
            ]
        ),
        st.text(st.characters(), max_size=3),
        st.binary(max_size=6).map(lambda raw: raw.decode("cp1252", errors="ignore")),
    ),
    max_size=10,
).map("".join)


@given(ODD, st.booleans())
def test_twice_is_once(text: str, mend: bool) -> None:
    once = normalised(text, mend_encoding=mend)
    assert normalised(once, mend_encoding=mend) == once


@given(ODD, st.booleans())
def test_what_comes_out_can_be_stored_and_is_one_line(text: str, mend: bool) -> None:
    once = normalised(text, mend_encoding=mend)
    once.encode()
    assert once == " ".join(once.split())
    assert unicodedata.is_normalized("NFC", once)
    assert not any(unicodedata.category(character) in {"Cc", "Cs"} for character in once)


@pytest.mark.parametrize(
    ("broken", "mended"),
    [
        ("Die LÃ¶sung fÃ¼r groÃŸe Haushalte", "Die Lösung für große Haushalte"),
        ("Itâ€™s here", "It\u2019s here"),
        ("Fish &amp; chips", "Fish & chips"),
        ("Fish &amp;amp; chips", "Fish & chips"),
        ("smile \ud83d\ude00", "smile 😀"),
    ],
)
def test_mends_encoding(broken: str, mended: str) -> None:
    assert normalised(broken, mend_encoding=True) == mended


def test_mends_only_where_asked() -> None:
    assert normalised("fÃ¼r &amp;", mend_encoding=False) == "fÃ¼r &amp;"


@pytest.mark.parametrize("mend", [True, False])
@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("  one\t two\r\nthree\u2028four\xa0five\u3000six ", "one two three four five six"),
        ("\ufeffWi\xadder\u200bstand", "Widerstand"),
        ("be\x07ll\x00", "bell"),
        ("lone \ud800 half", "lone half"),
        ("cafe\u0301", "café"),
        ("right\u200f to \u202aleft\u202c", "right to left"),
        ("a\u200db", "ab"),
        ("", ""),
        (" \u200b ", ""),
    ],
)
def test_removes_what_is_not_text(text: str, clean: str, mend: bool) -> None:
    assert normalised(text, mend_encoding=mend) == clean


@pytest.mark.parametrize(
    "text",
    [
        "می‌خواهم کتاب‌ها را ببرم",  # Persian, with zero-width non-joiners
        "क्‍ष और क्‌ष",  # Devanagari, with a joiner and a non-joiner
        "👩‍🔧 und 👨‍👩‍👧",
        "❤️ is a heart",
        "“Curly” ‘quotes’ – and «others»",
        "ﬁne ﬂour, ĳs, Ａ１，全角。",
        "ﾊﾝｶｸ",
        "Ça coûte 10³ €, n’est-ce pas ?",
        "Viele Grüße aus Österreich",
        "Ψηφιακή βιβλιοθήκη",
        "你好，世界！",
        "a < b and b > c",
    ],
)
@pytest.mark.parametrize("mend", [True, False])
def test_leaves_proper_text(text: str, mend: bool) -> None:
    assert normalised(text, mend_encoding=mend) == text


def test_words_of_all_scripts() -> None:
    assert words("Don't stop, it's 5.") == ["Don", "t", "stop", "it", "s", "5"]
    assert words("Größe: zwölf") == ["Größe", "zwölf"]
    assert words("10³ ½ größer") == words("„10³ ½ größer“") == ["10³", "½", "größer"]
    assert words("我买了2本书。") == ["我", "买", "了", "2", "本", "书"]
    assert words("हिन्दी में") == ["हिन्दी", "में"]  # vowel signs do not cut a word
    assert len(words("ที่นี่")) == 2  # two letters with their marks each
    assert words("コーヒー, iPhone") == ["コ", "ー", "ヒ", "ー", "iPhone"]


def test_measures_of_all_scripts() -> None:
    assert is_spaced("“Grüße”") and is_spaced("") and not is_spaced("é 好")
    assert letters("a1-b2 é") == "abé" and letters("好,2") == "好"
    assert length("") == 0 and length("abc") == 3 and length("é好か") == 1 + 3 + 2
