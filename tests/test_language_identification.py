"""Text in the wrong language and swapped sides are found; short text, names and unknown languages are not judged."""

import os
import subprocess
import sys

import pytest

from kdmodels.cleaning.languages import Identifier, scripts
from kdmodels.errors import BadInputError
from tests.conftest import ROOT

GERMAN = "Die Lieferung ist gestern angekommen, aber der Karton war leider beschädigt."
ENGLISH = "The delivery arrived yesterday, but the box was unfortunately damaged."
FRENCH = "La livraison est arrivée hier, mais le carton était malheureusement abîmé."


@pytest.fixture(scope="module")
def german() -> Identifier:
    return Identifier("en", "de", ["fr"])


def test_right_languages_pass(german: Identifier) -> None:
    assert german.reasons([(ENGLISH, GERMAN)], confidence=0.8) == [None]
    ((language, confidence),) = german.identified([GERMAN], own="de")
    assert language == "de" and confidence > 0.9


def test_wrong_and_swapped_sides_are_found(german: Identifier) -> None:
    pairs = [(ENGLISH, FRENCH), (FRENCH, GERMAN), (GERMAN, GERMAN), (GERMAN, ENGLISH), (ENGLISH, GERMAN)]
    assert german.reasons(pairs, confidence=0.8) == ["language", "language", "language", "swapped", None]


def test_short_text_is_not_judged(german: Identifier) -> None:
    assert german.identified(["Amazon Prime", "", "12:30 — 14:45 / 3 × 250 ml"], own="de") == [(None, 0.0)] * 3
    assert german.reasons([("Nein, danke", "No thanks")], confidence=0.5) == [None]


def test_confidence_counts_against_the_own_language() -> None:
    # Sure not to be German, whichever of two near languages it is.
    identifier = Identifier("en", "de", ["da", "nb"])
    ((language, confidence),) = identifier.identified(["Han har aldrig været i den store by ved havet"], own="de")
    assert language in {"da", "nb"} and confidence > 0.95


def test_scripts_without_spaces_are_judged_from_fewer_characters() -> None:
    identifier = Identifier("en", "zh", ["ja"])
    found = identifier.identified(["这周蓝色的水壶还有货吗", "この青いやかんはまだありますか"], own="zh-Hant")
    assert [language for language, _ in found] == ["zh", "ja"]


def test_a_language_that_only_the_first_judge_knows() -> None:
    identifier = Identifier("en", "br", ["fr"])  # Breton is none of lingua's languages
    found = identifier.identified(["Ar gêr a zo bras ha kaer, hag an dud a zo laouen enni.", FRENCH], own="br")
    assert [language for language, _ in found] == ["br", "fr"]


def test_a_language_that_no_judge_knows_is_not_judged() -> None:
    identifier = Identifier("en", "qaa", ["fr"])
    assert identifier.identified([FRENCH], own="qaa") == [(None, 0.0)]
    assert identifier.reasons([(ENGLISH, FRENCH), (FRENCH, FRENCH)], confidence=0.8) == [None, "language"]


def test_an_unknown_candidate_is_refused() -> None:
    with pytest.raises(BadInputError, match=r"languages: 'xx' is known to no language identifier.*Leave it out"):
        Identifier("en", "de", ["xx"])


def test_the_same_confidence_in_another_process(german: Identifier) -> None:
    # Short, so that lingua is asked, whose sums differ in the last bits from run to run.
    text = "Chapeau, der Schirm hält"
    program = (
        "from kdmodels.cleaning.languages import Identifier;"
        f"print(Identifier('en', 'de', ['fr']).identified([{text!r}], own='en'))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        check=True,
    )
    assert run.stdout.decode().strip() == str(german.identified([text], own="en"))


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("de", ("Latn",)),
        ("pt-BR", ("Latn",)),
        ("ru", ("Cyrl",)),
        ("zh-Hant-TW", ("Hani",)),
        ("ja", ("Hani", "Hira", "Kana")),
        ("sr", ("Cyrl", "Latn")),
        ("sr-latn", ("Latn",)),
        ("uz-Arab", ("Arab",)),
        ("qaa", None),
    ],
)
def test_scripts_of_languages(language: str, expected: tuple[str, ...] | None) -> None:
    assert scripts(language) == expected
